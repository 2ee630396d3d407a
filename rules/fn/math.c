/* Arithmetic. int and long wrap as two's complement; long division truncates toward zero and by zero is null;
 * the remainder is never negative (Kusto: -14 % 12 = 10). */
#include "rules/fn/kernel.h"

#include "base/ticks.h"

#include <math.h>

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

/* Real when the result is; else 64-bit. */
#define ARITH(name, int_expr, real_expr)                                                                     \
    KERNEL(name)                                                                                             \
    {                                                                                                        \
        (void)ev, (void)call;                                                                                \
        WR_EACH (sel, row) {                                                                                 \
            if (out->r) {                                                                                    \
                double x = wr_num_at(&args[0], row), y = wr_num_at(&args[1], row);                           \
                wr_put_r(out, row, real_expr);                                                               \
            } else {                                                                                         \
                uint64_t x = (uint64_t)args[0].i[row], y = (uint64_t)args[1].i[row];                         \
                wr_put_i(out, row, (int64_t)(int_expr));                                                     \
            }                                                                                                \
        }                                                                                                    \
    }
ARITH(add, x + y, x + y)
ARITH(sub, x - y, x - y)
ARITH(mul, x *y, x *y)

/* Nearest tick, held at the ends of the range; NaN is no time. */
static void put_ticks(struct wr_vec *out, uint32_t row, double v)
{
    if (isnan(v))
        return;
    v = v < -9.2e18 ? -9.2e18 : v > 9.2e18 ? 9.2e18 : v;
    wr_put_i(out, row, llround(v));
}

KERNEL(neg)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        if (out->r)
            wr_put_r(out, row, -wr_num_at(&args[0], row));
        else
            wr_put_i(out, row, (int64_t)(0 - (uint64_t)args[0].i[row]));
    }
}

/* timespan * number, in either order */
KERNEL(mul_span)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        put_ticks(out, row, wr_num_at(&args[0], row) * wr_num_at(&args[1], row));
}

KERNEL(div_span)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        put_ticks(out, row, wr_num_at(&args[0], row) / wr_num_at(&args[1], row));
}

KERNEL(div_spans)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_r(out, row, wr_num_at(&args[0], row) / wr_num_at(&args[1], row));
}

/* `d` is not 0. */
static int64_t int_div(int64_t x, int64_t d)
{
    return d == -1 ? (int64_t)(0 - (uint64_t)x) : x / d; /* INT64_MIN / -1 traps */
}

KERNEL(div)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        if (out->r)
            wr_put_r(out, row, wr_num_at(&args[0], row) / wr_num_at(&args[1], row));
        else if (args[1].i[row] != 0)
            wr_put_i(out, row, int_div(args[0].i[row], args[1].i[row]));
    }
}

static int64_t floor_mod(int64_t x, int64_t d)
{
    if (d == -1 || d == 1)
        return 0;
    int64_t m = x % d;
    return m < 0 ? (int64_t)((uint64_t)m + (d < 0 ? 0 - (uint64_t)d : (uint64_t)d)) : m;
}

static double real_mod(double x, double d)
{
    double m = fmod(x, d);
    return m < 0 ? m + fabs(d) : m;
}

KERNEL(mod)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        if (out->r)
            wr_put_r(out, row, real_mod(wr_num_at(&args[0], row), wr_num_at(&args[1], row)));
        else if (args[1].i[row] != 0)
            wr_put_i(out, row, floor_mod(args[0].i[row], args[1].i[row]));
    }
}

static int64_t pair_of_longs(char op, int64_t x, int64_t y)
{
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    return op == '+'   ? (int64_t)(a + b)
           : op == '-' ? (int64_t)(a - b)
           : op == '*' ? (int64_t)(a * b)
           : op == '/' ? int_div(x, y)
                       : floor_mod(x, y);
}

static double pair_of_reals(char op, double x, double y)
{
    return op == '+' ? x + y : op == '-' ? x - y : op == '*' ? x * y : op == '/' ? x / y : real_mod(x, y);
}

/* Numbers of any kind inside dynamic values: integers stay integers, everything else that is no number gives null. */
static void dynamic_pair(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel, struct wr_vec *out,
                         char op)
{
    WR_EACH (sel, row) {
        struct wr_scalar x = wr_scalar_at(ev, &args[0], row), y = wr_scalar_at(ev, &args[1], row);
        bool ints = x.kind == WR_SC_INT && y.kind == WR_SC_INT;
        bool numbers = (x.kind == WR_SC_INT || x.kind == WR_SC_REAL) && (y.kind == WR_SC_INT || y.kind == WR_SC_REAL);
        struct wr_buf text = {0};
        if (ints && (y.i != 0 || (op != '/' && op != '%')))
            wr_buf_i64(&text, pair_of_longs(op, x.i, y.i));
        else if (numbers && !ints)
            wr_json_real(&text, pair_of_reals(op, x.r, y.r));
        if (text.len)
            wr_put_text(ev, out, row, text.data, text.len);
        wr_buf_fini(&text);
    }
}

#define DYNAMIC_PAIR(name, op) \
    KERNEL(name) \
    { \
        (void)call; \
        dynamic_pair(ev, args, sel, out, op); \
    }
DYNAMIC_PAIR(add_dynamic, '+')
DYNAMIC_PAIR(sub_dynamic, '-')
DYNAMIC_PAIR(mul_dynamic, '*')
DYNAMIC_PAIR(div_dynamic, '/')
DYNAMIC_PAIR(mod_dynamic, '%')

KERNEL(abs)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        if (out->r)
            wr_put_r(out, row, fabs(wr_num_at(&args[0], row)));
        else
            wr_put_i(out, row, args[0].i[row] < 0 ? (int64_t)(0 - (uint64_t)args[0].i[row]) : args[0].i[row]);
    }
}

#define REAL1(name, expr)                                                                                    \
    KERNEL(name)                                                                                             \
    {                                                                                                        \
        (void)ev, (void)call;                                                                                \
        WR_EACH (sel, row) {                                                                                 \
            double x = wr_num_at(&args[0], row);                                                             \
            wr_put_r(out, row, expr);                                                                        \
        }                                                                                                    \
    }
REAL1(sign, (double)((x > 0) - (x < 0)))
REAL1(ceiling, ceil(x))
REAL1(floor, floor(x))
REAL1(exp, exp(x))
REAL1(exp2, exp2(x))
REAL1(exp10, pow(10, x))

/* Kusto: null outside the domain. */
#define REAL1_IF(name, ok, expr)                                                                             \
    KERNEL(name)                                                                                             \
    {                                                                                                        \
        (void)ev, (void)call;                                                                                \
        WR_EACH (sel, row) {                                                                                 \
            double x = wr_num_at(&args[0], row);                                                             \
            if (ok)                                                                                          \
                wr_put_r(out, row, expr);                                                                    \
        }                                                                                                    \
    }
REAL1_IF(sqrt, x >= 0, sqrt(x))
REAL1_IF(log, x > 0, log(x))
REAL1_IF(log2, x > 0, log2(x))
REAL1_IF(log10, x > 0, log10(x))

KERNEL(pow)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_r(out, row, pow(wr_num_at(&args[0], row), wr_num_at(&args[1], row)));
}

KERNEL(round)
{
    (void)ev;
    WR_EACH (sel, row) {
        double x = wr_num_at(&args[0], row);
        int64_t digits = call->nargs > 1 ? args[1].i[row] : 0;
        digits = digits < -300 ? -300 : digits > 300 ? 300 : digits;
        double scale = pow(10, (double)(digits < 0 ? -digits : digits));
        double scaled = digits < 0 ? x / scale : x * scale;
        if (isinf(scaled) || isnan(scaled))
            wr_put_r(out, row, x); /* more digits than it has */
        else
            wr_put_r(out, row, digits < 0 ? rint(scaled) * scale : rint(scaled) / scale);
    }
}

/* Whole numbers: only digits before the point can go, of 18 at most; a half to the even one, as above. */
KERNEL(round_whole)
{
    (void)ev;
    WR_EACH (sel, row) {
        int64_t x = args[0].i[row], digits = call->nargs > 1 ? args[1].i[row] : 0, unit = 1;
        for (int64_t d = digits < -18 ? -18 : digits; d < 0; d++)
            unit *= 10;
        int64_t rest = x % unit, whole = x - rest, twice = 2 * (rest < 0 ? -rest : rest);
        bool away = twice > unit || (twice == unit && whole / unit % 2);
        if (digits < -18)
            wr_put_i(out, row, 0);
        else if (!away || !__builtin_add_overflow(whole, x < 0 ? -unit : unit, &whole))
            wr_put_i(out, row, whole); /* else beyond what a long holds: null */
    }
}

#define TEST1(name, expr)                                                                                    \
    KERNEL(name)                                                                                             \
    {                                                                                                        \
        (void)ev, (void)call;                                                                                \
        WR_EACH (sel, row) {                                                                                 \
            double x = wr_num_at(&args[0], row);                                                             \
            wr_put_i(out, row, (expr) != 0);                                                                 \
        }                                                                                                    \
    }
TEST1(isnan, isnan(x))
TEST1(isinf, isinf(x))
TEST1(isfinite, isfinite(x))

KERNEL(pi)
{
    (void)ev, (void)call, (void)args;
    WR_EACH (sel, row)
        wr_put_r(out, row, M_PI);
}

/* p + floor((x - p) / s) * s; null for s <= 0 */
static void put_bin(const struct wr_vec *args, const struct wr_vec *origin, uint32_t row, struct wr_vec *out)
{
    if (out->r) {
        double s = wr_num_at(&args[1], row), p = origin ? wr_num_at(origin, row) : 0;
        if (s > 0)
            wr_put_r(out, row, p + floor((wr_num_at(&args[0], row) - p) / s) * s);
        return;
    }
    int64_t s = args[1].i[row], p = origin ? origin->i[row] : 0, d;
    if (s <= 0 || __builtin_sub_overflow(args[0].i[row], p, &d))
        return;
    wr_put_i(out, row, (int64_t)((uint64_t)args[0].i[row] - (uint64_t)floor_mod(d, s)));
}

KERNEL(bin)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        put_bin(args, NULL, row, out);
}

KERNEL(bin_at)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        put_bin(args, &args[2], row, out);
}

/* around(x, center, delta): both ends are in. */
KERNEL(around)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        if (args[0].r) {
            wr_put_i(out, row, fabs(args[0].r[row] - args[1].r[row]) <= args[2].r[row]);
            continue;
        }
        __int128_t d = (__int128_t)args[0].i[row] - args[1].i[row];
        wr_put_i(out, row, (d < 0 ? -d : d) <= args[2].i[row]);
    }
}

KERNEL(ceiling_whole)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, args[0].i[row]);
}
