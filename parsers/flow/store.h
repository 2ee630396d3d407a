/* What a decoder holds, for the files of this folder only.
 *
 *   decoder -> exporter (address) -> stream (port or session, domain, version) -> set of templates -> template (id) ->
 * plan
 *
 * An exporter also has its sampling table, the data sets that wait for a template, and its
 * counters. Every byte below an exporter is charged to the decoder's and to the exporter's budget.
 */
#ifndef WR_PARSERS_FLOW_STORE_H
#define WR_PARSERS_FLOW_STORE_H

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
    struct wr_look look; /* the plan's: what stands here up to `plan` is all that quick.c reads of most */
    uint16_t id, nfields, nscope;
    bool may_mail; /* see mail.c */
    bool settled;  /* of flows alone, all of one length: nothing in a set of it can be refused */
    bool quick;    /* settled, or would be but for variable lengths; and its two ports say of any record whether rules may want it */
    bool options, explains; /* explains: type records (RFC 5610) */
    struct wr_plan *plan;   /* owned */
    uint32_t min_len;  /* shortest record, >= 1 */
    uint32_t spec_len; /* the wire form after the id, for comparing and storing */
    size_t bytes;
    struct wr_tmpl *next_shared; /* of one bucket */
    uint32_t refs, hash;
    bool shared; /* stands in dec->shared: streams that send the same bytes under the same id hold one */
    uint16_t version;
    struct wr_field *fields;
    uint8_t *spec;
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

/* The templates of a stream, by id: open addressing, nslots a power of two, never full. Streams that have the same
 * templates hold one (shared.c), so that those of ten thousand routers of one make stay in the cache. */
struct wr_tmpls {
    struct wr_tmpls *next; /* of one bucket of dec->sets */
    uint32_t refs, hash, n, nslots;
    bool shared; /* stands in dec->sets; whoever changes it copies it first */
    struct wr_tmpl *at[];
};

/* What one stream alone knows of a template; beside its slot. */
struct wr_age {
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

/* What settled messages counted since wr_stream_settle, which adds it to the stream's and the exporter's counters. */
struct wr_quick {
    uint32_t messages, records, rows;
};

struct wr_stream {
    /* The first two lines of the cache, up to the middle of `seq`, are all that a settled message touches (foresee.c). */
    struct wr_stream_key key;
    struct wr_stream *next_hash;
    struct wr_tmpls *tmpls; /* NULL: none */
    struct wr_exporter *exporter;
    int64_t used_ns;
    int64_t expires_ns; /* not before this does any of its templates */
    int64_t window_ns;  /* begin of the window that rates are taken over */
    int64_t offset_ns;  /* arrival less export time of the last message */
    struct wr_quick quick;
    uint32_t point[3]; /* observation point for direction 0, 1, unknown */
    uint32_t rate;     /* sampling of the last row; 0 none yet */
    bool held, sampled; /* its exporter has sets that wait; has samplers, or a rate of the configuration */
    struct wr_seq seq;
    struct wr_age *ages; /* beside tmpls->at */
    struct wr_stream_past {
        int64_t first_ns;
        uint64_t messages, records; /* quick's not among them */
        uint64_t seq_lost, window_messages, window_records;
        double messages_rate, records_rate; /* per second, of the window before */
    } past;
    struct wr_stream *next_sibling;
    bool provisional; /* templates loaded at start; no peer sends on it */
    int64_t init_ns;   /* element 160 of an options record; 0 unknown */
    int64_t untold_ns; /* first data set without template since one was told; 0 none */
};
enum { WR_FLOW_LINE = 64, WR_FLOW_STREAM_HOT = 2 * WR_FLOW_LINE };
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
    uint32_t seq, uptime_ms, len;
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
    int64_t used_ns; /* or later: see its streams */
    struct wr_held *held;
    uint32_t nsamplers, cap_samplers;
    uint32_t default_rate; /* where neither it nor the record tells one; 0: as it is */
    struct wr_flow_stats stats; /* what its streams have in `quick` not among them */
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
enum { WR_FLOW_STRANGERS = 64 };
struct wr_stranger { /* an address that has sent nothing but what was refused */
    uint8_t addr[16];
    uint64_t refused[WR_FLOW_NREJECTS];
};

/* The first look at ports as they are sent: nothing that is wanted is missed, little that is not is let through. */
struct wr_port_filter {
    uint8_t low[WR_FLOW_FILTER]; /* by the 12 low bits of a little-endian load: 0 = no wanted port has them */
    /* By each half of each octet, upper octet first, lower half first: in which of 8 groups of wanted ports it occurs; a
     * port may be wanted when all four have a group in common. */
    _Alignas(16) uint8_t halves[2][2][16];
};

/* Records whose ports are not wanted are passed over; returns where one may be, `at` + `n` records when none is. */
typedef const uint8_t *wr_pass_over(const struct wr_port_filter *filter, const struct wr_look *look, const uint8_t *at,
                                    uint32_t n);

/* Records of a set as preflight walked them: `n` rows of anchors from `first` on, nvars + 1 each.
 */
struct wr_walk {
    const uint8_t *body;
    const struct wr_plan *plan;
    uint32_t n, first;
};

/* Streams lie together, so that ten thousand of them need few pages. */
struct wr_stream_pool {
    struct wr_stream_chunk *chunks; /* owned */
    struct wr_stream *free;       /* by next_hash */
};

struct wr_pend;
struct wr_flow_decoder {
    struct wr_model *model;
    bool own_model;
    struct wr_hash_key hash_key;
    uint64_t stream_key[4]; /* wr_stream_bucket's */
    size_t bytes, memory_bytes, held_bytes;
    uint32_t max_exporters, nexporters;
    struct wr_flow_prefix *listed; /* owned */
    struct wr_flow_rate *rates;    /* owned */
    uint32_t nrates;
    uint32_t nlisted, nothers; /* exporters that are not listed, */
    size_t other_bytes, other_held_bytes; /* and what they have */
    int64_t evicted_ns, swept_ns; /* last search for an exporter, for held sets to drop */
    uint32_t nbuckets;            /* of both tables, a power of two */
    struct wr_exporter **exporters;
    struct wr_stream **streams;
    struct wr_tmpl **shared; /* nbuckets, by what wr_tmpl_get is asked for */
    struct wr_tmpls **sets;  /* nbuckets, by their templates */
    struct wr_stream_pool pool;     /* of streams */
    uint32_t nforeseen, foreseen_at; /* foresee.c */
    struct wr_foreseen {
        struct wr_stream *stream;
        const uint8_t *data; /* of its first message: asked for, never read */
        uint32_t len;
    } foreseen[WR_FLOW_FORESEEN];
    struct wr_stream *last; /* of the message before; NULL */
    struct wr_tmpl *fixed[WR_FLOW_NFIXED];
    uint32_t guesses; /* in the message in hand */
    struct wr_flow_hosts *hosts; /* endpoints move between addresses */
    bool own_hosts;
    uint32_t who_wanted;   /* kinds of who.h */
    struct wr_buf who_text;
    struct wr_batch *mail; /* one row of SmtpMessages; NULL: nobody reads them */
    uint64_t *ports; /* 65,536 bits, NULL = keep all */
    struct wr_port_filter *port_filter; /* owned; NULL with `ports` */
    wr_pass_over *pass_over;
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

#endif
