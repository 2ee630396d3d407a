/* Partial aggregates: a state is a few 8-byte slots, laid out once per summarize. One row, one pane and one
 * group have the same form, so that rows fold into panes and panes into results with one merge.
 *
 *   slots: [valid bits, if min/max/avg/... are there] [slots of aggregate 0] [of aggregate 1] ...
 *
 * count() needs no slot (every state comes with its number of rows); distinct values live beside (dset.h). Of a row of
 * a stream dcount's value is a slot more, behind the others: its hash; a row that folds into a pane gives it to the set.
 *
 * What an aggregate does, from its row to its result, stands in the functions below, a case a kind:
 *
 *   wr_agg_layout_place   slots that it needs, of a row and of a pane (slots_of)
 *   wr_agg_rows           states of rows, a column at a time (all zero: nothing seen); wr_agg_add: one row into a state
 *   wr_agg_merge          a state into another of the same kind
 *   wr_agg_amend          one row's part of a state, changed; false: not possible exactly
 *   wr_agg_final          the result */
#ifndef WR_RULES_EXEC_AGG_H
#define WR_RULES_EXEC_AGG_H

#include "rules/exec/dset.h"
#include "rules/plan/plan.h"

union wr_slot {
    int64_t i;
    uint64_t u;
    double r;
};

enum { WR_AGGS_MAX = 256, WR_NO_DSET = 255 };

struct wr_agg_place {
    const struct wr_agg_call *call;
    enum wr_agg_kind kind;
    enum wr_type in; /* of the first argument; count: long */
    uint16_t first;  /* slot */
    uint8_t word;    /* slot, of those before the first, that has the bit for `it has a value` */
    uint8_t dset;    /* number of its distinct set, or WR_NO_DSET */
    uint8_t by_key;  /* engine: dcount over the group's own key is 0 or 1: its number + 1, else 0 */
    uint8_t of_time; /* engine: min or max of the window's own time: taken from the rows' times */
    bool hashed;     /* engine: dcount; `first` is the slot of a row's hash */
    uint32_t keeps;  /* engine: of a dcount, hashes until they become a sample */
    bool best;       /* engine: candidates are kept (best.h) */
    uint16_t follows; /* engine: they are those of this aggregate + 1; 0: its own */
};

struct wr_agg_layout {
    uint32_t naggs, nslots, ndsets;
    uint32_t nrow; /* slots of a row: nslots and the hashes */
    bool has_valid;
    uint16_t nkept;
    uint8_t kept[WR_AGGS_MAX]; /* aggregates that have slots */
    struct wr_agg_place agg[WR_AGGS_MAX];
};

/* False when the summarize has more than WR_AGGS_MAX aggregates. */
bool wr_agg_layout_init(struct wr_agg_layout *layout, const struct wr_op *summarize);
/* Places slots anew after by_key and of_time were set. */
void wr_agg_layout_place(struct wr_agg_layout *layout);

/* Arguments of the aggregates over one chunk: arg[a][0..1]. */
struct wr_agg_args {
    struct wr_vec arg[WR_AGGS_MAX][2];
};

/* Adds row `row`. Texts (min, max, take_any, arg_max of batch runs) are copied into `arena`; false when
 * memory ran out. Distinct sets are not touched. */
bool wr_agg_add(const struct wr_agg_layout *layout, union wr_slot *slots, const struct wr_agg_args *args,
                uint32_t row, struct wr_arena *arena);
/* The state of each selected row, alone: nrow slots every `stride`, which are zero before. Kinds that copy texts are not for
 * it. */
void wr_agg_rows(const struct wr_agg_layout *layout, union wr_slot *slots, uint32_t stride,
                 const struct wr_agg_args *args, const struct wr_sel *sel, const struct wr_hash_key *secret);
void wr_agg_merge(const struct wr_agg_layout *layout, union wr_slot *dst, const union wr_slot *src);
/* Changes one row's part of `dst` from `old` to `new` (NULL: takes it out). False when the result is not
 * exact: an old minimum, maximum or deviation cannot be undone. */
bool wr_agg_amend(const struct wr_agg_layout *layout, union wr_slot *dst, const union wr_slot *old,
                  const union wr_slot *new);
/* True when the row counts in the distinct set of aggregate `a` (not null, predicate true). */
bool wr_agg_distinct_row(const struct wr_agg_layout *layout, uint32_t a, const struct wr_agg_args *args,
                         uint32_t row);
/* True for kinds whose result depends on the order of their distinct values: over a moving window a value is kept once a
 * pane, since its first sighting may leave before its last. */
bool wr_agg_once_a_pane(enum wr_agg_kind kind);
/* The accuracy that a dcount() or dcountif() asks for. */
int64_t wr_agg_accuracy(const struct wr_agg_call *call);
/* True for kinds whose values are numbers of which many may be thinned out (wr_dset_thin). */
bool wr_agg_thins(enum wr_agg_kind kind);
/* Adds the row to the set of aggregate `a`; make_set and make_list take the elements of arrays. */
enum wr_err wr_agg_distinct_add(const struct wr_agg_layout *layout, uint32_t a,
                                const struct wr_agg_args *args, uint32_t row, struct wr_dset *set,
                                const struct wr_hash_key *secret, int64_t seen, uint32_t limit) WR_MUST_CHECK;
/* Result of aggregate `a` into row `row` of `out`. `set` is its distinct set or NULL. */
void wr_agg_final(struct wr_eval *ev, const struct wr_agg_layout *layout, uint32_t a,
                  const union wr_slot *slots, uint64_t nrows, const struct wr_dset *set, struct wr_vec *out,
                  uint32_t row);

#endif
