/* Names and types of result columns against those of Microsoft's binder (tests/data/kql/names.tsv,
 * made by tests/oracle/language/names.js): every function and aggregate that it knows, twice side
 * by side. */
#include "rules/plan/plan.h"

#include "tests/support/zones.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char table[] = "let T = datatable(b:bool, i:int, l:long, r:real, d:datetime, "
                            "t:timespan, s:string, y:dynamic, g:guid, "
                            "c:decimal)[]; ";

/* What differs on purpose, and why. */
static const struct {
    const char *query, *why;
} differs[] = {
    {"T | project ingestion_time(), ingestion_time()", "constant rows did not come in at any time"},
    {"T | extend l + 1, l + 2, strcat(s, \"x\"), Column1 = 5",
     "a name that an unnamed column has is refused"},
};

static bool is_known(const char *query)
{
    for (size_t i = 0; i < sizeof differs / sizeof *differs; i++)
        if (strcmp(differs[i].query, query) == 0)
            return true;
    return false;
}

static char *file_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    enum { MOST = 1 << 20 };
    char *text = malloc(MOST);
    size_t n = fread(text, 1, MOST - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* Columns as the file has them, or what was said. */
static void columns_of(const char *query, struct wr_buf *out)
{
    struct wr_diags diags;
    struct wr_buf text = {0};
    cr_assert(wr_diags_init(&diags));
    wr_buf_str(&text, table);
    wr_buf_str(&text, query);
    cr_assert_not(text.err);
    struct wr_source src = {.name = "q", .text = text.data, .len = text.len, .line0 = 1};
    struct wr_plan *plan = wr_plan_new(&src, &diags);
    const char *sep = "";
    for (uint16_t c = 0; plan && c < plan->root->schema->ncols; c++) {
        const struct wr_coldef *def = &plan->root->schema->cols[c];
        wr_buf_fmt(out, "%s%s:%s", sep, def->name, wr_type_name(def->type));
        sep = ", ";
    }
    if (!plan)
        wr_diags_print(&diags, out);
    wr_buf_char(out, '\0');
    wr_plan_free(plan);
    wr_diags_fini(&diags);
    wr_buf_fini(&text);
}

Test(names, are_those_of_microsofts_binder)
{
    wr_zones_from(test_zones);
    char *text = file_text(WR_SOURCE_DIR "/tests/data/kql/names.tsv"), *next;
    uint32_t alike = 0, known = 0;
    for (char *query = text; *query; query = next) {
        char *want = strchr(query, '\t'), *end = strchr(query, '\n');
        cr_assert(want && end && want < end, "a line is not QUERY, tab, COLUMNS: %.80s", query);
        *want++ = *end = '\0';
        next = end + 1;
        struct wr_buf have = {0};
        columns_of(query, &have);
        bool same = strcmp(have.data, want) == 0;
        alike += same;
        known += is_known(query);
        cr_expect(same != is_known(query), "%s\n  weir %s\n  Microsoft %s", query, have.data, want);
        wr_buf_fini(&have);
    }
    fprintf(stderr, "names: %u alike, %u differ on purpose\n", alike, known);
    cr_expect_eq(known, sizeof differs / sizeof *differs);
    free(text);
}

/* Operators; parsexml is parse_xml, and stdevpif has no name there (docs/kql.md). */
static const char *const no_calls[] = {"and",        "between",       "contains",  "contains_cs",
                                       "endswith",   "endswith_cs",   "has",       "has_all",
                                       "has_any",    "has_cs",        "hasprefix", "hasprefix_cs",
                                       "hassuffix",  "hassuffix_cs",  "in",        "or",
                                       "startswith", "startswith_cs", "parsexml",  "stdevpif"};

Test(names, every_function_and_aggregate_has_a_line)
{
    static const char *const names[] = {
#define FN(name, signature, kernel, prepare, flags, page) name,
#include "rules/fn/functions.def"
#undef FN
#define AGG(name, signature, kind, incremental, page) name,
#include "rules/fn/aggregates.def"
#undef AGG
    };
    char *text = file_text(WR_SOURCE_DIR "/tests/data/kql/names.tsv");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char call[80];
        bool word = strspn(names[i], "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(names[i]),
             listed = false;
        snprintf(call, sizeof call, " %.60s(", names[i]);
        for (size_t k = 0; k < sizeof no_calls / sizeof *no_calls; k++)
            listed |= strcmp(no_calls[k], names[i]) == 0;
        cr_expect(!word || (strstr(text, call) != NULL) != listed, "%s", names[i]);
    }
    free(text);
}
