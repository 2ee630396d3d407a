#include "rules/stream/lists.h"

#include "rules/exec/join.h"
#include "rules/exec/run.h"
#include "rules/plan/external.h"

#include "base/ticks.h"

#include <stdlib.h>

enum { MAX_LISTS = 64, MAX_JOINS = 64, ARENA = 16 * 1024 };

struct wr_lists {
    const struct wr_plan *plan;
    const struct wr_hash_key *secret;
    size_t memory;
    struct wr_run *run; /* what gave `results` */
    struct wr_sub_result *results;
    uint32_t njoins, nlists;
    struct {
        const struct wr_op *op;
        struct wr_join *ready;
    } join[MAX_JOINS];
    struct {
        const struct wr_external_table *table;
        const struct wr_rows *rows; /* held, so that other rows have another address */
    } list[MAX_LISTS];
    int64_t due; /* when the clock asks for another run */
};

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which the binder bounds */
static bool collect(struct wr_lists *l, const struct wr_op *op)
{
    if (op->kind == WR_OP_EXTERNAL) {
        for (uint32_t i = 0; i < l->nlists; i++)
            if (l->list[i].table == op->external)
                return true;
        if (l->nlists == MAX_LISTS)
            return false;
        l->list[l->nlists++].table = op->external;
    }
    bool ok = !op->input || collect(l, op->input);
    for (uint32_t i = 0; i < op->ninputs && ok; i++)
        ok = collect(l, op->inputs[i]);
    return ok;
}

/* Joins of the chains. NOLINTNEXTLINE(misc-no-recursion): as deep as unions stand */
static bool collect_joins(struct wr_lists *l, const struct wr_op *op)
{
    bool ok = true;
    for (; op && ok; op = op->input) {
        for (uint32_t i = 0; op->kind == WR_OP_UNION && i < op->ninputs && ok; i++)
            ok = collect_joins(l, op->inputs[i]);
        if (op->kind != WR_OP_JOIN || !ok)
            continue;
        ok = l->njoins < MAX_JOINS && collect(l, op->inputs[1]);
        if (ok)
            l->join[l->njoins++].op = op;
    }
    return ok;
}

struct wr_lists *wr_lists_new(const struct wr_plan *plan, const struct wr_hash_key *secret,
                              size_t memory)
{
    struct wr_lists *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    *l = (struct wr_lists){.plan = plan, .secret = secret, .memory = memory};
    bool ok = true;
    for (uint32_t i = 0; i < plan->nsubs && ok; i++)
        ok = collect(l, plan->subs[i].root);
    if (ok && collect_joins(l, plan->stream))
        return l;
    free(l);
    return NULL;
}

void wr_lists_free(struct wr_lists *lists)
{
    if (!lists)
        return;
    for (uint32_t i = 0; i < lists->nlists; i++)
        if (lists->list[i].rows)
            lists->list[i].table->release(lists->list[i].table, lists->list[i].rows);
    for (uint32_t i = 0; i < lists->njoins; i++)
        wr_join_free(lists->join[i].ready);
    wr_run_free(lists->run);
    free(lists);
}

/* True when any list has other rows than at the last call. */
static bool changed(struct wr_lists *l, enum wr_err *ret_err)
{
    bool any = false;
    for (uint32_t i = 0; i < l->nlists; i++) {
        const struct wr_external_table *table = l->list[i].table;
        const struct wr_rows *rows = table->acquire(table), *was = l->list[i].rows;
        if (!rows) {
            *ret_err = WR_ENOMEM;
            return false;
        }
        any |= rows != was;
        if (rows == was)
            table->release(table, rows);
        else if (was)
            table->release(table, was);
        l->list[i].rows = rows;
    }
    return any;
}

static enum wr_err fill(struct wr_join *join, const struct wr_rows *rows, int64_t now,
                        size_t memory)
{
    struct wr_eval ev = {.arena = wr_arena_new(ARENA), .now = now};
    enum wr_err err = ev.arena ? WR_OK : WR_ENOMEM;
    for (uint32_t i = 0; i < rows->nbatches && !err; i++) {
        const struct wr_batch *b = rows->batch[i];
        struct wr_chunk chunk = {
            .schema = b->schema, .col = b->col, .nrows = b->nrows, .sel = b->sel};
        ev.nrows = b->nrows;
        err = wr_join_add(join, &ev, &chunk);
        if (!err && wr_join_bytes(join) > memory)
            err = WR_ELIMIT;
        wr_arena_reset(ev.arena);
    }
    wr_arena_free(ev.arena);
    return err ? err : wr_join_ready(join);
}

/* The right side of one join by the lists as they are. */
static enum wr_err right_side(const struct wr_lists *l, const struct wr_op *op, int64_t now,
                              struct wr_join **ret)
{
    struct wr_run_opts opts = {
        .subs = l->plan->subs, .nsubs = l->plan->nsubs, .memory_bytes = l->memory};
    struct wr_run *run = wr_run_new(op->inputs[1], &opts);
    struct wr_join *join = wr_join_new(op, l->secret, WR_BATCH_ROWS);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    enum wr_err err = run && join ? wr_run_go(run, now, &rows, &why, &span) : WR_ENOMEM;
    if (!err)
        err = fill(join, rows, now, l->memory);
    wr_run_free(run);
    if (err)
        wr_join_free(join);
    else
        *ret = join;
    return err;
}

/* Everything anew; what was there stays when anything fails. */
static enum wr_err again(struct wr_lists *l, int64_t now)
{
    struct wr_run_opts opts = {
        .subs = l->plan->subs, .nsubs = l->plan->nsubs, .memory_bytes = l->memory};
    struct wr_run *run = wr_run_new(NULL, &opts);
    struct wr_join *ready[MAX_JOINS] = {NULL};
    struct wr_sub_result *results;
    enum wr_err err = run ? wr_run_subs(run, now, &results) : WR_ENOMEM;
    for (uint32_t i = 0; i < l->njoins && !err; i++)
        err = right_side(l, l->join[i].op, now, &ready[i]);
    for (uint32_t i = 0; i < l->njoins; i++) {
        struct wr_join *goes = err ? ready[i] : l->join[i].ready;
        if (!err)
            l->join[i].ready = ready[i];
        wr_join_free(goes);
    }
    wr_run_free(err ? run : l->run);
    if (!err) {
        l->run = run;
        l->results = results;
    }
    return err;
}

enum wr_err wr_lists_now(struct wr_lists *lists, int64_t now, struct wr_sub_result **ret_subs)
{
    enum wr_err err = WR_OK;
    bool other =
        changed(lists, &err) || !lists->run || (lists->plan->lists_ask_clock && now >= lists->due);
    if (!err && other) {
        err = again(lists, now);
        lists->due = now + WR_LISTS_CLOCK_SECONDS * WR_TICKS_SECOND;
    }
    *ret_subs = lists->results;
    return err;
}

struct wr_join *wr_lists_join(const struct wr_lists *lists, const struct wr_op *op)
{
    for (uint32_t i = 0; i < lists->njoins; i++)
        if (lists->join[i].op == op)
            return lists->join[i].ready;
    return NULL;
}
