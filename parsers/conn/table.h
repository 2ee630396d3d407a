#ifndef WR_PARSERS_CONN_TABLE_H
#define WR_PARSERS_CONN_TABLE_H

#include "base/hash.h"
#include "parsers/conn/conn.h"

/* Inside of the connection table, shared by its files:
 *
 *   index --key--> conn --older--> conn ...      same 5-tuple, newest first, at most CHAIN_MAX
 *                   | rows --> row --> row        one per endpoint that reported it, or one
 * flow-only | point --> point             counters by observation point lru[DONE|QUICK|SLOW]   every
 * connection, by its last record wait[HOLD|PAIR]   those whose row is not decided, by the end of
 * their wait due[table]        rows that rules have yet to see
 *
 * Everything is numbered, in pools whose elements never move. Numbers, not pointers, are what is
 * saved. */
#define WR_NONE UINT32_MAX
#define WR_SECOND INT64_C(1000000000)
#define WR_TIME_MAX (INT64_C(1) << 62) /* ns; so that sums of times cannot overflow */

enum { WR_TCP = 6, WR_FIN = 1, WR_SYN = 2, WR_RST = 4, WR_PSH = 8, WR_ACK = 16, WR_URG = 32, WR_TCP_KNOWN = 128 };
enum { WR_CHAIN_MAX = 8, WR_POINTS_MAX = 16, WR_SEEN = 4 };
enum { WR_CLOCKS_MAX = 65536, WR_CLOCK_SAMPLES = 7, WR_CLOCK_ENOUGH = 3, WR_CLOCK_OFF_MS = 60000 };
enum { WR_RECENT_MAX = 65536, WR_AGENTS_MAX = 65536, WR_ANSWERS_MAX = 65536 };
/* An entry that has ended and that an event explains; one that has ended; one that may go on. */
enum { WR_LRU_DONE, WR_LRU_QUICK, WR_LRU_SLOW, WR_LRU_NOT /* a free entry, or one being loaded */, WR_NLRU = WR_LRU_NOT };
enum { WR_WAIT_HOLD, WR_WAIT_PAIR, WR_WAIT_NOT };
enum { WR_DUE_EVENTS, WR_DUE_ORPHANS, WR_DUE_SESSIONS, WR_DUE_UNMANAGED, WR_DUE_HIDDEN, WR_DUE_SILENT, WR_NDUE };

/* How far an endpoint's clock may be from an exporter's, and one exporter's from another's. */
#define WR_OPEN_SLACK (5 * WR_SECOND)
#define WR_SKEW (2 * WR_SECOND)
/* An endpoint whose clock is worse still finds its flow when nothing nearer has the same tuple:
 * ports are not used again that soon. Such a match is marked ambiguous. */
#define WR_OPEN_FAR (120 * WR_SECOND)

/* Fixed-size elements in blocks; a freed one holds the number of the next free one in its first 4
 * bytes. */
struct wr_pool {
    char **block;
    uint32_t nblocks, size, n, free;
};
uint32_t wr_pool_take(struct wr_pool *pool); /* zeroed; WR_NONE when out of memory */
void wr_pool_give(struct wr_pool *pool, uint32_t i);
void wr_pool_fini(struct wr_pool *pool);
/* Builds that look at everything begin small, so that every test grows what it fills. */
#if defined WR_CHECKS && WR_CHECKS >= 2
enum { WR_POOL_SHIFT = 3, WR_INDEX_FIRST = 16 };
#else
enum { WR_POOL_SHIFT = 10, WR_INDEX_FIRST = 1024 };
#endif
static inline void *wr_pool_at(const struct wr_pool *pool, uint32_t i)
{
    return pool->block[i >> WR_POOL_SHIFT] + (size_t)(i & ((1u << WR_POOL_SHIFT) - 1)) * pool->size;
}

/* Numbers by hash: open addressing, linear, at most 3/4 full; equal hashes are told apart by the
 * caller. */
struct wr_slot {
    uint32_t tag, item;
};
struct wr_index {
    struct wr_slot *slot;
    uint32_t mask, n;
};
bool wr_index_put(struct wr_index *index, uint32_t hash, uint32_t item) WR_MUST_CHECK;
void wr_index_del(struct wr_index *index, uint32_t hash, uint32_t item);
/* Items of this hash one by one, WR_NONE at the end; *pos starts as `hash`. */
uint32_t wr_index_next(const struct wr_index *index, uint32_t hash, uint32_t *pos);
/* Is this item in it, under this hash? Looks at nothing but the index. */
bool wr_index_has(const struct wr_index *index, uint32_t hash, uint32_t item);

struct wr_conn_key {
    uint8_t addr[2][16]; /* the smaller (address, port) first */
    uint16_t port[2];
    uint8_t proto, v6, pad[2];
};

/* Totals instead of deltas: what the exporter last said since `start`. */
struct wr_total {
    int64_t start[2];
    uint64_t bytes[2];
    uint32_t packets[2];
};

/* One observation point. [0] is addr[0] -> addr[1]. */
struct wr_point {
    uint32_t id, sampling, next, total;
    uint32_t packets[2];
    uint64_t bytes[2];
    uint32_t seen[WR_SEEN]; /* fingerprints of the newest records; 0 none */
};

enum {
    WR_CONN_KNOWN = 1, /* the record says who began: side in `initiator` */
    WR_CONN_BIFLOW = 2,
    WR_CONN_DENIED = 4,
    WR_CONN_TCP_FLAGS = 8, /* tcp[] is known; of ICMP it is type and code */
    WR_CONN_CLOSED = 16, /* FIN or RST seen */
    WR_CONN_SYN = 32,
    WR_CONN_FLOW = 64, /* some record came; without: an endpoint event alone */
    WR_CONN_AMBIGUOUS = 128
};

/* How an entry's key and its records come together. */
enum {
    WR_NAT_MOVED = 1,   /* some record had another tuple, translated to this key */
    WR_NAT_DIRECT = 2,  /* some record had the key itself */
    WR_NAT_OUTPORT = 4, /* << side: that end's address is the inside one, its port the outside one */
    WR_NAT_SAVED = 15,
    WR_NAT_WILD = 16 /* << side: stands in by_wild with that end's port left out */
};

struct wr_entry {
    struct wr_conn_key key; /* the connection's own ends, behind translations that are known */
    int64_t start, last; /* of its records; of the opening while there is none */
    int64_t touched, due;
    uint64_t born;
    int64_t
        syn_start[2];  /* earliest start of a record with SYN, first point only; WR_TIME_MAX none */
    uint64_t bytes[2]; /* chosen over points; never falls */
    struct wr_point point;
    uint32_t older, rows, lru_prev, lru_next, wait_prev, wait_next;
    uint8_t flags, tcp[2], lone_syn /* bit per side */, initiator, first_src,
        bytes_known /* bit per side */, nat /* WR_NAT_* */;
    uint8_t lru, wait, unchained, who_side /* index of the end it is about */;
    uint16_t label;
    uint32_t who;  /* WR_NONE: nothing is known */
    uint32_t hash; /* of the key */
};

enum wr_row_state { WR_ROW_HELD, WR_ROW_DUE_INSERT, WR_ROW_OUT, WR_ROW_DUE_AMEND, WR_ROW_IMAGE };

/* A row of output. WR_ROW_HELD: not before the flush (final_only). WR_ROW_IMAGE: complete in
 * `packed`, its connection has gone or never was. */
struct wr_crow {
    uint64_t id;
    union {
        int64_t opened;   /* ns; an event's time */
        uint32_t name[2]; /* of a row that is no event's: what its ends are called (wr_who_at); WR_NONE: by address */
    };
    union {
        int64_t ticks; /* Timestamp of a row that is no event's */
        int64_t skew;  /* ns that an event's clock was taken to be ahead */
    };
    union {
        struct {
            uint64_t told_len;   /* of an event: so much of `packed` is as it told it, to know it again; WR_NONE: not told */
            int64_t reported[2]; /* bytes that the event itself has; -1 none */
        };
        struct {            /* a session's, as rules know them */
            int64_t end;    /* ns; -1 unknown */
            int64_t packets[2];
        } told;
    };
    int64_t emitted[2];  /* bytes as rules know them: sent, received by the row's side; -1 unknown */
    char *packed;        /* owned; NULL: flow-only, the columns come from the connection */
    uint32_t len, entry, next, due_next;
    uint8_t state, table, side /* index of the local end, a session's initiator */, action, denied;
    uint8_t via, why, told_quality; /* how an event met its flow; who says who began; the quality that rules know */
    uint8_t tcp; /* of a session: TCP flags that were known when it was made, and WR_TCP_KNOWN */
    uint16_t told_label;
    uint32_t device; /* of an event, wr_clock_device() */
};

struct wr_list {
    uint32_t head, tail;
};

struct wr_who_item;
struct wr_whos {
    struct wr_who_item **at;
    uint32_t *free;
    uint32_t n, cap, nfree;
    size_t bytes;
    struct wr_index index;
};

/* How far a device's clock is ahead. `n` samples, from WR_CLOCK_SAMPLES on a ring. */
struct wr_clock {
    uint32_t device;
    int32_t ms[WR_CLOCK_SAMPLES], skew_ms;
    uint32_t n;
    uint32_t name; /* of one that is off, WR_NONE until its next event */
    bool told;     /* wr_conn_clock_news has; not saved */
};

/* What a sensor that caps its events last told of (local, remote, remote port, protocol). */
struct wr_remote_key {
    uint8_t local[16], remote[16];
    uint16_t port;
    uint8_t proto, v6, pad[2];
};
struct wr_recent {
    uint32_t next, prev; /* in order of arrival */
    struct wr_remote_key key;
    uint32_t len;
    int64_t when;
    char *packed;
};

/* What a device at an address is called, from then on. A source of a greater rank knows better. */
enum wr_caller { WR_CALLER_DHCP = 1, WR_CALLER_FLOW, WR_CALLER_AGENT, WR_NCALLERS };
enum { WR_CALLED = 3 };
struct wr_called {
    int64_t from;
    uint32_t name;
    uint8_t rank;
};

/* A name that was asked for, and an address of its answer; for a client, or for all of them (no address). */
struct wr_answer {
    uint32_t next, prev; /* in order of use */
    uint8_t client[16], addr[16];
    bool v6;
    uint32_t name;
    int64_t when;
};

/* An address, and the agent that speaks for it. Times are -1 for never. */
struct wr_agent {
    uint32_t next, prev; /* in order of use */
    uint8_t addr[16];
    bool v6, capped, sure;
    struct wr_called called[WR_CALLED]; /* newest first; name WR_NONE: no more */
    uint32_t other;  /* hash of a name that another source has for the device that an agent names; 0 none */
    uint32_t unseen; /* connections without an event since it was heard */
    uint32_t device; /* wr_clock_device() of its newest name; 0: not worked out */
    int64_t listed;  /* when it was last put at the end of the list */
    int64_t heard, unmanaged, silent; /* newest event; when it was told to be unmanaged; `heard` of the silence that was told */
};

/* Who an observation point is: a session's Dvc. The first WR_OBSERVERS_MAX points; of later ones nothing is known. */
enum { WR_OBSERVERS_MAX = 4096 };
struct wr_observer {
    uint32_t point;
    uint8_t addr[16]; /* IPv6, or IPv4-mapped */
};
struct wr_observers {
    struct wr_observer *at;
    uint32_t n, cap;
    struct wr_index index;
};

/* Names of applications, lower case; a connection has the number of one, from 1; 0 none. */
enum { WR_LABELS_MAX = 4096, WR_LABEL_TEXT = 32 };
struct wr_labels {
    char (*at)[WR_LABEL_TEXT];
    uint32_t n, cap;
    struct wr_index index;
};

/* A tuple on another side of a translation, and the connection's own. `to` is WR_TIME_MAX while it holds. */
struct wr_alias {
    struct wr_conn_key seen, inside;
    int64_t from, to, touched;
    uint64_t since; /* rows from this id on were made when it was known */
    uint32_t next, prev;
    uint8_t swap /* end 0 of `seen` is end 1 of `inside` */, learned /* from a port block, by the time */,
        guessed /* its end was told, not its begin */, list;
};

/* Ports of an outside address that an inside address has, whoever the peer is. */
struct wr_block {
    uint8_t outside[16], inside[16];
    int64_t from, to, touched;
    uint32_t next, prev;
    uint16_t first, last, port; /* port: the inside one, when there is one for one */
    uint8_t proto /* 0 any */, v6, exact, list;
};

enum { WR_NAT_OPEN, WR_NAT_ENDED, WR_NAT_NLISTS };
struct wr_nats {
    struct wr_pool aliases, blocks;
    struct wr_index by_seen, by_block, by_wild, by_inside;
    struct wr_list alias[WR_NAT_NLISTS], block[WR_NAT_NLISTS]; /* by last use */
    uint32_t naliases, nblocks;
    bool wild; /* by_wild is kept: there have been blocks */
    bool inside; /* by_inside is kept: rules read the translated ends of sessions */
};

struct wr_conn {
    struct wr_conn_opts opts;
    struct wr_hash_key hash_key;
    struct wr_conn_stats stats;
    struct wr_pool entries, rows, points, totals, clocks, recents, agents, answers;
    struct wr_index by_key, by_id, by_device, by_remote, by_addr, by_answer;
    struct wr_list recent, agent, answer;
    uint32_t nrecent, nagents, nanswers, next_clock;
    int64_t first_heard; /* of any agent; -1 never */
    int64_t lag[2], lag_since; /* how long after its start a record came at most: this hour and the last */
    struct wr_whos whos;
    struct wr_observers observers;
    struct wr_labels labels;
    struct wr_nats nat;
    struct wr_list lru[WR_NLRU], wait[2], due[WR_NDUE];
    struct wr_colset kept;          /* columns of an event that stay with its row */
    struct wr_colset kept_seen;     /* the same without hidden ones */
    uint8_t column[WR_DNE_NCOLS];   /* what an event's column is for (told.c) */
    struct wr_batch *scratch;       /* one row of DeviceNetworkEvents */
    struct wr_batch *one_sided;     /* one row of UnmanagedDevice or its like */
    struct wr_batch *session, *view; /* one row of ASimNetworkSessionLogs, and the event behind it */
    struct wr_buf buf, event; /* event: those at hand, packed */
    uint64_t next_id, next_born;
    int64_t now, advanced; /* advanced: to where wr_conn_advance went */
    bool seen_event, sessions, flushing;
};

/* Has a type and a code where others have ports: its keys have none. */
static inline bool wr_is_icmp(uint8_t proto)
{
    return proto == 1 || proto == 58;
}

static inline struct wr_entry *wr_entry_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->entries, i);
}
static inline struct wr_crow *wr_crow_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->rows, i);
}
static inline struct wr_point *wr_point_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->points, i);
}
static inline struct wr_total *wr_total_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->totals, i);
}

enum { WR_FORESEEN = 32 };
struct wr_record;
struct wr_told;
/* table.c: entries and rows in their lists and indexes */
uint32_t wr_table_hash(const struct wr_conn *c, const struct wr_conn_key *key);
uint32_t wr_table_newest(const struct wr_conn *c,
                         const struct wr_conn_key *key); /* newest, or WR_NONE */
uint32_t wr_table_newest_of(const struct wr_conn *c, const struct wr_conn_key *key, uint32_t hash);
/* A new entry in its chain and lru list; evicts the oldest when full. */
enum wr_err wr_table_add(struct wr_conn *c, const struct wr_conn_key *key, uint32_t hash, int64_t start,
                         uint32_t *ret_i);
/* Forgets an entry; rows that are due live on as images, an undecided one becomes due first. */
enum wr_err wr_table_drop(struct wr_conn *c, uint32_t i);
/* Asks for the memory that these records will touch, in three moves; each needs what the one before asked for. */
void wr_table_foresee(const struct wr_conn *c, const struct wr_record *rec, uint32_t n);
void wr_table_foresee_told(const struct wr_conn *c, const struct wr_told *told, uint32_t n);
/* Asks for the memory that counting a record of this entry will touch. */
void wr_table_prefetch(const struct wr_conn *c, const struct wr_entry *e);
void wr_table_touch(struct wr_conn *c, uint32_t i);
void wr_table_wait(struct wr_conn *c, uint32_t i, uint8_t list);
void wr_table_unwait(struct wr_conn *c, uint32_t i);
/* Puts an entry back where its start belongs: the chain is newest first. */
void wr_table_rechain(struct wr_conn *c, uint32_t i);
void wr_table_free_counters(struct wr_conn *c, struct wr_entry *e);
/* Another key for an entry without rows; `swap`: its end 0 becomes end 1. */
enum wr_err wr_table_rekey(struct wr_conn *c, uint32_t i, const struct wr_conn_key *key, bool swap);
/* Low-level, for loading. */
bool wr_table_link(struct wr_conn *c, uint32_t i) WR_MUST_CHECK;
void wr_table_enlist_lru(struct wr_conn *c, uint32_t i, uint8_t list);

/* match.c: which connection a record or an event belongs to */
struct wr_record {
    struct wr_conn_key key;
    int64_t start, end;
    uint32_t hash; /* of the key */
    uint32_t fingerprint;
    uint8_t src; /* index in key */
    uint8_t nat; /* WR_NAT_* for its entry */
    bool tcp_flags, syn, closes;
};
/* Returns which end of the key `a` is. */
uint8_t wr_key_make(struct wr_conn_key *ret_key, const uint8_t a[16], uint16_t aport, const uint8_t b[16], uint16_t bport,
                    uint8_t proto, bool v6);
bool wr_key_is_canonical(const struct wr_conn_key *key); /* as wr_key_make makes them */
void wr_record_of(const struct wr_conn *c, const struct wr_flow *flow, struct wr_record *ret_rec);
/* *ret_second: another entry that this record shows to be the same connection, or WR_NONE. */
uint32_t wr_match_record(const struct wr_conn *c, const struct wr_record *rec,
                         const struct wr_flow *flow, uint32_t *ret_second);
struct wr_opening {
    struct wr_conn_key key;
    int64_t opened; /* by the exporters' clocks */
    int64_t skew;   /* what that differs from the event's time */
    const char *packed; /* its columns that stay; borrowed */
    uint32_t len;
    uint32_t device, hash; /* hash: of the key */
    uint8_t side;
    bool moved; /* its tuple was translated */
};
enum wr_open_match { WR_OPEN_NEW, WR_OPEN_BIND, WR_OPEN_AGAIN };
enum wr_open_match wr_match_opening(const struct wr_conn *c, const struct wr_opening *open,
                                    uint32_t *ret_i, bool *ret_ambiguous);
/* Nothing else has this key: a match leaves no choice. */
bool wr_match_is_alone(const struct wr_conn *c, uint32_t i);

/* count.c: counters by observation point */
struct wr_point *wr_point_find(const struct wr_conn *c, struct wr_entry *e, uint32_t id);
/* Adds a record's counters and evidence; *ret_dup: it was added before. */
enum wr_err wr_count_record(struct wr_conn *c, struct wr_entry *e, const struct wr_record *rec,
                            const struct wr_flow *flow, bool *ret_dup);
/* Moves everything that `from` has counted to `into`. */
enum wr_err wr_count_merge(struct wr_conn *c, struct wr_entry *into, struct wr_entry *from);
uint64_t wr_count_packets(const struct wr_conn *c, const struct wr_entry *e, int dir);
/* Some of its figures are a sampled point's: scaled, an estimate. */
bool wr_count_estimated(const struct wr_conn *c, const struct wr_entry *e);

/* join.c: records and events come together */
/* A request waits for what the entry now shows. */
bool wr_join_is_answered(const struct wr_conn *c, const struct wr_entry *e);
/* What a record means for the rows of its entry. */
enum wr_err wr_join_react(struct wr_conn *c, uint32_t i);
/* Two entries turned out to be one connection; at most one of them has rows. Returns the one that stays. */
enum wr_err wr_join_merge(struct wr_conn *c, uint32_t i, uint32_t k, uint32_t *ret_i);
/* The first record of what an event announced. */
enum wr_err wr_join_matched(struct wr_conn *c, uint32_t i);
/* An event and the begin of its flow tell how far the device's clock is off. */
enum wr_err wr_join_clock(struct wr_conn *c, uint32_t i, uint32_t device, int64_t told);
/* An entry of flows without rows has another key: it may be one with an entry there. Returns the one that stays. */
enum wr_err wr_join_move(struct wr_conn *c, uint32_t i, const struct wr_conn_key *key, bool swap, uint32_t *ret_i);

/* told.c: what an event says; texts are borrowed from it */
enum {
    WR_TOLD_DEVICE,
    WR_TOLD_ACTION,
    WR_TOLD_LOCAL_IP,
    WR_TOLD_REMOTE_IP,
    WR_TOLD_PROTOCOL,
    WR_TOLD_URL,
    WR_TOLD_APPLICATION,
    WR_TOLD_TEXTS
};
enum {
    WR_TOLD_TIME,
    WR_TOLD_LOCAL_PORT,
    WR_TOLD_REMOTE_PORT,
    WR_TOLD_SENT,
    WR_TOLD_RECEIVED,
    WR_TOLD_REPORT,
    WR_TOLD_NUMBERS
};
struct wr_told {
    struct wr_who text[WR_TOLD_TEXTS];
    int64_t number[WR_TOLD_NUMBERS];
    uint8_t numbers; /* bit: it says that number */
    uint8_t action;  /* WR_ACTION_* */
    bool opens;      /* a connection: `open` has its ends */
    bool local, v6, capped; /* addr[0] is known; the sensor tells of some connections only */
    uint8_t addr[2][16];    /* local, remote (when it opens) */
    uint32_t agent_hash;    /* of addr[0] */
    size_t at;              /* in c->event: the columns that stay, packed */
    uint32_t len;
    struct wr_opening open;
};
void wr_told_init(struct wr_conn *c); /* once what is kept is known */
enum wr_err wr_told_of_row(struct wr_conn *c, const struct wr_batch *b, uint32_t row, struct wr_told *ret_t);
enum wr_err wr_told_of_packed(struct wr_conn *c, const struct wr_packed *packed, struct wr_told *ret_t);
/* The event's time, by its device's clock; now where it has none. */
int64_t wr_told_when(const struct wr_conn *c, const struct wr_told *t);
int64_t wr_told_bytes(const struct wr_told *t, int number); /* -1: it does not say */

/* nat.c: translations of addresses, as events and flow records tell of them */
#define WR_NAT_POINT UINT32_C(0x6e617400) /* xor: what one exporter sees on both sides of a translation are two views */
enum wr_err wr_nat_told(struct wr_conn *c, const struct wr_flow *flow, struct wr_who who);
/* The record's or event's tuple becomes the connection's own. */
enum wr_err wr_nat_record(struct wr_conn *c, struct wr_record *rec, const struct wr_flow *flow);
void wr_nat_opening(struct wr_conn *c, struct wr_opening *open);
/* An entry of flows that only lacks the inside port of this event; WR_NONE: there is none. */
enum wr_err wr_nat_claim(struct wr_conn *c, const struct wr_opening *open, uint32_t *ret_i);
/* A last look before the entry becomes a row. */
enum wr_err wr_nat_settle(struct wr_conn *c, uint32_t i, uint32_t *ret_i);

/* nat_table.c */
static inline struct wr_alias *wr_alias_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->nat.aliases, i);
}
static inline struct wr_block *wr_block_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->nat.blocks, i);
}
void wr_nats_init(struct wr_nats *nat);
void wr_nats_fini(struct wr_nats *nat);
/* The one that held at `when`, or the nearest within the slack of clocks. */
uint32_t wr_alias_find(const struct wr_conn *c, const struct wr_conn_key *seen, int64_t when);
uint32_t wr_block_find(const struct wr_conn *c, const uint8_t addr[16], bool v6, uint16_t port, uint8_t proto, int64_t when);
void wr_alias_touch(struct wr_conn *c, uint32_t i);
void wr_block_touch(struct wr_conn *c, uint32_t i);
/* Adds what holds from `from` to `to`; one of the same ends that holds then is made longer. */
enum wr_err wr_alias_add(struct wr_conn *c, const struct wr_alias *alias, uint32_t *ret_i);
enum wr_err wr_block_add(struct wr_conn *c, const struct wr_block *block, uint32_t *ret_i);
/* Ends it; false: it was not known. */
bool wr_alias_end(struct wr_conn *c, const struct wr_alias *alias, int64_t to);
bool wr_block_end(struct wr_conn *c, const struct wr_block *block, int64_t to);
void wr_alias_drop(struct wr_conn *c, uint32_t i);
void wr_nats_expire(struct wr_conn *c, int64_t ended_ns);
/* nat_view.c: an alias in the index by inside tuple; and a session's ends as other sides of translations know them, [0] that of
 * the row's side. */
bool wr_alias_show(struct wr_conn *c, uint32_t i) WR_MUST_CHECK;
void wr_alias_hide(struct wr_conn *c, uint32_t i);
struct wr_nat_end {
    bool known, v6;
    uint16_t port;
    uint8_t addr[16];
};
void wr_nat_ends(const struct wr_conn *c, const struct wr_crow *row, const struct wr_conn_key *key,
                 struct wr_nat_end ret_ends[2]);
/* Entries that match by all but one end's port. */
enum wr_err wr_wild_begin(struct wr_conn *c);
enum wr_err wr_wild_add(struct wr_conn *c, uint32_t i, uint8_t side);
void wr_wild_del(struct wr_conn *c, uint32_t i);
uint32_t wr_wild_hash(const struct wr_conn *c, const struct wr_conn_key *key, uint8_t side);
void wr_nats_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_nats_load(struct wr_conn *c, struct wr_rd *rd);

/* clock.c */
uint32_t wr_clock_device(const char *name, size_t len); /* never 0, which is no device */
int64_t wr_clock_skew(const struct wr_conn *c, uint32_t device);
enum wr_err wr_clock_learn(struct wr_conn *c, uint32_t device, int64_t ahead_ns);
/* What the device is called, kept while its clock is off. */
enum wr_err wr_clock_name(struct wr_conn *c, uint32_t device, struct wr_who name);
void wr_clocks_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_clocks_load(struct wr_conn *c, struct wr_rd *rd);

/* agent.c */
uint32_t wr_agent_hash(const struct wr_conn *c, const uint8_t addr[16], bool v6);
/* The agent at t->addr[0] spoke. Returns its device's number, 0 where the event names none. */
enum wr_err wr_agent_heard(struct wr_conn *c, const struct wr_told *t, uint32_t *ret_device);
/* The first that may have this hash, or WR_NONE; and what hearing it will touch is asked for. */
uint32_t wr_agent_first(const struct wr_conn *c, uint32_t hash);
void wr_agent_foresee(const struct wr_conn *c, uint32_t i);
/* Somebody calls the device at an address so, from `when` on. */
enum wr_err wr_agent_called(struct wr_conn *c, const uint8_t addr[16], bool v6, struct wr_who name, int64_t when,
                            enum wr_caller rank);
/* What it was called then; of the names file where nobody said. */
struct wr_who wr_agent_name(const struct wr_conn *c, const uint8_t addr[16], bool v6, int64_t when);
/* No event explained the entry in time: what that says of the initiator. */
enum wr_err wr_agent_unexplained(struct wr_conn *c, const struct wr_entry *e);
void wr_agents_fini(struct wr_conn *c);
void wr_agents_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_agents_load(struct wr_conn *c, struct wr_rd *rd);

/* answer.c: names that were asked for */
enum wr_err wr_answer_note(struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16], bool v6, struct wr_who name,
                           int64_t when);
struct wr_who wr_answer_find(const struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16], bool v6, int64_t when);
void wr_answers_fini(struct wr_conn *c);
void wr_answers_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_answers_load(struct wr_conn *c, struct wr_rd *rd);

/* recent.c */
/* The event packed in c->buf, of the end `side`. */
enum wr_err wr_recent_note(struct wr_conn *c, const struct wr_conn_key *key, uint8_t side, int64_t when, const char *packed,
                           size_t len);
/* An event for the entry from what was told last, packed in c->buf. */
enum wr_err wr_recent_event(struct wr_conn *c, const struct wr_entry *e, uint8_t side, bool *ret_found);
void wr_recents_fini(struct wr_conn *c);
void wr_recents_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_recents_load(struct wr_conn *c, struct wr_rd *rd);

/* who.c: process, account and host from flow records */
enum wr_err wr_who_take(struct wr_conn *c, struct wr_who who, uint32_t *ret_i);
void wr_who_give(struct wr_conn *c, uint32_t i);
struct wr_who wr_who_at(const struct wr_conn *c, uint32_t i);
void wr_who_foresee(const struct wr_conn *c, uint32_t i);
enum wr_err wr_who_learn(struct wr_conn *c, struct wr_entry *e, uint8_t side, struct wr_who who);
bool wr_who_tells_process(const struct wr_conn *c, const struct wr_entry *e, uint8_t side);
/* The columns of a flow-only row whose local end is `side`. */
bool wr_who_fill(struct wr_conn *c, const struct wr_entry *e, uint8_t side, struct wr_batch *b, uint32_t r);
void wr_whos_fini(struct wr_whos *whos);

/* row.c: what rules see */
enum {
    WR_ACTION_SUCCESS,
    WR_ACTION_FAILED,
    WR_ACTION_ATTEMPT,
    WR_ACTION_INBOUND, /* events' only, as those below */
    WR_ACTION_REQUEST,
    WR_ACTION_RAISED, /* a request whose flow shows the handshake */
    WR_NACTIONS
};
enum { WR_VIA_TUPLE, WR_VIA_REMOTE, WR_VIA_NAT, WR_NVIA };
enum { WR_WHY_EVENT, WR_WHY_RECORD, WR_WHY_SYN, WR_WHY_TIME, WR_WHY_PORT, WR_WHY_FIRST, WR_NWHY };
enum { WR_MATCH_NONE, WR_MATCH_EXACT, WR_MATCH_NAT, WR_MATCH_REMOTE, WR_MATCH_AMBIGUOUS, WR_NMATCH };
uint8_t wr_entry_initiator(const struct wr_entry *e, uint8_t *ret_why);
/* How sure it is that the event and the flows are the same connection; WR_MATCH_NONE for no event or no flow. */
uint8_t wr_row_quality(const struct wr_conn *c, const struct wr_crow *row);
const char *wr_quality_text(uint8_t quality);
const char *wr_why_text(uint8_t why);
bool wr_entry_decided(const struct wr_conn *c, const struct wr_entry *e);
enum wr_err wr_row_add(struct wr_conn *c, uint32_t *ret_r);
void wr_row_due(struct wr_conn *c, uint32_t r, uint8_t state);
/* The row of a packed event, at the head of the entry's list; of none for WR_NONE. Copies `bytes`. */
enum wr_err wr_row_event(struct wr_conn *c, uint32_t i, uint8_t side, const char *bytes, size_t len, uint32_t *ret_r);
/* The wait of an entry has ended: its row is decided by what is there. */
enum wr_err wr_row_settle(struct wr_conn *c, uint32_t i);
/* The flow-only row of an entry that no event explains. */
enum wr_err wr_row_orphan(struct wr_conn *c, uint32_t i);
/* Held rows of an entry become due, and with them its session. */
enum wr_err wr_rows_release(struct wr_conn *c, uint32_t i);
/* Marks the rows whose bytes are no longer what rules know. */
void wr_rows_changed(struct wr_conn *c, const struct wr_entry *e);
/* Makes a row independent of its entry. */
enum wr_err wr_row_detach(struct wr_conn *c, uint32_t r);
void wr_row_free(struct wr_conn *c, uint32_t r);
/* Names the ends of a row that is no event's: [0] is its side. */
enum wr_err wr_row_name(struct wr_conn *c, struct wr_crow *row);
/* The batch of one row that rows of this kind (WR_DUE_*) are rendered in. */
struct wr_batch *wr_row_scratch(const struct wr_conn *c, uint8_t table);
void wr_row_bytes(const struct wr_conn *c, const struct wr_crow *row, int64_t ret_bytes[2]);
uint8_t wr_row_action(const struct wr_conn *c, const struct wr_entry *e, uint8_t initiator);
bool wr_row_index(struct wr_conn *c, uint32_t r) WR_MUST_CHECK;
uint32_t wr_row_by_id(const struct wr_conn *c, uint64_t id);

/* session.c: the row of ASimNetworkSessionLogs. What it says of an end comes from the events that stand after it in its
 * entry's list: those that were there when it was made. */
bool wr_session_shows_nat(const struct wr_colset *sessions); /* some column of a translated end */
struct wr_colset wr_session_sources(const struct wr_colset *sessions);
enum wr_err wr_session_add(struct wr_conn *c, uint32_t i);
/* Appends the row as rules are to see it now. */
enum wr_err wr_session_render(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out);
bool wr_session_changed(const struct wr_conn *c, const struct wr_crow *row);
void wr_session_told(const struct wr_conn *c, struct wr_crow *row);

/* observer.c */
enum wr_err wr_observer_note(struct wr_conn *c, uint32_t point, const uint8_t addr[16]);
const uint8_t *wr_observer_find(const struct wr_conn *c, uint32_t point); /* NULL: not known */
void wr_observers_fini(struct wr_observers *observers);

/* label.c */
/* A record, or list of them ("smtp,ssl"), says what the connection carries: a mail protocol if any said so, else the
 * first. */
enum wr_err wr_label_learn(struct wr_conn *c, struct wr_entry *e, const char *text, size_t len);
const char *wr_label_text(const struct wr_conn *c, uint16_t label); /* "" for 0 */
enum wr_err wr_label_number(struct wr_conn *c, const char *name, uint16_t *ret_label); /* 0: no room for another */
void wr_labels_fini(struct wr_labels *labels);

#endif
