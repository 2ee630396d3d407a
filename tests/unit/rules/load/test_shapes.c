/* Shapes of public network detections (tests/data/kql/shapes.kql): each loads in the way it says,
 * or is refused by name. */
#include "rules/load/rule.h"
#include "rules/refdata/refdata.h"
#include "rules/rules.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct wr_refdata *ref;

static void give(enum wr_list_kind kind, const char *name, const char *text,
                 const struct wr_list_col *cols, uint32_t ncols)
{
    struct wr_list_def def = {.kind = kind, .name = name, .cols = cols, .ncols = ncols};
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    cr_assert_eq(wr_refdata_define(ref, &def), WR_OK);
    cr_assert_eq(wr_refdata_load(ref, kind, name, "list", text, strlen(text), 0, &diags), WR_OK);
    wr_diags_fini(&diags);
}

static void lists(void)
{
    static const struct wr_list_col indicators[] = {{"TimeGenerated", WR_DATETIME},
                                                    {"IndicatorId", WR_STRING},
                                                    {"NetworkIP", WR_STRING},
                                                    {"Active", WR_BOOL},
                                                    {"ExpirationDateTime", WR_DATETIME},
                                                    {"ConfidenceScore", WR_LONG}};
    ref = wr_refdata_new();
    cr_assert_not_null(ref);
    give(WR_LIST_ADDRESS, "https://lists.example/bad.txt", "#\n192.0.2.1\n", NULL, 0);
    give(WR_LIST_ADDRESS, "https://lists.example/nets.csv", "192.0.2.0/24\n", NULL, 0);
    give(WR_LIST_WATCHLIST, "relays", "SearchKey,Owner\nmx,ops\n", NULL, 0);
    give(WR_LIST_TABLE, "ThreatIntelligenceIndicator",
         "TimeGenerated,IndicatorId,NetworkIP,Active,ExpirationDateTime,ConfidenceScore\n2026-01-"
         "01,x,192.0.2.1,true,2030-01-01,9\n",
         indicators, sizeof indicators / sizeof *indicators);
}

/* "stateless", "incremental", "windowed"; "left out NAME"; else what was said. */
static void load(const char *text, struct wr_buf *how)
{
    static const char *const modes[] = {"stateless", "incremental", "windowed", "batch"};
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_diags diags;
    uint32_t n;
    cr_assert(set && wr_diags_init(&diags));
    wr_ruleset_refdata(set, ref);
    enum wr_err err = wr_ruleset_add(set, "shape.kql", text, strlen(text), &diags);
    const struct wr_left_out *left = wr_ruleset_left_out(set, &n);
    if (!err && wr_ruleset_count(set) == 1)
        wr_buf_str(how, modes[wr_ruleset_rule(set, 0)->plan->mode]);
    else if (!err && n)
        wr_buf_fmt(how, "left out %s", left[0].table);
    else
        wr_diags_print(&diags, how);
    wr_buf_char(how, '\0');
    wr_diags_fini(&diags);
    wr_ruleset_unref(set);
}

Test(shapes, each_loads_as_it_says_or_is_refused_by_name)
{
    static char text[1 << 16];
    FILE *f = fopen(WR_SOURCE_DIR "/tests/data/kql/shapes.kql", "rb");
    cr_assert_not_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    lists();
    uint32_t count[4] = {0}; /* by the first letter of what is expected */
    char *next = strstr(text, "\n// shape: ");
    while (next) {
        char *shape = next + 1, *expect = strstr(shape, "\n// expect: ");
        next = strstr(shape, "\n// shape: ");
        if (next)
            *next = '\0';
        cr_assert(expect && (!next || expect < next), "%s", shape);
        expect += strlen("\n// expect: ");
        char *query = strchr(expect, '\n'),
             *name = expect + (strncmp(expect, "refused ", 8) == 0 ? 8 : 0);
        struct wr_buf how = {0};
        cr_assert_not_null(query);
        *query++ = '\0';
        load(query, &how);
        bool fits = name == expect ? strcmp(how.data, expect) == 0
                                   : strstr(how.data, "error") && strstr(how.data, name);
        cr_expect(fits, "%.80s: wanted %s, got %s", shape, expect, how.data);
        count[*expect == 's' ? 0 : *expect == 'i' ? 1 : *expect == 'w' ? 2 : 3]++;
        wr_buf_fini(&how);
    }
    fprintf(stderr,
            "shapes: %u row by row, %u over panes, %u over kept rows, %u refused or left out\n",
            count[0], count[1], count[2], count[3]);
    cr_expect_geq(count[0] + count[1] + count[2], 30);
    wr_refdata_unref(ref);
}
