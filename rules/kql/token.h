/* Tokens of KQL. Literals are decoded here, so that the parser sees values.
 * Source: Kusto "string data type", "timespan data type", "datetime data type", "dynamic data
 * type". */
#ifndef WR_RULES_KQL_TOKEN_H
#define WR_RULES_KQL_TOKEN_H

#include "base/diag.h"
#include "rules/fn/fn.h"

enum wr_token_kind {
    WR_TOKEN_END,
    WR_TOKEN_NAME,    /* also keywords: KQL has no reserved words at this level */
    WR_TOKEN_STRING,  /* value.s; adjacent ones are joined by the parser */
    WR_TOKEN_LITERAL, /* number, timespan, true, datetime(..), dynamic(..), ... in `value` */
    WR_TOKEN_PUNCT    /* text is the operator: "==", "!in~", "in~", "!has", "..", "(" */
};

struct wr_token {
    enum wr_token_kind kind;
    struct wr_span span;
    struct wr_value value;
};

struct wr_tokens {
    struct wr_token *at; /* arena; ends with WR_TOKEN_END */
    uint32_t n;
};

enum { WR_KQL_MAX_TEXT = 65536 };

/* Cuts `source` into tokens, in `arena`. False with one error in `diags`. */
bool wr_kql_lex(const struct wr_source *source, struct wr_arena *arena, struct wr_diags *diags,
                struct wr_tokens *ret_tokens) WR_MUST_CHECK;

/* What stands between the brackets of `type(...)`; null when it is empty or `null`. *ret_why says
 * what is wrong. */
bool wr_kql_typed_literal(enum wr_type type, const char *text, size_t len, struct wr_arena *arena,
                          struct wr_value *ret_value, const char **ret_why) WR_MUST_CHECK;
/* `1.5d` and the like: a number with its unit. False when `unit` is none. */
bool wr_kql_timespan(double number, const char *unit, size_t len, int64_t *ret_ticks) WR_MUST_CHECK;
/* dynamic(...): JSON, with KQL's literals and quotes allowed inside, as compact JSON text. */
bool wr_kql_dynamic(const char *text, size_t len, struct wr_arena *arena,
                    struct wr_value *ret_value, const char **ret_why) WR_MUST_CHECK;
/* A datetime as KQL reads it: ISO 8601, RFC 822 and 850, month first; ticks. Also todatetime()'s
 * reading. */
bool wr_kql_datetime(const char *text, size_t len, int64_t *ret_ticks) WR_MUST_CHECK;
/* A quoted string at `text`; *ret_used is its length with quotes. False when it does not end. */
bool wr_kql_string(const char *text, size_t len, struct wr_arena *arena, struct wr_str *ret_s,
                   size_t *ret_used, const char **ret_why) WR_MUST_CHECK;

#endif
