/* Lists from outside, through a provider: asked for when bound, read at each run. */
#include "rules/plan/external.h"
#include "rules/exec/run.h"

#include <criterion/criterion.h>

static const struct wr_coldef cols[] = {{.name = "ip", .type = WR_STRING, .store = 0},
                                        {.name = "n", .type = WR_LONG, .store = 1}};
static const struct wr_schema schema = {.name = "", .cols = cols, .ncols = 2};
static struct wr_rows content;
static int held;

static const struct wr_rows *acquire(const struct wr_external_table *table)
{
    (void)table;
    held++;
    return &content;
}

static void release(const struct wr_external_table *table, const struct wr_rows *rows)
{
    (void)table;
    cr_assert_eq(rows, &content);
    held--;
}

static const struct wr_external_table list = {"blocked", &schema, acquire, release};

static const struct wr_external_table *find(const struct wr_external *lists, const struct wr_external_request *req,
                                            struct wr_arena *arena, const char **ret_why, const char **ret_hint)
{
    (void)lists;
    (void)arena;
    if (strcmp(req->function, "Blocked") == 0)
        return &list;
    if (strcmp(req->function, "externaldata") != 0)
        return NULL;
    bool known = req->nargs == 1 && req->ncols == 2 && req->nwith == 2 && req->cols[1].type == WR_LONG &&
                 strcmp(req->with[1].name, "ignoreFirstRecord") == 0 && req->with[1].value.i == 1 &&
                 strcmp(wr_str_data(&req->args[0].s), "blocked.csv") == 0;
    *ret_why = known ? NULL : "no file for this address";
    *ret_hint = "name one in the configuration";
    return known ? &list : NULL;
}

static void fill(const char *ip, int64_t n)
{
    struct wr_str s = wr_str_borrow(ip, strlen(ip));
    struct wr_vec row[] = {{.type = WR_STRING, .s = &s}, {.type = WR_LONG, .i = &n}};
    uint16_t zero = 0;
    cr_assert_eq(wr_rows_add(&content, row, &(struct wr_sel){&zero, 1}), WR_OK);
}

/* Rows and the sum of the last column, or the first error's text. */
static const char *no_table(const struct wr_external *lists, uint32_t n)
{
    (void)lists;
    (void)n;
    return NULL;
}

static void run(const char *query, uint64_t rows, int64_t sum, const char *error)
{
    const struct wr_external lists = {.find = find, .table = no_table};
    const struct wr_plan_env env = {.lists = &lists};
    struct wr_source src = {.name = "q", .text = query, .len = strlen(query), .line0 = 1};
    struct wr_diags diags;
    const struct wr_rows *out;
    const char *why;
    struct wr_span span;
    cr_assert(wr_diags_init(&diags));
    struct wr_plan *plan = wr_plan_new_env(&src, &env, &diags);
    cr_assert_eq(plan == NULL, error != NULL, "%s: %s", query, diags.first ? diags.first->text : "no error");
    if (error)
        cr_expect_str_eq(diags.first->text, error);
    struct wr_run *r = plan ? wr_run_new(plan->root, NULL) : NULL;
    int64_t have = 0;
    if (r) {
        cr_assert_eq(wr_run_go(r, 0, &out, &why, &span), WR_OK);
        cr_expect_eq(out->nrows, rows);
        for (uint32_t i = 0; i < out->nbatches; i++)
            for (uint32_t k = 0; k < out->batch[i]->nrows; k++)
                have += out->batch[i]->col[out->schema->ncols - 1].i[k];
        cr_expect_eq(have, sum, "%s: %lld", query, (long long)have);
    }
    cr_expect_eq(held, 0);
    wr_run_free(r);
    wr_plan_free(plan);
    wr_diags_fini(&diags);
}

#define DATA "externaldata(ip:string, n:long)['blocked.csv'] with (format=csv, ignoreFirstRecord=true)"

Test(external, a_list_is_read_at_each_run)
{
    wr_rows_init(&content, &schema, 2);
    fill("192.0.2.1", 5);
    run(DATA, 1, 5, NULL);
    fill("192.0.2.2", 7);
    fill("192.0.2.3", 8);
    run(DATA, 3, 20, NULL);
    run("let T = " DATA "; T | where n > 5 | project m = n * 2", 2, 30, NULL);
    run("let T = materialize(" DATA "); print ip = '192.0.2.2', a = 1 | where ip in (T)", 1, 1, NULL);
    run("Blocked | summarize sum(n)", 1, 20, NULL);
    run("let B = Blocked; print ip = '192.0.2.2', a = 1 | where ip in (B)", 1, 1, NULL);
    run("print ip = '192.0.2.9', a = 1 | where ip !in (Blocked)", 1, 1, NULL);
    wr_rows_fini(&content);
}

Test(external, what_nobody_has_is_refused)
{
    run("externaldata(ip:string)['other.csv']", 0, 0, "no file for this address");
    run("Blokked", 0, 0, "no table 'Blokked'");
    run("externaldata(ip:string)['a'] with (format)", 0, 0, "a property is a name and its value: format = \"csv\"");
    run("externaldata(ip:string)", 0, 0, "expected '[' and the addresses of the data, but the query ends here");
}

Test(external, plugins_are_refused_by_name)
{
    run("print x = 1 | evaluate autocluster()", 0, 0,
        "plugin 'autocluster' is refused: it looks for patterns by trial: a result that nobody could hold against "
        "Kusto's");
    run("print x = 1 | evaluate nonsense(x) : (*, a: long)", 0, 0,
        "plugin 'nonsense' is not supported yet, or misspelt");
    run("print x = 1 | evaluate nonsense(x) : (* a: long)", 0, 0, "expected ',' or ')' after '*', found 'a'");
}
