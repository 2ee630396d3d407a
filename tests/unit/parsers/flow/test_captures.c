/* Real exports, whole: counts of every capture, and the rows that the projects' own expectations name. Every field of
 * those is held against `weir decode` by tests/cli/goldens.py. */
#include "captures.h"

#include "base/ticks.h"

#include <arpa/inet.h>

struct both {
    struct wr_flow_decoder *rows, *json;
    struct wr_flow_vec vec;
    struct wr_buf out;
    uint32_t refused;
};

static void both_init(struct both *b)
{
    *b = (struct both){.rows = wr_flow_decoder_new(NULL), .json = wr_flow_decoder_new(NULL)};
    cr_assert(b->rows && b->json);
}

static void both_fini(struct both *b)
{
    stats_add_up(b->rows);
    stats_add_up(b->json);
    wr_flow_decoder_free(b->rows);
    wr_flow_decoder_free(b->json);
    wr_flow_vec_fini(&b->vec);
    wr_buf_fini(&b->out);
}

static void feed_both(void *to, const struct wr_flow_peer *peer, const uint8_t *data, size_t len)
{
    struct both *b = to;
    bool ok = wr_flow_decode(b->rows, peer, data, len, NOW_NS, &b->vec);
    cr_expect_eq(ok, wr_flow_decode_json(b->json, peer, data, len, NOW_NS, &b->out));
    b->refused += !ok;
}

static uint64_t lines_of(const struct wr_buf *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < out->len; i++)
        n += out->data[i] == '\n';
    return n;
}

static void one_capture(char **part)
{
    struct both b;
    char *before[64];
    both_init(&b);
    unsigned n = strcmp(part[2], "-") ? split(part[2], ',', before, 64) : 0;
    for (unsigned i = 0; i < n; i++)
        feed_file(before[i], part[1][0], feed_both, &b);
    struct wr_flow_stats was = *wr_flow_decoder_stats(b.rows);
    feed_file(part[0], part[1][0], feed_both, &b);
    const struct wr_flow_stats *now = wr_flow_decoder_stats(b.rows);
    uint64_t flows = now->records - was.records - now->discards; /* dropped packets are no flows */
    cr_expect_eq(flows, strtoull(part[3], NULL, 10), "%s: %lu flow records, not %s", part[0], (unsigned long)flows,
                 part[3]);
    cr_expect_eq(now->options_records - was.options_records, strtoull(part[4], NULL, 10),
                 "%s: %lu options records, not %s", part[0],
                 (unsigned long)(now->options_records - was.options_records), part[4]);
    cr_expect_eq(b.refused, strtoul(part[5], NULL, 10), "%s: %u refused", part[0], b.refused);
    cr_expect_eq(now->rows, b.vec.n);
    cr_expect_eq(lines_of(&b.out), now->records + now->options_records + now->counter_samples, "%s: JSON lines", part[0]);
    cr_expect(wr_utf8_valid(b.out.data, b.out.len));
    both_fini(&b);
}

Test(captures, every_file_gives_its_counts)
{
    struct bytes list = slurp("captures.tsv");
    char *save = NULL;
    unsigned n = 0;
    for (char *line = strtok_r((char *)list.at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *part[8];
        if (line[0] == '#' || split(line, '\t', part, 8) != 6)
            continue;
        one_capture(part);
        n++;
    }
    cr_expect_gt(n, 100);
    free(list.at);
}

/* Line `index` of the output; NULL. */
static char *line_at(const struct wr_buf *out, unsigned index)
{
    const char *p = out->data, *end = p + out->len;
    for (; p && p < end; index--) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (index == 0)
            return strndup(p, (size_t)(nl - p));
        p = nl + 1;
    }
    return NULL;
}

static void check_time(const char *golden, const struct both *b, unsigned index, const char *kind,
                       const char *value)
{
    int64_t ticks;
    unsigned record = index;
    for (unsigned i = 0; i < record; i++) { /* options records make no row */
        char *text = line_at(&b->out, i);
        index -= text && strstr(text, "\"_kind\":\"options\"");
        free(text);
    }
    cr_assert(wr_ticks_parse_iso(value, strlen(value), &ticks));
    cr_assert_lt(index, b->vec.n, "%s: no row %u", golden, index);
    const struct wr_flow *f = &b->vec.at[index];
    int64_t got = strcmp(kind, "start") == 0 ? f->start_ns : f->end_ns;
    cr_expect_eq(got / 1000000, wr_ticks_to_unix_ns(ticks) / 1000000, "%s: %s of row %u is %ld ms, not %s",
                 golden, kind, index, (long)(got / 1000000), value);
}

static void open_golden(struct both *b, char *files)
{
    char *file[64];
    both_init(b);
    unsigned n = split(files, ',', file, 64);
    for (unsigned i = 0; i < n; i++)
        feed_file(file[i], 'd', feed_both, b);
}

Test(captures, rows_have_the_expected_times)
{
    struct bytes list = slurp("golden.tsv");
    struct both b = {0};
    char *save = NULL, golden[256] = "";
    unsigned n = 0;
    for (char *line = strtok_r((char *)list.at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *part[8];
        if (line[0] == '#' || split(line, '\t', part, 5) != 5)
            continue;
        if (strcmp(golden, part[0]) != 0) {
            if (golden[0])
                both_fini(&b);
            snprintf(golden, sizeof golden, "%s", part[0]);
            open_golden(&b, part[1]);
        }
        check_time(golden, &b, (unsigned)strtoul(part[2], NULL, 10), part[3], part[4]);
        n++;
    }
    both_fini(&b);
    cr_expect_eq(n, 34);
    free(list.at);
}

static void addr_text(const struct wr_flow *f, const uint8_t *addr, char *text)
{
    inet_ntop(f->flags & WR_FLOW_V6 ? AF_INET6 : AF_INET, addr, text, INET6_ADDRSTRLEN);
}

static bool same_time(const char *want, int64_t ns)
{
    return strcmp(want, "-") == 0 || strtoll(want, NULL, 10) == ns / 1000000;
}

/* A row as the line says: case, files, source, destination, ports, protocol, octets, packets, start, end. */
static bool row_is(const struct wr_flow *f, char **part)
{
    char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
    addr_text(f, f->src, src);
    addr_text(f, f->dst, dst);
    return strcmp(src, part[2]) == 0 && strcmp(dst, part[3]) == 0 && f->sport == strtoul(part[4], NULL, 10) &&
           f->dport == strtoul(part[5], NULL, 10) && f->proto == strtoul(part[6], NULL, 10) &&
           f->octets[0] == strtoull(part[7], NULL, 10) && f->packets[0] == strtoull(part[8], NULL, 10) &&
           same_time(part[9], f->start_ns) && same_time(part[10], f->end_ns);
}

Test(captures, telegraf_expects_the_same_rows)
{
    struct bytes list = slurp("telegraf.tsv");
    struct both b = {0};
    char *save = NULL, name[256] = "";
    bool used[256] = {false};
    unsigned n = 0;
    for (char *line = strtok_r((char *)list.at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *part[12];
        if (line[0] == '#' || split(line, '\t', part, 12) != 11)
            continue;
        if (strcmp(name, part[0]) != 0) {
            if (name[0])
                both_fini(&b);
            snprintf(name, sizeof name, "%s", part[0]);
            open_golden(&b, part[1]);
            memset(used, 0, sizeof used);
        }
        cr_assert_lt(b.vec.n, 256);
        uint32_t r = 0;
        while (r < b.vec.n && (used[r] || !row_is(&b.vec.at[r], part)))
            r++;
        cr_expect_lt(r, b.vec.n, "%s: no row %s:%s -> %s:%s with %s octets", name, part[2], part[4], part[3],
                     part[5], part[7]);
        used[r < b.vec.n ? r : 255] = true;
        n++;
    }
    both_fini(&b);
    cr_expect_eq(n, 45);
    free(list.at);
}
