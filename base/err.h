#ifndef WR_BASE_ERR_H
#define WR_BASE_ERR_H

#define WR_MUST_CHECK __attribute__((warn_unused_result))

/* Result of every call that can fail: WR_OK (0) or a negative code from errors.def. */
enum wr_err {
#define X(sym, val, text) sym = val,
#include "base/errors.def"
#undef X
};

/* Static text for a code; never NULL, never freed. */
const char *wr_strerror(enum wr_err err);

/* A broken invariant of the program, never of its input: prints the expression and aborts, in
 * release builds too. The fuzzers prove that no input reaches one. */
#define WR_ASSERT(expr) ((expr) ? (void)0 : wr_assert_failed(#expr, __FILE__, __LINE__))
_Noreturn void wr_assert_failed(const char *expr, const char *file, int line);

#endif
