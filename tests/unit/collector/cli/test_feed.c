#include "collector/cli/feed.h"

#include "base/ticks.h"

#include <criterion/criterion.h>

#define MAIL WR_SOURCE_DIR "/tests/data/mail/"

/* Counts what comes, and holds that time never steps back. `matched`: rows with a process, of an event, and bytes,
 * of a flow, whether they came together or the bytes later. */
struct seen {
    uint64_t rows[WR_NTABLES], batches, matched;
    uint32_t most;
    int64_t now;
};

static enum wr_err count(void *ctx, enum wr_table table, struct wr_batch *batch, int64_t now)
{
    struct seen *seen = ctx;
    cr_assert(batch->sealed);
    cr_assert_geq(now, seen->now);
    seen->now = now;
    seen->batches++;
    if (batch->nrows > seen->most)
        seen->most = batch->nrows;
    const struct wr_amends *amends = wr_table_amends(table);
    if (table != WR_TABLE_DEVICE_NETWORK_EVENTS && table != WR_TABLE_FLOW_ORPHANS) {
        for (uint32_t r = 0; r < batch->nrows; r++)
            seen->rows[table] += !amends || !(batch->col[amends->amend].i[r] & WR_ROW_AMENDS);
        return WR_OK;
    }
    const struct wr_vec *amend = &batch->col[WR_DNE__Amend], *sent = &batch->col[WR_DNE_SentBytes];
    const struct wr_vec *before = &batch->col[WR_DNE__PrevSentBytes];
    for (uint32_t r = 0; r < batch->nrows; r++) {
        bool again = wr_vec_valid(amend, r) && amend->i[r];
        seen->rows[table] += !again;
        seen->matched += batch->col[WR_DNE_InitiatingProcessFileName].s[r].len > 0 && wr_vec_valid(sent, r) &&
                         (!again || !wr_vec_valid(before, r));
    }
    return WR_OK;
}

static struct wr_scan scans[WR_NTABLES];
static const struct wr_branch every = {NULL, 0};

static struct seen fed(const char *const *files, uint32_t n, bool final_only, uint32_t batch_rows)
{
    struct seen seen = {0};
    struct wr_feed_opts opts = {.final_only = final_only, .batch_rows = batch_rows, .consume = count, .ctx = &seen};
    for (int t = 0; t < WR_NTABLES; t++) {
        scans[t] = (struct wr_scan){t, wr_colset_all(wr_schema_of(t)), &every, 1};
        opts.scan[t] = &scans[t];
    }
    struct wr_feed *feed = wr_feed_new(&opts);
    cr_assert(feed);
    struct wr_buf error = {0};
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(wr_feed_add(feed, files[i], &error), WR_OK);
    wr_buf_fini(&error);
    cr_assert_eq(wr_feed_run(feed), WR_OK);
    cr_assert_leq(seen.now, wr_feed_clock(feed));
    struct wr_buf notes = {0};
    wr_feed_notes(feed, &notes);
    cr_assert_eq(notes.len, 0, "%.*s", (int)notes.len, notes.data);
    wr_buf_fini(&notes);
    wr_feed_free(feed);
    return seen;
}

Test(feed, capture_and_events_meet_in_one_row_each)
{
    const char *files[] = {MAIL "lab.pcap", MAIL "lab-endpoint.jsonl"};
    for (int final_only = 0; final_only < 2; final_only++) {
        struct seen seen = fed(files, 2, final_only, 64);
        cr_assert_eq(seen.matched, 99); /* of 101 flows and 101 events; two flows have no event, two events no flow */
        cr_assert_eq(seen.rows[WR_TABLE_DEVICE_NETWORK_EVENTS], 101);
        cr_assert_eq(seen.rows[WR_TABLE_FLOW_ORPHANS], 2);
        cr_assert_eq(seen.rows[WR_TABLE_ASIM_NETWORK_SESSION_LOGS], 103);
        cr_assert_leq(seen.most, 64);
        const char *swapped[] = {files[1], files[0]};
        struct seen other = fed(swapped, 2, final_only, 1);
        cr_assert_eq(other.most, 1);
        for (int t = 0; t < WR_NTABLES; t++)
            cr_assert_eq(seen.rows[t], other.rows[t], "table %d: %llu and %llu", t,
                         (unsigned long long)seen.rows[t], (unsigned long long)other.rows[t]);
        cr_assert_eq(seen.matched, other.matched);
    }
}

Test(feed, capture_of_exports_meets_its_syslog)
{
    /* tests/cli/export_pcap.py on the lab: NetFlow v5 of a router, endpoint events as syslog */
    const char *files[] = {MAIL "lab-exports.pcap"};
    for (int final_only = 0; final_only < 2; final_only++) {
        struct seen seen = fed(files, 1, final_only, 64);
        cr_assert_eq(seen.matched, 99);
        cr_assert_eq(seen.rows[WR_TABLE_DEVICE_NETWORK_EVENTS], 101);
        cr_assert_eq(seen.rows[WR_TABLE_FLOW_ORPHANS], 2);
        cr_assert_eq(seen.rows[WR_TABLE_FLOWS], 202);
    }
}

Test(feed, capture_alone_feeds_events_and_flows)
{
    const char *files[] = {MAIL "lab.pcap"};
    struct seen seen = fed(files, 1, true, 1024);
    cr_assert_eq(seen.rows[WR_TABLE_DEVICE_NETWORK_EVENTS], 101); /* lines of sessions.tsv */
    cr_assert_eq(seen.rows[WR_TABLE_FLOW_ORPHANS], 0);
    cr_assert_eq(seen.rows[WR_TABLE_FLOWS], 101);
}

Test(feed, file_that_is_not_there_is_told)
{
    struct seen seen = {0};
    struct wr_feed_opts opts = {.batch_rows = 1, .consume = count, .ctx = &seen};
    struct wr_feed *feed = wr_feed_new(&opts);
    struct wr_buf error = {0};
    cr_assert_eq(wr_feed_add(feed, "/nonexistent", &error), WR_ENOENT);
    wr_buf_char(&error, '\0');
    cr_assert_str_eq(error.data, "cannot read /nonexistent: No such file or directory");
    wr_buf_fini(&error);
    wr_feed_free(feed);
}
