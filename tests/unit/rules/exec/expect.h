/* Text in, rows out: a query's result as "a|b;1|x;2|null", or what is said about it, in batches of 1, 2, 3, 1024. */
#ifndef TESTS_RULES_EXEC_EXPECT_H
#define TESTS_RULES_EXEC_EXPECT_H

#include "rules/fn/kernel.h"
#include "rules/rules.h"

#include <criterion/criterion.h>

static inline void print_result(const struct wr_result *res, struct wr_buf *out)
{
    for (uint16_t c = 0; c < res->schema->ncols; c++)
        wr_buf_fmt(out, "%s%s", c ? "|" : "", res->schema->cols[c].name);
    for (uint32_t b = 0; b < res->nbatches; b++)
        for (uint32_t k = 0; k < res->batches[b]->sel.n; k++) {
            wr_buf_char(out, ';');
            for (uint16_t c = 0; c < res->schema->ncols; c++) {
                const struct wr_vec *v = &res->batches[b]->col[c];
                wr_buf_str(out, c ? "|" : "");
                if (wr_vec_valid(v, res->batches[b]->sel.row[k]))
                    wr_text_at(v, res->batches[b]->sel.row[k], out);
                else
                    wr_buf_str(out, "null");
            }
        }
}

static inline void expect(const char *query, const char *want)
{
    static const uint32_t sizes[] = {1, 2, 3, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wr_diags diags;
        struct wr_buf text = {0};
        struct wr_result res;
        cr_assert(wr_diags_init(&diags));
        struct wr_query *q = wr_query_new("q.kql", query, strlen(query), sizes[i], &diags);
        if (q && wr_query_run(q, 0, &diags, &res) == WR_OK)
            print_result(&res, &text);
        else
            wr_diags_print(&diags, &text);
        wr_buf_char(&text, '\0');
        cr_expect_str_eq(text.data, want, "%s\nin batches of %u gives %s\nnot %s", query, sizes[i], text.data,
                         want);
        wr_buf_fini(&text);
        wr_query_free(q);
        wr_diags_fini(&diags);
    }
}

/* The query is refused and the first line of the message, behind its place, is `want`. */
static inline void refuse(const char *query, const char *want)
{
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_query *q = wr_query_new("q.kql", query, strlen(query), 0, &diags);
    cr_assert_null(q, "%s", query);
    const struct wr_diag *d = diags.first;
    while (d && d->severity != WR_ERROR)
        d = d->next;
    cr_expect(d && strcmp(d->text, want) == 0, "%s\nis refused with %s\nnot %s", query, d ? d->text : "", want);
    wr_diags_fini(&diags);
}

#endif
