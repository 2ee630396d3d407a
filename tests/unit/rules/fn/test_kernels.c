#include "rules/exec/eval.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include "base/ticks.h"

#include <criterion/criterion.h>
#include <math.h>

static struct wr_value L(int64_t i) {
    return (struct wr_value){.type = WR_LONG, .i = i};
}

static struct wr_value
R(double r) {
    return (struct wr_value){.type = WR_REAL, .r = r};
}

static struct wr_value
B(bool b) {
    return (struct wr_value){.type = WR_BOOL, .i = b};
}

static struct wr_value
S(const char *s) {
    return (struct wr_value){.type = WR_STRING, .s = wr_str_borrow(s, strlen(s))};
}

static struct wr_value
J(const char *s) {
    return (struct wr_value){.type = WR_DYNAMIC, .s = wr_str_borrow(s, strlen(s))};
}

static struct wr_value
D(const char *iso) {
    struct wr_value v = {.type = WR_DATETIME};
    cr_assert(wr_ticks_parse_iso(iso, strlen(iso), &v.i), "%s", iso);
    return v;
}

static struct wr_value
T(int64_t ticks) {
    return (struct wr_value){.type = WR_TIMESPAN, .i = ticks};
}

static struct wr_value
N(enum wr_type type) {
    return (struct wr_value){.type = type, .null = true};
}

static enum wr_type
result_type(const char *sig, const struct wr_value *args)
{
    switch (sig[strlen(sig) - 1]) {
    case 'b':
        return WR_BOOL;
    case 'i':
        return WR_INT;
    case 'l':
        return WR_LONG;
    case 'r':
        return WR_REAL;
    case 'd':
        return WR_DATETIME;
    case 't':
        return WR_TIMESPAN;
    case 's':
        return WR_STRING;
    case 'y':
        return WR_DYNAMIC;
    case 'g':
        return WR_GUID;
    case 'c':
        return WR_DECIMAL;
    default:
        return args[strchr(sig, 'T') - sig > 0 && sig[0] != '(' && sig[0] != 'T' ? 1
                    : sig[0] == '('                                              ? 1
                                                                                 : 0]
            .type;
    }
}

enum { MAX_ARGS = 8 };

/* Runs one overload over constants; the result as text, "null" for null. */
static void check(const char *name, const char *sig, const char *want, uint32_t n,
                  const struct wr_value *args)
{
    const struct wr_fn *fn = wr_fn_find(name, strlen(name));
    while (fn && strcmp(fn->signature, sig) != 0)
        fn = wr_fn_next(fn);
    cr_assert_not_null(fn, "no %s %s", name, sig);
    struct wr_arena *arena = wr_arena_new(4096);
    struct wr_ex ex[MAX_ARGS] = {0}, *list[MAX_ARGS] = {0};
    for (uint32_t a = 0; a < n; a++) {
        ex[a] = (struct wr_ex){.kind = WR_EX_CONST, .type = args[a].type, .value = args[a]};
        list[a] = &ex[a];
    }
    struct wr_ex call = {
        .kind = WR_EX_CALL, .type = result_type(sig, args), .fn = fn, .args = list, .nargs = n};
    const char *why = NULL;
    if (fn->prepare)
        call.prepared = fn->prepare(arena, &call, &why);
    struct wr_eval ev = {.arena = arena, .now = D("2026-01-02T03:04:05Z").i, .nrows = 3};
    uint16_t rows[] = {0, 2};
    struct wr_sel sel = {rows, 2};
    const struct wr_vec *out = wr_ex_eval(&ev, &call, NULL, &sel);
    cr_assert_not_null(out);
    struct wr_buf text = {0};
    if (wr_vec_valid(out, 2))
        wr_text_at(out, 2, &text);
    else
        wr_buf_str(&text, "null");
    wr_buf_char(&text, '\0');
    cr_expect_str_eq(text.data, want, "%s %s: %s, not %s", name, sig, text.data, want);
    wr_buf_fini(&text);
    wr_arena_free(arena);
}

#define CHECK(name, sig, want, ...)                                                                          \
    check(name, sig, want, sizeof((struct wr_value[]){__VA_ARGS__}) / sizeof(struct wr_value),               \
          (struct wr_value[]){__VA_ARGS__})

Test(kernels, equality_answers_for_one_null_and_not_for_two)
{
    CHECK("==", "TT:b", "True", L(1), L(1));
    CHECK("==", "TT:b", "False", L(1), N(WR_LONG));
    CHECK("==", "TT:b", "null", N(WR_LONG), N(WR_LONG));
    CHECK("!=", "TT:b", "True", L(1), N(WR_LONG));
    CHECK("!=", "TT:b", "null", N(WR_LONG), N(WR_LONG));
    CHECK("==", "TT:b", "False", S("a"), S("A"));
    CHECK("=~", "ss:b", "True", S("Outlook.exe"), S("outlook.EXE"));
    CHECK("!~", "ss:b", "False", S("Outlook.exe"), S("outlook.EXE"));
    CHECK("==", "TT:b", "True", L(2), R(2.0));
    CHECK("==", "y*:b", "True", J("587"), L(587));
    CHECK("==", "y*:b", "False", J("\"587\""), L(587));
    CHECK("==", "y*:b", "True", J("\"a\\u0062\""), S("ab"));
}

Test(kernels, order_is_null_with_a_null)
{
    CHECK("<", "TT:b", "True", L(1), L(2));
    CHECK("<", "TT:b", "null", N(WR_LONG), L(2));
    CHECK(">=", "TT:b", "False", R(NAN), R(1));
    CHECK("between", "TTT:b", "True", L(3), L(1), L(3));
    CHECK("between", "TTT:b", "null", L(3), N(WR_LONG), L(3));
    CHECK("!between", "TTT:b", "True", L(4), L(1), L(3));
    CHECK("between", "ddt:b", "True", D("2026-01-04"), D("2026-01-01"), T(3 * WR_TICKS_DAY));
    CHECK("<", "yN:b", "True", J("2.5"), L(3));
    CHECK("<", "yN:b", "False", J("[1]"), L(3));
}

Test(kernels, in_is_an_or_of_equalities)
{
    CHECK("in", "TT+:b", "True", L(587), L(25), L(465), L(587));
    CHECK("in", "TT+:b", "False", N(WR_LONG), L(25));
    CHECK("!in", "TT+:b", "True", N(WR_LONG), L(25));
    CHECK("in", "TT+:b", "False", S("A"), S("a"), S("b"));
    CHECK("in~", "ss+:b", "True", S("CHROME.exe and more"), S("a"), S("chrome.EXE AND more"));
    CHECK("!in~", "ss+:b", "True", S(""), S("a"));
    CHECK("in", "TT+:b", "True", R(1.5), R(1), R(1.5));
    CHECK("in", "*y:b", "True", S("b"), J("[\"a\",\"b\"]"));
    CHECK("!in", "*y:b", "True", L(4), J("[1,2,3]"));
}

Test(kernels, logic_knows_three_values)
{
    CHECK("and", "BB:b", "False", B(false), N(WR_BOOL));
    CHECK("and", "BB:b", "null", B(true), N(WR_BOOL));
    CHECK("or", "BB:b", "True", N(WR_BOOL), B(true));
    CHECK("or", "BB:b", "null", N(WR_BOOL), B(false));
    CHECK("not", "b:b", "null", N(WR_BOOL));
    CHECK("not", "b:b", "False", B(true));
    CHECK("iff", "bTT:T", "no", N(WR_BOOL), S("yes"), S("no"));
    CHECK("case", "(bT)+T:T", "2", B(false), L(1), B(true), L(2), L(3));
    CHECK("case", "(bT)+T:T", "3", B(false), L(1), N(WR_BOOL), L(2), L(3));
    CHECK("coalesce", "T+:T", "b", S(""), S("b"), S("c"));
    CHECK("isempty", "*:b", "True", S(""));
    CHECK("isempty", "*:b", "True", N(WR_LONG));
    CHECK("isnull", "*:b", "False", S(""));
    CHECK("max_of", "T+:T", "7", L(3), N(WR_LONG), L(7));
}

Test(kernels, has_finds_whole_terms)
{
    CHECK("has", "ss:b", "False", S("10.0.0.12"), S("10.0.0.1"));
    CHECK("has", "ss:b", "True", S("x/10.0.0.1:80"), S("10.0.0.1"));
    CHECK("has", "ss:b", "False", S("KustoExplorerQueryRun"), S("Explorer"));
    CHECK("has", "ss:b", "True", S("run PowerShell now"), S("powershell"));
    CHECK("has_cs", "ss:b", "False", S("run PowerShell now"), S("powershell"));
    CHECK("!has", "ss:b", "True", S("abc"), S("b"));
    CHECK("hasprefix", "ss:b", "True", S("a powershell"), S("power"));
    CHECK("hassuffix", "ss:b", "True", S("a powershell b"), S("shell"));
    CHECK("contains", "ss:b", "True", S("KustoExplorerQueryRun"), S("explorer"));
    CHECK("!contains_cs", "ss:b", "True", S("KustoExplorerQueryRun"), S("explorer"));
    CHECK("startswith", "ss:b", "True", S("Smtp.example"), S("smtp"));
    CHECK("endswith", "ss:b", "True", S("a.EXE"), S(".exe"));
    CHECK("endswith", "ss:b", "False", S("exe"), S(".exe"));
    CHECK("has_any", "ss+:b", "True", S("a b c"), S("x"), S("C"));
    CHECK("has_any", "sy:b", "True", S("a b c"), J("[\"x\",\"c\"]"));
    CHECK("has_all", "ss+:b", "False", S("a b c"), S("a"), S("x"));
    CHECK("has", "ys:b", "False", N(WR_DYNAMIC), S("x"));
}

Test(kernels, arithmetic_of_numbers_and_times)
{
    CHECK("/", "LL:l", "0", L(1), L(2));
    CHECK("/", "LL:l", "null", L(1), L(0));
    CHECK("/", "LL:l", "-9223372036854775808", L(INT64_MIN), L(-1));
    CHECK("/", "RR:r", "Infinity", R(1), R(0));
    CHECK("%", "LL:l", "10", L(-14), L(12));
    CHECK("%", "LL:l", "2", L(14), L(-12));
    CHECK("+", "dt:d", "2026-01-02T00:00:00.0000000Z", D("2026-01-01"), T(WR_TICKS_DAY));
    CHECK("-", "dd:t", "1.00:00:00", D("2026-01-02"), D("2026-01-01"));
    CHECK("/", "tt:r", "0.5", T(WR_TICKS_HOUR), T(2 * WR_TICKS_HOUR));
    CHECK("+", "LL:l", "null", L(1), N(WR_LONG));
    CHECK("+", "yy:y", "3", J("1"), J("2"));
    CHECK("-", "yy:y", "-1.5", J("1"), J("2.5"));
    CHECK("/", "yy:y", "null", J("1"), J("0"));
    CHECK("%", "yy:y", "10", J("-14"), J("12"));
    CHECK("*", "yy:y", "null", J("\"2\""), J("2"));
    CHECK("bin", "ll:l", "-5", L(-1), L(5));
    CHECK("bin", "ll:l", "null", L(1), L(0));
    CHECK("bin", "dt:d", "2026-11-23T00:00:00.0000000Z", D("2026-11-24T12:00:00"), T(7 * WR_TICKS_DAY));
    CHECK("round", "rl:r", "2.15", R(2.154), L(2));
    CHECK("sqrt", "r:r", "null", R(-1));
}

Test(kernels, conversion_gives_null_for_what_it_cannot_read)
{
    CHECK("tolong", "*:l", "123", S("123"));
    CHECK("tolong", "*:l", "2", R(2.7));
    CHECK("tolong", "*:l", "null", S("x"));
    CHECK("toint", "*:i", "null", L(INT64_C(1) << 40));
    CHECK("tolong", "*:l", "25", J("25"));
    CHECK("tobool", "*:b", "True", S("true"));
    CHECK("tobool", "*:b", "True", L(-3));
    CHECK("todatetime", "*:d", "2026-01-01T00:00:00.0000000Z", S("2026-01-01"));
    CHECK("totimespan", "*:t", "4.00:00:00", S("4.00:00:00"));
    CHECK("totimespan", "*:t", "null", S("24:00:99"));
    CHECK("tostring", "*:s", "True", B(true));
    CHECK("tostring", "*:s", "", N(WR_LONG));
    CHECK("tostring", "*:s", "a\"b", J("\"a\\\"b\""));
    CHECK("toguid", "*:g", "6a1e9c2e-1111-2222-3333-444455556666", S("6A1E9C2E111122223333444455556666"));
}

Test(kernels, text_functions)
{
    CHECK("substring", "sll?:s", "cd", S("abcdef"), L(2), L(2));
    CHECK("substring", "sll?:s", "ef", S("abcdef"), L(-2));
    CHECK("strlen", "s:l", "2", S("\xc3\xa4x"));
    CHECK("string_size", "s:l", "3", S("\xc3\xa4x"));
    CHECK("strcat", "*+:s", "a1", S("a"), N(WR_LONG), L(1));
    CHECK("strcat_delim", "s*+:s", "1-2-a", S("-"), L(1), L(2), S("a"));
    CHECK("split", "ssl?:y", "[\"a\",\"\",\"b\"]", S("a__b"), S("_"));
    CHECK("split", "ssl?:y", "[\"b\"]", S("a_b"), S("_"), L(1));
    CHECK("split", "ssl?:y", "null", S("a_b"), S("_"), L(7));
    CHECK("split", "ssl?:y", "[\"\"]", S(""), S("_"));
    CHECK("indexof", "**l?l?l?:l", "2", S("abcabc"), S("c"));
    CHECK("indexof", "**l?l?l?:l", "5", S("abcabc"), S("c"), L(0), L(-1), L(2));
    CHECK("countof", "ss:l", "3", S("aaaa"), S("aa"));
    CHECK("replace_string", "sss:s", "xbxb xnd more text", S("abab and more text"), S("a"), S("x"));
    CHECK("toupper", "s:s", "LONGER THAN INLINE", S("longer than inline"));
}

Test(kernels, time_functions)
{
    CHECK("ago", "t:d", "2026-01-01T03:04:05.0000000Z", T(WR_TICKS_DAY));
    CHECK("startofday", "dl?:d", "2026-01-03T00:00:00.0000000Z", D("2026-01-02T10:00:00"), L(1));
    CHECK("endofday", "dl?:d", "2026-01-02T23:59:59.9999999Z", D("2026-01-02T10:00:00"));
    CHECK("startofweek", "dl?:d", "2026-11-22T00:00:00.0000000Z", D("2026-11-24"));
    CHECK("startofmonth", "dl?:d", "2025-12-01T00:00:00.0000000Z", D("2026-01-15"), L(-1));
    CHECK("dayofweek", "d:t", "2.00:00:00", D("2026-11-24"));
    CHECK("datetime_diff", "sdd:l", "2", S("hour"), D("2026-01-02T01:00:00"), D("2026-01-01T23:59:00"));
    CHECK("datetime_add", "sld:d", "2026-02-28T00:00:00.0000000Z", S("month"), L(1), D("2026-01-31"));
    CHECK("datetime_part", "sd:i", "24", S("day"), D("2026-11-24"));
    CHECK("format_datetime", "ds:s", "26-01-02 [03:04:05 AM]", D("2026-01-02T03:04:05"),
          S("yy-MM-dd [hh:mm:ss tt]"));
    CHECK("format_timespan", "ts:s", "1.02:00", T(26 * WR_TICKS_HOUR), S("d.hh:mm"));
}

Test(kernels, dynamic_paths)
{
    CHECK("[]", "ys:y", "1", J("{\"b\":{\"a\":0},\"a\":1}"), S("a"));
    CHECK("[]", "ys:y", "null", J("{\"A\":1}"), S("a"));
    CHECK("[]", "ys:y", "null", J("[1]"), S("a"));
    CHECK("[]", "yl:y", "3", J("[1,[2],3]"), L(-1));
    CHECK("[]", "yl:y", "null", J("[1]"), L(1));
    CHECK("array_length", "y:l", "2", J("[1,{\"a\":[1,2]}]"));
    CHECK("array_length", "y:l", "null", J("{}"));
    CHECK("parse_json", "*:y", "{\"a\":[1,2]}", S(" { \"a\" : [1, 2] } "));
    CHECK("parse_json", "*:y", "not json", S("not json"));
    CHECK("parse_json", "*:y", "null", S(""));
}

Test(kernels, addresses)
{
    CHECK("ipv4_is_private", "s:b", "True", S("172.31.255.1"));
    CHECK("ipv4_is_private", "s:b", "False", S("127.0.0.1"));
    CHECK("ipv4_is_private", "s:b", "null", S("2001:db8::1"));
    CHECK("ipv4_is_in_range", "ss:b", "True", S("192.168.1.6"), S("192.168.1.1/24"));
    CHECK("ipv4_is_in_range", "ss:b", "null", S("192.168.1.6"), S("x"));
    CHECK("ipv4_is_match", "ssl?:b", "True", S("192.168.1.1/24"), S("192.168.1.255"));
    CHECK("parse_ipv4", "s:l", "3232235776", S("192.168.1.1/24"));
    CHECK("format_ipv4", "*l?:s", "192.168.1.0", S("192.168.1.255"), L(24));
}

Test(kernels, addresses_inside_texts)
{
    CHECK("has_ipv4", "ss:b", "True", S("05:04:54 127.0.0.1 GET /favicon.ico 404"), S("127.0.0.1"));
    CHECK("has_ipv4", "ss:b", "False", S("05:04:54127.0.0.1 GET"), S("127.0.0.1"));
    CHECK("has_ipv4", "ss:b", "False", S("a 127.0.0.256"), S("127.0.0.256"));
    CHECK("has_ipv4", "ss:b", "False", S("a 127.0.0.12"), S("127.0.0.1"));
    CHECK("has_any_ipv4", "sy:b", "True", S("(10.1.2.3)"), J("[\"10.1.2.4\",\"10.1.2.3\"]"));
    CHECK("has_ipv4_prefix", "ss:b", "True", S("x 10.1.2.3"), S("10.1."));
    CHECK("has_ipv4_prefix", "ss:b", "False", S("x 10.1.2.3"), S("10.1"));
    CHECK("has_any_ipv4_prefix", "ss+:b", "False", S("x 10.1.2.3"), S("10.2."), S("11."));
    CHECK("format_ipv4_mask", "*l?:s", "192.168.1.0/24", S("192.168.1.255"), L(24));
}

Test(kernels, json_depth_is_bounded)
{
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    cr_expect_null(wr_json_end(deep, deep + 400, 0));
    cr_expect_eq(wr_json_end(deep + 160, deep + 240, 0), deep + 240);
}

Test(kernels, regular_expressions)
{
    CHECK("matches regex", "ss:b", "True", S("mail.example.org"), S("^mail\\.[a-z]+"));
    CHECK("matches regex", "ss:b", "False", S("Mail.example.org"), S("^mail"));
    CHECK("matches regex", "ss:b", "True", S("Mail"), S("(?i)^MAIL$"));
    CHECK("matches regex", "ss:b", "null", S("a"), S("(unclosed"));
    CHECK("extract", "sls:s", "587", S("port=(?<p>[0-9]+)"), L(1), S("x port=587 y"));
    CHECK("extract", "sls:s", "port=587", S("port=([0-9]+)"), L(0), S("x port=587 y"));
    CHECK("extract", "sls:s", "", S("port=([0-9]+)"), L(1), S("none"));
    CHECK("extract", "sls:s", "", S("a(b)?"), L(1), S("a"));
    CHECK("extract_all", "ss:y", "[\"a\",\"b\"]", S("([a-z])[0-9]"), S("a1 b2"));
    CHECK("extract_all", "ss:y", "null", S("([a-z])[0-9]"), S("--"));
    /* Matches that follow each other at once, and those that do not; what stands before a match counts. */
    CHECK("extract_all", "ss:y", "[\"a\",\"b\",\"\xc3\xa4\",\"a\",\"a\"]", S("(a|b|\xc3\xa4)"), S("ab\xc3\xa4--a-a"));
    CHECK("extract_all", "ss:y", "[\"a\",\"c\"]", S("(\\b\\w)"), S("ab cd"));
    CHECK("extract_all", "ss:y", "[\"a\"]", S("^(a)"), S("aaa"));
    CHECK("extract_all", "ss:y", "[\"a\",\"\",\"a\",\"\"]", S("(a?)"), S("aba"));
    CHECK("extract_all", "sys:y", "[[\"a\",\"1\"],[\"b\",\"2\"]]", S("(?P<l>[a-z])([0-9])"), J("[\"l\",2]"),
          S("a1 b2"));
    CHECK("replace_regex", "sss:s", "<1>-<2>", S("1-2"), S("([0-9])"), S("<\\1>"));
    CHECK("replace_regex", "sss:s", "-a-b-", S("ab"), S(""), S("-"));
    CHECK("replace", "sss:s", "x.y", S("[ ]+"), S("."), S("x   y"));
    CHECK("trim", "ss:s", "https://bing.com", S("--"), S("----https://bing.com--"));
    CHECK("trim", "ss:s", "", S("[^a-z]+"), S("123"));
    CHECK("trim_start", "ss:s", "a--", S("-"), S("--a--"));
    CHECK("trim_end", "ss:s", "--a", S("-"), S("--a--"));
    CHECK("countof", "sss:l", "3", S("aaaa"), S("aa"), S("normal"));
    CHECK("countof", "sss:l", "2", S("aaaa"), S("aa"), S("regex"));
    CHECK("regex_quote", "s:s", "\\(so\\$me\\.Te\\^xt\\)", S("(so$me.Te^xt)"));
}

Test(kernels, a_regular_expression_takes_linear_time)
{
    static char text[20001];
    memset(text, 'a', sizeof text - 1);
    CHECK("matches regex", "ss:b", "False", S(text), S("^(a+)+$b"));
}

Test(kernels, arrays)
{
    CHECK("array_slice", "yll:y", "[3,4,5]", J("[1,2,3,4,5]"), L(2), L(-1));
    CHECK("array_slice", "yll:y", "[]", J("[1]"), L(5), L(9));
    CHECK("array_slice", "yll:y", "null", J("{}"), L(0), L(1));
    CHECK("array_slice", "yll:y", "null", N(WR_DYNAMIC), L(0), L(1));
    CHECK("array_split", "y*:y", "[[1,2],[3]]", J("[1,2,3]"), L(2));
    CHECK("array_split", "y*:y", "[[1],[2],[3]]", J("[1,2,3]"), J("[1,-1]"));
    CHECK("array_concat", "y+:y", "[1,\"a\",2]", J("[1,\"a\"]"), J("[2]"));
    CHECK("array_concat", "y+:y", "null", J("[1]"), N(WR_DYNAMIC));
    CHECK("array_reverse", "y:y", "[2,1]", J("[1,2]"));
    CHECK("array_rotate_left", "yl:y", "[3,1,2]", J("[1,2,3]"), L(-1));
    CHECK("array_rotate_right", "yl:y", "[3,1,2]", J("[1,2,3]"), L(4));
    CHECK("array_rotate_left", "yl:y", "[]", J("[]"), L(INT64_MIN));
    CHECK("array_shift_left", "yl*?:y", "[3,null,null]", J("[1,2,3]"), L(2));
    CHECK("array_shift_right", "yl*?:y", "[0,1,2]", J("[1,2,3]"), L(1), L(0));
    CHECK("array_iff", "y**:y", "[\"a\",\"b\",null]", J("[1,false,\"x\"]"), S("a"), S("b"));
    CHECK("array_index_of", "y*l?l?l?:l", "1", J("[\"a\",\"b\"]"), S("b"));
    CHECK("array_index_of", "y*l?l?l?:l", "-1", J("[\"a\",\"b\"]"), S("B"));
    CHECK("array_sum", "y:r", "3.5", J("[1,2.5]"));
    CHECK("array_sum", "y:r", "null", J("[1,\"x\"]"));
    CHECK("array_sort_asc", "y:y", "[2,10,\"a\",null]", J("[null,\"a\",10,2]"));
    CHECK("array_sort_desc", "y:y", "[\"a\",10,2,null]", J("[null,\"a\",10,2]"));
    CHECK("strcat_array", "ys:s", "1->b", J("[1,\"b\"]"), S("->"));
    CHECK("zip", "yy+:y", "[[1,\"a\"],[2,null]]", J("[1,2]"), J("[\"a\"]"));
    CHECK("range", "lll?:y", "[1,3,5]", L(1), L(6), L(2));
    CHECK("range", "lll?:y", "null", L(1), L(6), L(0));
    CHECK("range", "lll?:y", "[9223372036854775806,9223372036854775807]", L(INT64_MAX - 1), L(INT64_MAX));
    CHECK("range", "ttt?:y", "[\"00:00:00\",\"01:00:00\"]", T(0), T(WR_TICKS_HOUR));
}

Test(kernels, sets_keep_the_first_of_equals)
{
    CHECK("set_union", "y+:y", "[1,2,\"1\",null]", J("[1,2,1.0]"), J("[\"1\",null,null]"));
    CHECK("set_union", "y+:y", "null", J("[1]"), J("{}"));
    CHECK("set_intersect", "yy+:y", "[2]", J("[1,2,2]"), J("[2,3]"));
    CHECK("set_difference", "yy+:y", "[1]", J("[1,2,2]"), J("[2,3]"));
    CHECK("set_has_element", "y*:b", "True", J("[\"mail\",2]"), L(2));
    CHECK("set_has_element", "y*:b", "False", J("[\"mail\"]"), S("MAIL"));
    CHECK("set_has_element", "y*:b", "null", N(WR_DYNAMIC), S("a"));
    CHECK("jaccard_index", "yy:y", "0.5", J("[1,2]"), J("[1,2,3,4]"));
}

Test(kernels, bags)
{
    CHECK("bag_pack", "(s*)+:y", "{\"a\":1,\"b\":null}", S("a"), L(1), S("b"), N(WR_LONG), S("a"), L(3));
    CHECK("bag_keys", "y:y", "[\"a\",\"b\"]", J("{\"a\":1,\"b\":{\"c\":2}}"));
    CHECK("bag_keys", "y:y", "null", J("[1]"));
    CHECK("bag_has_key", "ys:b", "False", J("{\"a\":1}"), S("A"));
    CHECK("bag_merge", "yy+:y", "{\"a\":1,\"b\":3}", J("{\"a\":1}"), J("{\"a\":2,\"b\":3}"));
    CHECK("bag_merge", "yy+:y", "{\"a\":1}", N(WR_DYNAMIC), J("{\"a\":1}"));
    CHECK("bag_remove_keys", "yy:y", "{\"b\":3}", J("{\"a\":2,\"b\":3}"), J("[\"a\",\"x\"]"));
    CHECK("bag_set_key", "ys*:y", "{\"a\":\"x\"}", J("{\"a\":2}"), S("a"), S("x"));
    CHECK("bag_set_key", "ys*:y", "{\"a\":2,\"b\":null}", J("{\"a\":2}"), S("b"), N(WR_LONG));
    CHECK("bag_zip", "yy:y", "{\"a\":1,\"b\":null}", J("[\"a\",\"b\"]"), J("[1]"));
    CHECK("extract_json", "ss:s", "b", S("$.x['y z'][1]"), S("{\"x\":{\"y z\":[\"a\",\"b\"]}}"));
    CHECK("extract_json", "ss:s", "", S("$.x["), S("{\"x\":1}"));
    CHECK("extract_json", "ss:s", "", S("$.x"), S("{\"x\":"));
}

Test(kernels, codes_and_parts_of_texts)
{
    CHECK("hash_md5", "*:s", "7d793037a0760186574b0282f2f435e7", S("world"));
    CHECK("hash_sha1", "*:s", "7c211433f02071597741e6ff5a8ea34789abbf43", S("world"));
    CHECK("base64_encode_tostring", "s:s", "S3VzdG8=", S("Kusto"));
    CHECK("base64_decode_tostring", "s:s", "Kusto", S("S3VzdG8="));
    CHECK("base64_decode_tostring", "s:s", "", S("S3VzdG8"));
    CHECK("base64_decode_toarray", "s:y", "[75,117]", S("S3U="));
    CHECK("base64_decode_toarray", "s:y", "null", S("=S3U"));
    CHECK("url_encode", "s:s", "a%20b%26", S("a b&"));
    CHECK("url_decode", "s:s", "a b%", S("a%20b%"));
    CHECK("url_decode", "s:s", "", S("%ff"));
    CHECK("parse_url", "s:y",
          "{\"Scheme\":\"https\",\"Host\":\"h\",\"Port\":\"8080\",\"Path\":\"/p\",\"Username\":\"u\",\"Password\":\"w\","
          "\"Query Parameters\":{\"k\":\"v\"},\"Fragment\":\"f\"}",
          S("https://u:w@h:8080/p?k=v#f"));
    CHECK("parse_urlquery", "s:y", "{\"Query Parameters\":{\"a\":\"1\",\"b\":\"\"}}", S("?a=1&b&a=2"));
    CHECK("parse_path", "s:y",
          "{\"Scheme\":\"\",\"RootPath\":\"C:\",\"DirectoryPath\":\"C:\\\\a\\\\b\",\"DirectoryName\":\"b\","
          "\"Filename\":\"x.tar.gz\",\"Extension\":\"gz\",\"AlternateDataStreamName\":\"s\"}",
          S("C:\\a\\b\\x.tar.gz:s"));
    CHECK("parse_version", "s:c", "1000000020000000300000004", S("1.2.3.4"));
    CHECK("parse_version", "s:c", "null", S("1.2.3.4.5"));
}

Test(kernels, ipv6_takes_ipv4_as_mapped)
{
    CHECK("ipv6_is_in_range", "ss:b", "True", S("a5e:f127:8a9d:146d:e102:b5d3:c755:f6cd"), S("a5e:f127:8a9d::/48"));
    CHECK("ipv6_is_in_range", "ss:b", "False", S("fe80::1"), S("fe80::2"));
    CHECK("ipv6_is_in_range", "ss:b", "True", S("192.168.1.9"), S("::ffff:c0a8:100/120"));
    CHECK("ipv6_is_in_range", "ss:b", "True", S("192.168.1.9"), S("192.168.0.0/16"));
    CHECK("ipv6_is_in_range", "ss:b", "null", S("fe80::1/129"), S("fe80::/10"));
    CHECK("ipv6_is_in_range", "ss:b", "null", S("fe80::1"), S("fe80::/-1"));
    CHECK("ipv6_is_in_any_range", "sy:b", "True", S("fe80::1"), J("[\"::1\",\"fe80::/10\"]"));
    CHECK("ipv6_is_match", "ssl?:b", "True", S("fe80::85d:e82c:9446:7994/127"), S("fe80::85d:e82c:9446:7995"));
    CHECK("ipv6_is_match", "ssl?:b", "False", S("fe80::1"), S("fe80::2"));
    CHECK("ipv6_compare", "ssl?:l", "-1", S("192.168.1.1"), S("192.168.1.2"));
    CHECK("ipv6_compare", "ssl?:l", "0", S("fe80::1"), S("fe80::2"), L(64));
    CHECK("parse_ipv6", "s:s", "0000:0000:0000:0000:0000:ffff:c0a8:0101", S("192.168.1.1"));
    CHECK("parse_ipv6", "s:s", "fe80:0000:0000:0000:0000:0000:0000:0000", S("fe80::ffff/16"));
    CHECK("parse_ipv6", "s:s", "", S("not one"));
}

Test(kernels, bits_angles_and_texts)
{
    CHECK("binary_and", "ll:l", "2", L(6), L(3));
    CHECK("binary_xor", "ll:l", "5", L(6), L(3));
    CHECK("binary_not", "l:l", "-2", L(1));
    CHECK("binary_shift_left", "ll:l", "8", L(1), L(3));
    CHECK("binary_shift_left", "ll:l", "null", L(1), L(-3));
    CHECK("degrees", "r:r", "180.0", R(M_PI));
    CHECK("atan2", "rr:r", "0.0", R(0), R(1));
    CHECK("isascii", "s:b", "False", S("caf\u00e9"));
    CHECK("translate", "sss:s", "bc", S("ax"), S("bc"), S("ax"));
    CHECK("translate", "sss:s", "a", S("bc"), S("a"), S("b"));
    CHECK("replace_strings", "syy:s", "y.z", S("a.b"), J("[\"a\",\"b\"]"), J("[\"y\",\"z\"]"));
    CHECK("parse_csv", "s:y", "[\"a\",\"b,\\\"c\",\"\"]", S("a,\"b,\"\"c\","));
}
