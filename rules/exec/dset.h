/* Distinct values with the time each was last seen (make_set), every value with its time (make_list), or only the hash of
 * each (dcount): 16 bytes, and a count that two values in some 10^19 pairs make too small. No panes: a value leaves a window
 * when its last sighting does. Order is that of the first sighting. */
#ifndef WR_RULES_EXEC_DSET_H
#define WR_RULES_EXEC_DSET_H

#include "base/batch.h"
#include "base/hash.h"
#include "rules/fn/fn.h"

struct wr_dval {
    int64_t seen;
    uint64_t hash;
};

union wr_dcell {
    int64_t i;
    double r;
    struct wr_str s; /* long ones on the heap */
};

/* Beyond its limit a set of hashes is a sample: of the values that were last seen at step[k].since or later those stay whose
 * hashes lie in step[k].below of 2^32 places, and each stands for 2^32 / below values. Steps rise: a window with fewer values
 * takes in more of those that come. Whether a value is in the sample depends on its hash and its last sighting only, so
 * the estimate has no bias at any instant; its standard error is 1 / sqrt(values in the sample). */
enum { WR_DSET_STEPS = 8 };
struct wr_dset_sample {
    double stands_for; /* all values together */
    int64_t newest;    /* nothing was offered that was seen later */
    uint32_t limit, nsteps;
    struct wr_dset_step {
        int64_t since; /* of the first: INT64_MIN */
        uint64_t below;
    } step[WR_DSET_STEPS];
};

/* All zero is empty. */
struct wr_dset {
    struct wr_dval *val;
    union wr_dcell *cell; /* one a value; NULL: only hashes are kept */
    uint32_t *index;      /* value number + 1 by hash; NULL while there are few */
    struct wr_dset_sample *sample; /* NULL: every value is here */
    uint32_t n, cap, nindex;
    uint32_t text_bytes; /* of long texts */
    uint32_t thin_at;    /* best.h: when there are so many, the best of each pane stay; 0: not yet */
    int64_t oldest;      /* no value was last seen before this; some time earlier when values were seen again */
    bool lost;           /* values were given up at the limit: counts are lower bounds */
    bool weighted;       /* wr_dset_thin: a value's hash says for how many it stands */
};

enum { WR_DSET_TEXT_MAX = 1 << 20 };

/* Adds or refreshes one value; `distinct` false: every value stands for itself. At `limit` values (or 1 MiB
 * of text) the one that was seen longest ago goes and `lost` is set. WR_ENOMEM. */
enum wr_err wr_dset_add(struct wr_dset *set, const struct wr_hash_key *secret, const struct wr_vec *vec,
                        uint32_t row, int64_t seen, bool distinct, uint32_t limit) WR_MUST_CHECK;
/* The hash by which a set knows a value; equal values have equal ones. */
uint64_t wr_dset_hash(const struct wr_hash_key *secret, const struct wr_vec *vec, uint32_t row);
/* The same for sets of hashes only, of which bits 15 to 46 are used; beyond `limit` values the set becomes a sample. */
enum wr_err wr_dset_add_hash(struct wr_dset *set, uint64_t hash, int64_t seen, uint32_t limit) WR_MUST_CHECK;
bool wr_dset_has_hash(const struct wr_dset *set, uint64_t hash);
/* How many different values came: exact, or the sample's estimate. */
double wr_dset_distinct(const struct wr_dset *set);
/* For how many values one more would stand, which the set has not. */
double wr_dset_would_stand(const struct wr_dset *set, uint64_t hash, int64_t seen);
/* Of a set from disk, before its values are added; false: no set has such a sample, or no memory. */
bool wr_dset_resample(struct wr_dset *set, const struct wr_dset_sample *sample);
/* How many hashes a set keeps, so that an estimate's standard error is that of Kusto's dcount() with this accuracy: 1.6, 0.8,
 * 0.4, 0.28 and 0.2 % for 0 to 4. */
uint32_t wr_dset_limit(int64_t accuracy);
/* Drops what was last seen at `bound` or before. */
void wr_dset_expire(struct wr_dset *set, enum wr_type type, int64_t bound);
/* Of a set of all numbers that came (not of texts): about `most` stay, as many of each pane. Of two neighbours by value one
 * stays for both, chosen by chance as their weights are, so that a rank is off by about one value of each pane, to either
 * side. Sets `lost`. WR_ENOMEM. */
enum wr_err wr_dset_thin(struct wr_dset *set, enum wr_type type, int64_t pane, uint32_t most) WR_MUST_CHECK;
/* For how many values number `n` stands. */
static inline uint64_t wr_dset_weight(const struct wr_dset *set, uint32_t n)
{
    return set->weighted ? set->val[n].hash : 1;
}
/* The pane of a time, left-open: (p*g, (p+1)*g]. */
static inline int64_t wr_pane_of(int64_t ts, int64_t pane)
{
    int64_t t = ts - 1, q = t / pane; /* ceil(ts / g) - 1 = floor((ts - 1) / g) */
    return q - (t % pane < 0);
}
void wr_dset_fini(struct wr_dset *set, enum wr_type type);
/* Heap bytes that it holds. */
size_t wr_dset_bytes(const struct wr_dset *set);
/* The most that a set can hold: of hashes only, or of values (`cells`), each once or not, long texts or none. */
size_t wr_dset_most(uint32_t limit, bool cells, bool distinct, bool texts);
/* The values as a vector's cells, for output; borrowed. */
struct wr_value wr_dset_value(const struct wr_dset *set, enum wr_type type, uint32_t n);
/* Such a value as a vector of one row; borrowed. */
static inline struct wr_vec wr_dset_vec(enum wr_type type, struct wr_value *v)
{
    struct wr_vec one = {.type = type};
    if (wr_type_is_str(type))
        one.s = &v->s;
    else if (type == WR_REAL)
        one.r = &v->r;
    else
        one.i = &v->i;
    return one;
}

#endif
