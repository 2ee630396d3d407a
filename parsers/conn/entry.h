#ifndef WR_PARSERS_CONN_ENTRY_H
#define WR_PARSERS_CONN_ENTRY_H

#include "parsers/conn/conn.h"
#include "parsers/conn/pool.h"

#include <string.h>

/* Connections and their rows as the table keeps them. */
#define WR_SECOND INT64_C(1000000000)
#define WR_TIME_MAX (INT64_C(1) << 62) /* ns; so that sums of times cannot overflow */

enum { WR_TCP = 6, WR_FIN = 1, WR_SYN = 2, WR_RST = 4, WR_PSH = 8, WR_ACK = 16, WR_URG = 32, WR_TCP_KNOWN = 128 };
enum { WR_CHAIN_MAX = 8, WR_HOST_CHAIN_MAX = 32, WR_POINTS_MAX = 16, WR_SEEN = 4 };
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

struct wr_conn_key {
    uint8_t addr[2][16]; /* the smaller (address, port) first */
    uint16_t port[2];
    uint8_t proto, v6, pad[2];
};

/* Of an entry of events that do not tell their own end (host.c). */
static inline bool wr_key_is_host(const struct wr_conn_key *key)
{
    return key->pad[1];
}

static inline bool wr_words_same(const void *a, const void *b, size_t n)
{
    uint64_t x, y, differ = 0;
    for (size_t i = 0; i < n; i += 8) {
        memcpy(&x, (const char *)a + i, 8);
        memcpy(&y, (const char *)b + i, 8);
        differ |= x ^ y;
    }
    return differ == 0;
}
static inline bool wr_key_same(const struct wr_conn_key *a, const struct wr_conn_key *b)
{
    _Static_assert(sizeof *a == 40, "five words");
    return wr_words_same(a, b, sizeof *a);
}

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

/* Three lines of memory: what is asked of every entry with this hash, what moves with its records, and its first point. */
struct wr_entry {
    struct wr_conn_key key; /* the connection's own ends, behind translations that are known */
    uint32_t hash;          /* of the key */
    uint32_t older, rows;
    uint8_t flags, tcp[2], lone_syn /* bit per side */, initiator, first_src, nat /* WR_NAT_* */;
    uint8_t lru, wait;
    uint8_t unchained : 1, head : 1; /* in no chain; the newest of its own, which the index knows */
    uint8_t who_side;                /* index of the end it is about */
    int64_t start, last; /* of its records; of the opening while there is none */
    int64_t touched;
    int64_t
        syn_start[2];  /* earliest start of a record with SYN, first point only; WR_TIME_MAX none */
    uint64_t bytes[2]; /* chosen over points; never falls */
    uint32_t who;  /* WR_NONE: nothing is known */
    uint16_t label;
    uint8_t bytes_known; /* bit per side; in a line with them */
    struct wr_point point;
    uint64_t born;
};
_Static_assert(sizeof(struct wr_entry) == 192 && offsetof(struct wr_entry, start) == 64 && offsetof(struct wr_entry, point) == 128,
               "lines of memory");

/* An entry's place in its lru list, aside: whoever leaves a list touches its neighbours', which mostly share a line with it. */
struct wr_link {
    uint32_t prev, next;
};
/* Its place in a wait list, and when that ends. */
struct wr_wait {
    uint32_t prev, next;
    int64_t due;
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
            uint32_t told_len;   /* of an event: so much of `packed` is as it told it, to know it again; WR_NONE: not told */
            uint32_t device;     /* its wr_clock_device() */
            int64_t reported[2]; /* bytes that the event itself has; -1 none */
        };
        struct {            /* a session's, as rules know them */
            int64_t end;    /* ns; -1 unknown */
            int64_t packets[2];
        } told;
    };
    int64_t emitted[2];  /* bytes as rules know them: sent, received by the row's side; -1 unknown */
    char *packed;        /* of c->pieces; NULL: flow-only, the columns come from the connection */
    union {
        uint32_t len; /* of `packed` */
        struct {
            uint8_t tcp;    /* of a session: TCP flags that were known when it was made, and WR_TCP_KNOWN */
            uint8_t denied; /* and that it was */
        };
    };
    uint32_t entry, next;
    uint8_t state, table, side /* index of the local end, a session's initiator */, action;
    uint8_t why, told_quality; /* who says who began; the quality that rules know */
    union {
        uint16_t via;        /* how an event met its flow */
        uint16_t told_label; /* a session's */
    };
};
_Static_assert(sizeof(struct wr_crow) == 96, "two lines of memory, wherever it begins");

/* Rows by id. Ids come in order, so that the newest lie side by side in a ring, where another costs no miss; the ring's
 * place is the newer one's, and an older one that still is there is found by hash. */
struct wr_ids {
    uint32_t *ring; /* WR_NONE: none */
    uint32_t size;  /* a power of 2, or 0 */
    struct wr_index old;
};

struct wr_list {
    uint32_t head, tail;
};

/* Numbers of rows in the order in which they became due, head to n: so that who drains them can ask for some ahead. */
struct wr_queue {
    uint32_t *at;
    uint32_t head, n, cap;
};

#endif
