/* Predicates that compare one column with constants, on whole columns without a vector of results: what detections
 * filter by. Loops stand once in filter.inc.c and are compiled twice, for any processor and for AVX2; the processor
 * decides at run time. Everything else is evaluated (eval.h). */
#ifndef WR_RULES_EXEC_FILTER_H
#define WR_RULES_EXEC_FILTER_H

#include "rules/plan/plan.h"

enum wr_test_how { WR_TEST_EQ, WR_TEST_LT, WR_TEST_LE, WR_TEST_GT, WR_TEST_GE };

/* `col` is one of the constants (EQ), or stands so to the only one. A null is in no set and in no order. */
struct wr_test {
    enum wr_test_how how;
    bool text, nocase;
    bool negate; /* EQ only: is none of them; true of a null */
    uint16_t col;
    uint32_t n;
    struct wr_ex *const *values; /* n constants that are not null */
    const void *members;         /* of `in` with many values: wr_members_* of fn/kernel.h; or NULL */
};

/* True when `ex` is such a test. */
bool wr_test_of(const struct wr_ex *ex, struct wr_test *ret_test);

/* 1 for each of n values that passes, else 0; `or`: added to what is there. */
struct wr_filter_kernels {
    void (*ints)(const int64_t *v, enum wr_test_how how, int64_t c, uint8_t *pass, uint32_t n, bool add);
    /* Texts of at most WR_STR_INLINE bytes; `nocase`: `c` is in lower case. */
    void (*texts)(const struct wr_str *v, const struct wr_str *c, bool nocase, uint8_t *pass, uint32_t n, bool add);
    /* Rows of `sel` with a pass, kept in it. */
    void (*pick)(const uint8_t *pass, struct wr_sel *sel, uint32_t n);
};
extern const struct wr_filter_kernels wr_filter_generic, wr_filter_avx2;
/* Those that this processor runs best. */
const struct wr_filter_kernels *wr_filter_kernels(void);

/* Keeps the rows of `sel` that pass; false (nothing done) when the test needs the evaluator. Rows of `cols` outside of
 * `sel` may be anything, but must be readable memory: `nrows` of them. */
bool wr_filter(const struct wr_filter_kernels *kernels, struct wr_arena *arena, const struct wr_test *test,
               const struct wr_vec *cols, uint32_t nrows, struct wr_sel *sel);

#endif
