/* What a decoder holds, for the files of this folder only.
 *
 *   decoder -> exporter (address) -> stream (port or session, domain, version) -> template (id) ->
 * plan
 *
 * An exporter also has its sampling table, the data sets that wait for a template, and its
 * counters. Every byte below an exporter is charged to the decoder's and to the exporter's budget.
 */
#ifndef WR_PARSERS_FLOW_STATE_H
#define WR_PARSERS_FLOW_STATE_H

#include "base/hash.h"
#include "base/str.h"
#include "base/wire.h"
#include "parsers/flow/decoder.h"
#include "parsers/flow/model.h"
#include "parsers/flow/names.h"
#include "parsers/flow/plan.h"

#include <stddef.h>
#include <string.h>

enum {
    WR_FLOW_V1 = 1,
    WR_FLOW_V5 = 5,
    WR_FLOW_V7 = 7,
    WR_FLOW_V9 = 9,
    WR_FLOW_IPFIX = 10,
    WR_FLOW_SFLOW = 0x5f05, /* has no 16-bit version */
    WR_FLOW_NFIXED = 3,     /* v1, v5, v7 */
    WR_FLOW_MAX_FIELDS = 1024,
    WR_FLOW_MAX_TEMPLATES = 1024,  /* per stream */
    WR_FLOW_MAX_STREAMS = 256,     /* per exporter */
    WR_FLOW_MAX_SAMPLERS = 1024,   /* per exporter */
    WR_FLOW_MAX_RECORD = 65515,    /* longest record that fits a message with its headers */
    WR_FLOW_MAX_NEW_BYTES = 32768, /* of new templates in a message; a refresh brings the rest */
    WR_FLOW_MAX_GUESSES = 64,      /* searches of other streams in one message */
    WR_FLOW_MAX_HOLDS = 256,       /* data sets of one message that may wait */
    WR_FLOW_CHUNK = 32,            /* records decoded together */
    WR_FLOW_ANCHORS = 2048,        /* at least a record of nothing but variable-length fields */
    WR_FLOW_WALKS = 8,             /* sets of a message whose walk preflight keeps */
    WR_FLOW_BEFORE = 8,    /* octets that may be read before a data set's body: header and set header */
    WR_FLOW_FILTER = 4096, /* octets of the first look at ports; a power of two */
    WR_FLOW_LIST_DEPTH = 4,
    WR_FLOW_LIST_ITEMS = 1024,        /* in one list */
    WR_FLOW_MESSAGE_ITEMS = 8192,     /* in all lists of a message */
    WR_FLOW_EXPORTER_BYTES = 1 << 20, /* templates of one exporter */
    WR_FLOW_HELD_EXPORTER = 256 << 10,
    WR_FLOW_HELD_COUNT = 1024, /* data sets of one exporter */
    WR_FLOW_HELD_ALL = 16 << 20,
    WR_FLOW_NAMES = 65536, /* of one exporter: applications, interfaces, VRFs */
    WR_FLOW_NAMES_BYTES = 4 << 20,
    WR_FLOW_HOSTS = 1 << 20, /* endpoints by device id, of the whole decoder */
    WR_FLOW_HOSTS_BYTES = 32 << 20,
    WR_FLOW_OTHERS_SHARE = 8, /* of memory and exporters, one part is for those that are not listed */
    WR_FLOW_YEAR_2000 = 946684800,
    WR_FLOW_TEACHES = 6,
    WR_FLOW_LEARNED = 64,  /* elements that one exporter may explain */
};
#define WR_SECOND_NS INT64_C(1000000000)
#define WR_FLOW_AHEAD_NS (300 * WR_SECOND_NS) /* a time this far after the export is not believed */
#define WR_FLOW_NAME_NS (30 * 86400 * WR_SECOND_NS) /* a name told longer ago than this is not believed */
#define WR_FLOW_TMPL_NS (3600 * WR_SECOND_NS) /* a template lives as long at least, and three times its refresh */
#define WR_FLOW_HELD_NS (60 * WR_SECOND_NS)
#define WR_FLOW_LATE_S ((INT64_C(1) << 32) - 365 * 86400) /* a year before seconds of 32 bits begin anew */
#define WR_FLOW_IDLE_NS (1800 * WR_SECOND_NS) /* an exporter or stream this quiet makes room for another */

struct wr_field {
    uint32_t pen;
    uint16_t id, len; /* WR_VARLEN: the length is in the record */
    uint16_t same;    /* index of the next field of the same element; 0 = none */
    bool repeat;      /* an earlier field is the same element */
    bool scope, legal;
    struct wr_ie ie;
};

/* Reads `len` octets (WR_VARLEN: prefixed by their number) as a wr_step does; see who.c. */
struct wr_who_step {
    uint8_t kind, how, rank;
    bool dashes; /* - and Unknown stand for nothing */
    uint16_t anchor, off, len, order;
};

/* Where a template has what a translation is made of (nat.c). */
enum { WR_NAT_FIELDS = 12 };
struct wr_nat_step {
    uint8_t what;
    uint16_t anchor, off, len;
};

/* Records of this template say what `key` is called. */
struct wr_teach {
    uint8_t kind; /* enum wr_name_kind */
    uint16_t key, text; /* fields */
};

/* One template, one block of memory. Immutable, but for names that an exporter teaches when some are unknown;
 * those are not shared. */
struct wr_tmpl {
    uint16_t id, nfields, nscope;
    bool may_mail; /* see mail.c */
    bool settled;  /* of flows alone, all of one length: nothing in a set of it can be refused */
    bool options, explains; /* explains: type records (RFC 5610) */
    uint32_t min_len;  /* shortest record, >= 1 */
    uint32_t spec_len; /* the wire form after the id, for comparing and storing */
    size_t bytes;
    struct wr_tmpl *next_shared; /* of one bucket */
    uint32_t refs, hash;
    bool shared; /* stands in dec->shared: streams that send the same bytes under the same id hold one */
    uint16_t version;
    struct wr_field *fields;
    uint8_t *spec;
    struct wr_plan *plan; /* owned */
    struct wr_who_step *who; /* owned */
    uint16_t nwho, nteach;
    uint32_t who_kinds;
    struct wr_teach teach[WR_FLOW_TEACHES];
    uint8_t nnat;
    struct wr_nat_step nat[WR_NAT_FIELDS];
};

/* The sequence numbers of one stream; see sequence.c. */
struct wr_seq {
    uint32_t next;
    uint8_t unit; /* WR_SEQ_* */
    uint8_t cand_n;
    bool started, gap_unknown; /* what follows is read when a number is not the one that was expected */
    uint32_t prev, cand;
    uint32_t prev_records, prev_count;
    uint16_t hits[3], tried;
};

/* A stream's use of a template; empty without one. */
struct wr_slot {
    struct wr_tmpl *tmpl;
    uint32_t seen_s;           /* last told, since 1970 */
    unsigned refresh_s : 31;   /* longest time between two tellings, 0: told once */
    unsigned clash : 1;        /* loaded at start, and another definition of the same key too: not used */
};

struct wr_stream_key {
    uint8_t addr[16];
    uint64_t session;
    uint32_t domain;
    uint16_t port, version;
};

struct wr_stream {
    /* The first two lines of the cache, up to the begin of `seq`, are all that a settled message touches (foresee.c). */
    struct wr_stream_key key;
    struct wr_exporter *exporter;
    struct wr_slot *slots; /* open addressing by id; cap a power of two */
    struct wr_stream *next_hash;
    int64_t expires_ns; /* not before this does any of its templates */
    int64_t used_ns;
    uint32_t nslots, ntmpls;
    struct wr_stream_life {
        uint64_t messages, records;
        int64_t offset_ns; /* arrival less export time of the last message */
        int64_t window_ns; /* begin of the window that rates are taken over */
        uint32_t rate;     /* sampling of the last row; 0 none yet */
    } life;
    struct wr_seq seq;
    struct wr_stream_past {
        int64_t first_ns;
        uint64_t seq_lost, window_messages, window_records;
        double messages_rate, records_rate; /* per second, of the window before */
    } past;
    struct wr_stream *next_sibling;
    bool provisional; /* templates loaded at start; no peer sends on it */
    uint32_t point[3]; /* observation point for direction 0, 1, unknown */
    int64_t init_ns;   /* element 160 of an options record; 0 unknown */
    int64_t untold_ns; /* first data set without template since one was told; 0 none */
};
enum { WR_FLOW_LINE = 64, WR_FLOW_STREAM_HOT = 2 * WR_FLOW_LINE, WR_FLOW_EXPORTER_HOT = WR_FLOW_LINE };
_Static_assert(offsetof(struct wr_stream, seq.prev) <= WR_FLOW_STREAM_HOT, "see foresee.c");

enum wr_sampler_kind { WR_SAMPLER_ID, WR_SAMPLER_INTERFACE, WR_SAMPLER_SYSTEM };
struct wr_sampler {
    uint64_t key; /* see wr_sampler_key */
    uint64_t id;
    uint32_t rate;
};

struct wr_held {
    struct wr_held *next;
    struct wr_stream *stream;
    int64_t arrived_ns, export_ns;
    uint32_t uptime_ms, len;
    uint16_t set_id;
    uint8_t data[];
};

/* An element that a session explained; see learned.c. */
struct wr_learned {
    struct wr_learned *next;
    uint64_t session;
    struct wr_ie ie;
    uint32_t pen, bytes;
    uint16_t port, id;
    char name[];
};

struct wr_exporter {
    /* The first line of the cache is all that a settled message touches (foresee.c). */
    int64_t used_ns;
    struct wr_held *held;
    uint32_t nsamplers, cap_samplers;
    struct wr_flow_stats stats;
    uint8_t addr[16];
    struct wr_exporter *next_hash;
    struct wr_sampler *samplers; /* sorted by (key, id) */
    bool listed;                 /* or nobody is */
    struct wr_stream *streams;
    uint32_t nstreams, nheld, nlearned;
    size_t bytes, held_bytes;
    struct wr_held **held_end;
    struct wr_learned *learned; /* owned */
    struct wr_names names;
    uint64_t not_sent, ignored_packets; /* as its own options say: 166, 164; the newest */
    enum wr_flow_reject last_why; /* WR_FLOW_NREJECTS: nothing was ever refused */
    int64_t last_why_ns;
};
_Static_assert(offsetof(struct wr_exporter, stats.filtered_early) < WR_FLOW_EXPORTER_HOT, "see foresee.c");

enum { WR_FLOW_STRANGERS = 64 };
struct wr_stranger { /* an address that has sent nothing but what was refused */
    uint8_t addr[16];
    uint64_t refused[WR_FLOW_NREJECTS];
};

/* Records of a set as preflight walked them: `n` rows of anchors from `first` on, nvars + 1 each.
 */
struct wr_walk {
    const uint8_t *body;
    const struct wr_plan *plan;
    uint32_t n, first;
};

struct wr_pend;
struct wr_flow_decoder {
    struct wr_model *model;
    bool own_model;
    struct wr_hash_key hash_key;
    size_t bytes, memory_bytes, held_bytes;
    uint32_t max_exporters, nexporters;
    struct wr_flow_prefix *listed; /* owned */
    uint32_t nlisted, nothers; /* exporters that are not listed, */
    size_t other_bytes, other_held_bytes; /* and what they have */
    int64_t evicted_ns, swept_ns; /* last search for an exporter, for held sets to drop */
    uint32_t nbuckets;            /* of both tables, a power of two */
    struct wr_exporter **exporters;
    struct wr_stream **streams;
    struct wr_tmpl **shared; /* nbuckets, by what wr_tmpl_get is asked for */
    uint32_t nforeseen, foreseen_at; /* foresee.c */
    struct wr_stream *foreseen[WR_FLOW_FORESEEN];
    struct wr_stream *last; /* of the message before; NULL */
    struct wr_tmpl *fixed[WR_FLOW_NFIXED];
    uint32_t guesses; /* in the message in hand */
    struct wr_names hosts; /* endpoints move between addresses */
    uint32_t who_wanted;   /* kinds of who.h */
    struct wr_buf who_text;
    struct wr_batch *mail; /* one row of SmtpMessages; NULL: nobody reads them */
    uint64_t *ports; /* 65,536 bits, NULL = keep all */
    uint8_t *port_filter; /* WR_FLOW_FILTER octets: 0 = no wanted port has these 12 bits, see rows.c */
    bool keep_none;
    bool by_ports; /* rows are wanted by their ports alone, if at all */
    struct wr_pend *pends; /* templates of the message in hand, in message order */
    uint32_t npends, cap_pends, new_bytes;
    uint32_t *pend_of;       /* by template id: 1 + index into pends, 0 none */
    uint32_t nwalks, walked; /* of the message in hand: sets, anchors */
    struct wr_walk walks[WR_FLOW_WALKS];
    uint32_t walk[WR_FLOW_ANCHORS];    /* their anchors */
    uint32_t anchors[WR_FLOW_ANCHORS]; /* of the records in hand, when preflight did not keep them */
    uint64_t values[WR_FLOW_CHUNK][WR_NTARGETS];
    struct wr_flow_stats stats;
    enum wr_flow_reject why; /* of the last message that was refused */
    struct wr_stranger strangers[WR_FLOW_STRANGERS];
    uint32_t nstrangers;
    struct wr_flow_stats others; /* of addresses without a place of their own */
};

/* One message on its way through. Exactly one of `rows`, `json` is set. */
struct wr_msg {
    struct wr_flow_decoder *dec;
    const struct wr_flow_peer *peer;
    struct wr_exporter *exporter; /* NULL until the message has passed preflight */
    struct wr_stream *stream;
    const uint8_t *data;
    size_t len; /* of header and sets */
    uint16_t version, count;
    uint32_t domain, seq, uptime_ms;
    uint32_t header_rate; /* v5; 0 unknown */
    int64_t export_ns, now_ns;
    uint32_t rows_before; /* in `rows` */
    uint32_t records;    /* decoded, options included */
    uint32_t list_items; /* written so far, of the whole message */
    uint32_t holds, boots;
    bool unknown_sets, learned;
    struct wr_flow_vec *rows;
    struct wr_buf *json;
    const uint8_t *from; /* of its only data set: records before it are not wanted (quick.c); NULL: not known */
};

/* Records of one set that are decoded together. */
struct wr_recs {
    uint32_t n;
    const uint8_t *body;                 /* of the set */
    uint32_t stride;                     /* not 0: they follow each other from at[0] on, however many */
    const uint8_t *at[WR_FLOW_CHUNK];    /* where each begins */
    const uint32_t *ends[WR_FLOW_CHUNK]; /* with variable-length fields: its anchors, from the body */
};

/* The row as far as the message settles it. */
static inline struct wr_flow wr_base_flow(const struct wr_msg *msg)
{
    struct wr_flow base = {
        .direction = 255, .sampling = 1, .domain = msg->domain, .export_ns = msg->export_ns};
    memcpy(base.exporter, msg->exporter->addr, 16);
    return base;
}

/* Where the variable-length record at body + start ends; 0 when it runs past `len`. Fills
 * `anchors`, nvars + 1: its start and the ends of its variable-length fields, counted from the
 * body. */
static inline size_t wr_record_ends(const struct wr_plan *plan, const uint8_t *body, size_t len, size_t start,
                                    uint32_t *anchors)
{
    const uint16_t *gap = plan->gaps, *last = gap + plan->nvars;
    size_t at = start;
    *anchors++ = (uint32_t)start;
    for (; gap != last; gap++) {
        at += *gap;
        if (at >= len) /* also when the field before ran past */
            return 0;
        size_t n = body[at++];
        if (__builtin_expect(n == 255, 0)) {
            if (len - at < 2)
                return 0;
            n = wr_be16(body + at);
            at += 2;
        }
        at += n;
        *anchors++ = (uint32_t)at;
    }
    at += *last;
    return at <= len ? at : 0;
}

/* Both counters of a message: the decoder's and its exporter's. */
#define WR_REFUSED(msg, why)                                                                                 \
    do {                                                                                                     \
        WR_COUNT(msg, rejected[why], 1);                                                                     \
        if ((msg)->exporter) {                                                                               \
            (msg)->exporter->last_why = (why);                                                               \
            (msg)->exporter->last_why_ns = (msg)->now_ns;                                                    \
        }                                                                                                    \
    } while (0)
#define WR_COUNT(msg, field, n)                                                                              \
    do {                                                                                                     \
        (msg)->dec->stats.field += (n);                                                                      \
        if ((msg)->exporter)                                                                                 \
            (msg)->exporter->stats.field += (n);                                                             \
    } while (0)

/* strangers.c: counts a message of an address without an exporter; an exporter has come, and takes over what was counted;
 * one goes, its counters stay. */
void wr_stranger_refused(struct wr_flow_decoder *dec, const uint8_t *addr, enum wr_flow_reject why);
void wr_stranger_known(struct wr_flow_decoder *dec, struct wr_exporter *x);
void wr_stranger_gone(struct wr_flow_decoder *dec, const struct wr_exporter *x);

/* templates.c */
/* Charged to the decoder by the caller; below 0: given back. */
void wr_exporter_charge(struct wr_flow_decoder *dec, struct wr_exporter *x, int64_t bytes);
/* Whether the exporter may have so many more. */
bool wr_exporter_room(const struct wr_flow_decoder *dec, const struct wr_exporter *x, size_t bytes);
struct wr_exporter *wr_exporter_find(const struct wr_flow_decoder *dec, const uint8_t *addr);
struct wr_stream *wr_stream_find(const struct wr_flow_decoder *dec, const struct wr_stream_key *key);
struct wr_stream_key wr_stream_key_of(const struct wr_msg *msg);
struct wr_stream *wr_stream_look_up(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, uint32_t domain,
                                    uint16_t version);
/* Where the search for a template begins; nslots > 0. */
const struct wr_slot *wr_stream_home(const struct wr_stream *stream, uint16_t id);
static inline bool wr_stream_is(const struct wr_stream *s, const struct wr_flow_peer *peer, uint32_t domain,
                                uint16_t version)
{
    uint64_t a[2], b[2];
    memcpy(a, s->key.addr, sizeof a);
    memcpy(b, peer->addr, sizeof b);
    uint64_t differ = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (s->key.session ^ peer->session) |
                      (s->key.domain ^ domain) | (uint64_t)(s->key.version ^ version) |
                      (uint64_t)(s->key.port ^ (peer->session ? 0 : peer->port));
    return !differ;
}
/* NULL: none yet. Datagrams of one exporter come in trains: most often it is the stream of the
 * message before. */
static inline struct wr_stream *wr_stream_for(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer,
                                              uint32_t domain, uint16_t version)
{
    struct wr_stream *last = dec->last;
    return last && wr_stream_is(last, peer, domain, version) ? last : wr_stream_look_up(dec, peer, domain, version);
}
static inline struct wr_stream *wr_stream_of(const struct wr_msg *msg)
{
    return wr_stream_for(msg->dec, msg->peer, msg->domain, msg->version);
}
/* Finds or makes exporter and stream of the message; false when a cap refuses them. */
bool wr_stream_enter(struct wr_msg *msg);
struct wr_exporter *wr_exporter_get(struct wr_flow_decoder *dec, const uint8_t *addr, int64_t now_ns);
struct wr_stream *wr_stream_add(struct wr_flow_decoder *dec, const struct wr_stream_key *key, int64_t now_ns);
void wr_stream_drop(struct wr_flow_decoder *dec, struct wr_stream *stream);
void wr_exporter_drop(struct wr_flow_decoder *dec, struct wr_exporter *exporter);
/* The stream's own template; NULL. */
static inline uint32_t wr_slot_home(const struct wr_stream *s, uint16_t id)
{
    return (id * UINT32_C(2654435761) >> 12) & (s->nslots - 1);
}
static inline struct wr_tmpl *wr_stream_tmpl(const struct wr_stream *s, uint16_t id)
{
    for (uint32_t at = s->nslots ? wr_slot_home(s, id) : 0; s->nslots; at = (at + 1) & (s->nslots - 1))
        if (!s->slots[at].tmpl || s->slots[at].tmpl->id == id)
            return s->slots[at].tmpl;
    return NULL;
}
/* As above, else a stored one, else that of the only other stream with one (line cards): borrowed.
 * `stream` may be NULL. */
struct wr_tmpl *wr_tmpl_for(struct wr_flow_decoder *dec, const struct wr_stream *stream,
                            const struct wr_stream_key *key, uint16_t id, uint32_t body);
/* Takes `tmpl`; false (and freed) when a cap refuses it. */
bool wr_stream_put(struct wr_flow_decoder *dec, struct wr_stream *stream, struct wr_tmpl *tmpl,
                   int64_t seen_ns);
/* The slot of its template; NULL. */
struct wr_slot *wr_stream_slot(const struct wr_stream *stream, uint16_t id);
/* A template from checked specifiers, as wr_tmpl_new, or the one that another stream holds; charged to the
 * decoder. */
struct wr_tmpl *wr_tmpl_get(struct wr_flow_decoder *dec, uint16_t version, uint16_t id, bool options,
                            const uint8_t *spec, uint32_t spec_len);
void wr_tmpl_unref(struct wr_flow_decoder *dec, struct wr_tmpl *tmpl);
void wr_stream_remove(struct wr_flow_decoder *dec, struct wr_stream *stream, uint16_t id);
/* A template from its specifiers (`spec` starts at the field count), already checked. NULL: no
 * memory. */
struct wr_tmpl *wr_tmpl_new(const struct wr_model *model, uint16_t version, uint16_t id, bool options,
                            const uint8_t *spec, uint32_t spec_len);
void wr_tmpl_free(struct wr_tmpl *tmpl);
/* The exporter told a template again; and what it has not told for too long goes. */
void wr_slot_refresh(struct wr_stream *stream, struct wr_slot *slot, int64_t now_ns);
void wr_tmpl_expire(struct wr_flow_decoder *dec, struct wr_stream *stream, int64_t now_ns);

/* held.c */
void wr_held_add(struct wr_msg *msg, uint16_t set_id, const uint8_t *body, uint32_t len);
/* Decodes what waited for template `id` of the message's stream. */
void wr_held_release(struct wr_msg *msg, uint16_t id);
void wr_held_expire(struct wr_flow_decoder *dec, struct wr_exporter *exporter, int64_t now_ns);
void wr_held_forget(struct wr_flow_decoder *dec, struct wr_exporter *exporter,
                    const struct wr_stream *stream);

/* preflight.c: validates the sets of a v9 or IPFIX message [at, msg->len). On success the message's
 * templates wait in dec->pends. */
enum wr_pend_kind { WR_PEND_NEW, WR_PEND_SAME, WR_PEND_REFUSED, WR_PEND_WITHDRAWN, WR_PEND_WITHDRAW_ALL };
struct wr_pend {
    enum wr_pend_kind kind;
    uint16_t id;
    uint32_t set_at; /* where its set begins in the message */
    enum wr_flow_reject why;
    bool options;
    struct wr_tmpl *tmpl; /* NEW: owned */
};
bool wr_preflight(struct wr_msg *msg, size_t at, enum wr_flow_reject *ret_why);
void wr_pends_drop(struct wr_flow_decoder *dec);
/* Length of the template's specifiers at `p` (from the field count on) or 0 when they do not fit in
 * `left`; *ret_why is set when the template must be refused. */
uint32_t wr_spec_check(uint16_t version, bool options, const uint8_t *p, size_t left,
                       enum wr_flow_reject *ret_why);

/* records.c */
/* Length of the variable-length record at `p`, at most `left`; 0 when it runs past. */
uint32_t wr_record_walk(const struct wr_plan *plan, const uint8_t *p, size_t left);
/* All records lie inside the set. */
bool wr_set_fits(const struct wr_tmpl *tmpl, const uint8_t *body, size_t len);
/* The same for a set of the message in hand, whose anchors are kept when there is room. */
bool wr_set_walk(struct wr_flow_decoder *dec, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len);
void wr_set_decode(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len);

/* quick.c: records whose ports are not wanted are passed over, four at a time; returns where one may be, `at` + `n`
 * records when none is. */
const uint8_t *wr_rows_pass_over(const uint8_t *filter, const struct wr_plan *plan, const uint8_t *at, uint32_t n);
/* Whole records of one length in `len` octets. len * (inverse * stride - 2^32) < 2^32 while both are below 2^16, so the
 * product is exact; more than that only fits an impossible v5 message. */
static inline uint32_t wr_records_in(const struct wr_plan *plan, size_t len)
{
    if (__builtin_expect(len > UINT16_MAX, 0))
        return (uint32_t)(len / plan->stride);
    return (uint32_t)(len * plan->inverse >> 32);
}
/* Ports as they lie in memory, by the 12 low bits of a little-endian load: a table that stays in the first cache. */
static inline uint8_t wr_first_look(const uint8_t *filter, const uint8_t *p)
{
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return filter[x & (WR_FLOW_FILTER - 1)];
}
/* rows.c: `body` lies behind a header, see WR_FLOW_BEFORE. */
void wr_rows_decode(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len);

/* plain.c: rows of templates that need no steps. */
void wr_plain_compile(struct wr_plan *plan);
static inline bool wr_plain_applies(const struct wr_msg *msg, const struct wr_plan *plan)
{
    return plan->is_plain && !msg->exporter->nsamplers &&
           (plan->times != WR_TIMES_UPTIME || msg->version != WR_FLOW_IPFIX) &&
           (plan->times != WR_TIMES_S || msg->now_ns < WR_FLOW_LATE_S * WR_SECOND_NS);
}
void wr_plain_decode(struct wr_msg *msg, const struct wr_plan *plan, const struct wr_recs *recs,
                     struct wr_flow *flows);

/* meaning.c: `v` has the plan's targets, `flow` what was copied. */
void wr_flow_conclude(struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v,
                      struct wr_flow *flow);

/* who.c: process, account, host, application */
bool wr_who_compile(struct wr_tmpl *tmpl); /* false: no memory */
void wr_who_note(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec, const uint32_t *anchors,
                 struct wr_flow *flow);
/* Of sFlow: a user's name (len 0: none) and the whole sample as JSON (empty: not wanted); JSON alone. */
void wr_who_sample(struct wr_msg *msg, struct wr_flow *flow, const uint8_t *user, uint32_t len,
                   const struct wr_buf *fields);
void wr_who_fields(struct wr_msg *msg, struct wr_flow *flow, const char *json, uint32_t len);
/* nat.c: translated addresses */
struct wr_nat;
void wr_nat_compile(struct wr_tmpl *tmpl);
/* What the record of `flow` says of a translation; false: nothing, or that there is none. */
bool wr_nat_read(const struct wr_tmpl *tmpl, const uint8_t *rec, const uint32_t *anchors, const struct wr_flow *flow,
                 struct wr_nat *ret_nat);
void wr_names_compile(struct wr_tmpl *tmpl);
/* `x`: whose they are; NULL: the decoder's own. */
bool wr_names_keep(struct wr_flow_decoder *dec, struct wr_exporter *x, const struct wr_name_key *key, const char *text,
                   uint32_t len, int64_t told_ns);
void wr_names_learn(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec);

/* times.c: an exporter whose clock was never set (before 2000) exports now; a clock of 32 bits that has begun anew */
void wr_export_time_odd(struct wr_msg *msg, uint32_t secs, uint32_t nsecs);
static inline void wr_export_time(struct wr_msg *msg, uint32_t secs, uint32_t nsecs)
{
    msg->export_ns = secs * WR_SECOND_NS + nsecs;
    if (__builtin_expect(secs < WR_FLOW_YEAR_2000 || msg->now_ns >= WR_FLOW_LATE_S * WR_SECOND_NS, 0))
        wr_export_time_odd(msg, secs, nsecs);
}
/* Fills start, end and TIME_APPROX of `flow` from the loaded values. */
void wr_times_set(struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v, struct wr_flow *flow);

/* options.c */
void wr_options_record(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec);
void wr_sampler_set(struct wr_flow_decoder *dec, struct wr_exporter *x, uint64_t key, uint64_t id, uint32_t rate);
uint64_t wr_sampling_rate(struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v);
void wr_scale(struct wr_flow *flow, uint64_t rate);

/* learned.c */
bool wr_type_pair_good(uint8_t type, uint8_t semantics);
void wr_learned_note(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec);
void wr_learned_apply(const struct wr_stream *stream, struct wr_tmpl *tmpl);
void wr_learned_spread(struct wr_msg *msg); /* once a message */
/* Of one session; 0: of all. */
void wr_learned_forget(struct wr_flow_decoder *dec, struct wr_exporter *exporter, uint64_t session);

/* mail.c: rows of SmtpMessages from the records of a set */
bool wr_mail_may(const struct wr_tmpl *tmpl);
void wr_mail_records(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len);

/* exporters.c: rates of the window that has ended */
#define WR_RATE_WINDOW_NS (10 * WR_SECOND_NS)
void wr_life_window(struct wr_stream *stream, int64_t now_ns);
/* A message of the stream was decoded. */
static inline void wr_life_note(struct wr_msg *msg)
{
    struct wr_stream_life *life = &msg->stream->life;
    life->messages++;
    life->records += msg->records;
    life->offset_ns = msg->now_ns - msg->export_ns;
    if (msg->rows && msg->rows->n > msg->rows_before)
        life->rate = msg->rows->at[msg->rows->n - 1].sampling;
    if (__builtin_expect(msg->now_ns - life->window_ns >= WR_RATE_WINDOW_NS, 0))
        wr_life_window(msg->stream, msg->now_ns);
}

/* sequence.c: called once per message, after it is decoded. */
enum { WR_SEQ_LEARNING, WR_SEQ_MESSAGES, WR_SEQ_COUNT, WR_SEQ_RECORDS, WR_SEQ_NONE };
static inline uint32_t wr_seq_step(const struct wr_seq *seq, const struct wr_msg *msg)
{
    return seq->unit == WR_SEQ_RECORDS ? msg->records : seq->unit == WR_SEQ_COUNT ? msg->count : 1;
}
void wr_seq_look(struct wr_msg *msg, struct wr_seq *seq);
static inline void wr_seq_note(struct wr_msg *msg)
{
    struct wr_seq *seq = &msg->stream->seq;
    if (seq->started && seq->unit != WR_SEQ_LEARNING && msg->seq == seq->next) {
        seq->next += wr_seq_step(seq, msg); /* what most do; without a unit nothing is compared with it */
        seq->cand_n = 0;
    } else {
        wr_seq_look(msg, seq);
    }
    /* A set without template hides how many records it had. */
    seq->gap_unknown = msg->unknown_sets && seq->unit == WR_SEQ_RECORDS;
}

/* decode_json.c */
/* Opens a line: exporter, version, domain; `tmpl` and `kind` as the header of the file says. */
void wr_json_open(struct wr_msg *msg, uint16_t tmpl, const char *kind);
/* The members of an object, without its braces, into msg->json. */
void wr_json_fields(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec);
void wr_json_record(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec);

/* fixed.c, v9.c, ipfix.c, sflow.c: header, then the sets. False: rejected whole, *ret_why says why.
 */
bool wr_fixed_message(struct wr_msg *msg, uint32_t which, enum wr_flow_reject *ret_why);
bool wr_sflow_message(struct wr_msg *msg, enum wr_flow_reject *ret_why);
bool wr_v9_message(struct wr_msg *msg, enum wr_flow_reject *ret_why);
bool wr_ipfix_message(struct wr_msg *msg, enum wr_flow_reject *ret_why);
struct wr_tmpl *wr_fixed_template(const struct wr_model *model, uint32_t which);
/* quick.c: false: nothing was done. *ret_from: see wr_msg. */
bool wr_message_quick(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, const uint8_t *p, size_t len,
                      int64_t now_ns, const uint8_t **ret_from);
/* Decodes a message that needs no preflight; false when it is not one. */
bool wr_message_settled(struct wr_msg *msg, size_t at);
/* Applies a message that passed preflight, set by set. */
void wr_sets_apply(struct wr_msg *msg, size_t at);

#endif
