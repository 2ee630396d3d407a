/* What the parser's files share: cursor over tokens, lists, nodes. Private to rules/kql. */
#ifndef WR_RULES_KQL_PARSER_H
#define WR_RULES_KQL_PARSER_H

#include "rules/kql/ast.h"

struct wr_parser {
    const struct wr_source *source;
    struct wr_diags *diags;
    struct wr_arena *arena;
    struct wr_tokens tokens;
    uint32_t at;
    uint32_t depth; /* of the recursion */
    bool failed;    /* the first error ends the parsing */
};

/* Children that are being collected; `at` lives in the arena. */
struct wr_list {
    struct wr_kql_ex **at;
    uint32_t n, cap;
};

const struct wr_token *wr_parser_peek(const struct wr_parser *p, uint32_t ahead);
bool wr_token_is(const struct wr_parser *p, const struct wr_token *t,
                 const char *text); /* punctuation or name */
bool wr_parser_is(const struct wr_parser *p, const char *text);
bool wr_parser_accept(struct wr_parser *p, const char *text);
/* `what` completes "expected ...". */
bool wr_parser_expect(struct wr_parser *p, const char *text, const char *what);
struct wr_diag *wr_parser_fail(struct wr_parser *p, struct wr_span span, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct wr_diag *wr_parser_unexpected(struct wr_parser *p, const char *wanted);
bool wr_parser_enter(struct wr_parser *p); /* false and an error: too deep */
struct wr_kql_name wr_parser_text(struct wr_parser *p, struct wr_span span);
bool wr_parser_is_name(const struct wr_parser *p,
                       uint32_t ahead); /* a name or ['a name'] stands there */
struct wr_kql_name wr_parser_name(struct wr_parser *p, const char *what);
struct wr_span wr_parser_span(const struct wr_parser *p,
                              uint32_t first_token); /* to the last token taken */

struct wr_kql_ex *wr_parser_node(struct wr_parser *p, enum wr_kql_kind kind, struct wr_span span);
bool wr_list_add(struct wr_parser *p, struct wr_list *list, struct wr_kql_ex *ex);
bool wr_parser_seal(struct wr_parser *p, struct wr_kql_ex *ex,
                    const struct wr_list *args); /* sets args and depth */

struct wr_kql_ex *wr_parse_expr(struct wr_parser *p);
struct wr_kql_ex *wr_parse_unary(struct wr_parser *p);
/* An expression or a query, as in brackets, lists and arguments. */
struct wr_kql_ex *wr_parse_item(struct wr_parser *p);
bool wr_parser_skip_brackets(struct wr_parser *p); /* from an opening bracket past its partner */
/* expr, name = expr, (a, b) = expr, or * */
struct wr_kql_ex *wr_parse_named(struct wr_parser *p);
bool wr_parse_named_list(struct wr_parser *p, struct wr_list *list);
struct wr_kql_query *wr_parse_query(struct wr_parser *p);
/* Continues a query whose source is `first`. */
struct wr_kql_query *wr_parse_pipes(struct wr_parser *p, struct wr_kql_op *first);
struct wr_kql_op *wr_parser_source_op(struct wr_parser *p, struct wr_kql_ex *ex);
/* True when a query that begins with an operator (print, range, union, ...) starts here. */
bool wr_parser_at_leading_op(const struct wr_parser *p);
bool wr_parse_let(struct wr_parser *p, struct wr_kql_let *let);
bool wr_parse_cols(struct wr_parser *p, struct wr_kql_ex *ex); /* (Name: type, ...): sets cols */
/* hint.shufflekey=x, hint.strategy=shuffle: for Microsoft's servers. */
bool wr_parser_skip_hints(struct wr_parser *p);
bool wr_parse_join(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_expand(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_invoke(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_series(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_top_nested(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_scan(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_search(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_find(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_mv_apply(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_partition(struct wr_parser *p, struct wr_kql_op *op);
/* (operators) of mv-apply and partition, over rows that are given. */
struct wr_kql_query *wr_parse_piece(struct wr_parser *p);
/* asc, desc, nulls first behind `ex`; NULL `ex`: NULL. `always`: a node also when none stands there. */
struct wr_kql_ex *wr_parse_order(struct wr_parser *p, struct wr_kql_ex *ex, bool always);
bool wr_parse_parse(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_kv(struct wr_parser *p, struct wr_kql_op *op);
bool wr_parse_evaluate(struct wr_parser *p, struct wr_kql_op *op);
struct wr_kql_ex *wr_parse_external(struct wr_parser *p);
struct wr_kql_ex *wr_parse_pattern(struct wr_parser *p); /* Name*, *, name */

#endif
