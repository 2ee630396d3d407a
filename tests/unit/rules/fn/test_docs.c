/* docs/kql.md lists what the tables hold: the lists in it are compared with what the tables give.
 * After a change of the tables run this test with WR_WRITE_DOCS=1: it writes them. */
#include "rules/fn/fn.h"

#include "tests/support/docs_page.h"

enum { WIDTH = 116, NAMES_MAX = 1024 };

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_list(const char **names, size_t n, struct wr_buf *out)
{
    size_t column = 0;
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        if (i && strcmp(names[i - 1], names[i]) == 0)
            continue;
        size_t len = strlen(names[i]) + 3;
        if (i)
            wr_buf_str(out, column + len > WIDTH ? ",\n" : ", ");
        column = column + len > WIDTH ? len : column + len + 1;
        wr_buf_fmt(out, "`%s`", names[i]);
    }
    wr_buf_char(out, '\n');
}

static void print_functions(struct wr_buf *out)
{
    const char *names[NAMES_MAX];
    uint32_t all;
    size_t n = 0;
    const struct wr_fn *fns = wr_fn_all(&all);
    for (uint32_t i = 0; i < all; i++)
        if (fns[i].name[0] >= 'a' && fns[i].name[0] <= 'z' &&
            strstr(fns[i].page, "-operator") == NULL && n < NAMES_MAX) {
            static char own[NAMES_MAX][48]; /* series_stats.min is one result of series_stats */
            snprintf(own[n], sizeof *own, "%.*s", (int)strcspn(fns[i].name, "."), fns[i].name);
            names[n] = own[n];
            n++;
        }
    print_list(names, n, out);
}

static void print_aggregates(struct wr_buf *out, bool incremental)
{
    const char *names[NAMES_MAX];
    uint32_t all;
    size_t n = 0;
    const struct wr_agg *aggs = wr_agg_all(&all);
    for (uint32_t i = 0; i < all && n < NAMES_MAX; i++) {
        bool any = false; /* an overload that runs on streams */
        for (uint32_t k = 0; k < all; k++)
            any |= strcmp(aggs[k].name, aggs[i].name) == 0 && aggs[k].incremental;
        if (any == incremental)
            names[n++] = aggs[i].name;
    }
    print_list(names, n, out);
}

/* Names that share a reason, in the order of the table. */
static void print_refused(struct wr_buf *out)
{
    static const struct {
        const char *name, *why;
    } refused[] = {
#define REFUSED(name, why) {name, why},
#include "rules/fn/refused.def"
#undef REFUSED
    };
    enum { N = sizeof refused / sizeof *refused };
    for (size_t i = 0; i < N; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first = first && strcmp(refused[k].why, refused[i].why) != 0;
        for (size_t k = i; k < N && first; k++)
            if (strcmp(refused[k].why, refused[i].why) == 0)
                wr_buf_fmt(out, k == i ? "- `%s`" : ", `%s`", refused[k].name);
        if (first)
            wr_buf_fmt(out, ": %s\n", refused[i].why);
    }
}

Test(docs, the_page_lists_what_the_tables_hold)
{
    struct wr_buf lists[4] = {0};
    print_functions(&lists[0]);
    print_aggregates(&lists[1], true);
    print_aggregates(&lists[2], false);
    print_refused(&lists[3]);
    static const char *const marks[] = {"functions", "aggregates on streams",
                                        "aggregates of queries", "refused functions"};
    docs_page_holds(marks, lists, 4);
    for (int i = 0; i < 4; i++)
        wr_buf_fini(&lists[i]);
}
