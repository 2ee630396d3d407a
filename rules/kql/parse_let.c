/* let statements: values, tables, functions. */
#include "rules/kql/parser.h"

#include <string.h>

enum { MAX_PARAMS = 64, MAX_BODY_LETS = 64 };

/* `(a: long) {`, `view () {` */
static bool at_function(const struct wr_parser *p)
{
    uint32_t i = wr_parser_is(p, "view") ? 1 : 0, depth = 0;
    if (!wr_token_is(p, wr_parser_peek(p, i), "("))
        return false;
    for (;; i++) {
        const struct wr_token *t = wr_parser_peek(p, i);
        if (t->kind == WR_TOKEN_END || wr_token_is(p, t, ";"))
            return false;
        depth += wr_token_is(p, t, "(");
        if (wr_token_is(p, t, ")") && --depth == 0)
            return wr_token_is(p, wr_parser_peek(p, i + 1), "{");
    }
}

static bool parse_param(struct wr_parser *p, struct wr_kql_param *param)
{
    param->name = wr_parser_name(p, "a parameter's name");
    if (p->failed || !wr_parser_expect(p, ":", "':' and the parameter's type"))
        return false;
    if (wr_parser_is(p, "(")) {
        struct wr_kql_ex cols = {0};
        param->is_table = true;
        if (wr_token_is(p, wr_parser_peek(p, 1), "*")) {
            p->at += 2;
            return wr_parser_expect(p, ")", "')' after '*'");
        }
        bool ok = wr_parse_cols(p, &cols);
        param->cols = cols.cols;
        param->ncols = cols.ncols;
        return ok;
    }
    struct wr_kql_name type = wr_parser_name(p, "a type");
    if (p->failed)
        return false;
    if (!wr_type_parse(type.text, type.len, &param->type)) {
        wr_parser_fail(p, type.span, "no type '%s'", type.text);
        return false;
    }
    if (wr_parser_accept(p, "="))
        param->value = wr_parse_expr(p);
    return !p->failed;
}

static bool parse_params(struct wr_parser *p, struct wr_kql_let *let)
{
    struct wr_kql_param *params = wr_arena_alloc(p->arena, MAX_PARAMS * sizeof *params);
    let->params = params;
    if (!params || !wr_parser_expect(p, "(", "'(' and parameters"))
        return false;
    while (!wr_parser_is(p, ")")) {
        if (let->nparams == MAX_PARAMS) {
            wr_parser_fail(p, wr_parser_peek(p, 0)->span, "too many parameters (64 are read)");
            return false;
        }
        if (!parse_param(p, &params[let->nparams++]))
            return false;
        if (!wr_parser_accept(p, ","))
            break;
    }
    return wr_parser_expect(p, ")", "',' or ')' after this parameter");
}

/* { let ...; query } */
static bool parse_body(struct wr_parser *p, struct wr_kql_let *let)
{
    struct wr_kql_let *lets = wr_arena_alloc(p->arena, MAX_BODY_LETS * sizeof *lets);
    let->lets = lets;
    if (!lets || !wr_parser_expect(p, "{", "'{' and the function's body") || !wr_parser_enter(p))
        return false;
    while (wr_parser_is(p, "let") && !wr_token_is(p, wr_parser_peek(p, 1), "|")) {
        if (let->nlets == MAX_BODY_LETS) {
            wr_parser_fail(p, wr_parser_peek(p, 0)->span,
                           "too many let statements in a function (64 are read)");
            return false;
        }
        if (!wr_parse_let(p, &lets[let->nlets++]) ||
            !wr_parser_expect(p, ";", "';' after this let"))
            return false;
        while (wr_parser_accept(p, ";"))
            ;
    }
    let->query = wr_parse_query(p);
    while (wr_parser_accept(p, ";"))
        ;
    p->depth--;
    return let->query && wr_parser_expect(p, "}", "'}' at the end of the function");
}

/* NOLINTNEXTLINE(misc-no-recursion): a function holds functions; depth is bounded */
bool wr_parse_let(struct wr_parser *p, struct wr_kql_let *let)
{
    uint32_t first = p->at++;
    let->name = wr_parser_name(p, "a name after 'let'");
    if (p->failed || !wr_parser_expect(p, "=", "'=' after the name"))
        return false;
    let->is_function = at_function(p);
    if (let->is_function) {
        let->view = wr_parser_is(p, "view");
        p->at += let->view;
        if (!parse_params(p, let) || !parse_body(p, let)) {
            if (!p->failed)
                wr_parser_fail(p, let->name.span, "%s", wr_strerror(WR_ENOMEM));
            return false;
        }
    } else {
        let->query = wr_parse_query(p);
    }
    let->span = wr_parser_span(p, first);
    return !p->failed;
}
