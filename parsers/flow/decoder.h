#ifndef WR_PARSERS_FLOW_DECODER_H
#define WR_PARSERS_FLOW_DECODER_H

#include "base/buf.h"
#include "base/scan.h"
#include "parsers/flow/elements.h"
#include "parsers/flow/flow.h"

#include <stdbool.h>

/* NetFlow v1, v5, v7, v9, IPFIX and sFlow v5 messages -> flow records. One decoder per worker; not thread-safe. Keeps
 * templates per (exporter, source port or connection, domain), holds data back until its template is there,
 * tests the ports that rules want on raw bytes before it decodes anything else. */
struct wr_flow_decoder;

/* Why a message or record was refused: X(name, text). One closed list; counted per exporter. */
#define WR_FLOW_REJECTS(X)                                                                         \
    X(version, "neither NetFlow v1, v5, v7, v9, IPFIX nor sFlow v5")                                                 \
    X(truncated, "message ends before its declared length")                                        \
    X(length, "header length and datagram length differ")                                          \
    X(set_length, "set length below 4 or past the end of the message")                             \
    X(template_id, "template id below 256")                                                        \
    X(template_fields, "field count does not fit its set, or is over 1024")                        \
    X(template_empty, "template whose records would have no length")                               \
    X(scope_count, "options template with a scope count of 0 or above its field count")            \
    X(varlen, "variable-length field runs past its set")                                           \
    X(list, "list too deep, too long or not inside its field")                                     \
    X(exporter_cap, "more exporters, domains or templates than allowed")

enum wr_flow_reject {
#define X(name, text) WR_FLOW_REJECT_##name,
    WR_FLOW_REJECTS(X)
#undef X
        WR_FLOW_NREJECTS
};

/* All monotone. These hold:
 *   messages  = ok + rejected_messages;  rejected_messages = sum of rejected_whole[]
 *   rejected[] also counts templates, lists and v5 counts that were refused alone, within a message that is ok
 *   records   = rows + filtered_early + not_flows + no_memory
 *   sets_held = sets_released + sets_dropped + those that wait now for their template */
struct wr_flow_stats {
    uint64_t messages, ok, records, rows, filtered_early; /* what every message counts comes first: one line of the cache */
    uint64_t rejected_messages, rejected_whole[WR_FLOW_NREJECTS], rejected[WR_FLOW_NREJECTS];
    uint64_t options_records;
    uint64_t not_flows; /* data records without addresses, NAT mappings that nobody wants, records decoded to JSON */
    uint64_t no_memory, no_memory_names;
    uint64_t mail_rows;            /* rows of SmtpMessages */
    uint64_t type_records_ignored; /* RFC 5610: unsound, contradicting, or too many */
    uint64_t sets_held, sets_released, sets_dropped;
    uint64_t set_no_record, unknown_ie, field_len_illegal, sampling_unknown, clock_future;
    uint64_t counter_samples, other_samples; /* sFlow: of interfaces; what is neither flow, discard nor counters */
    uint64_t discards;                       /* sFlow: packets that exporters say they dropped */
    uint64_t templates, templates_changed, templates_expired, seq_lost, seq_dup, seq_reset;
};

struct wr_flow_peer {
    uint8_t addr[16]; /* exporter: IPv6 or IPv4-mapped */
    uint16_t port;    /* UDP source port */
    uint64_t session; /* TCP connection number, 0 = UDP: templates of a session die with it */
};

struct wr_flow_prefix {
    uint8_t addr[16]; /* IPv6, or IPv4-mapped, whose `bits` count from 96 on */
    uint8_t bits;
};

/* The sampling of exporters that do not tell theirs, or that tell it to another port than the one that is heard. */
struct wr_flow_rate {
    struct wr_flow_prefix of;
    uint32_t rate; /* one of so many packets */
};

/* Endpoints' names by device id (9/12332): bounded by a million and by bytes, the oldest goes first. Decoders of several threads
 * may share it. NULL: out of memory. */
struct wr_flow_hosts *wr_flow_hosts_new(size_t memory_bytes);
void wr_flow_hosts_free(struct wr_flow_hosts *hosts);
/* As wr_flow_decoder_save, of what is in it; every decoder loads it, into what it uses. */
void wr_flow_hosts_save(struct wr_flow_hosts *hosts, struct wr_buf *out);

struct wr_flow_decoder_opts {
    size_t memory_bytes; /* for templates and held data; 0 = 64 MiB */
    uint32_t max_exporters; /* 0 = 16,384 */
    struct wr_model *model; /* borrowed, outlives it; NULL: one of its own */
    /* Exporters that always have room: all other addresses together get an eighth of memory and exporters. Copied.
     * None: all are equal. */
    const struct wr_flow_prefix *listed;
    uint32_t nlisted;
    const struct wr_flow_rate *rates; /* of an exporter, the one with most bits counts. Copied */
    uint32_t nrates;
    struct wr_flow_hosts *hosts; /* borrowed, others may share it, and save it; NULL: one of its own */
};

struct wr_flow_decoder *wr_flow_decoder_new(const struct wr_flow_decoder_opts *opts);
void wr_flow_decoder_free(struct wr_flow_decoder *dec);

/* Which records are wanted, from the rules' scans of DeviceNetworkEvents: a record is kept when its source
 * or destination port is wanted (local and remote are not known yet). Copied. NULL keeps all. */
enum wr_err wr_flow_decoder_scan(struct wr_flow_decoder *dec, const struct wr_scan *scan) WR_MUST_CHECK;

/* Which kinds of who.h some rule can see (a bit each, wr_who_bit). None at first. */
void wr_flow_decoder_who(struct wr_flow_decoder *dec, uint32_t kinds);

/* Rows of SmtpMessages (YAF and others) with these columns, into `mail` of the vector. NULL, as at first: none. */
struct wr_colset;
enum wr_err wr_flow_decoder_mail(struct wr_flow_decoder *dec, const struct wr_colset *wanted) WR_MUST_CHECK;

/* Decodes one whole message (datagram payload, or one framed IPFIX message of a stream) that arrived at
 * `now_ns`. Appends records to `out`. Returns false when the message was rejected whole. */
bool wr_flow_decode(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, const uint8_t *data,
                    size_t len, int64_t now_ns, struct wr_flow_vec *out);

/* Datagrams of one peer that lie behind each other, all but the last of `segment` octets (UDP GRO); segment 0: one. */
struct wr_flow_coming {
    struct wr_flow_peer peer;
    const uint8_t *data;
    size_t len, segment;
};
/* Decodes each as wr_flow_decode does. Returns how many were not rejected, and counts those that were by reason, on top of
 * what is there. */
uint32_t wr_flow_decode_train(struct wr_flow_decoder *dec, const struct wr_flow_coming *train, int64_t now_ns,
                              struct wr_flow_vec *out, uint64_t rejected_by[WR_FLOW_NREJECTS]);
/* Trains of many exporters that were received together and will be decoded in this order, the first WR_FLOW_FORESEEN of
 * them: asks for the memory that this will touch. Optional; changes nothing else. */
enum { WR_FLOW_FORESEEN = 64 };
void wr_flow_foresee(struct wr_flow_decoder *dec, const struct wr_flow_coming *coming, uint32_t n);

/* As wr_flow_decode, but writes every flow and option record as one JSON line with element names
 * (`weir decode`). */
bool wr_flow_decode_json(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer,
                         const uint8_t *data, size_t len, int64_t now_ns, struct wr_buf *out);

/* Length of the IPFIX message at the head of a stream: 0 = need more bytes, -1 = not IPFIX, close. */
int32_t wr_flow_frame(const uint8_t *data, size_t len);

/* Forgets the templates of a closed TCP session. */
void wr_flow_session_end(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer);

/* Data of the TCP session have waited in vain: it sent none of its templates for as long as data sets are kept, a
 * minute. It should be closed, so that its exporter begins anew (RFC 5153 3.1). */
bool wr_flow_session_untold(const struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, int64_t now_ns);

/* Why the message before was rejected whole; means nothing after one that was not. */
enum wr_flow_reject wr_flow_decoder_why(const struct wr_flow_decoder *dec);
const struct wr_flow_stats *wr_flow_decoder_stats(const struct wr_flow_decoder *dec);
/* Prometheus lines per exporter (messages, messages_rejected{reason}, seq_lost, ...), appended to `out`. Summed over all
 * values of the label `exporter` each counter is the decoder's; addresses that have only sent what was refused have a
 * series each as long as there is room, all others are "other". */
void wr_flow_decoder_metrics(const struct wr_flow_decoder *dec, struct wr_buf *out);

/* One JSON object a line for each exporter, port or session, domain and version: templates, rates, loss, sampling,
 * clock, last error. */
void wr_flow_decoder_exporters(const struct wr_flow_decoder *dec, int64_t now_ns, struct wr_buf *out);
const char *wr_flow_reject_name(enum wr_flow_reject why); /* "" for none */

/* UDP templates, sampling rates and names for the state directory, and back at start (templates then are
 * "provisional": used until the exporter sends its own, dropped when it differs). WR_ECORRUPT leaves the decoder as it was. */
void wr_flow_decoder_save(const struct wr_flow_decoder *dec, struct wr_buf *out);
enum wr_err wr_flow_decoder_load(struct wr_flow_decoder *dec, const void *bytes, size_t len) WR_MUST_CHECK;

#endif
