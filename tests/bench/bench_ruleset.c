/* What a rule costs: its compilation, a stateless filter, and hundreds of rules beside one. By hand, from a release
 * build:
 *   bench_ruleset filter          rows/s through one rule with an integer and a text test
 *   bench_ruleset rules [N]       time of a row with N (500) rules over DeviceNetworkEvents, and with the first of them
 *   bench_ruleset prefix [N]      time of a row with N (100) rules that begin with the same filter and columns, and with one
 *   bench_ruleset compile FILE..  time to compile each rule file
 *   bench_ruleset sample SECONDS RATE FILE..  time of an event with the rules of these files (.csv: a watchlist of the file's
 *                                 name) and with the first of them: RATE endpoint events and as many flows a second, half as
 *                                 many DNS answers, one mail in a hundred, 1 % on mail ports; what the ten worst rules cost
 * Rows: ports, programs and addresses in the mixture of a busy network (most go to 443 from a browser). Rules: a fifth
 * each of ports + program, program list + count, addresses + count, port 53 or 80 + part of a name, an account; their
 * values are mostly absent from the rows, as those of detections are. */
#include "rows.h"
#include "rules/load/rule.h"
#include "rules/refdata/refdata.h"
#include "rules/stream/stream.h"

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

/* As detections that look at the same traffic do: what they begin with is the same, what they ask of it is not. */
static void alike_text(uint32_t i, struct wr_buf *out)
{
    wr_buf_fmt(out,
               "DeviceNetworkEvents | where Timestamp > ago(1h)\n"
               "| where InitiatingProcessFileName =~ 'program0' and RemotePort in (443, 80, 53)\n"
               "| extend Host = tostring(split(RemoteUrl, '/')[0]), Page = tolower(extract(@'/(\\d+)$', 1, RemoteUrl))\n"
               "| where strlen(Page) > 0\n"
               "| where Host == 'h%u' or Page == 'p%u' | summarize N = count() by DeviceName, Host | where N > %u",
               i, i, i);
}

static struct wr_ruleset *rules_new(uint32_t n, void (*text_of)(uint32_t i, struct wr_buf *out), struct wr_diags *diags)
{
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_buf text = {0}, name = {0};
    for (uint32_t i = 0; set && i < n; i++) {
        wr_buf_reset(&text);
        wr_buf_reset(&name);
        text_of(i, &text);
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

static int many(uint32_t n, void (*text)(uint32_t i, struct wr_buf *out), struct wr_diags *diags)
{
    double t = bench_seconds();
    struct wr_ruleset *all = rules_new(n, text, diags), *one = rules_new(1, text, diags);
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

static char file_text[1 << 20];

static size_t read_file(const char *name)
{
    FILE *f = fopen(name, "rb");
    size_t len = f ? fread(file_text, 1, sizeof file_text, f) : 0;
    if (f)
        fclose(f);
    return len;
}

static int compile(int n, char **files, struct wr_diags *diags)
{
    double worst = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        size_t len = read_file(files[i]);
        double ms[RUNS];
        for (int k = 0; k < RUNS; k++) {
            struct wr_ruleset *set = wr_ruleset_new();
            double t = bench_seconds();
            enum wr_err err = wr_ruleset_add(set, files[i], file_text, len, diags);
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

/* ---- a set of real rules ------------------------------------------------------------------------------- */

enum { TURNS = 10 /* batches a second */, WORST = 10 };

static bool is_list(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".csv") == 0;
}

/* The first `most` rules of the files. */
static struct wr_ruleset *sample_rules(int n, char **files, uint32_t most, struct wr_diags *diags)
{
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_refdata *ref = wr_refdata_new();
    for (int i = 0; set && ref && i < n; i++) {
        if (!is_list(files[i]))
            continue;
        char name[256];
        const char *base = strrchr(files[i], '/');
        snprintf(name, sizeof name, "%s", base ? base + 1 : files[i]);
        name[strlen(name) - 4] = '\0';
        struct wr_list_def def = {.kind = WR_LIST_WATCHLIST, .name = name};
        size_t len = read_file(files[i]);
        if (wr_refdata_define(ref, &def) || wr_refdata_load(ref, def.kind, name, files[i], file_text, len, 0, diags))
            fprintf(stderr, "%s: refused\n", files[i]);
    }
    wr_ruleset_refdata(set, ref);
    wr_refdata_unref(ref);
    for (int i = 0; set && i < n && wr_ruleset_count(set) < most; i++) {
        size_t len = is_list(files[i]) ? 0 : read_file(files[i]);
        if (len && wr_ruleset_add(set, files[i], file_text, len, diags))
            fprintf(stderr, "%s: refused\n", files[i]);
    }
    return set;
}

static void put(struct wr_batch *b, uint16_t col, uint32_t row, const char *text)
{
    if (!wr_batch_set_str(b, col, row, text, strlen(text)))
        abort();
}

static int64_t sample_port(void)
{
    static const uint16_t usual[] = {443, 443, 443, 443, 80, 53, 53, 22}, mail[] = {25, 587, 993, 465, 143};
    return bench_roll(100) ? usual[bench_roll(8)] : mail[bench_roll(5)];
}

static void sample_event(struct wr_batch *b, uint32_t r, int64_t now)
{
    static const char *const programs[] = {"chrome.exe", "msedge.exe", "svchost.exe", "teams.exe",
                                           "outlook.exe", "OneDrive.exe", "python.exe", "invoice_scan.exe"};
    char path[64];
    const char *program = programs[bench_roll(bench_roll(20) ? 6 : 8)];
    uint32_t device = bench_roll(1000);
    snprintf(path, sizeof path, "C:\\Program Files\\Vendor\\%s", program);
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, now - (int64_t)bench_roll(WR_TICKS_SECOND));
    wr_batch_set_i64(b, WR_DNE_RemotePort, r, sample_port());
    wr_batch_set_i64(b, WR_DNE_LocalPort, r, 1024 + bench_roll(60000));
    wr_batch_set_i64(b, WR_DNE_SentBytes, r, bench_roll(100000));
    wr_batch_set_i64(b, WR_DNE_ReceivedBytes, r, bench_roll(100000));
    put(b, WR_DNE_ActionType, r, bench_roll(10) ? "ConnectionSuccess" : "ConnectionFailed");
    put(b, WR_DNE_RemoteIPType, r, "Public");
    put(b, WR_DNE_Protocol, r, "Tcp");
    bench_text(b, WR_DNE_DeviceId, r, "19c66f64ad91ff130e7d2359ae18713cee", device);
    bench_text(b, WR_DNE_DeviceName, r, "ws-", device);
    bench_text(b, WR_DNE_LocalIP, r, "10.20.0.", device);
    bench_text(b, WR_DNE_RemoteIP, r, "203.0.113.", bench_roll(250));
    bench_text(b, WR_DNE_RemoteUrl, r, "www.example.org/", bench_roll(20000));
    put(b, WR_DNE_InitiatingProcessFileName, r, program);
    put(b, WR_DNE_InitiatingProcessFolderPath, r, path);
    put(b, WR_DNE_InitiatingProcessParentFileName, r, "explorer.exe");
    bench_text(b, WR_DNE_InitiatingProcessSHA1, r, "a8cc70e27bbaaea6e95f9dc3276c3aba082804", bench_roll(8));
    bench_text(b, WR_DNE_InitiatingProcessAccountName, r, "user", device);
}

static void sample_flow(struct wr_batch *b, uint32_t r, int64_t now)
{
    int64_t end = now - (int64_t)bench_roll(WR_TICKS_SECOND);
    uint32_t device = bench_roll(1000);
    wr_batch_set_i64(b, WR_NETSESSION_TimeGenerated, r, end);
    wr_batch_set_i64(b, WR_NETSESSION_EventStartTime, r, end - WR_TICKS_SECOND);
    wr_batch_set_i64(b, WR_NETSESSION_EventEndTime, r, end);
    wr_batch_set_i64(b, WR_NETSESSION_DstPortNumber, r, sample_port());
    wr_batch_set_i64(b, WR_NETSESSION_SrcPortNumber, r, 1024 + bench_roll(60000));
    wr_batch_set_i64(b, WR_NETSESSION_SrcBytes, r, bench_roll(100000));
    wr_batch_set_i64(b, WR_NETSESSION_DstBytes, r, bench_roll(100000));
    wr_batch_set_i64(b, WR_NETSESSION_SrcPackets, r, 1 + bench_roll(50));
    wr_batch_set_i64(b, WR_NETSESSION_DstPackets, r, bench_roll(50));
    bench_text(b, WR_NETSESSION_SrcIpAddr, r, "10.20.0.", device);
    bench_text(b, WR_NETSESSION_SrcHostname, r, "ws-", device);
    bench_text(b, WR_NETSESSION_DstIpAddr, r, "203.0.113.", bench_roll(250));
    put(b, WR_NETSESSION_NetworkProtocol, r, "TCP");
    if (bench_roll(4) == 0)
        put(b, WR_NETSESSION_NetworkApplicationProtocol, r, bench_roll(50) ? "tls" : "smtp");
}

static void sample_dns(struct wr_batch *b, uint32_t r, int64_t now)
{
    wr_batch_set_i64(b, WR_DNS_TimeGenerated, r, now - (int64_t)bench_roll(WR_TICKS_SECOND));
    bench_text(b, WR_DNS_SrcIpAddr, r, "10.20.0.", bench_roll(1000));
    put(b, WR_DNS_DnsQueryTypeName, r, bench_roll(200) ? "A" : "MX");
    bench_text(b, WR_DNS_DnsQuery, r, "www.example.org", bench_roll(20000));
}

static void sample_mail(struct wr_batch *b, uint32_t r, int64_t now)
{
    uint32_t device = bench_roll(1000);
    wr_batch_set_i64(b, WR_SMTP_Timestamp, r, now - (int64_t)bench_roll(WR_TICKS_SECOND));
    wr_batch_set_i64(b, WR_SMTP_DstPort, r, 25);
    wr_batch_set_i64(b, WR_SMTP_RcptCount, r, 1);
    wr_batch_set_i64(b, WR_SMTP_MessageBytes, r, bench_roll(100000));
    bench_text(b, WR_SMTP_SrcIp, r, "10.20.0.", device);
    bench_text(b, WR_SMTP_DstIp, r, "203.0.113.", bench_roll(250));
    bench_text(b, WR_SMTP_Helo, r, "ws.example.org", device);
    bench_text(b, WR_SMTP_MailFrom, r, "user@example.org", device);
    bench_text(b, WR_SMTP_RcptFirst, r, "sales@example.net", bench_roll(50));
    bench_text(b, WR_SMTP_Subject, r, "Minutes of the meeting number ", bench_roll(1000));
    put(b, WR_SMTP_LastReply, r, "250 ok");
}

static const struct source {
    enum wr_table table;
    void (*row)(struct wr_batch *b, uint32_t r, int64_t now);
    uint32_t of_200;
} sources[] = {{WR_TABLE_DEVICE_NETWORK_EVENTS, sample_event, 200},
               {WR_TABLE_ASIM_NETWORK_SESSION_LOGS, sample_flow, 200},
               {WR_TABLE_ASIM_DNS_ACTIVITY_LOGS, sample_dns, 100},
               {WR_TABLE_SMTP_MESSAGES, sample_mail, 2}};
enum { SOURCES = sizeof sources / sizeof *sources };

static uint64_t thread_ns(void)
{
    return (uint64_t)(bench_seconds() * 1e9);
}

__attribute__((noinline)) static void bench_timed_rows(struct wr_engine *e, enum wr_table table, struct wr_batch *b, int64_t now)
{
    if (wr_engine_consume(e, table, b, now) != WR_OK)
        exit(1);
}

/* Returns nanoseconds an event. */
static double sample_run(struct wr_engine *e, const struct wr_ruleset *set, uint32_t seconds, uint32_t rate)
{
    struct wr_batch *b[SOURCES];
    uint64_t events = 0;
    uint32_t left[SOURCES] = {0};
    double spent = 0;
    bench_state = 1;
    for (int k = 0; k < SOURCES; k++)
        b[k] = wr_batch_new(wr_schema_of(sources[k].table), &wr_ruleset_scan(set, sources[k].table)->wanted, rate / TURNS + 2);
    for (uint32_t turn = 0; turn < seconds * TURNS; turn++) {
        int64_t now = INT64_C(638000000000000000) + turn * WR_TICKS_SECOND / TURNS;
        for (int k = 0; k < SOURCES; k++) {
            left[k] += rate * sources[k].of_200;
            uint32_t n = left[k] / (200 * TURNS);
            left[k] -= n * 200 * TURNS;
            if (!b[k] || !wr_batch_reset(b[k]))
                abort();
            for (uint32_t i = 0; i < n; i++)
                sources[k].row(b[k], wr_batch_row(b[k]), now);
            wr_batch_seal(b[k]);
            double t = bench_seconds();
            bench_timed_rows(e, sources[k].table, b[k], now);
            spent += bench_seconds() - t;
            events += n;
        }
        wr_alerts_free(wr_engine_alerts(e));
    }
    for (int k = 0; k < SOURCES; k++)
        wr_batch_free(b[k]);
    return spent * 1e9 / (double)events;
}

static const struct wr_engine *costs_of;

static int by_cost(const void *a, const void *b)
{
    uint64_t x = wr_engine_cost(costs_of, *(const uint32_t *)a).ns, y = wr_engine_cost(costs_of, *(const uint32_t *)b).ns;
    return (x < y) - (x > y);
}

static int sample(uint32_t seconds, uint32_t rate, int n, char **files, struct wr_diags *diags)
{
    static const char *const modes[] = {"stateless", "incremental", "windowed", "batch"};
    struct wr_ruleset *all = sample_rules(n, files, UINT32_MAX, diags), *one = sample_rules(n, files, 1, diags);
    struct wr_engine_opts opts = {.clock_ns = thread_ns};
    struct wr_engine *e = wr_engine_new(all, &opts), *single = wr_engine_new(one, NULL);
    uint32_t order[4096], rules = wr_ruleset_count(all);
    double a = sample_run(single, one, seconds, rate), b = sample_run(e, all, seconds, rate);
    printf("rules=1 ns_per_event=%.0f rules=%u ns_per_event=%.0f ratio=%.1f core=%.1f%%\n", a, rules, b, b / a,
           b * rate * 2.51 / 1e7);
    costs_of = e;
    for (uint32_t i = 0; i < rules; i++)
        order[i] = i;
    qsort(order, rules, sizeof *order, by_cost);
    for (uint32_t k = 0; k < rules && k < WORST; k++) {
        const struct wr_rule *rule = wr_ruleset_rule(all, order[k]);
        struct wr_rule_cost c = wr_engine_cost(e, order[k]);
        printf("%-34s %-11s ns_per_event=%7.1f rows=%llu runs=%llu kept=%llu\n", rule->id, rule->windowed ? "windowed" : modes[rule->plan->mode],
               (double)c.ns / ((double)seconds * rate * 2.51), (unsigned long long)c.rows, (unsigned long long)c.runs,
               (unsigned long long)c.rows_kept);
    }
    wr_engine_free(e);
    wr_engine_free(single);
    wr_ruleset_unref(all);
    wr_ruleset_unref(one);
    return 0;
}

int main(int argc, char **argv)
{
    struct wr_diags diags;
    if (argc < 2 || !wr_diags_init(&diags))
        return 2;
    int rc = strcmp(argv[1], "filter") == 0  ? filter(&diags)
             : strcmp(argv[1], "rules") == 0 ? many(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 500, rule_text, &diags)
             : strcmp(argv[1], "prefix") == 0 ? many(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100, alike_text, &diags)
             : strcmp(argv[1], "compile") == 0 ? compile(argc - 2, argv + 2, &diags)
             : strcmp(argv[1], "sample") == 0 && argc > 4
                 ? sample((uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10), argc - 4, argv + 4,
                          &diags)
                                               : 2;
    wr_diags_fini(&diags);
    return rc;
}
