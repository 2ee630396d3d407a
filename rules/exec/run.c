#include "rules/exec/run_state.h"

#include "rules/exec/expand.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>
#include <sys/random.h>

void wr_run_fail(struct wr_run *run, const struct node *node, enum wr_err err, const char *why)
{
    if (run->err)
        return;
    run->err = err;
    run->why = why;
    if (node && node->op)
        run->span = node->op->span;
}

static bool is_partition(const struct wr_op *op)
{
    return op->kind == WR_OP_APPLY && op->nkeys; /* mv-apply goes row by row */
}

/* Keeps its rows: the result, sort, and what runs over all of them. */
static bool keeps(const struct wr_op *op)
{
    return !op || op->kind == WR_OP_SORT || op->kind == WR_OP_WHOLE || op->kind == WR_OP_SERIAL || is_partition(op);
}

static struct node *node_new(struct wr_run *run, const struct wr_op *op, struct node *out)
{
    struct node *n = run->nnodes++ < MAX_OPS ? wr_arena_alloc(run->nodes, sizeof *n) : NULL;
    if (!n)
        return NULL;
    n->op = op;
    n->out = out;
    if (keeps(op))
        wr_rows_init(&n->kept, !op ? out->op->schema : op->kind == WR_OP_SORT ? op->schema : op->input->schema,
                     run->batch_rows);
    if (op && op->kind == WR_OP_SORT) {
        struct wr_coldef *cols = wr_arena_alloc(run->nodes, (op->nsort + 1) * sizeof *cols);
        if (!cols)
            return NULL;
        for (uint16_t k = 0; k < op->nsort; k++)
            cols[k] = (struct wr_coldef){.name = "", .type = op->keys[k].ex->type, .store = k};
        n->key_schema = (struct wr_schema){.name = "", .cols = cols, .ncols = (uint16_t)op->nsort};
        wr_rows_init(&n->keys, &n->key_schema, run->batch_rows);
    }
    return n;
}

/* Nodes for `op` and all above it in the stream; NULL when there are too many. */
static struct node *build(struct wr_run *run, const struct wr_op *op, struct node *out)
{
    struct node *n = node_new(run, op, out);
    if (!n)
        return NULL;
    if (op->input && !(n->input = build(run, op->input, n)))
        return NULL;
    struct node **end = &n->input;
    if (op->kind == WR_OP_APPLY) { /* its piece is a run of its own */
        n->applier = wr_applier_new(op, run->tables, run->memory, run->work_max);
        return n->applier ? n : NULL;
    }
    for (uint32_t i = 0; i < op->ninputs; i++) {
        /* A join's right side runs first. */
        *end = build(run, op->inputs[op->kind == WR_OP_JOIN ? 1 - i : i], n);
        if (!*end)
            return NULL;
        end = &(*end)->next;
    }
    return n;
}

/* The nodes of a tree, down from where its result goes. */
static struct node *tree(struct wr_run *run, const struct wr_op *root)
{
    struct node top = {.op = root};
    struct node *sink = node_new(run, NULL, &top);
    if (!sink)
        return NULL;
    sink->out = NULL;
    sink->input = build(run, root, sink);
    return sink->input ? sink : NULL;
}

static bool sub_trees(struct wr_run *run, const struct wr_run_opts *opts)
{
    run->nsubs = opts ? opts->nsubs : 0;
    run->subs = run->nsubs ? opts->subs : NULL;
    run->sub_sinks = wr_arena_alloc(run->nodes, (run->nsubs + 1) * sizeof(struct node *));
    run->sub_arena = wr_arena_new(4096);
    bool ok = run->sub_sinks && run->sub_arena;
    for (uint32_t i = 0; ok && i < run->nsubs; i++)
        ok = (run->sub_sinks[i] = tree(run, run->subs[i].root)) != NULL;
    return ok;
}

struct wr_run *wr_run_new(const struct wr_op *root, const struct wr_run_opts *opts)
{
    struct wr_run *run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    run->batch_rows = opts && opts->batch_rows ? opts->batch_rows : WR_BATCH_ROWS;
    run->memory = opts && opts->memory_bytes ? opts->memory_bytes : (size_t)1 << 30;
    run->work_max = opts && opts->work_rows ? opts->work_rows : UINT64_MAX;
    run->tables = opts && opts->tables ? opts->tables : run->fed;
    run->nodes = wr_arena_new(4096);
    run->scratch = wr_arena_new(SCRATCH);
    for (int t = 0; t < WR_NTABLES; t++) {
        wr_rows_init(&run->fed[t], wr_schema_of((enum wr_table)t), run->batch_rows);
        if (opts && opts->scans)
            run->fed[t].wanted = opts->scans[t].wanted;
    }
    bool ok = run->nodes && run->scratch &&
              getrandom(&run->secret, sizeof run->secret, 0) == (ssize_t)sizeof run->secret;
    if (!ok || !sub_trees(run, opts) || (root && !(run->sink = tree(run, root)))) {
        wr_run_free(run);
        return NULL;
    }
    run->root = root ? run->sink->input : NULL;
    return run;
}

static void node_reset(struct node *n)
{
    for (; n; n = n->next) {
        if (keeps(n->op))
            wr_rows_fini(&n->kept);
        if (n->op && n->op->kind == WR_OP_SORT)
            wr_rows_fini(&n->keys);
        n->cut = false;
        wr_groups_free(n->groups);
        n->groups = NULL;
        wr_join_free(n->join);
        n->join = NULL;
        wr_arena_free(n->made);
        n->made = NULL;
        node_reset(n->input);
    }
}

static void free_appliers(struct node *n)
{
    for (; n; n = n->next) {
        wr_applier_free(n->applier);
        free_appliers(n->input);
    }
}

void wr_run_free(struct wr_run *run)
{
    if (!run)
        return;
    node_reset(run->sink);
    free_appliers(run->sink);
    for (uint32_t i = 0; run->sub_sinks && i < run->nsubs; i++) {
        node_reset(run->sub_sinks[i]);
        free_appliers(run->sub_sinks[i]);
    }
    for (int t = 0; t < WR_NTABLES; t++)
        wr_rows_fini(&run->fed[t]);
    wr_arena_free(run->sub_arena);
    wr_arena_free(run->scratch);
    wr_arena_free(run->nodes);
    free(run);
}

static void keep(struct wr_run *run, struct node *n, const struct wr_chunk *chunk)
{
    bool sort = n->op && n->op->kind == WR_OP_SORT;
    enum wr_err err = sort ? wr_run_sort_add(run, n, chunk) : wr_rows_add(&n->kept, chunk->col, &chunk->sel);
    if (err)
        wr_run_fail(run, n, err, "out of memory");
    if (n->kept.bytes + n->keys.bytes > run->memory)
        wr_run_fail(run, n, WR_ELIMIT,
             !n->op ? "the result needs more memory than allowed"
             : sort ? "the rows to sort need more memory than allowed"
                    : "the rows of this operator need more memory than allowed");
}

static void push(struct wr_run *run, struct node *n, struct wr_chunk *chunk);

struct joined {
    struct wr_run *run;
    struct node *node;
};

/* Rows that a join made lie in its own arena: what follows works there. */
static void join_out(void *arg, struct wr_chunk *chunk)
{
    struct joined *j = arg;
    struct wr_arena *outer = j->run->scratch;
    j->run->scratch = j->run->ev.arena;
    push(j->run, j->node->out, chunk);
    if (j->run->err)
        j->run->ev.err = j->run->err; /* no more rows are asked for */
    j->run->scratch = outer;
}

static void join_push(struct wr_run *run, struct node *n, struct wr_chunk *chunk)
{
    struct joined to = {run, n};
    enum wr_err err = n->probing ? wr_join_probe(n->join, &run->ev, chunk, join_out, &to)
                                 : wr_join_add(n->join, &run->ev, chunk);
    if (err)
        wr_run_fail(run, n, err, wr_strerror(err));
    if (wr_join_bytes(n->join) > run->memory)
        wr_run_fail(run, n, WR_ELIMIT, "the second table of this join needs more memory than allowed");
}

static void expand_push(struct wr_run *run, struct node *n, struct wr_chunk *chunk)
{
    struct joined to = {run, n};
    if (!n->made)
        n->made = wr_arena_new(SCRATCH);
    enum wr_err err = n->made ? wr_expand(&run->ev, n->op, chunk, run->batch_rows, n->made, join_out, &to)
                              : WR_ENOMEM;
    if (err)
        wr_run_fail(run, n, err, wr_strerror(err));
}

static void apply_failed(struct wr_run *run, struct node *n, enum wr_err err)
{
    struct wr_span span = {0};
    const char *why = wr_applier_why(n->applier, &span);
    bool first = !run->err;
    wr_run_fail(run, n, err, why ? why : wr_strerror(err));
    if (first && why)
        run->span = span;
}

static void apply_push(struct wr_run *run, struct node *n, struct wr_chunk *chunk)
{
    struct joined to = {run, n};
    enum wr_err err = wr_applier_rows(n->applier, &run->ev, chunk, join_out, &to);
    if (err)
        apply_failed(run, n, err);
}

/* Pushes rows into `n` and on, up to an operator that keeps them. Changes `chunk`. */
static void push(struct wr_run *run, struct node *n, struct wr_chunk *chunk)
{
    for (; n && chunk->sel.n && !run->err; n = n->out) {
        run->ev.nrows = chunk->nrows;
        run->work += chunk->sel.n;
        if (run->work > run->work_max)
            wr_run_fail(run, n, WR_ELIMIT, "more rows on the way to this result than are allowed beforehand");
        if (!n->op) {
            keep(run, n, chunk);
            return;
        }
        switch (n->op->kind) {
        case WR_OP_WHERE:
        case WR_OP_MAP:
        case WR_OP_PARSE:
            wr_op_apply(&run->ev, n->op, chunk);
            break;
        case WR_OP_TAKE:
            if ((int64_t)chunk->sel.n > n->left)
                chunk->sel.n = (uint32_t)n->left;
            n->left -= chunk->sel.n;
            break;
        case WR_OP_SUMMARIZE:
            wr_groups_add(n->groups, &run->ev, chunk);
            if (!run->ev.err && wr_groups_bytes(n->groups) > run->memory)
                wr_run_fail(run, n, WR_ELIMIT, "the groups of this summarize need more memory than allowed");
            if (run->ev.err)
                wr_run_fail(run, n, run->ev.err, wr_strerror(run->ev.err));
            return;
        case WR_OP_APPLY:
            if (is_partition(n->op))
                keep(run, n, chunk);
            else
                apply_push(run, n, chunk);
            return;
        case WR_OP_SORT:
        case WR_OP_SERIAL:
        case WR_OP_WHOLE:
            keep(run, n, chunk);
            return;
        case WR_OP_EXPAND:
            expand_push(run, n, chunk);
            return;
        case WR_OP_JOIN:
            join_push(run, n, chunk);
            return;
        case WR_OP_UNION:
        case WR_OP_SCAN:
        case WR_OP_ROWS:
        case WR_OP_RANGE:
        case WR_OP_GIVEN:
        case WR_OP_EXTERNAL:
            break;
        }
        if (run->ev.err)
            wr_run_fail(run, n, run->ev.err, wr_strerror(run->ev.err));
    }
}

/* The selected rows of a batch; NULL: all of them. */
static void push_batch(struct wr_run *run, struct node *to, const struct wr_batch *b, const struct wr_sel *sel)
{
    struct wr_chunk chunk = {.schema = b->schema, .col = b->col, .nrows = b->nrows};
    chunk.sel.row = run->err ? NULL : wr_arena_alloc(run->scratch, (b->nrows + 1) * sizeof *chunk.sel.row);
    if (!chunk.sel.row) {
        wr_run_fail(run, to, WR_ENOMEM, "out of memory");
        return;
    }
    chunk.sel.n = sel ? sel->n : b->nrows;
    for (uint32_t r = 0; r < chunk.sel.n; r++)
        chunk.sel.row[r] = sel ? sel->row[r] : (uint16_t)r;
    push(run, to, &chunk);
    wr_arena_reset(run->scratch);
}

void wr_run_push_rows(struct wr_run *run, struct node *to, const struct wr_rows *rows)
{
    for (uint32_t i = 0; i < rows->nbatches && !run->err; i++)
        push_batch(run, to, rows->batch[i], NULL);
}

/* Rows of a table: those that were fed, or the selected ones of batches that are another's. */
static void scan(struct wr_run *run, struct node *n)
{
    const struct wr_rows *rows = &run->tables[n->op->table];
    for (uint32_t i = 0; i < rows->nbatches && !run->err; i++)
        push_batch(run, n->out, rows->batch[i], rows->batch[i]->sealed ? &rows->batch[i]->sel : NULL);
}

enum wr_err wr_run_feed(struct wr_run *run, enum wr_table table, const struct wr_batch *batch)
{
    size_t bytes = 0;
    if (run->stream) {
        if (run->stream->op->table == table)
            push_batch(run, run->stream->out, batch, &batch->sel);
        return WR_OK;
    }
    for (int t = 0; t < WR_NTABLES; t++)
        bytes += run->fed[t].bytes;
    if (bytes > run->memory)
        return WR_ELIMIT;
    return wr_rows_add(&run->fed[table], batch->col, &batch->sel);
}

static void whole_flush(struct wr_run *run, struct node *n)
{
    struct wr_rows out;
    const char *why = NULL;
    struct wr_arena *outer = run->ev.arena, *own = wr_arena_new(SCRATCH);
    wr_rows_init(&out, n->op->schema, run->batch_rows);
    wr_rows_seal(&n->kept);
    run->ev.arena = own;
    enum wr_err err = own ? n->op->whole->run(&run->ev, n->op, &n->kept, &out, &why) : WR_ENOMEM;
    run->ev.arena = outer;
    if (err)
        wr_run_fail(run, n, err, why ? why : wr_strerror(err));
    wr_rows_fini(&n->kept);
    wr_arena_free(own);
    if (out.bytes > run->memory)
        wr_run_fail(run, n, WR_ELIMIT, "the rows of this operator need more memory than allowed");
    wr_run_push_rows(run, n->out, &out);
    wr_rows_fini(&out);
}

static void partition_flush(struct wr_run *run, struct node *n)
{
    struct joined to = {run, n};
    wr_rows_seal(&n->kept);
    enum wr_err err = wr_applier_groups(n->applier, &run->ev, &n->kept, join_out, &to);
    if (err)
        apply_failed(run, n, err);
    wr_arena_reset(run->scratch);
}

static void finish(struct wr_run *run, struct node *n);

static void join_finish(struct wr_run *run, struct node *n)
{
    struct joined to = {run, n};
    n->probing = false;
    n->join = wr_join_new(n->op, &run->secret, run->batch_rows);
    if (!n->join)
        wr_run_fail(run, n, WR_ENOMEM, "out of memory");
    if (!run->err)
        finish(run, n->input);
    if (!run->err && wr_join_ready(n->join) != WR_OK)
        wr_run_fail(run, n, WR_ENOMEM, "out of memory");
    n->probing = true;
    if (!run->err)
        finish(run, n->input->next);
    if (!run->err && wr_join_rest(n->join, &run->ev, join_out, &to) != WR_OK)
        wr_run_fail(run, n, WR_ENOMEM, "out of memory");
    wr_join_free(n->join);
    n->join = NULL;
}

/* Before the first row comes. */
static void prepare(struct wr_run *run, struct node *n)
{
    if (n->op && n->op->kind == WR_OP_TAKE)
        n->left = n->op->count;
    if (n->op && n->op->kind == WR_OP_SUMMARIZE && !(n->groups = wr_groups_new(n->op, &run->secret)))
        wr_run_fail(run, n, WR_ELIMIT, "too many aggregates in one summarize");
}

static enum wr_err push_groups(void *arg, struct wr_chunk *chunk)
{
    struct joined *to = arg;
    push(to->run, to->node->out, chunk);
    return to->run->err;
}

static void summarize_flush(struct wr_run *run, struct node *n)
{
    struct joined to = {run, n};
    enum wr_err err = wr_groups_each(n->groups, &run->ev, run->batch_rows, push_groups, &to);
    if (err)
        wr_run_fail(run, n, err, wr_strerror(err));
}

/* All rows have come: what a leaf has, what the others held back. */
static void flush(struct wr_run *run, struct node *n)
{
    if (n->op->kind == WR_OP_SCAN)
        scan(run, n);
    else if (n->op->kind == WR_OP_GIVEN)
        wr_run_push_rows(run, n->out, run->given);
    else if (is_partition(n->op))
        partition_flush(run, n);
    else if (n->op->kind == WR_OP_ROWS)
        wr_run_leaf_rows(run, n);
    else if (n->op->kind == WR_OP_RANGE)
        wr_run_leaf_range(run, n);
    else if (n->op->kind == WR_OP_EXTERNAL)
        wr_run_leaf_external(run, n);
    else if (n->op->kind == WR_OP_WHOLE || n->op->kind == WR_OP_SERIAL)
        whole_flush(run, n);
    else if (n->op->kind == WR_OP_SORT)
        wr_run_sort_flush(run, n);
    else if (n->op->kind == WR_OP_SUMMARIZE)
        summarize_flush(run, n);
}

/* Runs all that flows into `n`, then what `n` held back. Depth is bounded by MAX_OPS. */
static void finish(struct wr_run *run, struct node *n)
{
    prepare(run, n);
    if (n->op && n->op->kind == WR_OP_JOIN) {
        join_finish(run, n);
        return;
    }
    for (struct node *in = n->input; in && !run->err; in = in->next)
        finish(run, in);
    if (n->op && !run->err)
        flush(run, n);
}

/* Values of a list as constants, as a binder would make them. */
static bool sub_items(struct wr_run *run, const struct wr_rows *rows, struct wr_sub_result *r)
{
    enum wr_type type = rows->schema->cols[0].type;
    struct wr_ex *all = wr_arena_alloc(r->arena, (rows->nrows + 1) * sizeof *all);
    r->items = wr_arena_alloc(r->arena, (rows->nrows + 1) * sizeof *r->items);
    if (!all || !r->items)
        return false;
    for (uint64_t i = 0; i < rows->nrows; i++) {
        uint32_t row;
        const struct wr_vec *v = &wr_rows_at(rows, i, &row)->col[0];
        bool null = !wr_vec_valid(v, row);
        all[i] = (struct wr_ex){.kind = WR_EX_CONST, .type = type, .per_run = true};
        all[i].value = null ? (struct wr_value){.type = type, .null = type != WR_STRING} : wr_value_at(v, row);
        all[i].value.type = type;
        struct wr_str s = all[i].value.s;
        if (wr_type_is_str(type) && !null &&
            !wr_str_copy(r->arena, wr_str_data(&s), s.len, &all[i].value.s))
            return false;
        r->items[++r->n] = &all[i];
    }
    return run->err == WR_OK;
}

/* The queries inside of expressions: each sees what those before it gave. */
static void run_subs(struct wr_run *run)
{
    enum { MOST = 1000000 }; /* Kusto's limit of `in` */
    wr_arena_reset(run->sub_arena);
    run->ev.subs = wr_arena_alloc(run->sub_arena, (run->nsubs + 1) * sizeof *run->ev.subs);
    if (!run->ev.subs)
        wr_run_fail(run, NULL, WR_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < run->nsubs && !run->err; i++) {
        struct node *sink = run->sub_sinks[i];
        struct wr_rows *rows = &sink->kept;
        struct wr_sub_result *r = &run->ev.subs[i];
        r->arena = run->sub_arena;
        finish(run, sink);
        wr_rows_seal(rows);
        if (rows->nrows > (run->subs[i].list ? MOST : UINT64_MAX))
            wr_run_fail(run, sink->input, WR_ELIMIT, "more than 1,000,000 values to look among");
        if (!run->subs[i].list && rows->nrows > 1)
            rows->nrows = 1;
        if (!run->err && !sub_items(run, rows, r))
            wr_run_fail(run, sink->input, WR_ENOMEM, "out of memory");
        enum wr_type type = rows->schema->cols[0].type;
        r->value = r->n ? r->items[1]->value : (struct wr_value){.type = type, .null = type != WR_STRING};
        node_reset(sink);
    }
}

static void begin(struct wr_run *run, int64_t now)
{
    node_reset(run->sink);
    wr_arena_reset(run->scratch);
    run->err = WR_OK;
    run->why = NULL;
    run->work = run->given ? run->work : 0; /* of a piece: of all its runs */
    run->span = (struct wr_span){0};
    run->ev = (struct wr_eval){.arena = run->scratch, .now = now, .subs = run->outer_subs};
}

enum wr_err wr_run_subs(struct wr_run *run, int64_t now, struct wr_sub_result **ret_subs)
{
    begin(run, now);
    run_subs(run);
    *ret_subs = run->ev.subs;
    return run->err;
}

bool wr_run_stream(struct wr_run *run, int64_t now)
{
    struct node *n = run->sink;
    for (; n->input; n = n->input)
        if (n->input->next || n->applier) /* a piece may read the table, too */
            return false;
    if (run->nsubs || n->op->kind != WR_OP_SCAN || run->tables != run->fed)
        return false;
    begin(run, now);
    for (struct node *k = n; k; k = k->out)
        prepare(run, k);
    run->stream = n;
    return true;
}

enum wr_err wr_run_go(struct wr_run *run, int64_t now, const struct wr_rows **ret_rows, const char **ret_why,
                      struct wr_span *ret_span)
{
    if (run->stream) {
        run->ev.now = now;
        for (struct node *n = run->stream->out; n && n->op && !run->err; n = n->out)
            flush(run, n);
    } else {
        begin(run, now);
        if (!run->outer_subs)
            run_subs(run);
        if (!run->err)
            finish(run, run->sink);
    }
    wr_rows_seal(&run->sink->kept);
    *ret_rows = &run->sink->kept;
    *ret_why = run->why;
    *ret_span = run->span;
    return run->err;
}

enum wr_err wr_run_go_over(struct wr_run *run, const struct wr_eval *outer, const struct wr_rows *given,
                           const struct wr_rows **ret_rows, const char **ret_why, struct wr_span *ret_span)
{
    run->given = given;
    run->outer_subs = outer->subs;
    return wr_run_go(run, outer->now, ret_rows, ret_why, ret_span);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static uint64_t pieces_work(const struct node *n)
{
    uint64_t work = 0;
    for (; n; n = n->next)
        work += pieces_work(n->input) + (n->applier ? wr_applier_work(n->applier) : 0);
    return work;
}

uint64_t wr_run_work(const struct wr_run *run)
{
    uint64_t work = run->work + pieces_work(run->sink);
    for (uint32_t i = 0; i < run->nsubs; i++)
        work += pieces_work(run->sub_sinks[i]);
    return work;
}
