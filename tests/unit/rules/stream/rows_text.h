/* Results as text, to compare those of two engines. */
#ifndef TESTS_RULES_STREAM_ROWS_TEXT_H
#define TESTS_RULES_STREAM_ROWS_TEXT_H

#include "rules/exec/rows.h"
#include "rules/stream/cells.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cells of alerts as one text, sorted; frees the list. */
static inline char *cells_text(struct wr_alert *list)
{
    char *line[512];
    uint32_t n = 0;
    for (struct wr_alert *a = list; a; a = a->next) {
        struct wr_buf text = {0};
        for (uint32_t c = 0; c < a->ncells; c++) {
            wr_cell_json(&a->cells[c], &text);
            wr_buf_char(&text, '|');
        }
        wr_buf_char(&text, '\0');
        cr_assert_lt(n, 512);
        line[n++] = text.data;
    }
    wr_alerts_free(list);
    qsort(line, n, sizeof *line, by_text);
    struct wr_buf all = {0};
    for (uint32_t i = 0; i < n; i++) {
        wr_buf_fmt(&all, "%s\n", line[i]);
        free(line[i]);
    }
    wr_buf_char(&all, '\0');
    return all.data;
}

static inline char *rows_text(const struct wr_rows *rows)
{
    struct wr_alert *list = NULL, **end = &list;
    for (uint64_t n = 0; n < rows->nrows; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(rows, n, &row);
        struct wr_buf cells = {0};
        wr_cells_pack(rows->schema, b->col, row, &cells);
        *end = wr_cells_alert(rows->schema, &cells, WR_ALERT_RAISED, "01234567890123456789012345678901", 0);
        cr_assert_not_null(*end);
        end = &(*end)->next;
        wr_buf_fini(&cells);
    }
    return cells_text(list);
}

#endif
