/* Microsoft's documentation examples (tests/data/kql) through wr_query: text in, rows out. It
 * prints passed and failed by feature and by batch. What fails is listed in
 * tests/data/kql/differs.jsonl with its reason, and from there in docs/kql.md (WR_WRITE_DOCS=1
 * writes it); a case that fails unlisted, or passes though listed, fails the test. WR_KQL_VERBOSE=1
 * says why each one fails. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/rules.h"

#include "base/ticks.h"
#include "tests/support/docs_page.h"
#include "tests/support/zones.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_RESULT = 4096 };

static struct wr_slice member(struct wr_slice bag, const char *key)
{
    struct wr_slice v = {"null", 4};
    (void)wr_json_member(bag, key, strlen(key), &v);
    return v;
}

static char *text_of(struct wr_slice json)
{
    struct wr_buf b = {0};
    wr_json_to_text(json.p, json.len, &b);
    wr_buf_char(&b, '\0');
    return b.data;
}

static bool is(struct wr_slice v, const char *text)
{
    return v.len == strlen(text) && memcmp(v.p, text, v.len) == 0;
}

static bool near(double a, double b, double tolerance)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    double most = fmax(tolerance, 1e-12 * fabs(b));
    return a == b || fabs(a - b) <= most;
}

struct how {
    double tolerance;
    bool free_order;
};

static bool json_equal(struct wr_slice a, struct wr_slice b, struct how how, int depth);

static bool arrays_equal(struct wr_slice a, struct wr_slice b, struct how how, int depth)
{
    int64_t n = wr_json_count(a);
    if (n != wr_json_count(b) || n > 1000)
        return false;
    bool used[1000] = {false};
    const char *at = NULL;
    struct wr_slice x, y;
    for (int64_t i = 0; wr_json_next(a, &at, &x); i++) {
        bool found = false;
        for (int64_t k = how.free_order ? 0 : i; !found && k < (how.free_order ? n : i + 1); k++) {
            if (used[k] || !wr_json_element(b, k, &y) || !json_equal(x, y, how, depth + 1))
                continue;
            used[k] = found = true;
        }
        if (!found)
            return false;
    }
    return true;
}

static bool bags_equal(struct wr_slice a, struct wr_slice b, struct how how, int depth)
{
    const char *at = NULL;
    struct wr_slice key, x, y;
    int n = 0;
    for (; wr_json_next_member(a, &at, &key, &x); n++) {
        char *name = text_of(key);
        bool same = wr_json_member(b, name, strlen(name), &y) && json_equal(x, y, how, depth + 1);
        free(name);
        if (!same)
            return false;
    }
    at = NULL;
    while (wr_json_next_member(b, &at, &key, &y))
        n--;
    return n == 0;
}

static bool json_equal(struct wr_slice a, struct wr_slice b, struct how how, int depth)
{
    double x, y;
    if (depth > WR_JSON_DEPTH || !a.len || !b.len)
        return a.len == b.len;
    if (a.p[0] == '[' && b.p[0] == '[')
        return arrays_equal(a, b, how, depth);
    if (a.p[0] == '{' && b.p[0] == '{')
        return bags_equal(a, b, how, depth);
    if (a.p[0] == '"' && b.p[0] == '"') {
        char *p = text_of(a), *q = text_of(b);
        bool same = strcmp(p, q) == 0;
        free(p);
        free(q);
        return same;
    }
    if (wr_text_to_real(a.p, a.len, &x) && wr_text_to_real(b.p, b.len, &y))
        return near(x, y, how.tolerance);
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static void trim(const char **p, size_t *len)
{
    while (*len && ((*p)[0] == ' ' || (*p)[0] == '\n')) {
        (*p)++;
        (*len)--;
    }
    while (*len && ((*p)[*len - 1] == ' ' || (*p)[*len - 1] == '\n'))
        (*len)--;
}

static bool cell_equal(const struct wr_vec *v, uint32_t row, struct wr_slice want, struct how how)
{
    if (!wr_vec_valid(v, row))
        return is(want, "null") && v->type != WR_STRING;
    if (v->type == WR_DYNAMIC)
        return json_equal((struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len}, want, how, 0);
    if (v->type == WR_BOOL)
        return is(want, v->i[row] ? "true" : "false");
    char *text = text_of(want);
    bool same;
    if (v->type == WR_REAL || v->type == WR_DECIMAL) {
        double y = NAN;
        same = wr_text_to_real(text, strlen(text), &y) && near(wr_num_at(v, row), y, how.tolerance);
    } else {
        struct wr_buf have = {0};
        wr_text_at(v, row, &have);
        const char *p = have.data ? have.data : "", *q = text;
        size_t n = have.len, m = strlen(text);
        if (v->type == WR_STRING) {
            trim(&p, &n);
            trim(&q, &m);
        }
        same = n == m && memcmp(p, q, n) == 0 && !is(want, "null");
        wr_buf_fini(&have);
    }
    free(text);
    return same;
}

static bool row_equal(const struct wr_batch *b, uint32_t row, struct wr_slice want,
                      const struct how *how)
{
    const char *at = NULL;
    struct wr_slice cell;
    uint16_t c = 0;
    for (; wr_json_next(want, &at, &cell); c++)
        if (c >= b->schema->ncols || !cell_equal(&b->col[c], row, cell, how[c]))
            return false;
    return c == b->schema->ncols;
}

static const char *compare_columns(const struct wr_schema *schema, struct wr_slice columns,
                                   struct how *how)
{
    const char *at = NULL;
    struct wr_slice col;
    uint16_t c = 0;
    for (; wr_json_next(columns, &at, &col); c++) {
        if (c >= schema->ncols)
            return "fewer columns";
        char *name = text_of(member(col, "name")), *type = text_of(member(col, "type"));
        bool same_name = strcmp(name, schema->cols[c].name) == 0;
        bool same_type = strcmp(type, wr_type_name(schema->cols[c].type)) == 0;
        free(name);
        free(type);
        if (!same_name || !same_type)
            return same_name ? "type of a column" : "name of a column";
        struct wr_slice tolerance = member(col, "tolerance");
        if (!wr_text_to_real(tolerance.p, tolerance.len, &how[c].tolerance))
            how[c].tolerance = 0;
    }
    return c == schema->ncols ? NULL : "more columns";
}

static const char *compare(const struct wr_result *res, struct wr_slice test)
{
    static struct how how[WR_MAX_COLS];
    const char *why = compare_columns(res->schema, member(test, "columns"), how);
    if (why)
        return why;
    bool ordered = is(member(test, "ordered"), "true");
    for (int c = 0; c < WR_MAX_COLS; c++)
        how[c].free_order = is(member(test, "arrays_unordered"), "true");
    struct wr_slice rows = member(test, "rows"), row;
    const char *at = NULL;
    static bool used[MAX_RESULT];
    memset(used, 0, sizeof used);
    uint32_t nwant = 0, nhave = 0;
    for (uint32_t b = 0; b < res->nbatches; b++)
        nhave += res->batches[b]->sel.n;
    if (nhave != (uint32_t)wr_json_count(rows) || nhave > MAX_RESULT)
        return "number of rows";
    for (; wr_json_next(rows, &at, &row); nwant++) {
        bool found = false;
        uint32_t n = 0;
        for (uint32_t b = 0; b < res->nbatches && !found; b++)
            for (uint32_t k = 0; k < res->batches[b]->sel.n && !found; k++, n++) {
                if (used[n] || (ordered && n != nwant))
                    continue;
                found = used[n] = row_equal(res->batches[b], res->batches[b]->sel.row[k], row, how);
            }
        if (!found)
            return "a row";
    }
    return NULL;
}

/* NULL when the case passes. `said` gets the diagnostics. */
static const char *run_case(struct wr_slice test, uint32_t batch_rows, struct wr_buf *said)
{
    char *query = text_of(member(test, "query"));
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_query *q = wr_query_new("case.kql", query, strlen(query), batch_rows, &diags);
    const char *why = "refused";
    int64_t now = 0;
    cr_assert(wr_ticks_parse_iso("2026-11-24", 10, &now));
    struct wr_result res;
    if (q)
        why = wr_query_run(q, now, &diags, &res) == WR_OK ? compare(&res, test) : "stopped";
    wr_diags_print(&diags, said);
    wr_query_free(q);
    wr_diags_fini(&diags);
    free(query);
    return why;
}

enum { NFEATURES = 1024, NKNOWN = 64, NCASES = 512 };

static struct tally {
    char name[64];
    uint32_t pass, all;
} batches[8], features[NFEATURES];

static struct tally *tally_of(struct tally *table, size_t room, const char *name)
{
    for (size_t i = 0; i < room; i++) {
        if (table[i].name[0] == '\0')
            snprintf(table[i].name, sizeof table[i].name, "%s", name);
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    cr_assert_fail("no room for %s", name);
    return table;
}

static void count_case(struct tally *t, bool pass)
{
    t->all++;
    t->pass += pass;
}

/* tests/data/kql/differs.jsonl: a line {"feature", "why", "cases": [id, ...]} for what does not
 * pass. */
static struct known {
    char *line;
    struct wr_slice cases;
} known[NKNOWN];
static char *failing[NCASES];
static size_t nfailing;

static bool is_known(const char *id)
{
    for (int i = 0; i < NKNOWN && known[i].line; i++) {
        const char *at = NULL;
        struct wr_slice one;
        while (wr_json_next(known[i].cases, &at, &one)) {
            char *have = text_of(one);
            bool same = strcmp(have, id) == 0;
            free(have);
            if (same)
                return true;
        }
    }
    return false;
}

static void one_line(struct wr_slice test)
{
    char *batch = text_of(member(test, "batch")), *id = text_of(member(test, "id"));
    struct wr_buf said = {0};
    const char *why = run_case(test, 1024, &said);
    const char *small = run_case(test, 1, &said);
    cr_expect((why == NULL) == (small == NULL), "%s: batches of 1 and of 1024 differ", id);
    count_case(tally_of(batches, sizeof batches / sizeof *batches, *batch ? batch : "no batch"),
               !why);
    const char *at = NULL;
    struct wr_slice one;
    while (wr_json_next(member(test, "features"), &at, &one)) {
        char *feature = text_of(one);
        count_case(tally_of(features, NFEATURES, feature), !why);
        free(feature);
    }
    wr_buf_char(&said, '\0');
    if (why && getenv("WR_KQL_VERBOSE"))
        fprintf(stderr, "%s %s: %s\n%.300s\n", batch, id, why, said.data);
    cr_expect(!why || is_known(id),
              "%s fails (%s) and tests/data/kql/differs.jsonl does not say so: %.300s", id, why,
              said.data);
    cr_expect(why || !is_known(id), "%s passes and tests/data/kql/differs.jsonl says it does not",
              id);
    wr_buf_fini(&said);
    free(batch);
    if (why && nfailing < NCASES)
        failing[nfailing++] = id;
    else
        free(id);
}

static void each_line(const char *name, void (*take)(char *line, size_t len))
{
    char path[256];
    snprintf(path, sizeof path, "%s/tests/data/kql/%s", WR_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, f)) > 0)
        take(line, (size_t)n);
    free(line);
    fclose(f);
}

static void take_known(char *line, size_t len)
{
    int i = 0;
    while (i < NKNOWN - 1 && known[i].line)
        i++;
    known[i].line = strndup(line, len);
    known[i].cases = member((struct wr_slice){known[i].line, len}, "cases");
    cr_expect(wr_json_count(known[i].cases) > 0, "no cases in %s", line);
}

static void take_case(char *line, size_t len)
{
    one_line((struct wr_slice){line, len});
}

/* Each listed case failed: one that does not exist would stay for ever. */
static void every_known_case_is_there(void)
{
    for (int i = 0; i < NKNOWN && known[i].line; i++) {
        const char *at = NULL;
        struct wr_slice one;
        while (wr_json_next(known[i].cases, &at, &one)) {
            char *id = text_of(one);
            bool found = false;
            for (size_t k = 0; k < nfailing && !found; k++)
                found = strcmp(failing[k], id) == 0;
            cr_expect(found, "tests/data/kql/differs.jsonl has %s, which is no failing case", id);
            free(id);
        }
    }
}

static void print_counts(struct wr_buf *out)
{
    wr_buf_str(out, "| batch | equal | of |\n|---|---|---|\n");
    for (size_t i = 0; i < sizeof batches / sizeof *batches && batches[i].name[0]; i++)
        wr_buf_fmt(out, "| %s | %u | %u |\n", batches[i].name, batches[i].pass, batches[i].all);
}

static void print_reasons(struct wr_buf *out)
{
    for (int i = 0; i < NKNOWN && known[i].line; i++) {
        struct wr_slice all = {known[i].line, strlen(known[i].line)}, one;
        char *feature = text_of(member(all, "feature")), *why = text_of(member(all, "why"));
        wr_buf_fmt(out, "- %s (%d): %s.", feature, (int)wr_json_count(known[i].cases), why);
        const char *at = NULL;
        for (size_t column = 999; wr_json_next(known[i].cases, &at, &one); column += one.len + 1) {
            char *id = text_of(one);
            wr_buf_fmt(out, "%s`%s`", column + one.len > 110 ? "\n  " : " ", id);
            if (column + one.len > 110)
                column = 0;
            free(id);
        }
        wr_buf_char(out, '\n');
        free(feature);
        free(why);
    }
}

static int by_batch(const void *a, const void *b)
{
    return strcmp(((const struct tally *)a)->name, ((const struct tally *)b)->name);
}

Test(cases, documentation_examples_give_the_documented_rows)
{
    wr_zones_from(test_zones);
    each_line("differs.jsonl", take_known);
    each_line("cases.jsonl", take_case);
    every_known_case_is_there();
    qsort(batches, 7, sizeof *batches, by_batch);
    for (int i = 0; i < NFEATURES && features[i].name[0]; i++)
        fprintf(stderr, "%s: %u pass, %u fail\n", features[i].name, features[i].pass,
                features[i].all - features[i].pass);
    for (int i = 0; i < 7; i++)
        fprintf(stderr, "%s: %u of %u pass\n", batches[i].name, batches[i].pass, batches[i].all);
    struct wr_buf lists[2] = {0};
    print_counts(&lists[0]);
    print_reasons(&lists[1]);
    docs_page_holds((const char *const[]){"cases by batch", "cases that differ"}, lists, 2);
    wr_buf_fini(&lists[0]);
    wr_buf_fini(&lists[1]);
    while (nfailing)
        free(failing[--nfailing]);
    for (int i = 0; i < NKNOWN; i++)
        free(known[i].line);
}
