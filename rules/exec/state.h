/* State of one streaming rule, private to rules/exec/stream*.c.
 *
 *   index: hash -> place      group (24 bytes)   key      many rows: times, key as words   raw rows, oldest first
 *   [tag, place] ───────────► ext hash ...       packed   (key.h)                          [ts, row id, slots] ...
 *                              │
 *                              └► panes [id, n, first, last, slots] ..., distinct sets, alert
 *
 * A row is kept raw while it is among the group's newest few: every count up to the rule's threshold is exact
 * at every instant. When the raw block is full its older half folds into panes of `pane` ticks: left-open
 * intervals (p*g, (p+1)*g], because the window's bound is strict. A pane that the window's edge cuts (between
 * its first row and its last) is left out when asking whether a group begins to fire and kept when asking
 * whether it still does; elsewhere, so at every pane-aligned instant, both are exact. Groups lie in order of
 * arrival; nothing that shows depends on the hash.
 *
 * Rows are read a block at a time, a column at a time: the words of their keys, hashes, their own states. Most then
 * touch the group's head and the end of its raw rows only; every few rows one fold goes to the panes.
 * Cost of a row with 6 keys: tests/bench/bench_rules.c. Bad at: rules that can fire because rows leave (count
 * < k, averages): every group of theirs is in the heap, and each row is evaluated. */
#ifndef WR_RULES_EXEC_STATE_H
#define WR_RULES_EXEC_STATE_H

#include "rules/exec/agg.h"
#include "rules/exec/eval.h"
#include "rules/exec/key.h"
#include "rules/exec/stream.h"

#include "base/ticks.h"

enum {
    RAW_MIN = 12,       /* rows; half of them stay after a fold: enough for the samples of an alert */
    NEED_MAX = 64,      /* thresholds up to here are exact at every instant */
    BLOCK = 128,        /* rows whose keys are read together */
    DISTINCT_MAX = 4096 /* values a group's set keeps */
};
#define FUTURE_MAX (5 * WR_TICKS_MINUTE)

/* One alert that fires. */
struct firing {
    char id[33];
    uint32_t seq;
    int64_t t_cross, raised_at, emitted_at;
    bool dirty;          /* rows came since it was sent */
    bool early;          /* the one early update was sent */
    struct wr_buf cells; /* the row as last sent, packed */
};

struct ext {
    uint64_t *panes; /* npanes * pane_words, ascending by id */
    uint32_t npanes, cpanes;
    struct wr_dset *dsets;
    struct firing *firing;
    bool approx; /* something could not be undone, or values were given up */
};

/* Most groups of a busy network hold few rows: they carry nothing but these, their key and their rows. */
struct group {
    struct ext *ext;
    uint32_t hash;
    uint32_t at;   /* place in `dense` */
    uint32_t heap; /* place in the heap + 1 */
    uint16_t key_len;
    uint8_t nraw, craw;
    uint64_t tail[]; /* the key, up to a multiple of 8; struct many and the key's words when craw > FEW; raw rows */
};

/* Of a group with room for more than FEW raw rows: what keeps a row from touching more of it. */
struct many {
    int64_t stale; /* nothing that it holds is older: no row can leave while this is inside of the window */
    int64_t floor; /* newest time in panes; raw rows are newer */
    uint64_t pane_rows;
};
enum { FEW = 4, MANY_WORDS = sizeof(struct many) / 8 };

struct slot {
    uint32_t hash, at; /* at + 1; 0 empty */
};

struct due {
    int64_t t;
    uint32_t at;
};

/* count > k and the like: fewer rows or values than `min` cannot pass. */
struct quick {
    uint8_t agg;
    int64_t min;
};

struct wr_stream {
    const struct wr_plan *plan;
    struct wr_stream_opts opts;
    enum wr_table table;
    const struct wr_op *prefix[64], *suffix[64]; /* in the order of the rows */
    uint32_t nprefix, nsuffix;
    const struct wr_op *summarize; /* NULL: stateless */
    const struct wr_schema *out_schema;
    struct wr_agg_layout layout;
    uint32_t key_words, raw_words, pane_words, raw_slots, pane_slots, raw_max;
    const struct wr_amends *amends; /* NULL: rows never change */
    bool rising;
    struct quick quick[16];
    uint32_t nquick;
    int64_t need_rows, window, pane;
    uint64_t least_rows; /* a group of fewer cannot fire */
    uint32_t created;    /* groups since the last sweep */
    int64_t sweep_at;

    int64_t now, inexact_until;
    uint64_t stateless_rows;
    struct group **dense;
    uint32_t ngroups, cgroups;
    struct slot *index;
    uint32_t nindex;
    struct due *heap;
    uint32_t nheap, cheap;
    uint32_t hand;
    size_t bytes;
    uint64_t npanes;

    struct wr_arena *batch_arena, *row_arena;
    struct wr_eval ev, row_ev;
    union wr_slot *sum_slots;
    /* Of a block of rows; of the old and the new version of an amended row. */
    uint64_t *words;
    uint32_t *hash;
    union wr_slot *slots;
    struct wr_buf key;
    struct wr_vec *key_row; /* one row of keys, and its cells and valid bits */
    struct wr_str *key_cells;
    uint64_t *key_valid;
    struct wr_alert *alerts, **alerts_end;
    struct wr_engine_stats stats;
};

enum { PANE_ID, PANE_N, PANE_FIRST, PANE_LAST, PANE_SLOTS };

static inline uint32_t key_room(const struct group *g)
{
    return (g->key_len + 7u) / 8;
}

/* NULL: it has few rows and no panes. */
static inline struct many *many_of(struct group *g)
{
    return g->craw > FEW ? (struct many *)(g->tail + key_room(g)) : NULL;
}

static inline uint64_t *words_of(struct group *g)
{
    return g->tail + key_room(g) + MANY_WORDS;
}

static inline uint64_t *raw_at(const struct wr_stream *s, struct group *g, uint32_t n)
{
    uint32_t many = g->craw > FEW ? MANY_WORDS + s->key_words : 0;
    return g->tail + key_room(g) + many + (size_t)n * s->raw_words;
}

static inline const uint8_t *key_of(const struct group *g)
{
    return (const uint8_t *)g->tail;
}

static inline uint64_t *pane_at(const struct wr_stream *s, const struct ext *x, uint32_t n)
{
    return x->panes + (size_t)n * s->pane_words;
}

static inline uint64_t group_rows(struct group *g)
{
    return g->nraw + (g->craw > FEW ? many_of(g)->pane_rows : 0);
}

/* First tick that is still outside of the window at `t`. */
static inline int64_t edge(const struct wr_stream *s, int64_t t)
{
    return s->window ? t - s->window : INT64_MIN;
}

/* groups.c: where groups lie */

/* What finds a row's group. */
struct wanted {
    const struct wr_vec *keys;
    const uint64_t *words;
    uint32_t hash, row;
};
struct group *wr_group_find(struct wr_stream *s, struct wanted want);
/* A new group; NULL with *ret_err: WR_ENOMEM, WR_ELIMIT (the key is too long). */
struct group *wr_group_new(struct wr_stream *s, struct wanted want, enum wr_err *ret_err);
/* Its key as a row: s->key_row. */
void wr_group_key(struct wr_stream *s, const uint8_t *key);
/* Room for one more raw row; the group may move. */
struct group *wr_group_grow(struct wr_stream *s, struct group *g);
void wr_group_free(struct wr_stream *s, struct group *g);
/* Order of keys: the same on every run. */
int wr_group_compare(const struct wr_stream *s, const struct group *a, const struct group *b);
bool wr_group_ext(struct wr_stream *s, struct group *g);
/* When to look at the group again; INT64_MAX: never. */
bool wr_group_schedule(struct wr_stream *s, struct group *g, int64_t t);
/* Frees groups whose rows have all left, a few at a time; evicts while memory is over the bound. */
void wr_groups_sweep(struct wr_stream *s, uint32_t n);
enum wr_err wr_groups_make_room(struct wr_stream *s);
void wr_groups_fini(struct wr_stream *s);

/* panes.c: rows of one group */
/* Adds one row's state; *g may move. WR_ENOMEM. */
enum wr_err wr_rows_insert(struct wr_stream *s, struct group **g, int64_t ts, uint64_t rowid,
                           const union wr_slot *slots);
/* Changes the row of that time: from `old` to `new` (NULL: it goes). False when it is not there any more. */
bool wr_rows_amend(struct wr_stream *s, struct group *g, int64_t ts, uint64_t rowid, const union wr_slot *old,
                   const union wr_slot *new);
/* Drops what left the window at `t`. */
void wr_rows_prune(struct wr_stream *s, struct group *g, int64_t t);
/* Sum of all that is in the window at `t`: rows, first and last time; state in s->sum_slots. */
uint64_t wr_rows_sum(struct wr_stream *s, struct group *g, int64_t t, bool firing, int64_t *ret_first,
                     int64_t *ret_last);
/* Next time at which that sum can change without a row; INT64_MAX: never. */
int64_t wr_rows_next(const struct wr_stream *s, struct group *g, int64_t t, bool firing);
int64_t wr_rows_newest(const struct wr_stream *s, struct group *g);

/* raise.c: whether a group fires, and what is said about it */
enum why { WHY_ROW, WHY_TIME, WHY_EARLY };
enum wr_err wr_group_evaluate(struct wr_stream *s, struct group *g, int64_t t, int64_t t_cross, enum why why);
/* The group's row after the suffix in `ret_chunk` (row_arena); false when it does not pass. */
bool wr_group_row(struct wr_stream *s, struct group *g, int64_t t, bool firing, struct wr_chunk *ret_chunk,
                  int64_t *ret_first, int64_t *ret_last);
enum wr_err wr_group_resolve(struct wr_stream *s, struct group *g, int64_t t);
/* When the next update may be said: half the alert's age after the last one, at least 1 s, at most realert. What a
 * burst adds is there at once, bytes that a router tells a minute later soon after, and a group that grows all day says so
 * some forty times. */
int64_t wr_firing_due(const struct wr_stream *s, const struct firing *f);
void wr_firing_free(struct wr_stream *s, struct firing *f);
enum wr_err wr_stateless_raise(struct wr_stream *s, const struct wr_chunk *chunk, uint32_t row, int64_t ts,
                               uint64_t rowid);

#endif
