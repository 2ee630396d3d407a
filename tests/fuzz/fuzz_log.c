/* One frame of a stranger (of the audit daemon's lines several): never more than it says, every
 * record counted once, every cell valid UTF-8. The first byte chooses live or replay, a filter, and
 * the size of the batches. */
#include "base/ticks.h"
#include "parsers/log/log.h"
#include "tests/fuzz/pick.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t rows_of(const struct wr_batch *b)
{
    for (uint32_t r = 0; r < b->nrows; r++)
        for (uint16_t c = 0; c < b->schema->ncols; c++)
            if (b->col[c].s)
                WR_ASSERT(wr_utf8_valid(wr_str_data(&b->col[c].s[r]), b->col[c].s[r].len));
    return b->nrows;
}

static void check_sums(const struct wr_log_stats *s, uint64_t frames, uint64_t events,
                       uint64_t lines)
{
    uint64_t text = s->plain + s->unparsed_json + s->unparsed_limit + s->unparsed_missing_field +
                    s->unmapped + s->oversize;
    WR_ASSERT(s->records == s->mapped + text);
    WR_ASSERT(s->mapped ==
              s->parsed_defender + s->parsed_sysmon + s->parsed_mapping + s->parsed_cef);
    WR_ASSERT(s->rows == events + s->filtered_early + s->unread && s->rows >= s->mapped);
    WR_ASSERT(text == lines && s->frames == frames && s->frames <= s->records);
    WR_ASSERT(s->audit_incomplete <= s->audit_events && s->audit_events <= frames);
}

static void set_filter(struct wr_log *log)
{
    static const int64_t ports[] = {25, 465, 587};
    struct wr_str action = WR_STR_LIT("ConnectionSuccess");
    struct wr_pred preds[] = {{WR_DNE_RemotePort, WR_PRED_IN_INT, 3, ports, NULL},
                              {WR_DNE_ActionType, WR_PRED_IN_STR_NOCASE, 1, NULL, &action}};
    struct wr_branch branch = {preds, 2};
    struct wr_scan scan = {
        .table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = &branch, .nbranches = 1};
    WR_ASSERT(wr_log_scan(log, WR_TABLE_DEVICE_NETWORK_EVENTS, &scan) == WR_OK);
}

struct sums {
    uint64_t frames, events, lines;
};

/* Making a parser and its batches takes a hundred times what a frame does: they are kept between
 * inputs, a parser as long as no record waits in it for a later one. */
enum { LIVE = 1, SMALL = 2, FILTER = 4, HALF = 8, PARSERS = 8, SIZES = 4 };
struct parser {
    struct wr_log *log;
    struct wr_lookups *lookups;
    struct sums sums; /* of all inputs that it took */
};

static struct wr_lookups *spare; /* 8 MiB that no record has been kept in, for the next parser */

static void parser_free(struct parser *p)
{
    if (spare || !wr_log_alone(p->log))
        wr_lookups_free(p->lookups);
    else
        spare = p->lookups;
    wr_log_free(p->log);
    *p = (struct parser){0};
}

static struct parser parser_new(uint8_t mode)
{
    static struct wr_mappings *mappings;
    mappings = mappings ? mappings : wr_mappings_new();
    WR_ASSERT(mappings != NULL);
    struct parser p = {.lookups = spare ? spare : wr_lookups_new(mappings)};
    struct wr_log_opts opts = {.live = mode & LIVE,
                               .max_frame = mode & SMALL ? 64 : 0,
                               .mappings = mappings,
                               .lookups = p.lookups};
    spare = NULL;
    WR_ASSERT(p.lookups && (p.log = wr_log_new(&opts)) != NULL);
    if (mode & FILTER)
        set_filter(p.log);
    return p;
}

static struct wr_rows *rows_for(uint8_t mode)
{
    static const uint32_t sizes[SIZES] = {1, 2, 5, 16};
    static struct wr_rows kept[2][SIZES];
    struct wr_rows *rows = &kept[(mode & HALF) != 0][mode >> 6];
    for (int t = 0; t < WR_NTABLES && !rows->of[WR_TABLE_SYSLOG]; t++) {
        const struct wr_schema *schema = wr_schema_of((enum wr_table)t);
        struct wr_colset all = wr_colset_all(schema);
        if (mode & HALF && t != WR_TABLE_SYSLOG && t % 2) /* nobody reads it */
            continue;
        WR_ASSERT((rows->of[t] = wr_batch_new(schema, &all, sizes[mode >> 6])) != NULL);
    }
    return rows;
}

static void take(struct wr_rows *rows, struct sums *sums)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        if (!rows->of[t] || !rows->of[t]->nrows)
            continue;
        *(t == WR_TABLE_SYSLOG ? &sums->lines : &sums->events) += rows_of(rows->of[t]);
        WR_ASSERT(wr_batch_reset(rows->of[t]));
    }
}

static void one_frame(struct parser *p, struct wr_rows *rows, const char *data, size_t size)
{
    enum wr_err err;
    size_t calls = 0;
    do {
        err = wr_log_frame(p->log, "192.0.2.9", data, size, INT64_C(1700000000000000000), rows);
        WR_ASSERT(err == WR_OK || (err == WR_EFULL && ++calls <= size + 2));
        take(rows, &p->sums);
    } while (err == WR_EFULL);
    p->sums.frames++;
}

static void run(struct parser *p, struct wr_rows *rows, const uint8_t *data, size_t size)
{
    bool audit = size > 5 && (!memcmp(data, "type=", 5) || !memcmp(data, "node=", 5));
    size_t at = 0;
    do {
        const uint8_t *lf = audit ? memchr(data + at, '\n', size - at) : NULL;
        size_t n = lf ? (size_t)(lf - data) - at : size - at;
        one_frame(p, rows, (const char *)data + at, n);
        at += n + (lf != NULL);
    } while (at < size);
    enum wr_err err;
    do {
        err = wr_log_idle(p->log, INT64_MAX, rows);
        take(rows, &p->sums);
    } while (err == WR_EFULL);
    WR_ASSERT(err == WR_OK);
    check_sums(wr_log_stats(p->log), p->sums.frames, p->sums.events, p->sums.lines);
}

/* A parser that has seen nothing counts what the kept one has counted since `before`. */
static void check_kept(const struct parser *kept, const struct wr_log_stats *before, uint8_t mode,
                       const uint8_t *data, size_t size)
{
    struct parser fresh = parser_new(mode);
    run(&fresh, rows_for(mode), data, size);
#define X(name)                                                                                    \
    WR_ASSERT(wr_log_stats(fresh.log)->name == wr_log_stats(kept->log)->name - before->name);
    WR_LOG_COUNTERS(X)
#undef X
    parser_free(&fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parser parsers[PARSERS];
    if (size == 0)
        return 0;
    uint8_t mode = *data++;
    struct parser *p = &parsers[mode % PARSERS];
    size--;
    if (!p->log)
        *p = parser_new(mode);
    struct wr_log_stats before = *wr_log_stats(p->log);
    run(p, rows_for(mode), data, size);
    if (one_in(32, data, size))
        check_kept(p, &before, mode, data, size);
    if (!wr_log_alone(p->log))
        parser_free(p);
    return 0;
}
