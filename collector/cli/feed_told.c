/* What a run over files has met and refused, and how it is told. */
#include "collector/cli/cli.h"
#include "collector/cli/feed_internal.h"

#include <string.h>

struct wr_feed_stats wr_feed_stats(const struct wr_feed *feed)
{
    struct wr_feed_stats st = feed->stats;
    for (uint32_t i = 0; i < feed->nsources; i++) {
        const struct wr_infile *in = &feed->sources[i].in;
        st.units += in->units;
        st.packets_skipped += in->skipped;
        st.packets_malformed += in->capture.malformed;
        st.damaged += in->damage.len > 0;
    }
    const struct wr_flow_stats *flow = wr_flow_decoder_stats(feed->decoder);
    st.messages_rejected += flow->rejected_messages;
    const struct wr_log_stats *log = wr_log_stats(feed->log);
    st.lines_rejected += log->unparsed_json + log->unparsed_limit + log->unparsed_missing_field;
    uint64_t settled = flow->sets_released + flow->sets_dropped;
    st.sets_waiting = flow->sets_held > settled ? flow->sets_held - settled : 0;
    return st;
}

static void note(struct wr_buf *out, uint64_t n, const char *one, const char *many)
{
    if (n)
        wr_buf_fmt(out, "%llu %s\n", (unsigned long long)n, n == 1 ? one : many);
}

void wr_feed_notes(const struct wr_feed *feed, struct wr_buf *out)
{
    struct wr_feed_stats st = wr_feed_stats(feed);
    for (uint32_t i = 0; i < feed->nsources; i++)
        if (feed->sources[i].in.damage.len)
            wr_buf_fmt(out, "%s: %.*s\n", feed->sources[i].in.name, (int)feed->sources[i].in.damage.len,
                       feed->sources[i].in.damage.data);
    note(out, st.packets_malformed, "packet was broken", "packets were broken");
    note(out, st.packets_skipped, "packet was no export", "packets were no exports");
    note(out, st.messages_rejected, "flow message was rejected", "flow messages were rejected");
    note(out, st.sets_waiting, "data set had no template", "data sets had no template");
    note(out, st.lines_rejected, "line could not be mapped to a table",
         "lines could not be mapped to a table");
}

int wr_feed_report(const struct wr_feed *feed)
{
    struct wr_buf notes = {0};
    wr_feed_notes(feed, &notes);
    for (size_t at = 0; at < notes.len;) {
        const char *end = memchr(notes.data + at, '\n', notes.len - at);
        size_t n = (size_t)(end - (notes.data + at));
        wr_cli_error("%.*s", (int)n, notes.data + at);
        at += n + 1;
    }
    wr_buf_fini(&notes);
    return wr_feed_stats(feed).damaged ? WR_EXIT_FOUND : WR_EXIT_OK;
}

void wr_feed_failed(enum wr_err err, const struct wr_buf *error)
{
    if (error->len)
        wr_cli_error("%.*s", (int)error->len, error->data);
    else
        wr_cli_error("cannot work through the input: %s", wr_strerror(err));
}
