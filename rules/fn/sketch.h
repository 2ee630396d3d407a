/* Intermediate results of hll() and tdigest(): dynamic values that can be kept, merged and asked
 * later. Their form is weir's own: Kusto's are not published, and no sketch of the one can be read
 * by the other.
 *
 *   {"hll":14,"hashes":[...]}       up to WR_HLL_EXACT different values: their xxHash64, ascending;
 * the count is exact
 *   {"hll":14,"registers":"..."}    more: 2^14 registers, a base64 digit each
 *   {"tdigest":[v,w,v,w,...]}       values and weights, ascending; all of them up to
 * WR_DIGEST_EXACT, beyond it centroids */
#ifndef WR_RULES_FN_SKETCH_H
#define WR_RULES_FN_SKETCH_H

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

enum { WR_HLL_EXACT = 1024, WR_HLL_MIN = 12, WR_HLL_MAX = 18, WR_DIGEST_EXACT = 2048 };

struct wr_hll {
    int bits;
    uint64_t *hash; /* exact while n <= WR_HLL_EXACT */
    uint32_t n;
    uint8_t *reg; /* NULL while exact */
};

/* Accuracy 0 to 4 of Kusto: 1.6 %, 0.8 %, 0.4 %, 0.28 %, 0.2 %. False when memory ran out or the
 * accuracy is none. */
bool wr_hll_init(struct wr_eval *ev, struct wr_hll *h, int64_t accuracy);
void wr_hll_add(struct wr_eval *ev, struct wr_hll *h, uint64_t hash);
/* Adds what a dynamic value holds; the first one decides the accuracy (h->bits 0). False when it is
 * no such value. */
bool wr_hll_merge(struct wr_eval *ev, struct wr_hll *h, struct wr_slice json);
int64_t wr_hll_count(const struct wr_hll *h);
void wr_hll_put(const struct wr_hll *h, struct wr_buf *json);

struct wr_weighted {
    double v, w;
};

struct wr_digest {
    struct wr_weighted *at;
    uint32_t n, cap;
};

/* Room for `n` more. */
bool wr_digest_room(struct wr_eval *ev, struct wr_digest *d, uint32_t n);
bool wr_digest_merge(struct wr_eval *ev, struct wr_digest *d, struct wr_slice json);
/* Sorted, equal values as one; compressed when there are too many. */
void wr_digest_settle(struct wr_digest *d);
void wr_digest_put(const struct wr_digest *d, struct wr_buf *json);
/* Nearest rank over weights: the least value that at least p percent of the weight does not exceed.
 * Settled; not empty. */
double wr_weighted_percentile(const struct wr_weighted *at, uint32_t n, double p);

#endif
