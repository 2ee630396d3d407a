/* The lab's capture and endpoint records through meter, log parser and connection table: the seed
 * query's arithmetic on the rows gives what lab-seed-rows.json says. */
#include "conn_kit.h"

#include "parsers/capture/capture.h"
#include "parsers/log/log.h"

#include <stdlib.h>

#define DIR WR_SOURCE_DIR "/tests/data/mail/"

static char *slurp(const char *name, size_t *ret_len)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    rewind(f);
    char *data = malloc((size_t)n + 1);
    cr_assert_eq(fread(data, 1, (size_t)n, f), (size_t)n);
    data[n] = 0;
    fclose(f);
    *ret_len = (size_t)n;
    return data;
}

static struct wr_flow_vec lab_flows(void)
{
    size_t len;
    char *data = slurp("lab.pcap", &len);
    struct wr_capture cap;
    struct wr_packet p;
    struct wr_flow_vec out = {0};
    struct wr_meter *m = wr_meter_new();
    cr_assert_eq(wr_capture_open(&cap, data, len), WR_OK);
    while (wr_capture_next(&cap, &p))
        cr_assert_eq(wr_meter_packet(m, &p, &out), WR_OK);
    cr_assert_eq(wr_meter_flush(m, &out), WR_OK);
    wr_meter_free(m);
    free(data);
    cr_assert_eq(out.n, 101);
    return out;
}

/* Gives one line of the endpoint's stream; its "time" is when it was published. */
static void give_line(struct kit *k, struct wr_log *log, struct wr_batch *b, const char *line,
                      size_t len, int64_t now_ns)
{
    cr_assert(wr_batch_reset(b));
    cr_assert_eq(wr_log_frame(log, "192.0.2.1", line, len, now_ns,
                              &(struct wr_rows){{[WR_TABLE_DEVICE_NETWORK_EVENTS] = b}}), WR_OK);
    cr_assert_eq(b->nrows, 1);
    wr_batch_seal(b);
    cr_assert_eq(wr_conn_event(k->conn, b, 0, now_ns), WR_OK);
    kit_drain(k);
}

static int64_t published(const char *line)
{
    int64_t ticks;
    cr_assert(!strncmp(line, "{\"time\":\"", 9));
    cr_assert(wr_ticks_parse_iso(line + 9, 27, &ticks));
    return wr_ticks_to_unix_ns(ticks);
}

/* Flows and events in order of arrival. */
static struct kit *run_lab(struct wr_conn_opts opts, bool with_events)
{
    size_t len;
    struct kit *k = kit_new(opts);
    struct wr_flow_vec flows = lab_flows();
    char *text = slurp("lab-endpoint.jsonl", &len), *at = text;
    struct wr_log *log = wr_log_new(&(struct wr_log_opts){0});
    struct wr_colset all = kit_wanted();
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 1);
    uint32_t f = 0;
    for (char *end; with_events && (end = strchr(at, '\n')); at = end + 1) {
        int64_t now = published(at);
        while (f < flows.n && flows.at[f].export_ns <= now)
            kit_flow(k, flows.at[f++]);
        give_line(k, log, b, at, (size_t)(end - at), now);
    }
    while (f < flows.n)
        kit_flow(k, flows.at[f++]);
    kit_flush(k);
    wr_batch_free(b);
    wr_log_free(log);
    wr_flow_vec_fini(&flows);
    free(text);
    return k;
}

struct group {
    const struct seen *key;
    int64_t count, bytes, last;
};

static bool in_scope(const struct seen *s)
{
    static const int64_t ports[] = {25, 465, 587, 110, 995, 143, 993};
    static const char *const clients[] = {"outlook.exe",   "thunderbird.exe", "MailClient.exe",
                                          "eM Client.exe", "msedge.exe",      "chrome.exe"};
    bool port = false;
    for (size_t i = 0; i < 7; i++)
        port |= ports[i] == s->rport;
    for (size_t i = 0; i < 6; i++)
        if (!strcasecmp(s->process, clients[i]))
            return false;
    return port && !s->orphan && !strcmp(s->action, "ConnectionSuccess");
}

/* The query's summarize, by hand. */
static uint32_t summarize(const struct kit *k, struct group *g)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < k->n; r++) {
        const struct seen *s = &k->row[r];
        if (!in_scope(s))
            continue;
        uint32_t i = 0;
        while (i < n &&
               (strcmp(g[i].key->device, s->device) || strcmp(g[i].key->process, s->process) ||
                strcmp(g[i].key->remote, s->remote) || strcmp(g[i].key->account, s->account) ||
                g[i].key->rport != s->rport))
            i++;
        if (i == n)
            g[n++] = (struct group){.key = s};
        g[i].count++;
        g[i].bytes += s->sent > 0 ? s->sent : 0;
        g[i].last = s->time > g[i].last ? s->time : g[i].last;
    }
    return n;
}

/* Text or number of `"key": value` in the object at `at`. */
static const char *value(const char *at, const char *key, char *out, size_t n)
{
    char pattern[64];
    (void)snprintf(pattern, sizeof pattern, "\"%s\": ", key);
    const char *v = strstr(at, pattern);
    cr_assert_not_null(v, "%s", key);
    v += strlen(pattern);
    v += *v == '"';
    size_t len = strcspn(v, "\",\n}");
    (void)snprintf(out, n, "%.*s", (int)len, v);
    return out;
}

static void expect_seed_rows(const struct kit *k)
{
    struct group *g = calloc(KIT_ROWS, sizeof *g);
    uint32_t n = summarize(k, g), over = 0, listed = 0;
    size_t len;
    char *json = slurp("lab-seed-rows.json", &len), v[64];
    for (uint32_t i = 0; i < n; i++)
        over += g[i].count > 2;
    for (const char *at = json; (at = strchr(at, '{')); at++) {
        listed++;
        bool found = false;
        for (uint32_t i = 0; i < n; i++) {
            const struct seen *s = g[i].key;
            int64_t last;
            if (strcmp(value(at, "DeviceName", v, sizeof v), s->device) ||
                strcmp(value(at, "InitiatingProcessFileName", v, sizeof v), s->process) ||
                strcmp(value(at, "AccountName", v, sizeof v), s->account) ||
                strcmp(value(at, "RemoteIP", v, sizeof v), s->remote) ||
                atol(value(at, "RemotePort", v, sizeof v)) != s->rport)
                continue;
            found = true;
            cr_expect_eq(atol(value(at, "ConnectionCount", v, sizeof v)), g[i].count, "%s",
                         s->device);
            cr_expect_eq(atol(value(at, "BytesSent", v, sizeof v)), g[i].bytes, "%s: %ld",
                         s->device, (long)g[i].bytes);
            (void)value(at, "LastSeen", v, sizeof v);
            cr_expect(wr_ticks_parse_iso(v, strlen(v), &last));
            cr_expect_eq(last, g[i].last, "%s", s->device);
        }
        cr_expect(found, "%.200s", at);
    }
    cr_expect_eq(listed, 6);
    cr_expect_eq(over, 6);
    free(json);
    free(g);
}

Test(lab, flows_and_events_give_the_seed_query_its_rows)
{
    struct kit *k = run_lab((struct wr_conn_opts){.expect_endpoint = true}, true);
    expect_seed_rows(k);
    const struct wr_conn_stats *s = stats(k);
    cr_expect_eq(s->matched, 99);
    cr_expect_eq(s->orphans, 2);
    cr_expect_eq(s->openings, 101);
    cr_expect_eq(s->late_bind, 0);
    kit_free(k);
}

Test(lab, final_only_gives_the_same_rows)
{
    struct kit *k = run_lab((struct wr_conn_opts){.final_only = true}, true);
    expect_seed_rows(k);
    cr_expect_eq(k->n, 103);
    kit_free(k);
}

Test(lab, flows_alone_are_one_row_a_session)
{
    struct kit *k = run_lab((struct wr_conn_opts){0}, false);
    uint32_t of_port[65536] = {0};
    cr_assert_eq(k->n, 101);
    for (uint32_t i = 0; i < k->n; i++) {
        cr_expect_not(k->row[i].orphan);
        cr_expect_str_eq(k->row[i].action, "ConnectionSuccess");
        of_port[k->row[i].rport]++;
    }
    cr_expect_eq(of_port[25], 47);
    cr_expect_eq(of_port[110], 3);
    cr_expect_eq(of_port[143], 2);
    cr_expect_eq(of_port[587], 48);
    cr_expect_eq(of_port[4444], 1);
    kit_free(k);
}
