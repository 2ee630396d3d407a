/* docs/kql.md holds lists that tests make: each stands between a line `<!-- name -->` and the next
 * `<!-- end -->`. */
#ifndef WR_TESTS_SUPPORT_DOCS_PAGE_H
#define WR_TESTS_SUPPORT_DOCS_PAGE_H

#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS_PAGE WR_SOURCE_DIR "/docs/kql.md"

static inline void docs_page_read(struct wr_buf *page)
{
    FILE *f = fopen(DOCS_PAGE, "rb");
    cr_assert_not_null(f);
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        wr_buf_add(page, block, n);
    fclose(f);
    wr_buf_char(page, '\0');
}

/* Puts `list` where `name` stands; false when the page has no such place. */
static inline bool docs_page_put(struct wr_buf *page, const char *name, const struct wr_buf *list)
{
    char mark[64];
    snprintf(mark, sizeof mark, "<!-- %s -->\n", name);
    char *from = strstr(page->data, mark);
    char *to = from ? strstr(from, "<!-- end -->") : NULL;
    if (!to)
        return false;
    from += strlen(mark);
    struct wr_buf out = {0};
    wr_buf_add(&out, page->data, (size_t)(from - page->data));
    wr_buf_add(&out, list->data, list->len);
    wr_buf_str(&out, to);
    wr_buf_char(&out, '\0');
    wr_buf_fini(page);
    *page = out;
    return true;
}

/* The page has these lists; with WR_WRITE_DOCS=1 they are written into it instead. */
static inline void docs_page_holds(const char *const *names, const struct wr_buf *lists, int n)
{
    struct wr_buf page = {0}, want = {0};
    docs_page_read(&page);
    wr_buf_add(&want, page.data, page.len);
    for (int i = 0; i < n; i++)
        cr_assert(docs_page_put(&want, names[i], &lists[i]), "docs/kql.md has no <!-- %s -->",
                  names[i]);
    if (getenv("WR_WRITE_DOCS")) {
        FILE *f = fopen(DOCS_PAGE, "wb");
        cr_assert_not_null(f);
        fwrite(want.data, 1, strlen(want.data), f);
        fclose(f);
    } else {
        cr_expect(strcmp(page.data, want.data) == 0,
                  "docs/kql.md is older than %s and what stands with it: run this test with "
                  "WR_WRITE_DOCS=1",
                  names[0]);
    }
    wr_buf_fini(&page);
    wr_buf_fini(&want);
}

#endif
