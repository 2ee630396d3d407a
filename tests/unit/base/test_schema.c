/* What every table keeps to, so that stages need not know which one they have. */
#include "base/schema.h"

#include <criterion/criterion.h>
#include <string.h>

Test(schema, first_column_is_the_time_under_both_names)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *s = wr_schema_of((enum wr_table)t);
        cr_expect_eq(s->cols[WR_TIME_COL].type, WR_DATETIME, "%s", s->name);
        static const char *const names[] = {"TimeGenerated", "Timestamp"};
        for (int i = 0; i < 2; i++) {
            uint16_t col = wr_schema_find(s, names[i], strlen(names[i]));
            cr_assert_neq(col, WR_NO_COL, "%s.%s", s->name, names[i]);
            cr_expect_eq(s->cols[col].store, WR_TIME_COL, "%s.%s", s->name, names[i]);
        }
    }
}

Test(schema, names_are_unique)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *s = wr_schema_of((enum wr_table)t);
        for (uint16_t a = 0; a < s->ncols; a++)
            for (uint16_t b = 0; b < a; b++)
                cr_expect_str_neq(s->cols[a].name, s->cols[b].name, "%s", s->name);
    }
}

Test(schema, a_growing_column_has_its_former_value_hidden_beside_it)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *s = wr_schema_of((enum wr_table)t);
        const struct wr_amends *a = wr_table_amends((enum wr_table)t);
        if (!a)
            continue;
        cr_expect(s->cols[a->row_id].hidden && s->cols[a->amend].hidden, "%s", s->name);
        for (uint16_t i = 0; i < a->ncols; i++) {
            const struct wr_coldef *col = &s->cols[a->cols[i].col];
            cr_expect(!col->hidden, "%s.%s", s->name, col->name);
            if (a->cols[i].prev == WR_NO_COL) {
                cr_expect(col->type == WR_DATETIME || col->type == WR_STRING || col->type == WR_BOOL, "%s.%s: sum() would read it", s->name,
                          col->name);
                continue;
            }
            const struct wr_coldef *prev = &s->cols[a->cols[i].prev];
            cr_expect(prev->hidden && prev->type == col->type, "%s.%s", s->name, col->name);
            cr_expect(strncmp(prev->name, "_Prev", 5) == 0 && strcmp(prev->name + 5, col->name) == 0, "%s", prev->name);
        }
    }
}
