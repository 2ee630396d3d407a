/* ns per endpoint event: one Defender record of about 950 bytes, as 1,024 frames a run; best and
 * median of 15 runs after 3 to warm up. Rows: all columns; `narrow`: the 10 that a mail rule reads;
 * `filtered`: the predicate on RemotePort drops every event; `syslog`: an RFC 3164 line of 120
 * bytes to a row of Syslog. Words after the program's name choose some of them. `batch`: as
 * filtered, in lists of 50, for each event of it. `simdjson`: the rival, its DOM parser reading the
 * columns of `narrow` from the same text, without making a row; behind it how many times as fast
 * weir is. */
#include "parsers/log/log.h"
#include "rows.h"

#include <stdio.h>
#include <string.h>

size_t rival_json(const char *text, size_t len); /* rival_json.cc */

enum { FRAMES = 1024, RUNS = 15, WARM = 3, BATCH = 50 };

static const char event[] =
    "{\"time\":\"2026-01-05T08:04:19.469315Z\",\"tenantId\":\"00000000-0000-0000-0000-000000000001\","
    "\"category\":"
    "\"AdvancedHunting-DeviceNetworkEvents\",\"operationName\":\"Publish\",\"properties\":{\"Timestamp\":"
    "\"2026-01-05T08:00:12.469315Z\",\"DeviceId\":\"19c66f64ad91ff130e7d2359ae18713cee3639f2\","
    "\"DeviceName\":"
    "\"lab-ws01.lab.example\",\"ActionType\":\"ConnectionSuccess\",\"Protocol\":\"Tcp\",\"LocalIP\":\"10.20."
    "0.1\","
    "\"LocalIPType\":\"Private\",\"LocalPort\":38039,\"RemoteIP\":\"203.0.113.1\",\"RemoteIPType\":"
    "\"Public\","
    "\"RemotePort\":587,\"RemoteUrl\":\"\",\"InitiatingProcessFileName\":\"invoice_scan.exe\","
    "\"InitiatingProcessFolderPath\":\"C:\\\\Users\\\\lab\\\\AppData\\\\Local\\\\Temp\\\\invoice_scan.exe\","
    "\"InitiatingProcessVersionInfoCompanyName\":\"\",\"InitiatingProcessVersionInfoOriginalFileName\":\"\","
    "\"InitiatingProcessParentFileName\":\"explorer.exe\",\"InitiatingProcessSHA1\":"
    "\"a8cc70e27bbaaea6e95f9dc3276c3aba08280431\",\"InitiatingProcessId\":4001,"
    "\"InitiatingProcessAccountName\":"
    "\"lab1\",\"InitiatingProcessAccountDomain\":\"lab\",\"AdditionalFields\":null}}";
static const char line[] =
    "<34>Jan  5 08:00:12 web1.lab.example sshd[4711]: Failed password for invalid user admin "
    "from 203.0.113.9 port 51514 ssh2";

static int nchosen;
static char **chosen;

static int is_chosen(const char *name)
{
    for (int i = 0; i < nchosen; i++)
        if (strcmp(chosen[i], name) == 0)
            return 1;
    return nchosen == 0;
}

/* `per`: records in the text. */
static int measure(const char *name, struct wr_log *log, const char *text, size_t len, int per,
                   struct wr_batch *events, struct wr_batch *lines)
{
    double run[RUNS];
    if (!is_chosen(name))
        return 0;
    struct wr_rows rows = {{[WR_TABLE_DEVICE_NETWORK_EVENTS] = events, [WR_TABLE_SYSLOG] = lines}};
    for (int r = -WARM; r < RUNS; r++) {
        if (!wr_batch_reset(events) || !wr_batch_reset(lines))
            return 1;
        double start = bench_seconds();
        for (int i = 0; i < FRAMES / per; i++)
            if (wr_log_frame(log, "192.0.2.1", text, len, INT64_C(1767600000000000000), &rows))
                return 1;
        if (r >= 0)
            run[r] = (bench_seconds() - start) / (FRAMES / per * per) * 1e9;
    }
    qsort(run, RUNS, sizeof *run, bench_by_value);
    printf("%-9s %5zu bytes  best %7.0f ns  median %7.0f ns  %6.0f MB/s\n", name, len, run[0], run[RUNS / 2],
           (double)len / per / run[0] * 1e3);
    return 0;
}

/* Both in turn, so that a machine whose pace changes treats them alike. */
static int rival(struct wr_log *log, struct wr_batch *events, struct wr_batch *lines)
{
    double run[2][RUNS];
    if (!is_chosen("simdjson"))
        return 0;
    struct wr_rows rows = {{[WR_TABLE_DEVICE_NETWORK_EVENTS] = events, [WR_TABLE_SYSLOG] = lines}};
    for (int r = -WARM; r < RUNS; r++) {
        if (!wr_batch_reset(events))
            return 1;
        double start = bench_seconds();
        for (int i = 0; i < FRAMES; i++)
            if (wr_log_frame(log, "192.0.2.1", event, sizeof event - 1, INT64_C(1767600000000000000), &rows))
                return 1;
        double between = bench_seconds();
        for (int i = 0; i < FRAMES; i++)
            if (rival_json(event, sizeof event - 1) == 0)
                return 1;
        if (r >= 0) {
            run[0][r] = (between - start) / FRAMES * 1e9;
            run[1][r] = (bench_seconds() - between) / FRAMES * 1e9;
        }
    }
    for (int i = 0; i < 2; i++)
        qsort(run[i], RUNS, sizeof **run, bench_by_value);
    printf("%-9s %5zu bytes  best %7.0f ns  median %7.0f ns  narrow is %.2f times as fast\n", "simdjson",
           sizeof event - 1, run[1][0], run[1][RUNS / 2], run[1][RUNS / 2] / run[0][RUNS / 2]);
    return 0;
}

/* Owned. */
static char *list_of(size_t *ret_len)
{
    static const char head[] = "{\"records\":[";
    char *text = malloc(BATCH * sizeof event + 64);
    if (!text)
        return NULL;
    size_t n = sizeof head - 1;
    memcpy(text, head, n);
    for (int i = 0; i < BATCH; i++) {
        memcpy(text + n, event, sizeof event - 1);
        n += sizeof event - 1;
        text[n++] = i + 1 < BATCH ? ',' : ']';
    }
    text[n++] = '}';
    *ret_len = n;
    return text;
}

int main(int argc, char **argv)
{
    nchosen = argc - 1;
    chosen = argv + 1;
    const struct wr_schema *dne = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    const struct wr_schema *sys = wr_schema_of(WR_TABLE_SYSLOG);
    static const uint16_t few[] = {WR_DNE_Timestamp,
                                   WR_DNE_DeviceName,
                                   WR_DNE_ActionType,
                                   WR_DNE_RemoteIP,
                                   WR_DNE_RemotePort,
                                   WR_DNE_LocalIP,
                                   WR_DNE_LocalPort,
                                   WR_DNE_Protocol,
                                   WR_DNE_InitiatingProcessFileName,
                                   WR_DNE_InitiatingProcessAccountName};
    struct wr_colset all = wr_colset_all(dne), sys_all = wr_colset_all(sys), narrow = {0};
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        wr_colset_add(&narrow, few[i]);
    int64_t port = 25;
    struct wr_pred pred = {WR_DNE_RemotePort, WR_PRED_IN_INT, 1, &port, NULL};
    struct wr_branch branch = {&pred, 1};
    struct wr_scan scan = {.table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = &branch, .nbranches = 1};

    struct wr_log *log = wr_log_new(&(struct wr_log_opts){.live = false});
    struct wr_batch *wide = wr_batch_new(dne, &all, FRAMES + 1),
                    *slim = wr_batch_new(dne, &narrow, FRAMES + 1);
    struct wr_batch *lines = wr_batch_new(sys, &sys_all, FRAMES + 1);
    int failed = !log || !wide || !slim || !lines;
    failed = failed || measure("all", log, event, sizeof event - 1, 1, wide, lines);
    failed = failed || measure("narrow", log, event, sizeof event - 1, 1, slim, lines);
    failed = failed || rival(log, slim, lines);
    failed = failed || wr_log_scan(log, WR_TABLE_DEVICE_NETWORK_EVENTS, &scan);
    failed = failed || measure("filtered", log, event, sizeof event - 1, 1, slim, lines);
    size_t list_len = 0;
    char *list = list_of(&list_len);
    failed = failed || !list || measure("batch", log, list, list_len, BATCH, slim, lines);
    free(list);
    failed = failed || measure("syslog", log, line, sizeof line - 1, 1, slim, lines);
    wr_log_free(log);
    wr_batch_free(wide);
    wr_batch_free(slim);
    wr_batch_free(lines);
    return failed;
}
