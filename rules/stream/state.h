/* State of one streaming rule, private to the files of a stream.
 *
 *   index: 12 tags, 12 refs a cache line    group (12 bytes)    key       few rows: coded (few.c), oldest first
 *   [tags | overflow | refs] ─────────────► hash ext lengths    packed    [time, row id, slots] ...
 *                                                │              (key.h)   panes: rows as words
 *                                                │                        [stale, floor, rows in panes] [time, row id, slots] ...
 *                                                └► panes [id, n, first, last, slots] ..., distinct sets, alert
 *
 * Groups and what hangs on them lie in cells of chunks (statepool.h), named by 32 bits. Of a group without panes each number
 * takes as many bytes as most of its kind need (few.c).
 *
 * A row is kept raw while it is among the group's newest few: every count up to the rule's threshold is exact
 * at every instant. When the raw block is full its older half folds into panes of `pane` ticks, if they take less than the
 * rows do; if not, as where each row has a pane of its own, the block grows, to RAW_MOST rows. Panes are left-open
 * intervals (p*g, (p+1)*g], because the window's bound is strict. A pane that the window's edge cuts (between
 * its first row and its last) is left out when asking whether a group begins to fire and kept when asking
 * whether it still does; elsewhere, so at every pane-aligned instant, both are exact. Nothing that shows depends
 * on the hash.
 *
 * Rows are read a block at a time: keys packed and hashed, times, their own states a column at a time. Most then
 * touch a line of the index, the group's head and the end of its raw rows only; every few rows one fold goes to the
 * panes. Cost of a row with 6 keys: tests/bench/bench_rules.c. Bad at: rules that can fire because rows leave (count
 * < k, averages): every group of theirs is in the heap, and each row is evaluated. */
#ifndef WR_RULES_STREAM_STATE_H
#define WR_RULES_STREAM_STATE_H

#include "rules/exec/agg.h"
#include "rules/exec/eval.h"
#include "rules/exec/key.h"
#include "rules/share/scratch.h"
#include "rules/share/sieve.h"
#include "rules/stream/lists.h"
#include "rules/stream/statepool.h"
#include "rules/stream/stream.h"

#include "base/ticks.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    RAW_MIN = 12,       /* rows; half of them stay after a fold: enough for the samples of an alert */
    RAW_MOST = 96,      /* rows that stay where each has a pane of its own */
    NEED_MAX = 64,      /* thresholds up to here are exact at every instant */
    DISTINCT_MAX = WR_GROUP_VALUES /* values a group's set keeps */
};
#define FUTURE_MAX (5 * WR_TICKS_MINUTE)
#define EPOCH_MOST (INT64_C(1) << 45) /* 40 days: no coded time is as far as four times this from the epoch, which 48 bits hold */

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
    struct wr_dset *dsets;
    struct firing *firing;
    uint32_t npanes, cpanes;
    uint32_t heap; /* place in the heap + 1 */
    int64_t inexact_until; /* some row of it has a connection that was given up; 0 none */
    bool approx;   /* something could not be undone, or values were given up */
    bool unsteady; /* it holds or held a row whose leaving may raise a sum */
};

/* Most groups of a busy network hold few rows: they carry nothing but these, their key and their rows. */
struct group {
    uint32_t hash;
    uint32_t ext; /* in s->exts; 0: none */
    uint16_t key_len;
    uint16_t nraw : 7;
    uint16_t room : 7; /* rows before which to grow, or to fold */
    uint16_t form : 2; /* few: of its rows (few.c); FORM_MANY: as words */
    uint8_t tail[];    /* the key; few: coded rows; many: from a multiple of 8 on struct many, then rows */
};
enum { FORMS = 3, FORM_MANY = FORMS };

static inline bool is_many(const struct group *g)
{
    return g->form == FORM_MANY;
}

/* Of a group with rows as words, as all with panes are: what keeps a row from touching more of it. */
struct many {
    int64_t stale; /* nothing that it holds is older: no row can leave while this is inside of the window */
    int64_t floor; /* newest time in panes; raw rows are newer */
    uint64_t pane_rows;
    int64_t left; /* while it does not fire: what s->sum's aggregate has to grow by before it can; 0: not known */
};
enum { FEW = 6, MANY_WORDS = sizeof(struct many) / 8 };

/* A cache line of the index. `over`: groups that would stand here and stand behind. */
enum { LINE_REFS = 12 };
struct line {
    uint8_t tag[LINE_REFS]; /* 0: empty */
    uint32_t over;
    uint32_t ref[LINE_REFS];
};
_Static_assert(sizeof(struct line) == 64, "a line of the index is a cache line");

struct due {
    int64_t t;
    uint32_t ref;
};

/* count > k and the like: fewer rows or values than `min` cannot pass. */
struct quick {
    uint8_t agg;
    int64_t min;
};

/* Sums of whole numbers below this grow with rows and shrink when rows leave, and do not wrap before 2^23 rows of
 * nearly a TB each are in one group's window. A row with more, or with less than nothing, makes its group unsteady: looked at
 * when rows leave, too. */
enum { STEADY_BITS = 40 };

enum { PLAIN_COLS = 24 };
/* One table that the rule reads, and what its rows go through before they are results or counted. */
struct leg {
    const struct wr_op *top; /* of its own chain: what stands above the union is not below this */
    enum wr_table table;
    const struct wr_amends *amends; /* NULL: its rows never change */
    const struct wr_op *prefix[WR_STREAM_OPS_MAX];
    uint32_t nprefix;
    struct wr_sieve *sieve; /* of its first filters; NULL: none can be tested at once */
    uint32_t nsieved;       /* operators that the sieve stands for */
    /* `plain`: they are all, and keys and arguments are columns of the table: keys, then two of each aggregate, WR_NO_COL: none. Such
     * rows are read where they lie in the batch. */
    bool plain;
    uint16_t col[PLAIN_COLS];
    struct wr_vec *few_cols; /* of rows of a batch that lie side by side */
    struct wr_applier *applier[WR_STREAM_OPS_MAX]; /* of the prefix's mv-applies; NULL: another operator */
};

struct wr_stream {
    /* What every call touches, side by side: of hundreds of rules most are out of the cache when a row comes (wr_stream_prefetch) */
    int64_t now, window, sweep_at;
    struct due *heap;
    uint32_t nheap, nlegs, created; /* created: groups since the last sweep */
    uint32_t sets_by_row;           /* distinct sets that get every row as it comes; the others only what folds */
    struct leg *legs, *leg;         /* leg: whose rows are at hand */
    struct wr_lists *lists;         /* NULL: it reads none */
    struct wr_arena *batch_arena, *row_arena; /* the scratch's */
    struct wr_stream_opts opts;
    const struct wr_plan *plan;
    const struct wr_op *summarize; /* NULL: stateless */
    /* Of a block of rows; of the old and the new version of an amended row. */
    struct wr_packed_keys *keys; /* these four: the scratch's */
    uint64_t *block;             /* WR_KEY_BLOCK rows as words: time, row id, slots (row_at) */
    uint64_t *few;               /* rows of a group with few, as words */
    uint8_t *coded;              /* those of few, coded */
    uint8_t *narrow;             /* rows of the block, coded in `form`, every narrow_each */
    uint32_t narrow_each;
    uint32_t raw_words, pane_words, raw_slots; /* raw_slots 2: a row has its number, since rows change */
    uint32_t raw_max, raw_most; /* rows that stay as they are; ... where panes would take no less */
    uint32_t few_most;          /* rows of a group that are coded */
    uint8_t form;               /* in which rows come now */
    uint8_t time_shift;         /* bits of a coded time that are not there */
    uint16_t form_size[FORMS];
    uint8_t *width; /* bytes of each word of a coded row, form by form */
    uint64_t sums;       /* aggregates of whole numbers that the predicate wants to be large: a bit each */
    uint64_t least_rows; /* a group of fewer cannot fire */
    struct line *index;
    uint32_t nlines, ngroups, moved; /* moved: how often the index was made anew */
    uint32_t *found;                 /* where the group found last stands in the index; NULL: nowhere any more */
    size_t bytes;
    int64_t epoch; /* coded times count from here: the first row's, or one of EPOCH_MOST later */
    struct wr_statepool groups;
    struct wr_eval ev;
    struct wr_engine_stats stats;
    struct wr_agg_layout layout;

    struct wr_statepool exts;
    const struct wr_op *suffix[WR_STREAM_OPS_MAX]; /* as prefixes: in the order of the rows */
    uint32_t nsuffix;
    const struct wr_schema *out_schema;
    bool rising;
    struct quick quick[16];
    uint32_t nquick;
    struct quick sum; /* one of `sums` that must reach `min`; 0: none */
    int64_t need_rows, pane;
    int64_t inexact_until, row_inexact_until; /* row: of the row at hand */
    uint64_t stateless_rows;
    uint32_t cheap;
    uint64_t hand; /* where the sweep goes on */
    int64_t round_oldest; /* no row is older of those that this round of the sweep saw, or that began a group or moved one */
    int64_t calm;         /* what the last round found: before it all rows have left no group, and nothing is swept */
    uint64_t npanes;
    struct wr_scratch *scratch, *own; /* own: NULL when it is the engine's */
    struct wr_eval row_ev;
    union wr_slot *sum_slots;
    struct wr_vec *key_row; /* one row of keys, and its cells and valid bits */
    struct wr_str *key_cells;
    uint64_t *key_valid;
    struct wr_alert *alerts, **alerts_end;
};

/* The _RowId behind a row's number: the leg stands above it. */
enum { ROW_LEG_SHIFT = 56 };
#define ROW_ID_MASK ((UINT64_C(1) << ROW_LEG_SHIFT) - 1)

enum { PANE_ID, PANE_N, PANE_FIRST, PANE_LAST, PANE_SLOTS };

/* The secret of a set's hashes: what is kept once a pane has another in each. */
static inline struct wr_hash_key wr_stream_secret(const struct wr_stream *s, enum wr_agg_kind kind, int64_t ts)
{
    struct wr_hash_key secret = s->opts.secret;
    if (wr_agg_once_a_pane(kind))
        secret.k0 ^= ((uint64_t)wr_pane_of(ts, s->pane) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return secret;
}

/* What was read to place `at`; its slots. */
static inline uint64_t *row_at(const struct wr_stream *s, uint32_t at)
{
    return s->block + (size_t)at * s->raw_words;
}

static inline union wr_slot *slots_at(const struct wr_stream *s, uint32_t at)
{
    return (union wr_slot *)(row_at(s, at) + s->raw_slots);
}

static inline struct group *group_at(const struct wr_stream *s, uint32_t ref)
{
    return wr_statepool_at(&s->groups, ref);
}

static inline struct ext *ext_of(const struct wr_stream *s, const struct group *g)
{
    return g->ext ? wr_statepool_at(&s->exts, g->ext) : NULL;
}

static inline struct firing *firing_of(const struct wr_stream *s, const struct group *g)
{
    return g->ext ? ext_of(s, g)->firing : NULL;
}

static inline size_t many_from(uint32_t key_len)
{
    return (sizeof(struct group) + key_len + 7) & ~(size_t)7;
}

/* NULL: it has few rows and no panes. */
static inline struct many *many_of(struct group *g)
{
    return is_many(g) ? (struct many *)((char *)g + many_from(g->key_len)) : NULL;
}

/* Of many. */
static inline uint64_t *raw_at(const struct wr_stream *s, struct group *g, uint32_t n)
{
    return (uint64_t *)(many_of(g) + 1) + (size_t)n * s->raw_words;
}

static inline const uint8_t *key_of(const struct group *g)
{
    return g->tail;
}

static inline uint64_t *pane_at(const struct wr_stream *s, const struct ext *x, uint32_t n)
{
    return x->panes + (size_t)n * s->pane_words;
}

static inline uint64_t group_rows(struct group *g)
{
    return g->nraw + (is_many(g) ? many_of(g)->pane_rows : 0);
}

/* First tick that is still outside of the window at `t`. */
static inline int64_t edge(const struct wr_stream *s, int64_t t)
{
    return s->window ? t - s->window : INT64_MIN;
}

/* groups.c: where groups lie */

/* Before rows `at` and on of a block of `n` are put into their groups, WR_STEP of them: touches what the next ones need, so
 * that misses overlap. Lines of the index three steps ahead; two steps ahead the groups, with where each one's ref most likely
 * stands in `place` (good until s->moved changes; NULL: nowhere); one step ahead the groups' newest rows. Start at -3 * WR_STEP. */
enum { WR_STEP = 16 };
void wr_groups_ahead(const struct wr_stream *s, int32_t at, uint32_t n, uint32_t **place);
/* The group of the key at place `at` of s->keys, or NULL. `place`: where to look first, or NULL. */
struct group *wr_group_find(struct wr_stream *s, uint32_t at, uint32_t *place);
/* A new group for it, with room for coded rows; NULL with *ret_err: WR_ENOMEM, WR_ELIMIT (the key is too long). */
struct group *wr_group_new(struct wr_stream *s, uint32_t at, size_t rows_bytes, enum wr_err *ret_err);
/* Its key as a row: s->key_row. */
void wr_group_key(struct wr_stream *s, const uint8_t *key);
/* A cell of at least `size` bytes for the group, with what it held; it may move. NULL when out of memory. */
struct group *wr_group_resize(struct wr_stream *s, struct group *g, size_t size);
void wr_group_free(struct wr_stream *s, struct group *g);
/* Order of keys: the same on every run. */
int wr_group_compare(const struct group *a, const struct group *b);
bool wr_group_ext(struct wr_stream *s, struct group *g);
/* When to look at the group again; INT64_MAX: never. */
bool wr_group_schedule(struct wr_stream *s, struct group *g, int64_t t);
/* Frees groups whose rows have all left, a few at a time; evicts while memory is over the bound. */
void wr_groups_sweep(struct wr_stream *s, uint32_t n);
enum wr_err wr_groups_make_room(struct wr_stream *s);
/* The next group from *cursor on; NULL at the end. Start with 0. */
struct group *wr_group_next(struct wr_stream *s, uint64_t *cursor);
void wr_groups_fini(struct wr_stream *s);

/* few.c: rows of a group with few */
/* Forms of the stream's rows: once s->width has room for FORMS * raw_words. */
void wr_few_forms(struct wr_stream *s);
/* The first `n` rows of s->block into s->narrow, in s->form, which becomes a wider one when most of them do not fit; fit[k]: row k does. */
void wr_few_code(struct wr_stream *s, uint32_t n, uint8_t *fit);
/* A time can be coded. */
bool wr_few_time_fits(const struct wr_stream *s, int64_t ts);
/* Times count from s->now on from here. Rows that left the window go. */
void wr_few_rebase(struct wr_stream *s);
/* No row more while it is few: at a number of rows at which to ask whether to fold, or at which there are many. */
bool wr_few_full(const struct wr_stream *s, const struct group *g);
/* So many of its rows are left, the first ones. */
void wr_few_rows(const struct wr_stream *s, struct group *g, uint32_t n);
/* As words, in s->few. */
void wr_few_read(struct wr_stream *s, const struct group *g);
/* Word `word` of all its rows, added up: no time. */
int64_t wr_few_sum(const struct wr_stream *s, const struct group *g, uint32_t word);
/* The other way, `n` rows (at most few_most); the group may move. NULL when out of memory. */
struct group *wr_few_write(struct wr_stream *s, struct group *g, uint32_t n);
/* One row more, in order of time; fewer than few_most are there. The group may move. NULL when out of memory. */
struct group *wr_few_insert(struct wr_stream *s, struct group *g, const uint64_t *row);
/* The same of a row that is coded in the group's form. */
struct group *wr_few_put(struct wr_stream *s, struct group *g, const uint8_t *coded, int64_t ts);
/* Time of the oldest row, INT64_MAX when there is none; of the newest, INT64_MIN. */
int64_t wr_few_oldest(const struct wr_stream *s, const struct group *g);
int64_t wr_few_newest(const struct wr_stream *s, const struct group *g);
/* The first row of the key at place `at`, in a group of its own; NULL as wr_group_new. `coded`: the row in s->form, or NULL. */
struct group *wr_few_begin(struct wr_stream *s, uint32_t at, const uint64_t *row, const uint8_t *coded, enum wr_err *ret_err);
/* From few to many; room for more rows of many. The group may move. NULL when out of memory. */
struct group *wr_few_to_many(struct wr_stream *s, struct group *g);
struct group *wr_many_grow(struct wr_stream *s, struct group *g);
/* So many raw rows are there now, of many: says when to fold, too. */
void wr_many_rows(const struct wr_stream *s, struct group *g, uint32_t n);
/* Bytes of any row at most, coded. */
size_t wr_few_size_most(const struct wr_stream *s);
/* Bytes of a group with so many rows as words. */
size_t wr_many_size(const struct wr_stream *s, uint32_t key_len, uint32_t rows);

/* A coded number of which so many bits of the word are not there. */
static inline uint64_t few_number(uint64_t v, uint32_t shift)
{
    return (uint64_t)((int64_t)(v << shift) >> shift);
}

/* Row n of a group with few. Eight bytes behind the last may be read (statepool.h). */
static inline uint8_t *few_at(const struct wr_stream *s, const struct group *g, uint32_t n)
{
    return (uint8_t *)g + sizeof *g + g->key_len + n * (uint32_t)s->form_size[g->form];
}

/* Time of a coded row, since the epoch. */
static inline int64_t few_coded(const uint8_t *p, uint32_t shift)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return (int64_t)few_number(v, shift);
}

static inline int64_t few_time(const struct wr_stream *s, const uint8_t *p)
{
    return (int64_t)((uint64_t)few_coded(p, s->time_shift) + (uint64_t)s->epoch);
}

/* memcpy without a call for what a row takes. */
static inline void few_copy(uint8_t *restrict to, const uint8_t *restrict from, uint32_t len)
{
    if (len >= 8 && len <= 16) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len > 16 && len <= 32) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else {
        memcpy(to, from, len);
    }
}

/* The group of that key? memcmp without a call: keys are short, and there is room to read behind both (statepool.h, key.h). */
static inline bool group_is(const struct group *g, uint32_t hash, const uint8_t *key, uint32_t len)
{
    if (g->hash != hash || g->key_len != len)
        return false;
    uint64_t x[2], y[2], differ;
    if (len < 16) {
        memcpy(x, g->tail, 8);
        memcpy(y, key, 8);
        differ = (x[0] ^ y[0]) & (len < 8 ? ~(UINT64_MAX << (len * 8)) : UINT64_MAX);
        memcpy(x, g->tail + (len < 8 ? 0 : len - 8), 8); /* the rest, with some that was seen */
        memcpy(y, key + (len < 8 ? 0 : len - 8), 8);
        return len < 8 ? differ == 0 : (differ | (x[0] ^ y[0])) == 0;
    }
#ifdef __SSE2__
    const uint8_t *last = g->tail + len - 16;
    __m128i any = _mm_xor_si128(_mm_loadu_si128((const __m128i *)last), _mm_loadu_si128((const __m128i *)(key + len - 16)));
    for (const uint8_t *p = g->tail; p < last; p += 16, key += 16)
        any = _mm_or_si128(any, _mm_xor_si128(_mm_loadu_si128((const __m128i *)p), _mm_loadu_si128((const __m128i *)key)));
    return _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) == 0xffff;
#else
    return memcmp(g->tail, key, len) == 0;
#endif
}

/* Nothing that the group holds is older: quickly, INT64_MIN where that is not known. */
static inline int64_t group_oldest(const struct wr_stream *s, struct group *g)
{
    if (is_many(g))
        return many_of(g)->stale;
    return !g->ext && g->nraw ? few_time(s, few_at(s, g, 0)) : INT64_MIN;
}

/* A row behind all others, where there is room; false: look closer (wr_rows_insert). */
static inline bool many_append(const struct wr_stream *s, struct group *g, const uint64_t *row)
{
    if (!is_many(g) || g->nraw >= g->room)
        return false;
    struct many *m = many_of(g);
    uint32_t each = s->raw_words;
    uint64_t *raw = (uint64_t *)(m + 1) + (size_t)g->nraw * each;
    int64_t ts = (int64_t)row[0];
    if (ts <= m->floor || (g->nraw && (int64_t)raw[-(ptrdiff_t)each] > ts))
        return false;
    if (ts < m->stale)
        m->stale = ts;
    for (uint32_t k = 0; k < each; k++)
        raw[k] = row[k];
    g->nraw = (g->nraw + 1u) & 127;
    return true;
}

/* The group's raw rows as words: its own, or a copy until the next call. */
static inline uint64_t *raw_rows(struct wr_stream *s, struct group *g)
{
    if (is_many(g))
        return raw_at(s, g, 0);
    wr_few_read(s, g);
    return s->few;
}

/* panes.c: rows of one group */
/* Adds a row; *g may move. WR_ENOMEM. */
enum wr_err wr_rows_insert(struct wr_stream *s, struct group **g, const uint64_t *row);
/* A block's rows on their way into groups. */
struct going {
    uint32_t n;
    int64_t bound;                 /* times that left the window */
    uint32_t *place[WR_KEY_BLOCK]; /* where each row's group most likely stands */
    uint8_t fit[WR_KEY_BLOCK];     /* rows that s->form holds */
};

/* Puts rows from `k` on, before `end`, into their groups as long as they are as most are: of a group that stands where
 * it was looked for, from which nothing has to leave, which has too few rows to fire with one more, and with room
 * behind its newest. Returns the first that is not; *ret_group: all but the room is as it should be. No calls: what the
 * stream knows stays in registers. */
uint32_t wr_rows_quick(const struct wr_stream *s, const struct going *go, uint32_t k, uint32_t end, struct group **ret_group);
/* Changes the row of that time: from `old` to `new` (NULL: it goes). *ret_there: it was there. *g may move. WR_ENOMEM. */
enum wr_err wr_rows_amend(struct wr_stream *s, struct group **g, uint32_t at, const union wr_slot *old,
                          const union wr_slot *new, bool *ret_there);
/* Distinct values of aggregate `a`, which is hashed, that are in the window at `t`; what left it has been dropped. */
uint64_t wr_rows_distinct(struct wr_stream *s, struct group *g, uint32_t a, int64_t t);
/* Drops what left the window at `t`. */
void wr_rows_prune(struct wr_stream *s, struct group *g, int64_t t);
/* Sum of all that is in the window at `t`: rows, first and last time; state in s->sum_slots. */
uint64_t wr_rows_sum(struct wr_stream *s, struct group *g, int64_t t, bool firing, int64_t *ret_first,
                     int64_t *ret_last);
/* Next time at which that sum can change without a row; INT64_MAX: never. */
int64_t wr_rows_next(struct wr_stream *s, struct group *g, int64_t t, bool firing);
int64_t wr_rows_newest(const struct wr_stream *s, struct group *g);

/* raise.c: whether a group fires, and what is said about it */
enum why { WHY_ROW, WHY_TIME, WHY_EARLY };
/* A row of these slots can only take from the sums when it leaves, as it should. */
static inline bool steady_row(const struct wr_stream *s, const union wr_slot *slots)
{
    uint64_t any = 0;
    for (uint64_t sums = s->sums; sums; sums &= sums - 1)
        any |= slots[s->layout.agg[__builtin_ctzll(sums)].first].u;
    return any >> STEADY_BITS == 0;
}

/* Rows that come can make the group fire, time that passes cannot. */
static inline bool group_rises(const struct wr_stream *s, const struct group *g)
{
    return s->rising && !(s->sums && g->ext && ext_of(s, g)->unsteady);
}

/* The slots of a row that came into the group, or (`was`) took the place of others, for what is known of its sums. False when
 * out of memory. */
bool wr_group_count(struct wr_stream *s, struct group *g, const union wr_slot *slots, const union wr_slot *was);
/* Cheap and on the safe side: not enough rows, values or sum for the predicate. */
bool wr_group_cannot_fire(struct wr_stream *s, struct group *g);
/* After a row of time `ts` came into a group: does it begin or cease to fire, is there something to say? */
enum wr_err wr_group_grown(struct wr_stream *s, struct group *g, int64_t ts);
enum wr_err wr_group_evaluate(struct wr_stream *s, struct group *g, int64_t t, int64_t t_cross, enum why why);
/* The group's row after the suffix in `ret_chunk` (row_arena); false when it does not pass. */
bool wr_group_row(struct wr_stream *s, struct group *g, int64_t t, bool firing, struct wr_chunk *ret_chunk,
                  int64_t *ret_first, int64_t *ret_last);
/* When to look at the group again after `t`. `both`: as one that fires, too: one that just ceased to may begin again as soon
 * as a pane that the edge cuts has gone. False when out of memory. */
bool wr_group_watch(struct wr_stream *s, struct group *g, int64_t t, bool both);
enum wr_err wr_group_resolve(struct wr_stream *s, struct group *g, int64_t t);
/* When the next update may be said: half the alert's age after the last one, at least 1 s, at most realert. What a
 * burst adds is there at once, bytes that a router tells a minute later soon after, and a group that grows all day says so
 * some forty times. */
int64_t wr_firing_due(const struct wr_stream *s, const struct firing *f);
void wr_firing_free(struct wr_stream *s, struct firing *f);
/* stateless.c: rows of `chunk`, those of the batch, through the operators from `at` on, and out. */
enum wr_err wr_stateless_rows(struct wr_stream *s, const struct wr_batch *b, struct wr_chunk *chunk, uint32_t at);
/* True when one row can become several. */
bool wr_op_multiplies(const struct wr_op *op);
/* An operator of the prefix that does not multiply. */
enum wr_err wr_stream_apply(struct wr_stream *s, const struct wr_op *op, struct wr_chunk *chunk);
/* times.c: times and numbers of the rows whose keys and states were read, to their places from 0 on. */
#define WR_GONE INT64_MIN /* the time of a row that is in no window any more */
void wr_read_times(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel);
/* WR_ROW_AMENDS, WR_ROW_GIVEN_UP. */
static inline int64_t wr_row_marks(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *v = s->leg->amends ? &b->col[s->leg->amends->amend] : NULL;
    return v && v->i && wr_vec_valid(v, row) ? v->i[row] : 0;
}
/* The row's place in time; false when it is in no window any more. */
bool wr_row_time(struct wr_stream *s, const struct wr_batch *b, uint32_t row, int64_t *ret_ts);
/* Its number; 0: it has none. In two legs of a union the same row has two. */
uint64_t wr_row_id(const struct wr_stream *s, const struct wr_batch *b, uint32_t row);
enum wr_err wr_stateless_raise(struct wr_stream *s, const struct wr_chunk *chunk, uint32_t row, int64_t ts,
                               uint64_t rowid);

#endif
