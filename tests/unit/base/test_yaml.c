#include "base/nearest.h"
#include "base/ticks.h"
#include "base/yaml.h"

#include <criterion/criterion.h>

static struct wr_diags diags;
static struct wr_buf printed;

static void setup(void)
{
    cr_assert(wr_diags_init(&diags));
}

static void teardown(void)
{
    wr_diags_fini(&diags);
    wr_buf_fini(&printed);
}

TestSuite(yaml, .init = setup, .fini = teardown);

static struct wr_yaml *read(const char *text)
{
    return wr_yaml_new("f.yaml", text, strlen(text), &diags);
}

static const char *messages(void)
{
    wr_buf_reset(&printed);
    wr_diags_print(&diags, &printed);
    wr_buf_char(&printed, '\0');
    return printed.data;
}

Test(yaml, every_node_knows_its_place)
{
    struct wr_yaml *f =
        read("\xef\xbb\xbfid: 7\r\nlist:\r\n  - \xc3\xa9t\xc3\xa9\r\n  - {a: 'b c'}\r\n");
    cr_assert(f);
    cr_assert_eq(f->ndocs, 1);
    const struct wr_yaml_node *list = wr_yaml_get(f->docs[0], "list");
    cr_assert_eq(list->n, 2);
    cr_expect_str_eq(list->items[0]->text, "\xc3\xa9t\xc3\xa9");
    cr_expect_eq(list->items[0]->line, 3);
    cr_expect_eq(list->items[0]->col, 5);
    const struct wr_yaml_node *b = wr_yaml_get(list->items[1], "a");
    cr_expect_not(b->plain);
    cr_expect_eq(memcmp(f->source->text + b->span.at, "'b c'", b->span.len), 0);
    cr_expect_null(wr_yaml_get(f->docs[0], "List"));
    wr_yaml_free(f);
}

Test(yaml, a_block_text_knows_its_first_line_and_what_was_cut)
{
    struct wr_yaml *f = read("name: x\nquery: |\n\n  T\n    | count\nnext: 1\n");
    const struct wr_yaml_node *q = wr_yaml_get(f->docs[0], "query");
    cr_expect_str_eq(q->text, "\nT\n  | count\n");
    cr_expect_eq(q->text_line, 3);
    cr_expect_eq(q->text_indent, 2);
    struct wr_source src = {.name = "f.yaml",
                            .text = q->text,
                            .len = q->len,
                            .line0 = q->text_line,
                            .indent = q->text_indent};
    uint32_t line, col;
    wr_source_locate(&src, (uint32_t)(strstr(q->text, "count") - q->text), &line, &col);
    cr_expect_eq(line, 5);
    cr_expect_eq(col, 7);
    wr_yaml_free(f);
}

Test(yaml, explicit_indent_of_a_block_is_seen)
{
    struct wr_yaml *f = read("q: |2\n     T\n");
    const struct wr_yaml_node *q = wr_yaml_get(f->docs[0], "q");
    cr_expect_str_eq(q->text, "   T\n");
    cr_expect_eq(q->text_indent, 2);
    wr_yaml_free(f);
}

Test(yaml, several_documents_empty_ones_left_out)
{
    struct wr_yaml *f = read("a: 1\n---\n---\nb: 2\n...\n");
    cr_assert_eq(f->ndocs, 2);
    cr_expect_not_null(wr_yaml_get(f->docs[1], "b"));
    wr_yaml_free(f);
    f = read("");
    cr_assert(f);
    cr_expect_eq(f->ndocs, 0);
    wr_yaml_free(f);
}

Test(yaml, typed_values)
{
    struct wr_yaml *f =
        read("s: text\nb: Yes\ni: -3\nm: 512 MiB\nt: 5m\nc: 1.02:00:00\nn: ~\nq: 'null'\n");
    const struct wr_yaml_node *r = f->docs[0];
    const char *s = "default";
    bool b = false;
    int64_t i = 0, t = 0;
    uint64_t m = 0;
    cr_expect(wr_yaml_str(f, r, "s", &s) && strcmp(s, "text") == 0);
    cr_expect(wr_yaml_str(f, r, "n", &s) && strcmp(s, "text") == 0, "null leaves the value");
    cr_expect(wr_yaml_str(f, r, "q", &s) && strcmp(s, "null") == 0, "quoted null is a text");
    cr_expect(wr_yaml_bool(f, r, "b", &b) && b);
    cr_expect(wr_yaml_int(f, r, "i", -5, 5, &i) && i == -3);
    cr_expect(wr_yaml_bytes(f, r, "m", 0, UINT64_MAX, &m) && m == UINT64_C(512) << 20);
    cr_expect(wr_yaml_ticks(f, r, "t", 0, WR_TICKS_DAY, &t) && t == 5 * WR_TICKS_MINUTE);
    cr_expect(wr_yaml_ticks(f, r, "c", 0, 2 * WR_TICKS_DAY, &t) && t == 26 * WR_TICKS_HOUR);
    cr_expect(wr_yaml_int(f, r, "missing", 0, 1, &i) && i == -3);
    cr_expect_eq(diags.nerrors, 0);
    wr_yaml_free(f);
}

Test(yaml, spans_of_exports_are_iso_8601)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } spans[] = {{"PT1H", 3600},     {"P1DT2H", 93600}, {"P14D", 1209600}, {"PT20M", 1200},   {"PT1H30M10S", 5410},
                 {"P1W", 604800},    {"PT0S", 0},       {"P", -1},         {"PT", -1},        {"P1DT", -1},
                 {"P1M", -1},        {"P1Y", -1},       {"PT1H1H", -1},    {"PT1M1H", -1},    {"P1H", -1},
                 {"PT1D", -1},       {"PT1.5H", -1},    {"PTT1H", -1},     {"PT1", -1},       {"1PTH", -1},
                 {"P99999999D", -1}, {"pt1h", -1}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        int64_t t = -1;
        bool ok = wr_ticks_parse_span(spans[i].text, strlen(spans[i].text), &t);
        cr_expect_eq(ok, spans[i].seconds >= 0, "%s", spans[i].text);
        cr_expect(!ok || t == spans[i].seconds * WR_TICKS_SECOND, "%s", spans[i].text);
    }
}

Test(yaml, wrong_values_are_named_with_their_place)
{
    struct wr_yaml *f = read("i: many\nj: 9\nt: 5\nm: big\nb: perhaps\nl: x\n");
    const struct wr_yaml_node *r = f->docs[0], *l;
    int64_t i = 1;
    uint64_t m;
    bool b;
    cr_expect_not(wr_yaml_int(f, r, "i", 0, 1, &i));
    cr_expect_not(wr_yaml_int(f, r, "j", 0, 8, &i));
    cr_expect_not(wr_yaml_ticks(f, r, "t", 0, 1, &i));
    cr_expect_not(wr_yaml_bytes(f, r, "m", 0, 1, &m));
    cr_expect_not(wr_yaml_bool(f, r, "b", &b));
    cr_expect_not(wr_yaml_seq(f, r, "l", &l));
    cr_expect_eq(i, 1);
    const char *text = messages();
    cr_expect(
        strstr(text, "f.yaml:1:4: error: 'i' must be a whole number\n    i: many\n       ^~~~\n"),
        "%s", text);
    cr_expect(strstr(text, "f.yaml:2:4: error: 'j' must lie between 0 and 8\n"));
    cr_expect(
        strstr(text, "f.yaml:3:4: error: 't' must be a time span such as 30s, 5m, 1h or 14d\n"));
    wr_yaml_free(f);
}

Test(yaml, unknown_key_gets_the_nearest_known_one)
{
    static const char *const known[] = {"listen", "memory", NULL};
    struct wr_yaml *f = read("lisen: 1\nmemory: 2\nzzz: 3\n");
    cr_expect_not(wr_yaml_only(f, f->docs[0], known, WR_ERROR));
    cr_expect_str_eq(
        messages(),
        "f.yaml:1:1: error: unknown key 'lisen'\n    lisen: 1\n    ^~~~~ did you mean 'listen'?\n"
        "f.yaml:3:1: error: unknown key 'zzz'\n    zzz: 3\n    ^~~\n");
    wr_yaml_free(f);
}

static const struct {
    const char *text, *message;
} broken[] = {
    {"a: [1, 2\nb: 3\n", "f.yaml:2:2: error: not YAML: did not find expected ',' or ']'"},
    {"a: 1\na: 2\n", "f.yaml:2:1: error: key 'a' is given twice (first on line 1)"},
    {"a: &x 1\n", "f.yaml:1:4: error: anchors and aliases are not read"},
    {"a: *x\n", "f.yaml:1:4: error: anchors and aliases are not read"},
    {"[1, 2]: 3\n", "f.yaml:1:1: error: a key must be a plain text"},
    {"a: \"\\0\"\n", "f.yaml:1:4: error: a text with a NUL byte"},
    {"a: b\n c: \xff\n", "f.yaml:2:5: error: not YAML: invalid leading UTF-8 octet"},
    {"\ta: 1\n", "f.yaml:1:1: error: not YAML: found character that cannot start any token"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     "f.yaml:1:33: error: values are nested too deeply"},
};

Test(yaml, broken_files_say_where)
{
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        wr_diags_fini(&diags);
        cr_assert(wr_diags_init(&diags));
        cr_expect_null(read(broken[i].text), "%s", broken[i].text);
        cr_expect(strncmp(messages(), broken[i].message, strlen(broken[i].message)) == 0, "%s",
                  messages());
    }
}

Test(nearest, few_edits_only)
{
    struct wr_nearest n = wr_nearest_to("AcountName", 10);
    wr_nearest_try(&n, "DeviceName", 10);
    cr_expect_null(n.best);
    wr_nearest_try(&n, "AccountName", 11);
    cr_expect_str_eq(n.best, "AccountName");
    n = wr_nearest_to("remoteport", 10);
    wr_nearest_try(&n, "RemotePort", 10);
    cr_expect_str_eq(n.best, "RemotePort");
    n = wr_nearest_to("xy", 2);
    wr_nearest_try(&n, "ab", 2);
    cr_expect_null(n.best);
}
