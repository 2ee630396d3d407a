/* scan with_match_id = Id declare (A: long = 0) with (step s1 output = last: condition => A = value, ...; step s2: ...;) */
#include "rules/kql/parser.h"

#include <string.h>

static bool parse_declare(struct wr_parser *p, struct wr_kql_op *op)
{
    enum { MAX = 64 };
    struct wr_kql_col *cols = wr_arena_alloc(p->arena, MAX * sizeof *cols);
    struct wr_kql_ex **defaults = wr_arena_alloc(p->arena, MAX * sizeof *defaults);
    op->cols = cols;
    op->defaults = defaults;
    if (!cols || !defaults || !wr_parser_accept(p, "declare"))
        return cols && defaults;
    if (!wr_parser_expect(p, "(", "'(' and columns"))
        return false;
    do {
        if (op->ncols == MAX)
            return wr_parser_fail(p, wr_parser_peek(p, 0)->span, "too many columns (64 are read)") == NULL;
        struct wr_kql_col *col = &cols[op->ncols];
        col->name = wr_parser_name(p, "a column's name");
        if (p->failed || !wr_parser_expect(p, ":", "':' and the column's type"))
            return false;
        struct wr_kql_name type = wr_parser_name(p, "a type");
        if (!p->failed && !wr_type_parse(type.text, type.len, &col->type))
            wr_parser_fail(p, type.span, "no type '%s'", type.text);
        if (!p->failed && wr_parser_accept(p, "="))
            defaults[op->ncols] = wr_parse_expr(p);
        op->ncols++;
    } while (!p->failed && wr_parser_accept(p, ","));
    return !p->failed && wr_parser_expect(p, ")", "',' or ')' after this column");
}

static bool parse_output(struct wr_parser *p, struct wr_kql_step *step)
{
    static const char *const names[] = {"all", "last", "none"};
    if (wr_parser_is(p, "optional")) {
        struct wr_diag *d =
            wr_parser_fail(p, wr_parser_peek(p, 0)->span, "optional steps of scan are not supported");
        wr_diag_hint(p->diags, d, "Kusto's parser takes the word and no page says what it does");
        d->page = "docs/kql.md#scan";
        return false;
    }
    if (!wr_parser_accept(p, "output"))
        return true;
    if (!wr_parser_expect(p, "=", "'=' after 'output'"))
        return false;
    for (uint8_t i = 0; i < 3; i++)
        if (wr_parser_accept(p, names[i])) {
            step->output = i;
            return true;
        }
    wr_parser_unexpected(p, "'all', 'last' or 'none'");
    return false;
}

static bool parse_step(struct wr_parser *p, struct wr_kql_step *step)
{
    struct wr_list assign = {0};
    if (!wr_parser_expect(p, "step", "'step'"))
        return false;
    step->name = wr_parser_name(p, "the step's name");
    if (p->failed || !parse_output(p, step) || !wr_parser_expect(p, ":", "':' and the step's condition") ||
        !(step->cond = wr_parse_expr(p)))
        return false;
    if (wr_parser_accept(p, "=>") && !wr_parse_named_list(p, &assign))
        return false;
    step->assign = assign.at;
    step->nassign = assign.n;
    return wr_parser_expect(p, ";", "';' after this step");
}

/* Words that Kusto's parser takes here, and that no page explains. */
static bool unsaid(struct wr_parser *p)
{
    static const char *const words[] = {"kind", "order", "partition"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!wr_parser_is(p, words[i]))
            continue;
        struct wr_diag *d =
            wr_parser_fail(p, wr_parser_peek(p, 0)->span, "'%s' of scan is not supported", words[i]);
        wr_diag_hint(p->diags, d, "sort before it, or put it into partition by Column (...)");
        d->page = "docs/kql.md#scan";
        return true;
    }
    return false;
}

bool wr_parse_scan(struct wr_parser *p, struct wr_kql_op *op)
{
    enum { MAX = 64 };
    struct wr_kql_step *steps = wr_arena_alloc(p->arena, MAX * sizeof *steps);
    if (!steps)
        return false;
    if (wr_parser_is(p, "with_match_id") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        p->at += 2;
        op->label = wr_parser_name(p, "a column's name");
    }
    if (!p->failed && unsaid(p))
        return false;
    if (p->failed || !parse_declare(p, op) || !wr_parser_expect(p, "with", "'with' and steps") ||
        !wr_parser_expect(p, "(", "'(' and steps"))
        return false;
    op->steps = steps;
    while (!wr_parser_is(p, ")")) {
        if (op->nsteps == MAX)
            return wr_parser_fail(p, wr_parser_peek(p, 0)->span, "too many steps (64 are read)") == NULL;
        if (!parse_step(p, &steps[op->nsteps++]))
            return false;
    }
    return wr_parser_expect(p, ")", "')' after the steps");
}
