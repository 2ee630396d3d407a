/* What a row of a table must have to matter to a plan, read off the filters that stand over the
 * plan's scans.
 *
 *   T | where Port in (25, 587) and (File =~ "a.exe" or Url has "b")      one way, two choices:
 *                                                                         Port is 25 or 587;  File
 * is a.exe or Url has b T | extend F = tolower(File) | where F == "a.exe" through extend, project
 * and tolower T | join kind=inner (datatable(F: string) ["a.exe"]) on F             a list that
 * stands in the rule
 *
 * A row that lacks what every choice of one way asks for matters; a row that fails one of each
 * way's does not. */
#ifndef WR_RULES_SHARE_WANTS_H
#define WR_RULES_SHARE_WANTS_H

#include "rules/plan/plan.h"

/* WR_WANT_TEXT: without case. WR_WANT_TERM: the longest term of one of the texts. */
enum wr_want_kind { WR_WANT_NUMBER, WR_WANT_TEXT, WR_WANT_TERM };

/* Column `col` of the table is, or has, one of n constants, which are not null. */
struct wr_want {
    uint16_t col;
    enum wr_want_kind kind;
    uint32_t n;
    struct wr_ex *const *values;
};

enum { WR_WANT_ANY = 8, WR_WANT_CHOICES = 16 };
/* One of these. */
struct wr_choice {
    struct wr_want any[WR_WANT_ANY];
    uint32_t n;
};
/* A scan of the table: each of these. None: every row. */
struct wr_way {
    struct wr_choice must[WR_WANT_CHOICES];
    uint32_t n;
    struct wr_way *next;
};

/* The ways of a tree of operators, and of the queries that run first, into `table`; arena of `arena`, borrows the plan.
 * *ret NULL: every row matters. False: out of memory. */
bool wr_ways_of(struct wr_arena *arena, enum wr_table table, const struct wr_op *root, const struct wr_sub *subs,
                uint32_t nsubs, struct wr_way **ret) WR_MUST_CHECK;

/* Where a text's longest term is; false: it has none, or one that is not of letters and digits of
 * ASCII only. */
bool wr_longest_term(const char *text, uint32_t len, uint32_t *ret_at, uint32_t *ret_len);

/* Letters without case and digits; 0: no part of a term. */
extern const uint8_t wr_term_byte[256];

#endif
