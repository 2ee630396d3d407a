#include "base/batch.h"
#include "collector/cli/cli.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>

#define MAIL WR_SOURCE_DIR "/tests/data/mail/"

static int query(const char *batch_rows, const char *first, const char *second, const char *text)
{
    const char *args[] = {"query", "-i", first, "-i", second, "-f", "csv", "--batch-rows", batch_rows, text, NULL};
    return wr_cmd_query(10, (char **)args);
}

/* Pushed-down tests of numbers and of texts reach the decoders whole, whatever the batch size. */
static const char text[] =
    "DeviceNetworkEvents | where RemotePort in (25, 587) and ActionType == \"ConnectionSuccess\""
    "| summarize n = count(), b = sum(SentBytes) by InitiatingProcessFileName | where n > 5";
static const char expected[] = "InitiatingProcessFileName,n,b\r\npython.exe,80,78291\r\n";

Test(query, joins_capture_and_events)
{
    cr_redirect_stdout();
    cr_assert_eq(query("1024", MAIL "lab.pcap", MAIL "lab-endpoint.jsonl", text), 0);
    cr_assert_stdout_eq_str(expected);
}

Test(query, gives_the_same_row_by_row_and_from_exports)
{
    cr_redirect_stdout();
    cr_assert_eq(query("1", MAIL "lab-exports.pcap", "/dev/null", text), 0);
    cr_assert_stdout_eq_str(expected);
}

/* A frame without an IP header has no ends, and is a row all the same; neither is a connection. */
Test(query, packets_that_a_switch_dropped)
{
    static const char drops[] = "Flows | project recordType, sourceIPAddress, destinationTransportPort, protocolIdentifier,"
                                " octetDeltaCount, why = tostring(Fields.dropReason), type = toint(Fields.ethernetType)";
    cr_redirect_stdout();
    cr_assert_eq(query("1024", WR_SOURCE_DIR "/tests/data/flow/sflow-discards.bin", "/dev/null", drops), 0);
    cr_assert_eq(query("1024", WR_SOURCE_DIR "/tests/data/flow/sflow-discards.bin", "/dev/null",
                       "DeviceNetworkEvents | count"), 0);
    cr_assert_stdout_eq_str(
        "recordType,sourceIPAddress,destinationTransportPort,protocolIdentifier,octetDeltaCount,why,type\r\n"
        "discard,,,,1000,unknown_l2,35020\r\ndiscard,10.0.0.1,25,6,1000,acl,2048\r\nCount\r\n0\r\n");
}

Test(query, wants_an_input_for_a_table)
{
    cr_redirect_stderr();
    const char *args[] = {"query", "Syslog | count", NULL};
    cr_assert_eq(wr_cmd_query(2, (char **)args), 2);
    cr_assert_stderr_eq_str("weir: query: the query reads Syslog: give --input FILE, or --input - for standard input "
                            "(see weir query --help)\n");
}
