#ifndef WR_PARSERS_CONN_TABLE_H
#define WR_PARSERS_CONN_TABLE_H

#include "base/hash.h"
#include "parsers/conn/known.h"
#include "parsers/conn/nat_table.h"

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

struct wr_conn {
    struct wr_conn_opts opts;
    struct wr_hash_key hash_key;
    struct wr_pair_key pair_key;
    struct wr_conn_stats stats;
    struct wr_pool entries, links, waits; /* entry i has link i and wait i */
    struct wr_pool rows, points, totals, clocks, recents, agents, answers;
    struct wr_slab pieces; /* of memory: what events said */
    struct wr_ids ids;     /* rows by id */
    struct wr_index by_key, by_device, by_remote, by_addr, by_answer;
    struct wr_list recent, agent, answer;
    uint32_t nrecent, nagents, nanswers, next_clock;
    int64_t first_heard; /* of any agent; -1 never */
    int64_t lag[2], lag_since; /* how long after its start a record came at most: this hour and the last */
    struct wr_whos whos;
    struct wr_observers observers;
    struct wr_labels labels;
    struct wr_nats nat;
    struct wr_list lru[WR_NLRU], wait[2];
    struct wr_queue due[WR_NDUE];
    struct wr_colset kept;          /* columns of an event that stay with its row */
    struct wr_colset kept_seen;     /* the same without hidden ones */
    uint8_t column[WR_DNE_NCOLS];   /* what an event's column is for (told.c) */
    struct wr_batch *scratch;       /* one row of DeviceNetworkEvents */
    struct wr_batch *one_sided;     /* one row of UnmanagedDevice or its like */
    struct wr_batch *session, *view; /* one row of ASimNetworkSessionLogs, and the event behind it */
    struct wr_buf buf, event[2]; /* event: those at hand and those after them, packed */
    uint64_t next_id, next_born;
    int64_t now, advanced; /* advanced: to where wr_conn_advance went */
    bool seen_event, sessions, flushing, giving_up;
    bool hosts; /* some entry is a host's (host.c) */
    bool tells_bytes[2], tells_quality; /* a row that is out is amended when that changes: some rule reads it */
};

/* Has a type and a code where others have ports: its keys have none. */
static inline bool wr_is_icmp(uint8_t proto)
{
    return proto == 1 || proto == 58;
}

static inline struct wr_entry *wr_entry_at(const struct wr_conn *c, uint32_t i)
{
    return (struct wr_entry *)wr_pool_block(&c->entries, i) + wr_pool_place(i);
}
static inline struct wr_crow *wr_crow_at(const struct wr_conn *c, uint32_t i)
{
    return (struct wr_crow *)wr_pool_block(&c->rows, i) + wr_pool_place(i);
}
static inline struct wr_point *wr_point_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->points, i);
}
static inline struct wr_link *wr_link_at(const struct wr_conn *c, uint32_t i)
{
    return (struct wr_link *)wr_pool_block(&c->links, i) + wr_pool_place(i);
}
static inline struct wr_wait *wr_wait_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->waits, i);
}
static inline struct wr_total *wr_total_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->totals, i);
}
static inline struct wr_alias *wr_alias_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->nat.aliases, i);
}
static inline struct wr_block *wr_block_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->nat.blocks, i);
}

/* An update at a million connections is all cache misses: what is read later is asked for at once. */
static inline void wr_foresee_entry(const struct wr_conn *c, uint32_t i)
{
    const char *at = (const char *)wr_entry_at(c, i); /* begins a line */
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
    __builtin_prefetch(at + 128);
}
static inline void wr_foresee_crow(const struct wr_conn *c, uint32_t r)
{
    const char *at = (const char *)wr_crow_at(c, r); /* two lines, wherever it begins */
    __builtin_prefetch(at);
    __builtin_prefetch(at + sizeof(struct wr_crow) - 1);
}

/* The newest connection of this key, which has this hash; WR_NONE: there is none. */
static inline uint32_t wr_table_newest_of(const struct wr_conn *c, const struct wr_conn_key *key, uint32_t hash)
{
    uint32_t pos = hash, i;
    while ((i = wr_index_next(&c->by_key, hash, &pos)) != WR_NONE)
        if (wr_key_same(&wr_entry_at(c, i)->key, key))
            break;
    return i;
}

enum { WR_FORESEEN = 32 };
struct wr_record;
struct wr_told;
/* table.c: entries and rows in their lists and indexes */
uint32_t wr_table_hash(const struct wr_conn *c, const struct wr_conn_key *key);
uint32_t wr_table_newest(const struct wr_conn *c,
                         const struct wr_conn_key *key); /* newest, or WR_NONE */
/* A new entry in its chain and lru list; evicts the oldest when full. `alone`: nothing has this key. */
enum wr_err wr_table_add(struct wr_conn *c, const struct wr_conn_key *key, uint32_t hash, int64_t start, bool alone,
                         uint32_t *ret_i);
/* Forgets an entry; rows that are due live on as images, an undecided one becomes due first. */
enum wr_err wr_table_drop(struct wr_conn *c, uint32_t i);
/* Asks for the memory that counting a record of this entry will touch. */
void wr_table_prefetch(const struct wr_conn *c, const struct wr_entry *e);
void wr_table_touch(struct wr_conn *c, uint32_t i);
void wr_table_wait(struct wr_conn *c, uint32_t i, uint8_t list, int64_t due);
void wr_table_unwait(struct wr_conn *c, uint32_t i);
/* Puts an entry back where its start belongs: the chain is newest first. */
void wr_table_rechain(struct wr_conn *c, uint32_t i);
void wr_table_free_counters(struct wr_conn *c, struct wr_entry *e);
/* Another key for an entry without rows; `swap`: its end 0 becomes end 1. */
enum wr_err wr_table_rekey(struct wr_conn *c, uint32_t i, const struct wr_conn_key *key, bool swap);
/* Low-level, for loading. A new entry of zeros in no list and no chain, or WR_NONE. */
uint32_t wr_table_take(struct wr_conn *c);
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
/* *ret_alone: nothing has this key. */
enum wr_open_match wr_match_opening(const struct wr_conn *c, const struct wr_opening *open,
                                    uint32_t *ret_i, bool *ret_ambiguous, bool *ret_alone);
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

enum { WR_COL_TEXT = 0x10 }; /* of conn->column */
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
    bool host;      /* a connection of which its own end is not told */
    bool local, v6, capped; /* addr[0] is known; the sensor tells of some connections only */
    uint8_t addr[2][16];    /* local, remote (when it opens, or is a host's) */
    uint8_t proto;          /* a host's: 0 not told */
    uint16_t local_port;    /* a host's: 0 not told */
    uint32_t agent_hash;    /* of addr[0] */
    int64_t when;           /* its time, by its device's clock; set when its turn has come */
    size_t at; /* in the buffer it was read to: the columns that stay, packed */
    uint32_t len;
    struct wr_opening open;
};
void wr_told_init(struct wr_conn *c); /* once what is kept is known */
/* A column of DeviceNetworkEvents that holds texts. */
static inline bool wr_told_is_text(const struct wr_conn *c, uint16_t col)
{
    return c->column[col] & WR_COL_TEXT;
}
/* What stays of it is added to `kept`. */
enum wr_err wr_told_of_row(const struct wr_conn *c, const struct wr_batch *b, uint32_t row, struct wr_buf *kept, struct wr_told *ret_t);
enum wr_err wr_told_of_packed(const struct wr_conn *c, const struct wr_packed *packed, struct wr_buf *kept, struct wr_told *ret_t);
/* The event's time, by its device's clock; now where it has none. */
int64_t wr_told_when(const struct wr_conn *c, const struct wr_told *t);
int64_t wr_told_bytes(const struct wr_told *t, int number); /* -1: it does not say */

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
enum { WR_VIA_TUPLE, WR_VIA_REMOTE, WR_VIA_NAT, WR_VIA_HOST, WR_NVIA };
enum { WR_WHY_EVENT, WR_WHY_RECORD, WR_WHY_SYN, WR_WHY_TIME, WR_WHY_PORT, WR_WHY_FIRST, WR_NWHY };
enum { WR_MATCH_NONE, WR_MATCH_EXACT, WR_MATCH_NAT, WR_MATCH_REMOTE, WR_MATCH_AMBIGUOUS, WR_MATCH_HOST, WR_NMATCH };
uint8_t wr_entry_initiator(const struct wr_entry *e, uint8_t *ret_why);
/* How sure it is that the event and the flows are the same connection; WR_MATCH_NONE for no event or no flow. */
uint8_t wr_row_quality(const struct wr_conn *c, const struct wr_crow *row);
const char *wr_quality_text(uint8_t quality);
const char *wr_why_text(uint8_t why);
bool wr_entry_decided(const struct wr_conn *c, const struct wr_entry *e);
enum wr_err wr_row_add(struct wr_conn *c, uint32_t *ret_r);
bool wr_queue_grow(struct wr_queue *queue) WR_MUST_CHECK;
WR_MUST_CHECK static inline enum wr_err wr_row_due(struct wr_conn *c, uint32_t r, uint8_t state)
{
    struct wr_crow *row = wr_crow_at(c, r);
    struct wr_queue *q = &c->due[row->table];
    if (q->n == q->cap && !wr_queue_grow(q))
        return WR_ENOMEM;
    row->state = state;
    q->at[q->n++] = r;
    return WR_OK;
}
/* The row of a packed event, at the head of the entry's list; of none for WR_NONE. Copies `bytes`. */
enum wr_err wr_row_event(struct wr_conn *c, uint32_t i, uint8_t side, const char *bytes, size_t len, uint32_t *ret_r);
/* render.c: appends the row as rules are to see it now. */
enum wr_err wr_row_render(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out);
/* The wait of an entry has ended: its row is decided by what is there. */
enum wr_err wr_row_settle(struct wr_conn *c, uint32_t i);
/* The flow-only row of an entry that no event explains. */
enum wr_err wr_row_orphan(struct wr_conn *c, uint32_t i);
/* Held rows of an entry become due, and with them its session. */
enum wr_err wr_rows_release(struct wr_conn *c, uint32_t i);
/* Marks the rows whose bytes are no longer what rules know. */
enum wr_err wr_rows_changed(struct wr_conn *c, const struct wr_entry *e);
/* Makes a row independent of its entry. */
enum wr_err wr_row_detach(struct wr_conn *c, uint32_t r);
void wr_row_free(struct wr_conn *c, uint32_t r);
/* Names the ends of a row that is no event's: [0] is its side. */
enum wr_err wr_row_name(struct wr_conn *c, struct wr_crow *row);
/* The batch of one row that rows of this kind (WR_DUE_*) are rendered in. */
struct wr_batch *wr_row_scratch(const struct wr_conn *c, uint8_t table);
/* Sent and received by its side, as far as that is known; -1 not. */
static inline void wr_row_bytes(const struct wr_conn *c, const struct wr_crow *row, int64_t ret_bytes[2])
{
    const struct wr_entry *e = row->entry == WR_NONE ? NULL : wr_entry_at(c, row->entry);
    for (int d = 0; d < 2; d++) {
        int dir = d ? !row->side : row->side;
        int64_t v = e && (e->bytes_known >> dir & 1) ? (int64_t)e->bytes[dir] : -1;
        ret_bytes[d] = v > row->reported[d] ? v : row->reported[d];
    }
}
uint8_t wr_row_action(const struct wr_conn *c, const struct wr_entry *e, uint8_t initiator);

/* host.c: events without their own end */
enum wr_err wr_host_event(struct wr_conn *c, const struct wr_told *t, const char *kept, size_t len);
/* There is such an event that may be this flow's. */
bool wr_host_tells(const struct wr_conn *c, const struct wr_entry *e);
/* A flow without rows takes that event's; *ret_several: of several processes, so that none was taken. */
enum wr_err wr_host_join(struct wr_conn *c, uint32_t i, bool *ret_joined, bool *ret_several);

/* id.c: rows by id */
bool wr_id_put_slow(struct wr_conn *c, uint32_t r) WR_MUST_CHECK;
void wr_id_del_old(struct wr_conn *c, uint32_t r);
static inline bool wr_id_put(struct wr_conn *c, uint32_t r)
{
    struct wr_ids *ids = &c->ids;
    uint64_t at = wr_crow_at(c, r)->id & (ids->size - 1);
    if (ids->size / 2 < c->rows.n || ids->ring[at] != WR_NONE)
        return wr_id_put_slow(c, r);
    ids->ring[at] = r;
    return true;
}
static inline void wr_id_del(struct wr_conn *c, uint32_t r)
{
    uint32_t *place = &c->ids.ring[wr_crow_at(c, r)->id & (c->ids.size - 1)];
    if (*place == r)
        *place = WR_NONE;
    else
        wr_id_del_old(c, r);
}
uint32_t wr_id_find(const struct wr_conn *c, uint64_t id); /* WR_NONE: there is none */

/* session.c: the row of ASimNetworkSessionLogs. What it says of an end comes from the events that stand after it in its
 * entry's list: those that were there when it was made. */
bool wr_session_shows_nat(const struct wr_colset *sessions); /* some column of a translated end */
struct wr_colset wr_session_sources(const struct wr_colset *sessions);
enum wr_err wr_session_add(struct wr_conn *c, uint32_t i);
/* Appends the row as rules are to see it now. */
enum wr_err wr_session_render(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out);
bool wr_session_changed(const struct wr_conn *c, const struct wr_crow *row);
void wr_session_told(const struct wr_conn *c, struct wr_crow *row);

#endif
