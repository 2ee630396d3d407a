/* What a rule costs: its compilation, a stateless filter, and hundreds of rules beside one. By hand, from a release
 * build:
 *   bench_ruleset filter          rows/s through one rule with an integer and a text test
 *   bench_ruleset rules [N]       time of a row with N (500) rules over DeviceNetworkEvents, and with the first of them
 *   bench_ruleset compile FILE..  time to compile each rule file
 * Rows: ports, programs and addresses in the mixture of a busy network (most go to 443 from a browser). Rules: a fifth
 * each of ports + program, program list + count, addresses + count, port 53 or 80 + part of a name, an account; their
 * values are mostly absent from the rows, as those of detections are. */
#include "rows.h"
#include "rules/exec/stream.h"

#include <stdio.h>

enum { ROWS = 1024, BATCHES = 64, RUNS = 9 };

static struct wr_batch *batch[BATCHES];

static void fill(struct wr_batch *b, int64_t now)
{
    static const uint16_t ports[] = {443, 443, 443, 443, 443, 443, 80, 53, 22, 587};
    static int64_t id;
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t r = wr_batch_row(b), p = bench_roll(10);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, now - (int64_t)bench_roll(1000));
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, bench_roll(10) ? ports[p] : 1024 + bench_roll(60000));
        wr_batch_set_i64(b, WR_DNE__RowId, r, ++id);
        wr_batch_set_i64(b, WR_DNE__Amend, r, 0);
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, bench_roll(100000));
        bench_text(b, WR_DNE_ActionType, r, "Connection", 1);
        bench_text(b, WR_DNE_DeviceName, r, "ws-", bench_roll(5000));
        bench_text(b, WR_DNE_RemoteIP, r, "192.0.", bench_roll(20000));
        bench_text(b, WR_DNE_RemoteUrl, r, "www.example.org/", bench_roll(20000));
        bench_text(b, WR_DNE_InitiatingProcessFileName, r, "program", bench_roll(bench_roll(4) ? 4 : 300));
        bench_text(b, WR_DNE_InitiatingProcessAccountName, r, "user", bench_roll(3000));
    }
    wr_batch_seal(b);
}

static void fill_all(const struct wr_scan *scan)
{
    for (uint32_t i = 0; i < BATCHES; i++) {
        batch[i] = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &scan->wanted, ROWS);
        if (!batch[i])
            abort();
        fill(batch[i], INT64_C(638000000000000000) + i * WR_TICKS_SECOND / 1000);
    }
}

static void free_all(void)
{
    for (uint32_t i = 0; i < BATCHES; i++)
        wr_batch_free(batch[i]);
}

static void rule_text(uint32_t i, struct wr_buf *out)
{
    wr_buf_str(out, "DeviceNetworkEvents | where Timestamp > ago(1h)\n");
    switch (i % 5) {
    case 0:
        wr_buf_fmt(out, "| where RemotePort in (25, 465, 587, %u) and InitiatingProcessFileName =~ 'tool%u.exe'", 1000 + i,
                   i);
        break;
    case 1:
        wr_buf_fmt(out, "| where InitiatingProcessFileName in~ ('a%u.exe', 'B%u.exe', 'program%u')\n"
                        "| summarize N = count() by DeviceName, RemoteIP | where N > 20",
                   i, i, i);
        break;
    case 2:
        wr_buf_fmt(out, "| where RemoteIP in ('203.0.113.%u', '198.51.100.%u', '192.0.%u')\n"
                        "| summarize N = count(), B = sum(SentBytes) by DeviceName | where N > 1000",
                   i % 250, i % 250, i);
        break;
    case 3:
        wr_buf_fmt(out, "| where RemotePort == %u and RemoteUrl has 'bad%u'", i % 2 ? 53 : 80, i);
        break;
    default:
        wr_buf_fmt(out, "| where ActionType == 'Connection1' and InitiatingProcessAccountName =~ 'SVC%u'", i);
    }
}

static struct wr_ruleset *rules_new(uint32_t n, struct wr_diags *diags)
{
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_buf text = {0}, name = {0};
    for (uint32_t i = 0; set && i < n; i++) {
        wr_buf_reset(&text);
        wr_buf_reset(&name);
        rule_text(i, &text);
        wr_buf_fmt(&name, "rule%u.kql", i);
        if (wr_ruleset_add(set, name.data, text.data, text.len, diags) != WR_OK) {
            fprintf(stderr, "rule %u is refused\n", i);
            exit(1);
        }
    }
    wr_buf_fini(&text);
    wr_buf_fini(&name);
    return set;
}

/* Apart for instruction counts: valgrind --tool=callgrind --toggle-collect='bench_timed*' */
__attribute__((noinline)) static void bench_timed(struct wr_engine *e, struct wr_batch *b, int64_t now)
{
    if (wr_engine_consume(e, WR_TABLE_DEVICE_NETWORK_EVENTS, b, now) != WR_OK)
        exit(1);
}

/* Nanoseconds a row, median. */
static double time_rules(struct wr_ruleset *set)
{
    struct wr_engine *e = wr_engine_new(set, NULL);
    double ns[RUNS];
    for (int k = -1; e && k < RUNS; k++) {
        double t = bench_seconds();
        for (uint32_t i = 0; i < BATCHES; i++)
            bench_timed(e, batch[i], INT64_C(638000000000000000) + i * WR_TICKS_SECOND / 1000);
        if (k >= 0)
            ns[k] = (bench_seconds() - t) * 1e9 / (BATCHES * ROWS);
        wr_alerts_free(wr_engine_alerts(e));
    }
    wr_engine_free(e);
    qsort(ns, RUNS, sizeof *ns, bench_by_value);
    return ns[RUNS / 2];
}

static int many(uint32_t n, struct wr_diags *diags)
{
    double t = bench_seconds();
    struct wr_ruleset *all = rules_new(n, diags), *one = rules_new(1, diags);
    double compiled = (bench_seconds() - t) * 1e3 / (n + 1);
    fill_all(wr_ruleset_scan(all, WR_TABLE_DEVICE_NETWORK_EVENTS));
    double a = time_rules(one), b = time_rules(all);
    printf("rules=1 ns_per_row=%.1f rules=%u ns_per_row=%.1f ratio=%.1f compile_ms=%.2f\n", a, n, b, b / a, compiled);
    free_all();
    wr_ruleset_unref(all);
    wr_ruleset_unref(one);
    return 0;
}

static int filter(struct wr_diags *diags)
{
    static const char text[] = "DeviceNetworkEvents | where RemotePort == 587 and InitiatingProcessFileName =~ 'Mailer.exe'";
    struct wr_ruleset *set = wr_ruleset_new();
    if (!set || wr_ruleset_add(set, "filter.kql", text, sizeof text - 1, diags) != WR_OK)
        return 1;
    fill_all(wr_ruleset_scan(set, WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_source source = {.name = "filter.kql", .text = text, .len = sizeof text - 1, .line0 = 1};
    struct wr_plan *plan = wr_plan_new(&source, diags);
    struct wr_stream_opts opts = {.rule_id = "f", .rule_version = "1", .realert = 1, .memory_bytes = 1 << 20};
    struct wr_stream *s = plan ? wr_stream_new(plan, &opts) : NULL;
    double ns[RUNS];
    for (int k = 0; s && k < RUNS; k++) {
        double t = bench_seconds();
        for (uint32_t i = 0; i < BATCHES * 16; i++)
            if (wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, batch[i % 8], /* 8: decoded just now */
                                  INT64_C(638000000000000000)) != WR_OK)
                return 1;
        ns[k] = (bench_seconds() - t) * 1e9 / (16.0 * BATCHES * ROWS);
    }
    qsort(ns, RUNS, sizeof *ns, bench_by_value);
    printf("filter: ns_per_row best=%.2f median=%.2f (%.0f M rows/s)\n", ns[0], ns[RUNS / 2], 1e3 / ns[RUNS / 2]);
    wr_stream_free(s);
    wr_plan_free(plan);
    free_all();
    wr_ruleset_unref(set);
    return 0;
}

static int compile(int n, char **files, struct wr_diags *diags)
{
    double worst = 0, sum = 0;
    static char text[1 << 20];
    for (int i = 0; i < n; i++) {
        FILE *f = fopen(files[i], "rb");
        size_t len = f ? fread(text, 1, sizeof text, f) : 0;
        if (f)
            fclose(f);
        double ms[RUNS];
        for (int k = 0; k < RUNS; k++) {
            struct wr_ruleset *set = wr_ruleset_new();
            double t = bench_seconds();
            enum wr_err err = wr_ruleset_add(set, files[i], text, len, diags);
            ms[k] = (bench_seconds() - t) * 1e3;
            wr_ruleset_unref(set);
            if (err)
                fprintf(stderr, "%s: refused\n", files[i]);
        }
        qsort(ms, RUNS, sizeof *ms, bench_by_value);
        worst = ms[RUNS / 2] > worst ? ms[RUNS / 2] : worst;
        sum += ms[RUNS / 2];
    }
    printf("files=%d compile_ms mean=%.2f worst=%.2f\n", n, n ? sum / n : 0, worst);
    return 0;
}

int main(int argc, char **argv)
{
    struct wr_diags diags;
    if (argc < 2 || !wr_diags_init(&diags))
        return 2;
    int rc = strcmp(argv[1], "filter") == 0  ? filter(&diags)
             : strcmp(argv[1], "rules") == 0 ? many(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 500, &diags)
             : strcmp(argv[1], "compile") == 0 ? compile(argc - 2, argv + 2, &diags)
                                               : 2;
    wr_diags_fini(&diags);
    return rc;
}
