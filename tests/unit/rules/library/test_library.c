/* The rules that ship, and the optional ones, over the lab's records: each fires for the hosts of lab-expected.tsv and for no
 * other, run once in batch and through the engine as rows come in. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/load/rule.h"
#include "rules/refdata/refdata.h"
#include "rules/rules.h"

#include "base/ticks.h"
#include "base/yaml.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_EVENTS = 4096, MAX_HOSTS = 64, MAX_FILE = 1 << 20 };

#define DATA WR_SOURCE_DIR "/tests/data/mail/"

struct event {
    enum wr_table table;
    int64_t ts;
    struct wr_batch *row; /* of one */
};
static struct event events[MAX_EVENTS];
static uint32_t nevents;
static int64_t last;

struct hosts {
    char name[MAX_HOSTS][24];
    uint32_t n;
};

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, MAX_FILE);
    cr_assert(f && text, "%s", path);
    cr_assert_lt(fread(text, 1, MAX_FILE - 1, f), MAX_FILE - 1);
    fclose(f);
    return text;
}

/* ---- the lab's records as rows ---- */

static void put(struct wr_batch *b, uint16_t col, struct wr_slice v)
{
    enum wr_type type = b->schema->cols[col].type;
    struct wr_buf text = {0};
    int64_t i;
    double r;
    wr_json_to_text(v.p, v.len, &text);
    if (type == WR_DYNAMIC)
        cr_assert(wr_batch_set_str(b, col, 0, v.p, v.len));
    else if (wr_type_is_str(type))
        cr_assert(wr_batch_set_str(b, col, 0, text.data ? text.data : "", text.len));
    else if (type == WR_DATETIME && wr_ticks_parse_iso(text.data, text.len, &i))
        wr_batch_set_i64(b, col, 0, i);
    else if (type == WR_REAL && wr_text_to_real(text.data, text.len, &r))
        wr_batch_set_real(b, col, 0, r);
    else if (type == WR_BOOL)
        wr_batch_set_i64(b, col, 0, text.len == 4);
    else if (text.len && wr_text_to_long(text.data, text.len, &i))
        wr_batch_set_i64(b, col, 0, i);
    wr_buf_fini(&text);
}

static struct wr_slice member(struct wr_slice bag, const char *key)
{
    struct wr_slice v = {"null", 4};
    (void)wr_json_member(bag, key, strlen(key), &v);
    return v;
}

static void put_named(struct wr_batch *b, const char *name, struct wr_slice v)
{
    uint16_t col = wr_schema_find(b->schema, name, strlen(name));
    if (col != WR_NO_COL && !(v.len == 4 && memcmp(v.p, "null", 4) == 0))
        put(b, b->schema->cols[col].store, v);
}

static void take(enum wr_table table, struct wr_slice record)
{
    const struct wr_schema *schema = wr_schema_of(table);
    struct wr_colset all = wr_colset_all(schema);
    struct wr_batch *b = wr_batch_new(schema, &all, 1);
    cr_assert(b && nevents < MAX_EVENTS && wr_batch_row(b) == 0);
    if (table == WR_TABLE_ASIM_DNS_ACTIVITY_LOGS) { /* Suricata's form */
        struct wr_slice dns = member(record, "dns");
        put_named(b, "TimeGenerated", member(record, "timestamp"));
        put_named(b, "SrcIpAddr", member(record, "src_ip"));
        put_named(b, "DnsQuery", member(dns, "rrname"));
        put_named(b, "DnsQueryTypeName", member(dns, "rrtype"));
    }
    const char *at = NULL;
    struct wr_slice key, value, props = member(record, "properties");
    if (props.p[0] == '{')
        record = props;
    while (wr_json_next_member(record, &at, &key, &value)) {
        char name[64] = "";
        snprintf(name, sizeof name, "%.*s", (int)key.len - 2, key.p + 1);
        put_named(b, name, value);
    }
    wr_batch_seal(b);
    int64_t ts = b->col[WR_TIME_COL].i[0];
    last = ts > last ? ts : last;
    events[nevents++] = (struct event){table, ts, b};
}

static void read_events(const char *path, enum wr_table table)
{
    char *text = slurp(path), *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        take(table, (struct wr_slice){line, strlen(line)});
    free(text);
}

static int earlier(const void *x, const void *y)
{
    const struct event *a = x, *b = y;
    return (a->ts > b->ts) - (a->ts < b->ts);
}

/* What no lab case has: a day's upload. */
static const char upload[] = "{\"TimeGenerated\":\"2026-01-05T08:13:00Z\",\"EventStartTime\":\"2026-01-05T08:12:00Z\","
                             "\"SrcIpAddr\":\"10.20.0.99\",\"SrcHostname\":\"lab-ws99\",\"DstIpAddr\":\"203.0.113.9\","
                             "\"DstPortNumber\":587,\"NetworkProtocol\":\"TCP\",\"SrcPackets\":40000,\"DstPackets\":0,"
                             "\"SrcBytes\":60000000}";
/* An archive by mail. */
static const char archive[] = "{\"Timestamp\":\"2026-01-05T08:13:00Z\",\"MessageId\":\"zip\",\"SrcIp\":\"10.20.0.99\","
                              "\"DstIp\":\"203.0.113.9\",\"DstPort\":587,\"Helo\":\"lab-ws99.lab.example\","
                              "\"MailFrom\":\"user@lab.example\",\"FromHeader\":\"user@lab.example\","
                              "\"RcptFirst\":\"desk@lab.example\",\"RcptCount\":1,\"Subject\":\"figures\","
                              "\"LastReply\":\"250 ok\",\"AttachmentName\":\"figures.zip\"}";

static void read_lab(void)
{
    read_events(DATA "lab-endpoint.jsonl", WR_TABLE_DEVICE_NETWORK_EVENTS);
    read_events(DATA "lab-flows.jsonl", WR_TABLE_ASIM_NETWORK_SESSION_LOGS);
    read_events(DATA "lab-dns.jsonl", WR_TABLE_ASIM_DNS_ACTIVITY_LOGS);
    read_events(DATA "lab-smtp.jsonl", WR_TABLE_SMTP_MESSAGES);
    take(WR_TABLE_ASIM_NETWORK_SESSION_LOGS, (struct wr_slice){upload, sizeof upload - 1});
    take(WR_TABLE_SMTP_MESSAGES, (struct wr_slice){archive, sizeof archive - 1});
    qsort(events, nevents, sizeof *events, earlier);
}

/* ---- hosts ---- */

static void host_add(struct hosts *h, const char *text, size_t len)
{
    char name[24] = "";
    int n;
    if (sscanf(text, "10.20.0.%d", &n) == 1)
        snprintf(name, sizeof name, "lab-ws%02d", n);
    else
        snprintf(name, sizeof name, "%.*s", (int)(memchr(text, '.', len) ? (char *)memchr(text, '.', len) - text : (long)len), text);
    for (uint32_t i = 0; i < h->n; i++)
        if (strcmp(h->name[i], name) == 0)
            return;
    cr_assert_lt(h->n, MAX_HOSTS);
    strcpy(h->name[h->n++], name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void same_hosts(const char *rule, const char *how, struct hosts *have, struct hosts *want)
{
    char a[2048] = "", b[2048] = "";
    qsort(have->name, have->n, sizeof *have->name, by_name);
    qsort(want->name, want->n, sizeof *want->name, by_name);
    for (uint32_t i = 0; i < have->n; i++)
        strcat(strcat(a, " "), have->name[i]);
    for (uint32_t i = 0; i < want->n; i++)
        strcat(strcat(b, " "), want->name[i]);
    cr_expect_str_eq(a, b, "%s, %s: fires for%s, expected%s", rule, how, a, b);
}

/* Hosts of a rule, "W04", in lab-expected.tsv; its file begins with that in lower case. */
static void expected(const char *file, struct hosts *ret)
{
    char *text = slurp(DATA "lab-expected.tsv"), *save = NULL, rule[16], test[16], host[24];
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (sscanf(line, "%15s %15s %23s", rule, test, host) == 3 && strncasecmp(rule, file, 3) == 0 && file[3] == '-')
            host_add(ret, host, strlen(host));
    if (strncmp(file, "w10-", 4) == 0 || strncmp(file, "h06-", 4) == 0)
        host_add(ret, "lab-ws99", 8);
    free(text);
}

static const char *const host_columns[] = {"SrcHostname", "DeviceName", "AnyDevice", "SrcIpAddr", "SrcIp"};

/* ---- running ---- */

static void in_batch(struct wr_refdata *ref, const char *path, const char *file, struct hosts *want)
{
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    char *text = slurp(path);
    struct wr_yaml *yaml = wr_yaml_new(path, text, strlen(text), &diags);
    cr_assert(yaml && yaml->ndocs == 1);
    const struct wr_yaml_node *query = wr_yaml_get(yaml->docs[0], "query");
    struct wr_query *q = wr_query_new_with(ref, file, query->text, query->len, 64, &diags);
    struct wr_result res = {0};
    struct hosts have = {0};
    for (uint32_t i = 0; q && i < nevents; i++)
        if (wr_query_scan(q, events[i].table)->nbranches)
            cr_assert_eq(wr_query_feed(q, events[i].table, events[i].row), WR_OK);
    cr_assert(q && wr_query_run(q, last, &diags, &res) == WR_OK, "%s", path);
    uint16_t col = WR_NO_COL;
    for (size_t i = 0; i < sizeof host_columns / sizeof *host_columns && col == WR_NO_COL; i++)
        col = wr_schema_find(res.schema, host_columns[i], strlen(host_columns[i]));
    cr_assert_neq(col, WR_NO_COL, "%s", path);
    for (uint32_t b = 0; b < res.nbatches; b++)
        WR_EACH (&res.batches[b]->sel, row)
            host_add(&have, wr_str_data(&res.batches[b]->col[col].s[row]), res.batches[b]->col[col].s[row].len);
    same_hosts(file, "in batch", &have, want);
    wr_query_free(q);
    wr_yaml_free(yaml);
    wr_diags_fini(&diags);
    free(text);
}

static void alert_host(const struct wr_alert *a, struct hosts *have)
{
    for (size_t i = 0; i < sizeof host_columns / sizeof *host_columns; i++)
        for (uint32_t c = 0; c < a->ncells; c++)
            if (strcmp(a->cells[c].name, host_columns[i]) == 0) {
                host_add(have, wr_str_data(&a->cells[c].s), a->cells[c].s.len);
                return;
            }
    cr_assert_fail("%s: no host", a->rule_id);
}

static void take_alerts(struct wr_engine *e, struct hosts *have)
{
    struct wr_alert *list = wr_engine_alerts(e);
    for (struct wr_alert *a = list; a; a = a->next)
        if (a->kind == WR_ALERT_RAISED)
            alert_host(a, have);
    wr_alerts_free(list);
}

static void in_engine(struct wr_refdata *ref, const char *path, const char *file, struct hosts *want)
{
    struct wr_diags diags;
    struct hosts have = {0};
    struct wr_buf said = {0};
    struct wr_ruleset *set = wr_ruleset_new();
    char *text = slurp(path);
    cr_assert(wr_diags_init(&diags));
    wr_ruleset_refdata(set, ref);
    enum wr_err err = wr_ruleset_add(set, path, text, strlen(text), &diags);
    wr_diags_print(&diags, &said);
    wr_buf_char(&said, '\0');
    cr_assert_eq(err, WR_OK, "%s", said.data);
    struct wr_engine *e = wr_engine_new(set, NULL);
    cr_assert(e);
    for (uint32_t i = 0; i < nevents; i++) {
        cr_assert_eq(wr_engine_consume(e, events[i].table, events[i].row, events[i].ts), WR_OK);
        take_alerts(e, &have);
    }
    cr_assert_eq(wr_engine_advance(e, last + 6 * WR_TICKS_MINUTE), WR_OK);
    take_alerts(e, &have);
    cr_assert_eq(wr_engine_advance(e, last + WR_TICKS_HOUR), WR_OK); /* for rules that run once an hour */
    take_alerts(e, &have);
    same_hosts(file, "as rows come in", &have, want);
    wr_engine_free(e);
    wr_ruleset_unref(set);
    wr_diags_fini(&diags);
    wr_buf_fini(&said);
    free(text);
}

static struct wr_refdata *watchlists(void)
{
    static const char *const names[] = {"mail_relays", "own_domains", "server_roles"};
    struct wr_refdata *ref = wr_refdata_new();
    struct wr_diags diags;
    cr_assert(ref && wr_diags_init(&diags));
    for (int i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof path, DATA "watchlists/%s.csv", names[i]);
        char *text = slurp(path);
        struct wr_list_def def = {.kind = WR_LIST_WATCHLIST, .name = names[i]};
        cr_assert_eq(wr_refdata_define(ref, &def), WR_OK);
        cr_assert_eq(wr_refdata_load(ref, def.kind, def.name, path, text, strlen(text), last, &diags), WR_OK);
        free(text);
    }
    wr_diags_fini(&diags);
    return ref;
}

static uint32_t run_folder(struct wr_refdata *ref, const char *folder)
{
    struct dirent **entries;
    uint32_t ran = 0;
    char dir[256], path[600];
    snprintf(dir, sizeof dir, WR_SOURCE_DIR "/rules/%s", folder);
    int n = scandir(dir, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        struct hosts want = {0};
        expected(name, &want);
        if (strstr(name, ".yaml") && name[3] == '-') {
            cr_expect_gt(want.n, 0, "%s fires in no lab case", name);
            snprintf(path, sizeof path, "%s/%s", dir, name);
            in_batch(ref, path, name, &want);
            in_engine(ref, path, name, &want);
            ran++;
        }
        free(entries[i]);
    }
    free(entries);
    return ran;
}

Test(library, every_rule_fires_for_the_labs_hosts_that_it_is_about_and_for_no_other)
{
    read_lab();
    struct wr_refdata *ref = watchlists();
    cr_expect_eq(run_folder(ref, "library"), 13);
    cr_expect_eq(run_folder(ref, "optional"), 9);
    wr_refdata_unref(ref);
    for (uint32_t i = 0; i < nevents; i++)
        wr_batch_free(events[i].row);
}
