/* Lines of the audit daemon: one event of several lines becomes one row, whatever stands between
 * them and whatever is missing. */
#include "parsers/log/audit.h"

#include "support.h"

#define CALL(node, ms, serial, rest)                                                               \
    node "type=SYSCALL msg=audit(1700000000." ms ":" serial "): " rest
#define PART(node, type, ms, serial, rest)                                                         \
    node "type=" type " msg=audit(1700000000." ms ":" serial "): " rest
#define CONNECT                                                                                    \
    "arch=c000003e syscall=42 success=yes exit=0 a0=3 ppid=7 pid=4242 auid=1000 uid=1000 "         \
    "comm=\"python3\" exe=\"/usr/bin/python3\""
#define SADDR "saddr=0200024BCB0071190000000000000000"

static void lines(struct fixture *f, const char *const *text)
{
    for (; *text; text++)
        feed(f, *text, strlen(*text));
}

static void idle(struct fixture *f, int64_t now_ns)
{
    enum wr_err err;
    uint32_t before = wr_rows_count(&f->rows);
    while ((err = wr_log_idle(f->log, now_ns, &f->rows)) == WR_EFULL) {
        f->event_rows += wr_rows_count(&f->rows) - before;
        take_rows(f);
        before = 0;
    }
    cr_assert_eq(err, WR_OK);
    f->event_rows += wr_rows_count(&f->rows) - before;
    check_sums(f);
}

Test(audit, the_lines_of_an_event_become_one_row_and_stay_lines)
{
    struct fixture f = open_rows(false, 16);
    lines(&f, (const char *const[]){
                  CALL("node=web1 ", "123", "4711",
                       CONNECT " key=\"net\"\x1d"
                               "ARCH=x86_64 SYSCALL=connect AUID=\"rkim\" UID=\"rkim\""),
                  PART("node=web1 ", "SOCKADDR", "123", "4711",
                       SADDR "\x1dSADDR={ saddr_fam=inet laddr=203.0.113.25 lport=587 }"),
                  PART("node=web1 ", "PROCTITLE", "123", "4711",
                       "proctitle=707974686F6E330073656E642E7079"),
                  PART("node=web1 ", "EOE", "123", "4711", ""), NULL});
    cr_assert_eq(f.events->nrows, 1);
    cr_assert_eq(f.lines->nrows, 4);
    EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, "2023-11-14T22:13:20.1230000Z");
    EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, "web1");
    EXPECT_CELL(f.events, WR_DNE_ActionType, 0, "ConnectionSuccess");
    EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, "203.0.113.25");
    EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, "587");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFolderPath, 0, "/usr/bin/python3");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "python3");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessId, 0, "4242");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessParentId, 0, "7");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessCommandLine, 0, "python3 send.py");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, "rkim");
    cr_expect_eq(wr_log_stats(f.log)->audit_events, 1);
    cr_expect_eq(wr_log_stats(f.log)->audit_incomplete, 0);
    cr_expect(!wr_log_alone(f.log));
    close_rows(&f);
}

Test(audit, events_and_hosts_mix)
{
    struct fixture f = open_rows(false, 32);
    lines(&f, (const char *const[]){
                  CALL("node=a ", "001", "1", CONNECT),
                  CALL("node=b ", "001", "1",
                       "arch=c00000b7 syscall=203 exit=-111 pid=9 uid=0 exe=\"/b\""),
                  CALL("node=a ", "001", "2",
                       "arch=c000003e syscall=59 success=yes exit=0 pid=8 ppid=4242 uid=33 "
                       "exe=2F746D702F6120622F6C73"),
                  PART("node=b ", "SOCKADDR", "001", "1",
                       "saddr=0A00D6D80000000020010DB800000000000000000000000100000000"),
                  PART("node=a ", "EXECVE", "001", "2",
                       "argc=3 a0=\"ls\" a1=\"-l\" a2_len=12 a2[0]=6120"),
                  PART("node=a ", "EXECVE", "001", "2", "a2[1]=62 a3=\"end\""),
                  PART("node=a ", "SOCKADDR", "001", "1", SADDR),
                  PART("node=a ", "CWD", "001", "2", "cwd=\"/root\""),
                  PART("node=b ", "PROCTITLE", "001", "1", "proctitle=\"b\""),
                  PART("node=a ", "PROCTITLE", "001", "2", "proctitle=\"ls\""),
                  PART("node=a ", "EOE", "001", "1", ""), PART("node=a ", "EOE", "001", "2", ""),
                  NULL});
    cr_assert_eq(f.events->nrows, 2);
    EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, "b");
    EXPECT_CELL(f.events, WR_DNE_ActionType, 0, "ConnectionFailed");
    EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, "2001:db8::1");
    EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, "55000");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0,
                "root"); /* user 0 needs no names */
    EXPECT_CELL(f.events, WR_DNE_DeviceName, 1, "a");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 1, ""); /* a number is no name */
    const struct wr_batch *p = f.rows.of[WR_TABLE_DEVICE_PROCESS_EVENTS];
    cr_assert_eq(p->nrows, 1);
    EXPECT_CELL(p, WR_DPE_FolderPath, 0, "/tmp/a b/ls");
    EXPECT_CELL(p, WR_DPE_FileName, 0, "ls");
    EXPECT_CELL(p, WR_DPE_ProcessCommandLine, 0, "ls -l a b end");
    EXPECT_CELL(p, WR_DPE_InitiatingProcessId, 0, "4242");
    close_rows(&f);
}

Test(audit, syslog_in_front_names_the_host)
{
    static const char *const heads[] = {
        "<13>Nov 14 22:13:20 web1 audisp-syslog: ", "<13>Nov 14 22:13:20 web1 ",
        "<133>1 2023-11-14T22:13:20Z web1 audisp - - - "};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f = open_rows(false, 8);
        char text[3][512];
        snprintf(text[0], sizeof *text, "%s%s", heads[i],
                 CALL("", "200", "5",
                      "arch=c000003e syscall=43 success=yes exit=5 pid=77 uid=33 "
                      "exe=\"/n\"#035ARCH=x86_64 SYSCALL=accept UID=\"www-data\""));
        snprintf(text[1], sizeof *text, "%s%s", heads[i],
                 PART("", "SOCKADDR", "200", "5", SADDR "#035SADDR={ saddr_fam=inet }"));
        snprintf(text[2], sizeof *text, "%s%s", heads[i], PART("", "EOE", "200", "5", ""));
        lines(&f, (const char *const[]){text[0], text[1], text[2], NULL});
        cr_assert_eq(f.events->nrows, 1, "%s", heads[i]);
        EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, "web1");
        EXPECT_CELL(f.events, WR_DNE_ActionType, 0, "InboundConnectionAccepted");
        EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, "www-data");
        EXPECT_CELL(f.lines, WR_SYSLOG_SyslogMessage, 2, "type=EOE msg=audit(1700000000.200:5): ");
        close_rows(&f);
    }
}

/* Shippers that strip control characters take the separator of the names away. */
Test(audit, names_without_a_separator_before_them_are_read)
{
    struct fixture f = open_rows(false, 8);
    lines(&f, (const char *const[]){CALL("", "200", "5",
                                         "arch=c000003e syscall=43 success=yes exit=5 pid=77 uid=33 exe=\"/n\" "
                                         "key=(null)ARCH=x86_64 SYSCALL=accept UID=\"www-data\""),
                                    PART("", "SOCKADDR", "200", "5", SADDR "SADDR={ saddr_fam=inet }"), PART("", "EOE", "200", "5", ""), NULL});
    cr_assert_eq(f.events->nrows, 1);
    EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, "203.0.113.25");
    EXPECT_CELL(f.events, WR_DNE_ActionType, 0, "InboundConnectionAccepted");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, "www-data");
    close_rows(&f);
}

Test(audit, an_event_without_an_end_goes_when_a_younger_one_of_its_host_comes)
{
    struct fixture f = open_rows(false, 16);
    lines(&f,
          (const char *const[]){CALL("node=a ", "000", "1", CONNECT),
                                PART("node=a ", "SOCKADDR", "000", "1", SADDR),
                                "node=b type=SYSCALL msg=audit(1700000009.000:2): " CONNECT, NULL});
    cr_assert_eq(f.events->nrows, 0); /* of another host */
    lines(&f,
          (const char *const[]){"node=a type=SYSCALL msg=audit(1700000002.001:2): " CONNECT, NULL});
    cr_assert_eq(f.events->nrows, 1);
    EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, "2023-11-14T22:13:20.0000000Z");
    cr_expect_eq(wr_log_stats(f.log)->audit_events, 1);
    cr_expect_eq(wr_log_stats(f.log)->audit_incomplete, 1);
    idle(&f, f.now_ns + 1000000000); /* arrived a second ago */
    cr_expect_eq(wr_log_stats(f.log)->audit_events, 1);
    idle(&f, f.now_ns + 2100000000);
    cr_expect_eq(wr_log_stats(f.log)->audit_events, 3); /* without an address: no rows */
    cr_expect_eq(f.events->nrows, 1);
    close_rows(&f);
}

Test(audit, more_events_than_there_is_room_for_give_up_the_oldest)
{
    struct fixture f = open_rows(false, 2);
    char text[512];
    for (int i = 0; i < WR_AUDIT_EVENTS + 10; i++) {
        take_rows(&f);
        snprintf(text, sizeof text, CALL("node=a ", "000", "%d", CONNECT), i);
        feed(&f, text, strlen(text));
        cr_assert_eq(f.events->nrows, i >= WR_AUDIT_EVENTS, "event %d", i);
        take_rows(&f);
        snprintf(
            text, sizeof text,
            PART("node=a ", "SOCKADDR", "000", "%d", "saddr=020000%02X0A0000010000000000000000"), i,
            i & 255);
        feed(&f, text, strlen(text));
    }
    cr_expect_eq(wr_log_stats(f.log)->audit_incomplete, 10);
    take_rows(&f);
    idle(&f, INT64_MAX); /* in batches of two */
    cr_expect_eq(f.event_rows, WR_AUDIT_EVENTS + 10);
    cr_expect_eq(wr_log_stats(f.log)->audit_incomplete, WR_AUDIT_EVENTS + 10);
    close_rows(&f);
}

Test(audit, what_is_no_event_of_ours_is_a_line)
{
    struct fixture f = open_rows(false, 32);
    lines(&f, (const char *const[]){
                  CALL("", "1", "1", "arch=c000003e syscall=2 success=yes exit=3 pid=1"),
                  PART("", "PATH", "1", "1", "item=0"), PART("", "EOE", "1", "1", ""),
                  PART("", "USER_LOGIN", "1", "2", "pid=1 uid=0 msg='op=login acct=\"rkim\"'"),
                  "type=SYSCALL msg=audit(1700000000:1): " CONNECT,
                  "type=SYSCALL msg=audit(x.1:1): " CONNECT, "type=SYSCALL",
                  "node=a type=SYSCALL msg=audit(1700000000.001:", NULL});
    cr_expect_eq(f.lines->nrows, 8);
    cr_expect_eq(f.events->nrows, 0);
    cr_expect_eq(wr_log_stats(f.log)->audit_events, 0);
    /* a socket in the file system, an address that is cut, one of two families, odd digits */
    static const char *const addresses[] = {"saddr=01002F72756E",
                                            "saddr=0200024BCB",
                                            "saddr=0202024BCB0071190000",
                                            "saddr=0A00024BCB007119",
                                            "saddr=0200024BCB007119000",
                                            "saddr=",
                                            "saddr=zz"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char part[256];
        take_rows(&f);
        snprintf(part, sizeof part, PART("", "SOCKADDR", "1", "9", "%s"), addresses[i]);
        lines(&f, (const char *const[]){CALL("", "1", "9", CONNECT), part,
                                        PART("", "EOE", "1", "9", ""), NULL});
        cr_expect_eq(f.events->nrows, 0, "%s", addresses[i]);
    }
    cr_expect_eq(wr_log_stats(f.log)->audit_events, 7);
    close_rows(&f);
}

Test(audit, text_that_is_no_utf8_is_repaired_and_long_ones_are_bounded)
{
    struct fixture f = open_rows(false, 64);
    static char part[WR_AUDIT_EVENT_BYTES];
    lines(&f, (const char *const[]){
                  CALL("", "1", "1", "arch=c000003e syscall=59 success=yes exit=0 pid=8 exe=2FFF"),
                  NULL});
    for (int i = 0; i < 5; i++) {
        int n = snprintf(part, sizeof part, PART("", "EXECVE", "1", "1", "a%d=\""), i);
        memset(part + n, 'x', 5000);
        snprintf(part + n + 5000, sizeof part - (size_t)n - 5000, "\"");
        lines(&f, (const char *const[]){part, NULL});
    }
    lines(&f, (const char *const[]){PART("", "EOE", "1", "1", ""), NULL});
    const struct wr_batch *p = f.rows.of[WR_TABLE_DEVICE_PROCESS_EVENTS];
    cr_assert_eq(p->nrows, 1);
    EXPECT_CELL(p, WR_DPE_FolderPath, 0, "/\xef\xbf\xbd");
    cr_expect_eq(p->col[WR_DPE_ProcessCommandLine].s[0].len, 3 * 5000 + 2);
    close_rows(&f);
}
