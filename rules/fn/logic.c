/* and, or, iff, case, null tests. A branch is taken only on true; the rest is not touched by null. */
#include "rules/fn/kernel.h"

#include "rules/fn/json.h"

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

/* -1 null, 0, 1 */
static int truth(const struct wr_vec *v, uint32_t row)
{
    return wr_vec_valid(v, row) ? v->i[row] != 0 : -1;
}

KERNEL(and)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        int a = truth(&args[0], row), b = truth(&args[1], row);
        if (a == 0 || b == 0)
            wr_put_i(out, row, 0);
        else if (a == 1 && b == 1)
            wr_put_i(out, row, 1);
    }
}

KERNEL(or)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        int a = truth(&args[0], row), b = truth(&args[1], row);
        if (a == 1 || b == 1)
            wr_put_i(out, row, 1);
        else if (a == 0 && b == 0)
            wr_put_i(out, row, 0);
    }
}

KERNEL(not )
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, !args[0].i[row]);
}

/* One cell over; a null stays one. Widens to real, a string becomes a JSON string where the result is
 * dynamic. */
static void take_cell(struct wr_eval *ev, const struct wr_vec *from, uint32_t row, struct wr_vec *out)
{
    if (!wr_vec_valid(from, row))
        return;
    if (out->r)
        wr_put_r(out, row, wr_num_at(from, row));
    else if (out->i && from->i)
        wr_put_i(out, row, from->i[row]);
    else if (out->type == WR_DYNAMIC && from->type != WR_DYNAMIC)
        wr_json_put(ev, from, row, out);
    else if (out->s && from->s)
        wr_put_s(out, row, from->s[row]);
}

KERNEL(iff)
{
    (void)call;
    WR_EACH (sel, row)
        take_cell(ev, &args[truth(&args[0], row) == 1 ? 1 : 2], row, out);
}

KERNEL(case)
{
    WR_EACH (sel, row) {
        uint32_t a = 0;
        while (a + 1 < call->nargs && truth(&args[a], row) != 1)
            a += 2;
        take_cell(ev, &args[a + 1 < call->nargs ? a + 1 : call->nargs - 1], row, out);
    }
}

static bool is_empty(const struct wr_vec *v, uint32_t row)
{
    if (!wr_vec_valid(v, row))
        return true;
    return v->type == WR_STRING && v->s[row].len == 0;
}

KERNEL(coalesce)
{
    WR_EACH (sel, row) {
        uint32_t a = 0;
        while (a + 1 < call->nargs && is_empty(&args[a], row))
            a++;
        take_cell(ev, &args[a], row, out);
    }
}

KERNEL(isnull)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, !wr_vec_valid(&args[0], row));
}

KERNEL(isnotnull)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, wr_vec_valid(&args[0], row));
}

KERNEL(isempty)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, is_empty(&args[0], row));
}

KERNEL(isnotempty)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, !is_empty(&args[0], row));
}

static void extreme(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                    const struct wr_sel *sel, struct wr_vec *out, int want)
{
    WR_EACH (sel, row) {
        const struct wr_vec *best = NULL;
        for (uint32_t a = 0; a < call->nargs; a++) {
            if (!wr_vec_valid(&args[a], row))
                continue;
            struct wr_scalar x = wr_scalar_at(ev, &args[a], row);
            struct wr_scalar y = best ? wr_scalar_at(ev, best, row) : x;
            int cmp;
            if (!best || (wr_scalar_cmp(&x, &y, &cmp) && cmp == want))
                best = &args[a];
        }
        if (best)
            take_cell(ev, best, row, out);
    }
}

KERNEL(max_of)
{
    extreme(ev, call, args, sel, out, 1);
}

KERNEL(min_of)
{
    extreme(ev, call, args, sel, out, -1);
}
