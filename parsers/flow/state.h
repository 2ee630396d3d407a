/* A message on its way through, and what the files of this folder do for each other; what is held stands in store.h. */
#ifndef WR_PARSERS_FLOW_STATE_H
#define WR_PARSERS_FLOW_STATE_H

#include "parsers/flow/store.h"

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

/* streams.c: zeroed, at the begin of a line of the cache; NULL: no memory. */
struct wr_stream *wr_stream_block_take(struct wr_stream_pool *pool);
void wr_stream_block_give(struct wr_stream_pool *pool, struct wr_stream *stream);
void wr_stream_pool_fini(struct wr_stream_pool *pool);

/* templates.c */
/* After its first held set or sampler has come, or the last held set has gone. */
void wr_exporter_mark(struct wr_exporter *x);
/* What settled messages counted goes where all is counted. */
void wr_stream_settle(struct wr_stream *stream);
void wr_exporter_settle(struct wr_exporter *x);
/* Charged to the decoder by the caller; below 0: given back. */
void wr_exporter_charge(struct wr_flow_decoder *dec, struct wr_exporter *x, int64_t bytes);
/* Whether the exporter may have so many more. */
bool wr_exporter_room(const struct wr_flow_decoder *dec, const struct wr_exporter *x, size_t bytes);
struct wr_exporter *wr_exporter_find(const struct wr_flow_decoder *dec, const uint8_t *addr);
struct wr_stream *wr_stream_find(const struct wr_flow_decoder *dec, const struct wr_stream_key *key);
struct wr_stream_key wr_stream_key_of(const struct wr_msg *msg);
struct wr_stream *wr_stream_look_up(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, uint32_t domain,
                                    uint16_t version);
/* Where the stream of that key is looked for. Keyed, since addresses and domains come from strangers, by what is never
 * seen from outside; two multiplications, since every message of another exporter pays for it. */
static inline uint32_t wr_stream_bucket(const struct wr_flow_decoder *dec, const struct wr_stream_key *key)
{
    uint64_t w[4];
    _Static_assert(sizeof w == sizeof *key, "no padding");
    memcpy(w, key, sizeof w);
    const unsigned __int128 a = (unsigned __int128)(w[0] ^ dec->stream_key[0]) * (w[1] ^ dec->stream_key[1]);
    const unsigned __int128 b = (unsigned __int128)(w[2] ^ dec->stream_key[2]) * (w[3] ^ dec->stream_key[3]);
    const uint64_t mixed = ((uint64_t)a ^ (uint64_t)(a >> 64)) + ((uint64_t)b ^ (uint64_t)(b >> 64));
    return (uint32_t)(mixed * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (dec->nbuckets - 1);
}
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
/* foresee.c: the next that was foreseen, of which there is one. */
struct wr_stream *wr_foreseen_next(struct wr_flow_decoder *dec);
void wr_exporter_drop(struct wr_flow_decoder *dec, struct wr_exporter *exporter);
/* shared.c */
static inline uint32_t wr_slot_home(const struct wr_tmpls *set, uint16_t id)
{
    return (id * UINT32_C(2654435761) >> 12) & (set->nslots - 1);
}
/* The stream's own template; NULL. */
static inline struct wr_tmpl *wr_stream_tmpl(const struct wr_stream *s, uint16_t id)
{
    const struct wr_tmpls *set = s->tmpls;
    for (uint32_t at = set ? wr_slot_home(set, id) : 0; set; at = (at + 1) & (set->nslots - 1))
        if (!set->at[at] || set->at[at]->id == id)
            return set->at[at];
    return NULL;
}
/* The i-th slot's template, for i below wr_stream_nslots; NULL: empty. */
static inline uint32_t wr_stream_nslots(const struct wr_stream *s)
{
    return s->tmpls ? s->tmpls->nslots : 0;
}
static inline struct wr_tmpl *wr_stream_at(const struct wr_stream *s, uint32_t i)
{
    return s->tmpls->at[i];
}
/* What the stream knows of its template; NULL: it has none of that id. */
struct wr_age *wr_stream_age(const struct wr_stream *stream, uint16_t id);
/* Takes `tmpl`; false (and freed) when a cap refuses it. */
bool wr_stream_put(struct wr_flow_decoder *dec, struct wr_stream *stream, struct wr_tmpl *tmpl,
                   int64_t seen_ns);
void wr_stream_remove(struct wr_flow_decoder *dec, struct wr_stream *stream, uint16_t id);
void wr_stream_remove_all(struct wr_flow_decoder *dec, struct wr_stream *stream);
/* After changes: if another stream has the same templates, they hold one set. */
void wr_stream_share(struct wr_flow_decoder *dec, struct wr_stream *stream);
/* A template from checked specifiers, as wr_tmpl_new, or the one that another stream holds; charged to the
 * decoder. */
struct wr_tmpl *wr_tmpl_get(struct wr_flow_decoder *dec, uint16_t version, uint16_t id, bool options,
                            const uint8_t *spec, uint32_t spec_len);
void wr_tmpl_unref(struct wr_flow_decoder *dec, struct wr_tmpl *tmpl);
/* The exporter told a template again; and what it has not told for too long goes. */
void wr_tmpl_refresh(struct wr_stream *stream, uint16_t id, int64_t now_ns);
void wr_tmpl_expire(struct wr_flow_decoder *dec, struct wr_stream *stream, int64_t now_ns);

/* As above, else a stored one, else that of the only other stream with one (line cards): borrowed.
 * `stream` may be NULL. */
struct wr_tmpl *wr_tmpl_for(struct wr_flow_decoder *dec, const struct wr_stream *stream,
                            const struct wr_stream_key *key, uint16_t id, uint32_t body);
/* A template from its specifiers (`spec` starts at the field count), already checked. NULL: no
 * memory. */
struct wr_tmpl *wr_tmpl_new(const struct wr_model *model, uint16_t version, uint16_t id, bool options,
                            const uint8_t *spec, uint32_t spec_len);
void wr_tmpl_free(struct wr_tmpl *tmpl);

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

/* Whole records of one length in `len` octets. len * (inverse * stride - 2^32) < 2^32 while both are below 2^16, so the
 * product is exact; more than that only fits an impossible v5 message. */
static inline uint32_t wr_records_in(const struct wr_look *look, size_t len)
{
    if (__builtin_expect(len > UINT16_MAX, 0))
        return (uint32_t)(len / look->stride);
    return (uint32_t)(len * look->inverse >> 32);
}
/* look.c: the best that this machine can; the one that every machine can. */
wr_pass_over *wr_pass_over_best(void);
wr_pass_over *wr_pass_over_plain(void);
/* Ports as they lie in memory, by the 12 low bits of a little-endian load: a table that stays in the first cache. */
static inline uint8_t wr_first_look(const struct wr_port_filter *filter, const uint8_t *p)
{
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return filter->low[x & (WR_FLOW_FILTER - 1)];
}
/* rows.c: `body` lies behind a header, see WR_FLOW_BEFORE. */
/* Those that rules want from record `from` on, under a template with `quick`; returns how many memory had no room for. */
uint32_t wr_rows_pick(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len, const uint8_t *from);
void wr_rows_decode(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len);

/* plain.c: rows of templates that need no steps. */
void wr_plain_compile(struct wr_plan *plan);
static inline bool wr_plain_applies(const struct wr_msg *msg, const struct wr_plan *plan)
{
    return plan->is_plain && !msg->stream->sampled &&
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
/* persist.c, hosts.c: what is saved of names. */
void wr_names_items(const struct wr_names *names, const uint8_t *addr, struct wr_buf *out);
void wr_flow_hosts_items(struct wr_flow_hosts *hosts, struct wr_buf *out);
/* `x`: whose they are; NULL: of endpoints. */
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
uint32_t wr_stream_rate(const struct wr_stream *s); /* for the listing; 1: none is known */
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
    struct wr_stream *s = msg->stream;
    s->past.messages++;
    s->past.records += msg->records;
    s->offset_ns = msg->now_ns - msg->export_ns;
    if (msg->rows && msg->rows->n > msg->rows_before)
        s->rate = msg->rows->at[msg->rows->n - 1].sampling;
    else if (msg->header_rate)
        s->rate = msg->header_rate;
    if (__builtin_expect(msg->now_ns - s->window_ns >= WR_RATE_WINDOW_NS, 0))
        wr_life_window(s, msg->now_ns);
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
/* quick.c: false: nothing was done but that msg->from may be known. */
bool wr_message_quick(struct wr_msg *msg);
/* Decodes a message that needs no preflight; false when it is not one. */
bool wr_message_settled(struct wr_msg *msg, size_t at);
/* Applies a message that passed preflight, set by set. */
void wr_sets_apply(struct wr_msg *msg, size_t at);

#endif
