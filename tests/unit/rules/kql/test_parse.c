#include "rules/kql/ast.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

static struct wr_diags diags;
static struct wr_buf out;

static void setup(void)
{
    cr_assert(wr_diags_init(&diags));
}

static void teardown(void)
{
    wr_diags_fini(&diags);
    wr_buf_fini(&out);
}

TestSuite(kql, .init = setup, .fini = teardown);

/* Dump of the tree, or the messages. */
static const char *parsed(const char *text, size_t len)
{
    static struct wr_source src;
    src = (struct wr_source){.name = "q.kql", .text = text, .len = len, .line0 = 1};
    wr_buf_reset(&out);
    struct wr_kql *kql = wr_kql_parse(&src, &diags);
    if (kql)
        wr_kql_dump(kql, &out);
    else
        wr_diags_print(&diags, &out);
    wr_kql_free(kql);
    wr_buf_char(&out, '\0');
    return out.data;
}

static const struct {
    const char *text, *tree;
} trees[] = {
    /* precedence */
    {"print a or b and c == d", "print (or a (and b (== c d)))"},
    {"print a or b or c", "print (or a b c)"},
    {"print a == b < c + d * e", "print (== a (< b (+ c (* d e))))"},
    {"print a has strcat('x', b) + 1", "print (+ (has a (strcat \"x\" b)) 1)"},
    {"print a - b - c", "print (- (- a b) c)"},
    {"print -a.b[0] * 2", "print (* (- ([] (.b a) 0)) 2)"},
    {"print -5, - 2h, +1, --1", "print -5 -02:00:00 1 1"},
    {"print a <> b, a : 'x'", "print (!= a b) (has a \"x\")"},
    {"T | where a matches regex @'\\d' and not(b)",
     "T\n| where (and (matches regex a \"\\\\d\") (not b))"},
    /* lists and ranges */
    {"T | where p in (1, 2,) or q !in~ ('a')", "T\n| where (or (in p 1 2) (!in~ q \"a\"))"},
    {"T | where p in~ ((L | project x))", "T\n| where (in~ p (L | project x))"},
    {"T | where t between (ago(2d) .. now()) | count as N",
     "T\n| where (between t (.. (ago 2.00:00:00) (now)))\n| count N"},
    {"T | where p has_any (L)", "T\n| where (has_any p L)"},
    /* literals */
    {"print 12, 0x1f, 1.5, 1e3, 2., 24h, 1.5d, 4xx",
     "print 12 31 1.5r 1000.0r 2.0r 1.00:00:00 1.12:00:00 4xx"},
    {"print 'a\\'b', \"\\u00e9\\t\", @'c:\\t''s', h'x' 'y' // c\n 'z'",
     "print \"a'b\" \"\xc3\xa9\\t\" \"c:\\\\t's\" \"xyz\""},
    {"print ```a\nb```, ~~~c~~~", "print \"a\\nb\" \"c\""},
    {"print datetime(2026-01-05 08:12), datetime(12-31-2025), datetime('2 Dec 2022')",
     "print 2026-01-05T08:12:00.0000000Z 2025-12-31T00:00:00.0000000Z "
     "2022-12-02T00:00:00.0000000Z"},
    {"print time(1.02:03:04.5), timespan(2), time(15 seconds), int(null), bool(true)",
     "print 1.02:03:04.5000000 2.00:00:00 00:00:15 int(null) true"},
    {"print dynamic([1, 'a', {\"k\": datetime(2020-01-01)}, null,])",
     "print dynamic([1,\"a\",{\"k\":\"2020-01-01T00:00:00.0000000Z\"},null])"},
    {"print guid(74be27de-1e4e-49d9-b579-fe0b331d3642), decimal(1.5), long(-3)",
     "print guid(74be27de-1e4e-49d9-b579-fe0b331d3642) decimal(1.5) -3"},
    {"print x=range(1, 10), ['a b']=1, datetime (null)",
     "print (= x (range 1 10)) (= a b 1) datetime(null)"},
    /* statements and operators */
    {"let a = 1; let T = U | take 5; let f = (x:long) { x + 1 }; T",
     "let a = 1;\nlet T = U | take 5;\nlet f = (+ x 1);\nT"},
    {"T | summarize hint.strategy=shuffle c=count(), (x, y)=arg_max(t, *) by k, bin(t, 1h)",
     "T\n| summarize (= c (count)) (= x y (arg_max t *)) by k (bin t 01:00:00)"},
    {"T | summarize by a", "T\n| summarize by a"},
    {"T | sort by a asc nulls last, b | top 3 by c desc | order by d",
     "T\n| sort by (a asc nulls-last) (b)\n| top 3 by (c desc)\n| order by (d)"},
    {"T | project-away Init*, *x* | project-reorder b asc, * | project-rename n=o",
     "T\n| project-away Init* *x*\n| project-reorder (b asc) *\n| project-rename (= n o)"},
    {"union isfuzzy=true withsource=S A, (B | where x > 1), C* | count",
     "union A (B | where (> x 1)) C*\n| count"},
    {"range x from 1 to 3 step 1", "range x 1 3 1"},
    {"datatable(a:string, b:int) ['x', 1, 'y', 2,] | as N",
     "(datatable a:string b:int [\"x\" 1 \"y\" 2])\n| as N"},
    {"T | join kind=inner (U | where a == 1) on $left.k == $right.k | count",
     "T\n| join inner (U | where (== a 1)) by (== (.k $left) (.k $right))\n| count"},
    {"T | mv-expand x to typeof(string) | parse y with 'a' b:long 'c' *",
     "T\n| mv-expand x\n| parse y by \"a\" b \"c\" *"},
    {"print toscalar(T | count), materialize(T)", "print (toscalar (T | count)) (materialize T)"},
    {"\xef\xbb\xbfT\xc2\xa0| // comment\r\n  count;\r\n", "T\n| count"},
};

Test(kql, trees)
{
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
        cr_expect_str_eq(parsed(trees[i].text, strlen(trees[i].text)), trees[i].tree);
}

static const struct {
    const char *text, *message;
} mistakes[] = {
    {"T | where a = 1", "q.kql:1:13: error: expected '|', ';' or the end of the query, found '='\n "
                        "   T | where a = 1\n                ^ to compare, write '=='\n"},
    {"T | where (a = 1",
     "q.kql:1:17: error: expected ')' to close this bracket, but the query ends here\n"},
    {"T | where a == 1 == 2", "q.kql:1:18: error: comparisons do not chain\n"},
    {"T | where a == 'x", "q.kql:1:16: error: this string is not closed on its line\n"},
    {"T | where a == 'C:\\temp'\n| where b == 'C:\\dir'",
     "q.kql:2:14: error: a backslash in a string must begin"},
    {"T |", "q.kql:1:4: error: expected an operator after '|', but the query ends here\n"},
    {"T | | count", "q.kql:1:5: error: expected an operator after '|', found '|'\n"},
    {"T | where", "q.kql:1:10: error: expected a value, but the query ends here\n"},
    {"T | where a in (1, 2", "q.kql:1:21: error: expected ')' at the end of this list, but"},
    {"T | where a between (1, 2)",
     "q.kql:1:23: error: expected '..' between the two ends, found ','\n"},
    {"T | sort a", "q.kql:1:10: error: expected 'by' and columns, found 'a'\n"},
    {"T | summarize count() by", "q.kql:1:25: error: expected a value, but the query ends here\n"},
    {"let x 5; T", "q.kql:1:7: error: expected '=' after the name, found '5'\n"},
    {"let x = 5 T", "q.kql:1:11: error: expected '|', ';' or the end of the query, found 'T'\n"},
    {"T; U", "q.kql:1:4: error: a second query\n    T; U\n       ^ one text gives one result; put "
             "the first into a let\n"},
    {"T | where a == 1.5x",
     "q.kql:1:16: error: neither a number nor a time span (units: d h m s ms)\n"},
    {"T | where a > datetime(31.12.2025)",
     "q.kql:1:15: error: not a date and time; write datetime(2026-01-31)"},
    {"print dynamic([1, x])",
     "q.kql:1:7: error: dynamic(...) takes JSON: a text in it needs quotes\n"},
    {"print 99999999999999999999", "q.kql:1:7: error: the number does not fit a long (64 bits)\n"},
    {"T | where a == \xe2\x80\x9cx\xe2\x80\x9d",
     "q.kql:1:16: error: a character that KQL does not have\n"},
    {"T | count()", "q.kql:1:10: error: expected '|', ';' or the end of the query, found '('\n"},
    {"datatable(a:strin) []", "q.kql:1:13: error: no type 'strin'\n"},
    {"T | where f(a, b",
     "q.kql:1:17: error: expected ',' or ')' after this argument, but the query ends here\n"},
    {"declare query_parameters(a:long); T",
     "q.kql:1:1: error: statement 'declare' is not supported\n"},
};

Test(kql, mistakes_are_told_with_their_place)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        wr_diags_fini(&diags);
        cr_assert(wr_diags_init(&diags));
        const char *got = parsed(mistakes[i].text, strlen(mistakes[i].text));
        cr_expect(strncmp(got, mistakes[i].message, strlen(mistakes[i].message)) == 0,
                  "wanted %s\ngot %s", mistakes[i].message, got);
        cr_expect_eq(diags.nerrors, 1, "%s", got);
    }
}

static void repeat(struct wr_buf *buf, const char *text, int n)
{
    while (n-- > 0)
        wr_buf_str(buf, text);
}

Test(kql, depth_and_length_are_bounded)
{
    static const char *const units[] = {"(",      "-",           "a.", "f(",       "[",
                                        "a in (", "a | where (", "a+", "dynamic(", "let x=("};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct wr_buf text = {0};
        wr_buf_str(&text, "print ");
        repeat(&text, units[i], (WR_KQL_MAX_TEXT - 16) / (int)strlen(units[i]));
        wr_buf_str(&text, "a");
        wr_diags_fini(&diags);
        cr_assert(wr_diags_init(&diags));
        parsed(text.data, text.len);
        cr_expect_eq(diags.nerrors, 1, "%s", units[i]);
        wr_buf_fini(&text);
    }
    struct wr_buf many = {0};
    wr_buf_str(&many, "T | where a");
    repeat(&many, " or a", 9000);
    wr_diags_fini(&diags);
    cr_assert(wr_diags_init(&diags));
    parsed(many.data, many.len);
    cr_expect_eq(diags.nerrors, 0, "a long 'or' is no deep tree");
    wr_buf_fini(&many);
}

static char *slurp(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    fseek(f, 0, SEEK_END);
    *ret_len = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*ret_len + 1);
    cr_assert_eq(fread(text, 1, *ret_len, f), *ret_len);
    text[*ret_len] = '\0';
    fclose(f);
    return text;
}

/* Every example of the documentation is read: what weir cannot run is refused later, by name. */
Test(kql, documentation_examples_parse)
{
    size_t len, n = 0;
    char *text = slurp(WR_SOURCE_DIR "/tests/data/kql/cases.jsonl", &len);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n++) {
        struct wr_arena *arena = wr_arena_new(4096);
        char *q = strstr(line, "\"query\": ") + 9;
        struct wr_str s;
        size_t used;
        const char *why;
        cr_assert(wr_kql_string(q, strlen(q), arena, &s, &used, &why));
        uint32_t before = diags.nerrors;
        const char *got = parsed(wr_str_data(&s), s.len);
        cr_expect_eq(diags.nerrors, before, "%.60s\n%s", line, got);
        wr_arena_free(arena);
    }
    cr_expect_eq(n, 387);
    free(text);
}

Test(kql, draft_detections_parse)
{
    glob_t files;
    cr_assert_eq(glob(WR_SOURCE_DIR "/tests/data/rules/drafts/*.kql", 0, NULL, &files), 0);
    cr_expect_eq(files.gl_pathc, 22);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        size_t len;
        char *text = slurp(files.gl_pathv[i], &len);
        uint32_t before = diags.nerrors;
        const char *got = parsed(text, len);
        cr_expect_eq(diags.nerrors, before, "%s: %s", files.gl_pathv[i], got);
        free(text);
    }
    globfree(&files);
}
