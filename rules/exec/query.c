#include "rules/exec/run.h"
#include "rules/plan/bind.h"
#include "rules/refdata/refdata.h"
#include "rules/rules.h"

#include <stdlib.h>

struct wr_query {
    struct wr_refdata *refdata;
    struct wr_plan *plan;
    struct wr_run *run;
    char *name, *text;
    size_t len;
};

/* The source as diagnostics want it: it lives as long as they do. */
static struct wr_source *source_in(struct wr_arena *arena, const char *name, const char *text, size_t len)
{
    struct wr_source *s = wr_arena_alloc(arena, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct wr_source){.name = wr_arena_strndup(arena, name, strlen(name)),
                            .text = wr_arena_strndup(arena, text, len),
                            .len = len,
                            .line0 = 1};
    return s->name && s->text ? s : NULL;
}

struct wr_query *wr_query_new(const char *name, const char *text, size_t len, uint32_t batch_rows,
                              struct wr_diags *diags)
{
    return wr_query_new_with(NULL, name, text, len, batch_rows, diags);
}

struct wr_query *wr_query_new_with(struct wr_refdata *refdata, const char *name, const char *text, size_t len,
                                   uint32_t batch_rows, struct wr_diags *diags)
{
    struct wr_source *source = source_in(diags->arena, name, text, len);
    struct wr_query *q = calloc(1, sizeof *q);
    struct wr_run_opts opts = {.batch_rows = batch_rows};
    const struct wr_plan_env *env = refdata ? wr_refdata_env(refdata) : NULL;
    if (q)
        q->refdata = wr_refdata_ref(refdata);
    if (source && q && (q->plan = wr_plan_new_env(source, env, diags)) != NULL) {
        q->name = strdup(name);
        q->text = malloc(len + 1);
        opts.scans = q->plan->scans;
        opts.subs = q->plan->subs;
        opts.nsubs = q->plan->nsubs;
        q->run = wr_run_new(q->plan->root, &opts);
        if (q->name && q->text && q->run) {
            memcpy(q->text, text, len);
            q->len = len;
            return q;
        }
        wr_diag_file(diags, WR_ERROR, name, 0, "out of memory, or more than 1000 operators");
    } else if (!source || !q) {
        wr_diag_file(diags, WR_ERROR, name, 0, "out of memory");
    }
    wr_query_free(q);
    return NULL;
}

void wr_query_free(struct wr_query *query)
{
    if (!query)
        return;
    wr_run_free(query->run);
    wr_plan_free(query->plan);
    wr_refdata_unref(query->refdata);
    free(query->name);
    free(query->text);
    free(query);
}

const struct wr_scan *wr_query_scan(const struct wr_query *query, enum wr_table table)
{
    return &query->plan->scans[table];
}

static bool asks_clock(const struct wr_ex *ex, void *arg)
{
    bool any = ex->kind == WR_EX_CALL && ex->fn->flags & WR_FN_PER_RUN;
    for (uint32_t i = 0; i < ex->nargs && !any; i++)
        any = asks_clock(ex->args[i], arg);
    return any;
}

bool wr_query_stream(struct wr_query *query, const int64_t *now)
{
    if (!now && wr_tree_any_ex(query->plan->root, asks_clock, NULL))
        return false;
    return wr_run_stream(query->run, now ? *now : 0);
}

enum wr_err wr_query_feed(struct wr_query *query, enum wr_table table, struct wr_batch *batch)
{
    return wr_run_feed(query->run, table, batch);
}

enum wr_err wr_query_run(struct wr_query *query, int64_t now, struct wr_diags *diags,
                         struct wr_result *ret_result)
{
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    enum wr_err err = wr_run_go(query->run, now, &rows, &why, &span);
    if (err) {
        struct wr_source *source = source_in(diags->arena, query->name, query->text, query->len);
        wr_diag_add(diags, WR_ERROR, source, span, "%s", why ? why : wr_strerror(err));
        return err;
    }
    *ret_result =
        (struct wr_result){.schema = rows->schema, .batches = rows->batch, .nbatches = rows->nbatches};
    return WR_OK;
}
