/* The sieve lets through what the evaluator lets through, and says which filters it stands for. */
#include "rules/exec/eval.h"
#include "rules/share/scratch.h"
#include "rules/share/sieve.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { ROWS = 300 };

static const struct {
    const char *where;
    uint32_t whole; /* filters that are in it with all they ask for */
} rules[] = {
    {"where RemotePort == 25", 1},
    {"where RemotePort != 25", 1},
    {"where RemotePort in (25, 587, 443)", 1},
    {"where RemotePort !in (25, 587)", 1},
    {"where RemotePort in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 25)", 1},
    {"where RemotePort !in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 25)", 1},
    {"where RemotePort < 443 | where RemotePort >= 25", 2},
    {"where RemotePort > 25 and RemotePort <= 587 and DeviceName != ''", 1},
    {"where DeviceName == 'ws-1'", 1},
    {"where DeviceName =~ 'WS-2'", 1},
    {"where DeviceName !~ 'WS-2'", 1},
    {"where DeviceName in~ ('Ws-2', 'a device of a LONG name', '')", 1},
    {"where DeviceName !in ('ws-2', 'a device of a long name')", 1},
    {"where DeviceName in~ ('1', '2', '3', '4', '5', '6', '7', '8', 'WS-2', 'a Device of a long "
     "name')",
     1},
    {"where DeviceName == '[s-2' or DeviceName =~ '{S-2'", 0},
    {"where DeviceName =~ '{S-2'", 1},
    {"where RemotePort == 25 and strlen(DeviceName) == 4 and DeviceName startswith 'w' | where "
     "DeviceName == 'ws-1'",
     0},
    {"where DeviceName == 'ws-1' | where RemotePort == 25 and strlen(RemoteUrl) == 0", 1},
    {"where RemoteUrl == '' and LocalPort != 3", 1}, /* columns that nobody fills */
    {"where RemoteUrl == 'x' or LocalPort == 3", 0},
    {"where LocalPort == 3", 1},
    {"where RemoteUrl in ('x', '')", 1},
};

static uint32_t roll(uint32_t n)
{
    static uint64_t state = 7;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((state >> 32) * n) >> 32);
}

static void fill(struct wr_batch *b)
{
    static const char *const devices[] = {
        "", "ws-1", "ws-2", "WS-2", "[s-2", "{s-2", "a device of a long name"};
    static const int64_t ports[] = {25, 26, 443, 587, 8080};
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t r = wr_batch_row(b);
        const char *device = devices[roll(7)];
        if (roll(5))
            wr_batch_set_i64(b, WR_DNE_RemotePort, r, ports[roll(5)]);
        cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, device, strlen(device)));
    }
    wr_batch_seal(b);
    uint32_t n = 0;
    for (uint32_t k = 0; k < ROWS; k++)
        if (roll(4))
            b->sel.row[n++] = (uint16_t)k;
    b->sel.n = n;
}

static struct wr_plan *bind(const char *where)
{
    struct wr_diags diags;
    char text[512];
    snprintf(text, sizeof text, "DeviceNetworkEvents | %s", where);
    struct wr_source source = {.name = "t", .text = text, .len = strlen(text), .line0 = 1};
    cr_assert(wr_diags_init(&diags));
    struct wr_plan *plan = wr_plan_new(&source, &diags);
    cr_assert_not_null(plan, "%s", text);
    wr_diags_fini(&diags);
    return plan;
}

/* Filters of the rule, the one that rows come to first in the first place. */
static uint32_t filters(const struct wr_plan *plan, const struct wr_op **op)
{
    uint32_t n = 0;
    const struct wr_op *top = plan->root;
    while (top->kind != WR_OP_WHERE && top->input)
        top = top->input; /* what leaves hidden columns out */
    for (const struct wr_op *o = top; o->kind == WR_OP_WHERE; o = o->input)
        n++;
    cr_assert(n > 0 && n < 8);
    uint32_t k = n;
    for (const struct wr_op *o = top; o->kind == WR_OP_WHERE; o = o->input)
        op[--k] = o;
    return n;
}

/* The batch's `n` rows of `row` through the filters from `at` on; how many are left. */
static uint32_t evaluate(struct wr_arena *arena, const struct wr_batch *b, const struct wr_op **op,
                         uint32_t nops, uint32_t at, struct wr_sel rows)
{
    struct wr_eval ev = {.arena = arena, .nrows = ROWS};
    struct wr_chunk chunk = {.schema = b->schema, .col = b->col, .nrows = ROWS, .sel = rows};
    for (uint32_t k = at; k < nops; k++)
        wr_op_apply(&ev, op[k], &chunk);
    cr_assert_eq(ev.err, WR_OK);
    return chunk.sel.n;
}

Test(sieve, rows_are_those_that_the_filters_let_through)
{
    struct wr_colset some = {0};
    wr_colset_add(&some, WR_DNE_RemotePort);
    wr_colset_add(&some, WR_DNE_DeviceName);
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &some, ROWS);
    struct wr_arena *arena = wr_arena_new(65536);
    uint32_t sieves = 0, passed = 0;
    cr_assert(b && arena);
    fill(b);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct wr_plan *plan = bind(rules[i].where);
        const struct wr_op *op[8];
        uint32_t nops = filters(plan, op), whole;
        uint16_t want[ROWS], have[ROWS];
        struct wr_sieve *sieve;
        cr_assert(wr_sieve_new(op, nops, &sieve, &whole));
        cr_expect_eq(whole, rules[i].whole, "%s: %u", rules[i].where, whole);
        memcpy(want, b->sel.row, b->sel.n * sizeof *want);
        memcpy(have, b->sel.row, b->sel.n * sizeof *have);
        uint32_t n = evaluate(arena, b, op, nops, 0, (struct wr_sel){want, b->sel.n});
        uint32_t m = sieve ? wr_sieve_rows(sieve, b->col, &b->sel, have) : b->sel.n;
        m = evaluate(arena, b, op, nops, whole, (struct wr_sel){have, m});
        cr_expect(m == n && memcmp(have, want, n * sizeof *want) == 0, "%s: %u and not %u",
                  rules[i].where, m, n);
        sieves += sieve != NULL;
        passed += n;
        wr_sieve_free(sieve);
        wr_arena_reset(arena);
        wr_plan_free(plan);
    }
    cr_expect_gt(sieves, 15);
    cr_expect_gt(passed, 1000);
    wr_arena_free(arena);
    wr_batch_free(b);
}

Test(scratch, a_piece_stays_where_it_is_when_another_needs_more)
{
    struct wr_scratch *s = wr_scratch_new();
    cr_assert_not_null(s);
    char *small = wr_scratch_take(s, WR_SCRATCH_FEW, 100),
         *same = wr_scratch_take(s, WR_SCRATCH_FEW, 90);
    cr_assert_eq(small, same);
    memset(small, 1, 100);
    char *large = wr_scratch_take(s, WR_SCRATCH_FEW, 100000);
    cr_assert(large && large != small);
    memset(large, 2, 100000);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(small[i], 1);
    cr_expect_eq(wr_scratch_take(s, WR_SCRATCH_FEW, 5000), large);
    cr_expect_neq(wr_scratch_take(s, WR_SCRATCH_CODED, 5000), large);
    wr_scratch_free(s);
}
