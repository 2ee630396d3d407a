/* One frame of a stranger: never more than it says, every record counted once, every cell valid UTF-8. The
 * first byte chooses live or replay, a filter, and the size of the batches. */
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

static void check_sums(const struct wr_log_stats *s, uint64_t events, uint64_t lines)
{
    uint64_t text = s->plain + s->unparsed_json + s->unparsed_limit + s->unparsed_missing_field +
                    s->unmapped + s->oversize;
    WR_ASSERT(s->records == s->mapped + text);
    WR_ASSERT(s->mapped == s->parsed_defender + s->parsed_sysmon + s->parsed_mapping);
    WR_ASSERT(s->mapped == events + s->filtered_early);
    WR_ASSERT(text == lines && s->frames == 1 && s->frames <= s->records);
}

static void set_filter(struct wr_log *log)
{
    static const int64_t ports[] = {25, 465, 587};
    struct wr_str action = WR_STR_LIT("ConnectionSuccess");
    struct wr_pred preds[] = {{WR_DNE_RemotePort, WR_PRED_IN_INT, 3, ports, NULL},
                              {WR_DNE_ActionType, WR_PRED_IN_STR_NOCASE, 1, NULL, &action}};
    struct wr_branch branch = {preds, 2};
    struct wr_scan scan = {.table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = &branch, .nbranches = 1};
    WR_ASSERT(wr_log_scan(log, &scan) == WR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t mode = *data++;
    size--;
    const struct wr_schema *dne = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    const struct wr_schema *sys = wr_schema_of(WR_TABLE_SYSLOG);
    struct wr_colset dne_cols = wr_colset_all(dne), sys_cols = wr_colset_all(sys);
    static struct wr_mappings *mappings; /* made once: reading them takes longer than a frame */
    if (!mappings && !(mappings = wr_mappings_new()))
        return 0;
    struct wr_log_opts opts = {
        .live = mode & 1, .max_frame = mode & 2 ? 64 : 0, .mappings = mappings};
    struct wr_log *log = wr_log_new(&opts);
    struct wr_batch *events = wr_batch_new(dne, &dne_cols, 1 + (mode >> 4));
    struct wr_batch *lines = wr_batch_new(sys, &sys_cols, 1 + (mode >> 4));
    if (!log || !events || !lines)
        return 0;
    if (mode & 4)
        set_filter(log);
    uint64_t nevents = 0, nlines = 0;
    enum wr_err err;
    size_t calls = 0;
    do {
        err = wr_log_frame(log, "192.0.2.9", (const char *)data, size, INT64_C(1700000000000000000), events,
                           lines);
        WR_ASSERT(err == WR_OK || (err == WR_EFULL && ++calls <= size + 2));
        nevents += rows_of(events);
        nlines += rows_of(lines);
        WR_ASSERT(wr_batch_reset(events) && wr_batch_reset(lines));
    } while (err == WR_EFULL);
    check_sums(wr_log_stats(log), nevents, nlines);
    wr_log_free(log);
    wr_batch_free(events);
    wr_batch_free(lines);
    return 0;
}
