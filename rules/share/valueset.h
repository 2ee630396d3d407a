/* Tables over the values that rules ask for, one for each column and kind of test: which rules want
 * a row that has the value. Texts and terms are looked up without case and by hash alone. Private
 * to dispatch.c. */
#ifndef WR_RULES_SHARE_VALUESET_H
#define WR_RULES_SHARE_VALUESET_H

#include "rules/share/sift.h"
#include "rules/share/wants.h"

/* A value in a table, and who wants it. */
struct wr_wanted_value {
    uint64_t hash;
    uint32_t first, n; /* in `rules` of the set; n 0: an empty slot */
};

/* Values of one kind on one column of the table. */
struct wr_valueset {
    uint16_t col;
    enum wr_want_kind kind;
    uint32_t nvalues, mask; /* slots - 1 */
    struct wr_wanted_value *slot;
    uint32_t *rules;
    /* Of each slot: while learning, rows that had the value; of terms else the number of the last
     * text that had it. */
    uint32_t *seen;
    struct wr_sift_bits may; /* WR_WANT_TERM: of the two bytes that a term begins with */
    struct wr_sift_heads heads;
};

struct wr_valuesets {
    struct wr_valueset *at;
    uint32_t n;
};

/* Sets of the choices: way[i] is the list of rule i. `first`: only of each way's first choice; else
 * rows can be counted. False when out of memory: wr_valuesets_free them. */
bool wr_valuesets_make(struct wr_valuesets *sets, struct wr_way *const *way, uint32_t nrules,
                       bool first) WR_MUST_CHECK;
void wr_valuesets_free(struct wr_valuesets *sets);
/* How many rows had one of the choice's values, in the upper half; in the lower one how many rules
 * share them. */
uint64_t wr_valuesets_cost(const struct wr_valuesets *sets, const struct wr_choice *choice);

/* The slot of a hash, empty or not. */
static inline uint32_t wr_valueset_slot(const struct wr_valueset *set, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & set->mask;
    while (set->slot[i].n && set->slot[i].hash != hash)
        i = (i + 1) & set->mask;
    return i;
}

static const uint64_t WR_VALUE_ODD = UINT64_C(0x9e3779b97f4a7c15),
                      WR_VALUE_NO_CASE = UINT64_C(0x2020202020202020);

static inline uint64_t wr_value_fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static inline uint64_t wr_value_hash_int(int64_t v)
{
    return wr_value_fold((uint64_t)v ^ WR_VALUE_ODD, WR_VALUE_ODD);
}

/* Of a text that does not lie in its cell. */
uint64_t wr_value_hash_long(const struct wr_str *s);

/* Values come from rules' authors; a stranger who finds texts of one hash makes a rule test a row
 * in vain. */
static inline uint64_t wr_value_hash_text(const struct wr_str *s)
{
    uint64_t w;
    uint32_t tail;
    if (s->len > WR_STR_INLINE)
        return wr_value_hash_long(s);
    memcpy(&w, s->inl, sizeof w); /* zeros stand behind it */
    memcpy(&tail, s->inl + sizeof w, sizeof tail);
    return wr_value_fold((w | WR_VALUE_NO_CASE) ^ WR_VALUE_ODD,
                         (tail | WR_VALUE_NO_CASE) ^ s->len * WR_VALUE_ODD);
}

/* The next term of a text from *at on; false at its end. Its hash is without case. */
bool wr_value_next_term(const char *p, uint32_t len, uint32_t *at, uint32_t *ret_len,
                        uint64_t *ret_hash);

/* The two bytes that the term at `i` begins with, as a hash of `may`. */
static inline uint32_t wr_value_lead(const char *p, uint32_t len, uint32_t i)
{
    return (uint32_t)wr_term_byte[(unsigned char)p[i]] << 24 |
           (i + 1 < len ? (uint32_t)wr_term_byte[(unsigned char)p[i + 1]] << 16 : 0u);
}

#endif
