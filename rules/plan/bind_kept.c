/* Aggregates that keep their values take one value a row: what belongs together becomes a pair.
 *
 *   covarianceif(x, y, p)              .pair(x, y) where p
 *   percentilesw_array(x, w, 50, 95)   .pair(x, w), [50,95], type of x
 *   tdigest(x)                         .pair(x, 1) */
#include "rules/plan/bind.h"

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

static bool is_percent(const struct wr_ex *p)
{
    return p->kind == WR_EX_CONST && !p->value.null && p->value.r >= 0 && p->value.r <= 100;
}

static bool are_percents(const struct wr_ex *list)
{
    struct wr_slice all = {wr_str_data(&list->value.s), list->value.s.len}, item;
    const char *at = NULL;
    double p;
    if (list->kind != WR_EX_CONST || list->value.null || wr_json_count(all) < 1)
        return false;
    while (wr_json_next(all, &at, &item))
        if (!wr_text_to_real(item.p, item.len, &p) || !(p >= 0 && p <= 100))
            return false;
    return true;
}

/* The percentiles from args[at] on as one constant array there. */
static bool one_array(struct wr_binder *b, struct wr_ex **args, uint32_t at, uint32_t nargs,
                      struct wr_span span)
{
    if (args[at]->type != WR_DYNAMIC)
        args[at] = wr_ex_call(b, "pack_array", args + at, nargs - at, span);
    if (args[at] && !are_percents(args[at]))
        wr_bind_error(b, span, "the percentiles are constants from 0 to 100");
    return args[at] && are_percents(args[at]);
}

static bool pair(struct wr_binder *b, struct wr_ex **args, struct wr_ex *second,
                 struct wr_span span)
{
    struct wr_ex *const both[] = {args[0], second};
    return second && (args[0] = wr_ex_call(b, ".pair", both, 2, span)) != NULL;
}

static struct wr_ex *whole_number(struct wr_binder *b, int64_t i, struct wr_span span)
{
    struct wr_value v = {.type = WR_LONG, .i = i};
    return wr_ex_const(b, &v, span);
}

static bool accuracy(struct wr_binder *b, struct wr_ex *const *args, uint32_t nargs,
                     struct wr_span span)
{
    const struct wr_ex *last = args[nargs - 1];
    if (nargs < 2 || last->type != WR_LONG)
        return true;
    if (last->kind == WR_EX_CONST && !last->value.null && last->value.i >= 0 && last->value.i <= 4)
        return true;
    wr_bind_error(b, span, "the accuracy is a constant from 0 to 4");
    return false;
}

bool wr_bind_kept(struct wr_binder *b, const struct wr_agg *agg, struct wr_ex **args,
                  uint32_t *nargs, struct wr_span span)
{
    enum wr_type type = args[0]->type;
    switch (agg->kind) {
    case WR_AGG_LIST_NULLS:
        return (args[0] = wr_ex_call(b, ".or_null", args, 1, span)) != NULL;
    case WR_AGG_COVARIANCE:
    case WR_AGG_COVARIANCEP:
        if (!pair(b, args, args[1], span) ||
            (*nargs > 2 && !(args[0] = wr_where_true(b, args[0], args[2]))))
            return false;
        *nargs = 1;
        return true;
    case WR_AGG_TDIGEST:
        if (!pair(b, args, *nargs > 1 ? args[1] : whole_number(b, 1, span), span))
            return false;
        *nargs = 1;
        return true;
    case WR_AGG_PERCENTILEW:
        if (agg->signature[0] == '*') {
            wr_bind_error(b, span,
                          "'percentilesw' gives several columns and cannot stand in an expression");
            return false;
        }
        if (!is_percent(args[2])) {
            wr_bind_error(b, span, "the percentile is a constant from 0 to 100");
            return false;
        }
        if (!pair(b, args, args[1], span))
            return false;
        args[1] = args[2];
        *nargs = 2;
        return true;
    case WR_AGG_PERCENTILES_ARRAY:
        if (!one_array(b, args, 1, *nargs, span))
            return false;
        *nargs = 2;
        return true;
    case WR_AGG_PERCENTILESW_ARRAY:
        if (!one_array(b, args, 2, *nargs, span) || !pair(b, args, args[1], span))
            return false;
        args[1] = args[2];
        args[2] = whole_number(b, type, span);
        *nargs = 3;
        return args[2] != NULL;
    case WR_AGG_HLL:
        return accuracy(b, args, *nargs, span);
    default:
        return true;
    }
}
