/* One frame of a stranger (of the audit daemon's lines several): never more than it says, every
 * record counted once, every cell valid UTF-8. The first byte chooses live or replay, a filter, and
 * the size of the batches. */
#include "base/ticks.h"
#include "parsers/log/log.h"

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

static void take(struct wr_rows *rows, struct sums *sums)
{
    for (int t = 0; t < WR_NTABLES; t++)
        *(t == WR_TABLE_SYSLOG ? &sums->lines : &sums->events) +=
            rows->of[t] ? rows_of(rows->of[t]) : 0;
    WR_ASSERT(wr_rows_reset(rows));
}

static void one_frame(struct wr_log *log, struct wr_rows *rows, const char *data, size_t size,
                      struct sums *sums)
{
    enum wr_err err;
    size_t calls = 0;
    do {
        err = wr_log_frame(log, "192.0.2.9", data, size, INT64_C(1700000000000000000), rows);
        WR_ASSERT(err == WR_OK || (err == WR_EFULL && ++calls <= size + 2));
        take(rows, sums);
    } while (err == WR_EFULL);
    sums->frames++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t mode = *data++;
    size--;
    static struct wr_mappings *mappings; /* made once: reading them takes longer than a frame */
    if (!mappings && !(mappings = wr_mappings_new()))
        return 0;
    struct wr_log_opts opts = {
        .live = mode & 1, .max_frame = mode & 2 ? 64 : 0, .mappings = mappings};
    struct wr_log *log = wr_log_new(&opts);
    struct wr_rows rows = {{0}};
    for (int t = 0; t < WR_NTABLES; t++) {
        struct wr_colset all = wr_colset_all(wr_schema_of((enum wr_table)t));
        if (mode & 8 && t % 2) /* nobody reads it */
            continue;
        rows.of[t] = wr_batch_new(wr_schema_of((enum wr_table)t), &all, 1 + (mode >> 4));
        if (!rows.of[t])
            return 0;
    }
    if (!log)
        return 0;
    if (mode & 4)
        set_filter(log);
    struct sums sums = {0};
    bool audit = size > 5 && (!memcmp(data, "type=", 5) || !memcmp(data, "node=", 5));
    for (size_t at = 0; at < size || sums.frames == 0;) {
        const uint8_t *lf = audit ? memchr(data + at, '\n', size - at) : NULL;
        size_t n = lf ? (size_t)(lf - data) - at : size - at;
        one_frame(log, &rows, (const char *)data + at, n, &sums);
        at += n + (lf != NULL);
    }
    enum wr_err err;
    do {
        err = wr_log_idle(log, INT64_MAX, &rows);
        take(&rows, &sums);
    } while (err == WR_EFULL);
    WR_ASSERT(err == WR_OK);
    check_sums(wr_log_stats(log), sums.frames, sums.events, sums.lines);
    wr_log_free(log);
    wr_rows_free(&rows);
    return 0;
}
