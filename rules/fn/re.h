/* Regular expressions in time linear in the text (RE2), behind C. Syntax: RE2's, plus `(?<name>...)`; of Kusto's
 * (Rust) family the flags x, u, R and class operations are not there, and \d \w \s \b are ASCII. Text is UTF-8.
 * Source: Kusto "regex", RE2 "syntax". Thread-safe once made. */
#ifndef WR_RULES_FN_RE_H
#define WR_RULES_FN_RE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WR_RE_MAX_GROUPS = 16 }; /* Kusto's limit */

struct wr_re;

/* Where a group matched; `from` > `to` when it took no part. */
struct wr_re_span {
    size_t from, to;
};

/* Owned by the caller. NULL with the reason in `why` when the pattern is wrong or too large. */
struct wr_re *wr_re_new(const char *pattern, size_t len, char *why, size_t why_size);
void wr_re_free(void *re); /* void: it serves wr_arena_defer */
int wr_re_groups(const struct wr_re *re);
/* Number of a named group, -1 when there is none. */
int wr_re_group(const struct wr_re *re, const char *name, size_t len);
/* First match at byte `at` or behind it: 1 and the spans of the whole and of groups 1 .. n-1 (n 0: none wanted), 0
 * when there is none, -1 when out of memory. */
int wr_re_find(const struct wr_re *re, const char *text, size_t len, size_t at, struct wr_re_span *spans, int n);
/* The same when it begins at `at`, which takes a fraction of the time: 0 when there is none, or a later one. */
int wr_re_match_at(const struct wr_re *re, const char *text, size_t len, size_t at, struct wr_re_span *spans, int n);

#ifdef __cplusplus
}
#endif

#endif
