/* What each exporter's streams look like from here, one JSON object a line (`weir exporters`, /exporters). */
#include "base/ticks.h"
#include "parsers/flow/state.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

void wr_life_window(struct wr_stream *stream, int64_t now_ns)
{
    struct wr_stream_past *past = &stream->past;
    double seconds = (double)(now_ns - stream->window_ns) / (double)WR_SECOND_NS;
    wr_stream_settle(stream);
    past->messages_rate = (double)(past->messages - past->window_messages) / seconds;
    past->records_rate = (double)(past->records - past->window_records) / seconds;
    stream->window_ns = now_ns;
    past->window_messages = past->messages;
    past->window_records = past->records;
}

const char *wr_flow_reject_name(enum wr_flow_reject why)
{
    static const char *const names[] = {
#define X(name, text) #name,
        WR_FLOW_REJECTS(X)
#undef X
    };
    return why < WR_FLOW_NREJECTS ? names[why] : "";
}

static void put_address(struct wr_buf *out, const uint8_t *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    bool v4 = memcmp(addr, mapped, sizeof mapped) == 0;
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, text, sizeof text);
    wr_json_key(out, "exporter");
    wr_json_cstr(out, text);
}

static void put_number(struct wr_buf *out, const char *key, uint64_t n)
{
    wr_json_key(out, key);
    wr_buf_fmt(out, "%" PRIu64, n);
}

static void put_seconds(struct wr_buf *out, const char *key, int64_t ns)
{
    wr_json_key(out, key);
    wr_buf_fmt(out, "%.3f", (double)ns / 1e9);
}

static void put_time(struct wr_buf *out, const char *key, int64_t ns)
{
    wr_json_key(out, key);
    wr_buf_char(out, '"');
    wr_ticks_datetime(out, wr_ticks_of_unix_ns(ns));
    wr_buf_char(out, '"');
}

static const char *version_name(uint16_t version)
{
    switch (version) {
    case WR_FLOW_V1:
        return "NetFlow v1";
    case WR_FLOW_V5:
        return "NetFlow v5";
    case WR_FLOW_V7:
        return "NetFlow v7";
    case WR_FLOW_V9:
        return "NetFlow v9";
    case WR_FLOW_IPFIX:
        return "IPFIX";
    default:
        return "sFlow v5";
    }
}

static void put_templates(struct wr_buf *out, const struct wr_stream *s, int64_t now_ns)
{
    uint64_t count[2] = {0, 0};
    int64_t newest = 0;
    for (uint32_t i = 0; i < wr_stream_nslots(s); i++) {
        if (!wr_stream_at(s, i))
            continue;
        const int64_t seen_ns = s->ages[i].seen_s * WR_SECOND_NS;
        count[wr_stream_at(s, i)->options]++;
        newest = seen_ns > newest ? seen_ns : newest;
    }
    put_number(out, "templates", count[0]);
    put_number(out, "optionsTemplates", count[1]);
    if (newest) {
        put_time(out, "templateSeen", newest);
        put_seconds(out, "templateSeenSeconds", now_ns - newest);
    }
}

/* A second; before the first window has ended, over the time since the first message, of which a second is taken to have
 * gone: who has just pointed an exporter here wants to see that it comes. */
static void put_rates(struct wr_buf *out, const struct wr_stream *s, int64_t now_ns)
{
    const struct wr_stream_past *past = &s->past;
    const bool quiet = now_ns - s->used_ns > 2 * WR_RATE_WINDOW_NS, first = s->window_ns == past->first_ns;
    const int64_t since_ns = now_ns - past->first_ns > WR_SECOND_NS ? now_ns - past->first_ns : WR_SECOND_NS;
    const double seconds = (double)since_ns / (double)WR_SECOND_NS;
    double messages = first ? (double)past->messages / seconds : past->messages_rate;
    double records = first ? (double)past->records / seconds : past->records_rate;
    wr_json_key(out, "messagesPerSecond");
    wr_buf_fmt(out, "%.1f", quiet ? 0.0 : messages);
    wr_json_key(out, "recordsPerSecond");
    wr_buf_fmt(out, "%.1f", quiet ? 0.0 : records);
}

static void put_stream(const struct wr_stream *s, int64_t now_ns, struct wr_buf *out)
{
    const struct wr_exporter *x = s->exporter;
    const struct wr_stream_past *past = &s->past;
    bool quiet = now_ns - s->used_ns > 2 * WR_RATE_WINDOW_NS;
    wr_buf_char(out, '{');
    put_address(out, s->key.addr);
    if (s->key.session && !s->provisional)
        put_number(out, "session", s->key.session);
    else if (!s->provisional)
        put_number(out, "port", s->key.port);
    put_number(out, "domain", s->key.domain);
    wr_json_key(out, "protocol");
    wr_json_cstr(out, version_name(s->key.version));
    wr_json_key(out, "state");
    wr_json_cstr(out, s->provisional ? "stored" : quiet ? "quiet" : "sending");
    put_templates(out, s, now_ns);
    if (s->provisional) { /* what was stored; nobody sends on it */
        wr_buf_str(out, "}\n");
        return;
    }
    put_time(out, "firstSeen", past->first_ns);
    put_time(out, "lastSeen", s->used_ns);
    put_seconds(out, "lastSeenSeconds", now_ns - s->used_ns);
    put_number(out, "messages", past->messages);
    put_number(out, "records", past->records);
    put_rates(out, s, now_ns);
    put_number(out, "sequenceLost", past->seq_lost);
    put_number(out, "flowsNotSent", x->not_sent);
    put_number(out, "packetsIgnored", x->ignored_packets);
    put_number(out, "samplingInterval", wr_stream_rate(s));
    put_number(out, "samplers", x->nsamplers);
    put_number(out, "names", x->names.n);
    put_seconds(out, "clockOffsetSeconds", s->offset_ns);
    put_number(out, "setsWaiting", x->nheld);
    put_number(out, "rejectedMessages", x->stats.rejected_messages);
    if (x->last_why != WR_FLOW_NREJECTS) {
        wr_json_key(out, "lastError");
        wr_json_cstr(out, wr_flow_reject_name(x->last_why));
        put_time(out, "lastErrorTime", x->last_why_ns);
        put_seconds(out, "lastErrorSeconds", now_ns - x->last_why_ns);
    }
    wr_buf_str(out, "}\n");
}

void wr_flow_decoder_exporters(const struct wr_flow_decoder *dec, int64_t now_ns, struct wr_buf *out)
{
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash) {
            wr_exporter_settle(x);
            for (const struct wr_stream *s = x->streams; s; s = s->next_sibling)
                if (!s->provisional || s->tmpls)
                    put_stream(s, now_ns, out);
        }
}
