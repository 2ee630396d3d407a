#include "base/ticks.h"
#include "collector/cli/cli.h"
#include "collector/sink/store.h"
#include "collector/state/state.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/weir-alerts-XXXXXX";

static void make_store(void)
{
    cr_assert(mkdtemp(dir));
    char path[64];
    snprintf(path, sizeof path, "%s/%s", dir, WR_STATE_STORE);
    struct wr_store *store;
    cr_assert_eq(wr_store_open(path, WR_STORE_OWN, NULL, &store), WR_OK);
    struct wr_alert_cell host = {.name = "DeviceName", .type = WR_STRING, .s = WR_STR_LIT("ws\x1b[31m07")};
    for (int i = 0; i < 3; i++) {
        struct wr_alert a = {.seq = 0, .kind = WR_ALERT_RAISED, .rule_id = "r", .rule_name = "Odd mail",
                             .severity = "Medium", .cells = &host, .ncells = 1};
        snprintf(a.id, sizeof a.id, "%032d", i);
        a.raised_at = WR_TICKS_UNIX_EPOCH + i * WR_TICKS_DAY;
        cr_assert_eq(wr_store_put(store, &a, NULL), WR_OK);
    }
    wr_store_close(store);
}

static void remove_store(void)
{
    char command[80];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

/* A later version of the first alert. */
static void resolve_first(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", dir, WR_STATE_STORE);
    struct wr_store *store;
    cr_assert_eq(wr_store_open(path, WR_STORE_OWN, NULL, &store), WR_OK);
    struct wr_alert a = {.seq = 1, .kind = WR_ALERT_RESOLVED, .rule_id = "r", .rule_name = "Odd mail",
                         .severity = "Medium", .raised_at = WR_TICKS_UNIX_EPOCH};
    snprintf(a.id, sizeof a.id, "%032d", 0);
    cr_assert_eq(wr_store_put(store, &a, NULL), WR_OK);
    wr_store_close(store);
}

static int alerts(int argc, const char *const *argv)
{
    const char *args[12] = {"alerts", "--state", dir};
    for (int i = 0; i < argc; i++)
        args[3 + i] = argv[i];
    return wr_cmd_alerts(3 + argc, (char **)args);
}

TestSuite(alerts, .init = make_store, .fini = remove_store);

Test(alerts, table_shows_time_severity_and_message)
{
    cr_redirect_stdout();
    cr_assert_eq(alerts(4, (const char *[]){"--format", "table", "--since", "1970-01-02"}), 0);
    cr_assert_stdout_eq_str("RAISED (UTC)         KIND      SEVERITY       ALERT\n"
                            "1970-01-02T00:00:00  raised    Medium         Odd mail\n"
                            "    DeviceName=\"ws\\u001b[31m07\"\n"
                            "1970-01-03T00:00:00  raised    Medium         Odd mail\n"
                            "    DeviceName=\"ws\\u001b[31m07\"\n");
}

Test(alerts, only_the_last_version_is_shown)
{
    resolve_first();
    cr_redirect_stdout();
    cr_assert_eq(alerts(4, (const char *[]){"--format", "table", "--limit", "1"}), 0);
    cr_assert_stdout_eq_str("RAISED (UTC)         KIND      SEVERITY       ALERT\n"
                            "1970-01-01T00:00:00  resolved  Medium         Odd mail (resolved)\n");
}

static int count_lines(int argc, const char *const *argv)
{
    cr_redirect_stdout();
    cr_assert_eq(alerts(argc, argv), 0);
    FILE *out = cr_get_redirected_stdout();
    char line[4096];
    int n = 0;
    while (fgets(line, sizeof line, out))
        n++;
    return n;
}

Test(alerts, three_alerts_have_three_last_versions)
{
    resolve_first();
    cr_expect_eq(count_lines(0, NULL), 3);
}

Test(alerts, all_shows_every_version)
{
    resolve_first();
    cr_expect_eq(count_lines(1, (const char *[]){"--all"}), 4);
}

Test(alerts, limit_takes_the_newest_and_lines_are_json)
{
    cr_redirect_stdout();
    cr_assert_eq(alerts(2, (const char *[]){"--limit", "1"}), 0);
    FILE *out = cr_get_redirected_stdout();
    char line[4096] = "";
    cr_assert(fgets(line, sizeof line, out));
    cr_assert_eq(strncmp(line, "{\"alert_id\":\"00000000000000000000000000000002\"", 45), 0, "%s", line);
    cr_assert(strstr(line, "ws\\u001b[31m07"), "%s", line);
    cr_assert_not(fgets(line, sizeof line, out));
}

Test(alerts, nothing_newer_is_nothing)
{
    cr_redirect_stdout();
    cr_assert_eq(alerts(4, (const char *[]){"--format", "jsonl", "--since", "1h"}), 0);
    cr_assert_stdout_eq_str("");
}

Test(alerts, no_store_is_told)
{
    cr_redirect_stderr();
    const char *args[] = {"alerts", "--state", "/nonexistent", NULL};
    cr_assert_eq(wr_cmd_alerts(3, (char **)args), 1);
    cr_assert_stderr_eq_str("weir: no alerts: there is no /nonexistent/alerts.db; did weir run ever start with this "
                            "state directory? (see --state)\n");
}
