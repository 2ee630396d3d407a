/* The JSON parser against the cases of the public JSON test suite ("Parsing JSON is a minefield", N. Seriot), by their
 * names: y_ must be accepted, n_ refused; of i_, where RFC 8259 leaves the choice, what weir does. Then what a record's
 * limits, keys and odd bytes become. */
#include "support.h"
#include "tests/support/json_same.h"

struct jcase {
    const char *name, *text;
    size_t len;
};
#define C(name, text) {name, text, sizeof(text) - 1}

static const struct jcase accepted[] = {
    C("array_arraysWithSpaces", "[[]   ]"), C("array_empty-string", "[\"\"]"), C("array_empty", "[]"),
    C("array_ending_with_newline", "[\"a\"]\n"), C("array_false", "[false]"), C("array_heterogeneous", "[null, 1, \"1\", {}]"),
    C("array_null", "[null]"), C("array_with_1_and_newline", "[1\n]"), C("array_with_leading_space", " [1]"),
    C("array_with_several_null", "[1,null,null,null,2]"), C("array_with_trailing_space", "[2] "),
    C("number", "[123e65]"), C("number_0e+1", "[0e+1]"), C("number_0e1", "[0e1]"), C("number_after_space", "[ 4]"),
    C("number_double_close_to_zero", "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]"),
    C("number_int_with_exp", "[20e1]"), C("number_minus_zero", "[-0]"), C("number_negative_int", "[-123]"),
    C("number_negative_one", "[-1]"), C("number_real_capital_e", "[1E22]"), C("number_real_capital_e_neg_exp", "[1E-2]"),
    C("number_real_capital_e_pos_exp", "[1E+2]"), C("number_real_exponent", "[123e45]"),
    C("number_real_fraction_exponent", "[123.456e78]"), C("number_real_neg_exp", "[1e-2]"), C("number_simple_int", "[123]"),
    C("number_simple_real", "[123.456789]"), C("object", "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"), C("object_basic", "{\"asd\":\"sdf\"}"),
    C("object_duplicated_key", "{\"a\":\"b\",\"a\":\"c\"}"), C("object_duplicated_key_and_value", "{\"a\":\"b\",\"a\":\"b\"}"),
    C("object_empty", "{}"), C("object_empty_key", "{\"\":0}"), C("object_escaped_null_in_key", "{\"foo\\u0000bar\": 42}"),
    C("object_extreme_numbers", "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"), C("object_simple", "{\"a\":[]}"),
    C("object_string_unicode", "{\"title\":\"\\u041f\\u043e\" }"), C("object_with_newlines", "{\n\"a\": \"b\"\n}"),
    C("string_1_2_3_bytes_UTF-8_sequences", "[\"\\u0060\\u012a\\u12AB\"]"), C("string_accepted_surrogate_pair", "[\"\\uD801\\udc37\"]"),
    C("string_accepted_surrogate_pairs", "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"), C("string_allowed_escapes", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    C("string_backslash_and_u_escaped_zero", "[\"\\\\u0000\"]"), C("string_backslash_doublequotes", "[\"\\\"\"]"),
    C("string_comments", "[\"a/*b*/c/*d//e\"]"), C("string_double_escape_a", "[\"\\\\a\"]"), C("string_double_escape_n", "[\"\\\\n\"]"),
    C("string_escaped_control_character", "[\"\\u0012\"]"), C("string_escaped_noncharacter", "[\"\\uFFFF\"]"),
    C("string_in_array", "[\"asd\"]"), C("string_last_surrogates_1_and_2", "[\"\\uDBFF\\uDFFF\"]"), C("string_nbsp_uescaped", "[\"new\\u00A0line\"]"),
    C("string_nonCharacterInUTF-8_U+10FFFF", "[\"\xf4\x8f\xbf\xbf\"]"), C("string_nonCharacterInUTF-8_U+FFFF", "[\"\xef\xbf\xbf\"]"),
    C("string_null_escape", "[\"\\u0000\"]"), C("string_one-byte-utf-8", "[\"\\u002c\"]"), C("string_pi", "[\"\xcf\x80\"]"),
    C("string_simple_ascii", "[\"asd \"]"), C("string_space", "\" \""), C("string_three-byte-utf-8", "[\"\\u0821\"]"),
    C("string_u+2028_line_sep", "[\"\xe2\x80\xa8\"]"), C("string_uEscape", "[\"\\u0061\\u30af\\u30EA\\u30b9\"]"),
    C("string_unicode_U+FDD0_nonchar", "[\"\\uFDD0\"]"), C("string_utf8", "[\"\xe2\x82\xac\xf0\x9d\x84\x9e\"]"), C("string_with_del_character", "[\"a\x7f" "a\"]"),
    C("structure_lonely_false", "false"), C("structure_lonely_int", "42"), C("structure_lonely_negative_real", "-0.1"),
    C("structure_lonely_null", "null"), C("structure_lonely_string", "\"asd\""), C("structure_lonely_true", "true"),
    C("structure_string_empty", "\"\""), C("structure_trailing_newline", "[\"a\"]\n"), C("structure_true_in_array", "[true]"),
    C("structure_whitespace_array", " [] "),
};

static const struct jcase refused[] = {
    C("array_1_true_without_comma", "[1 true]"), C("array_a_invalid_utf8", "[a\xe5]"), C("array_colon_instead_of_comma", "[\"\": 1]"),
    C("array_comma_after_close", "[\"\"],"), C("array_comma_and_number", "[,1]"), C("array_double_comma", "[1,,2]"),
    C("array_double_extra_comma", "[\"x\",,]"), C("array_extra_close", "[\"x\"]]"), C("array_extra_comma", "[\"\",]"),
    C("array_incomplete", "[\"x\""), C("array_incomplete_invalid_value", "[x"), C("array_inner_array_no_comma", "[3[4]]"),
    C("array_items_separated_by_semicolon", "[1:2]"), C("array_just_comma", "[,]"), C("array_just_minus", "[-]"),
    C("array_missing_value", "[   , \"\"]"), C("array_newlines_unclosed", "[\"a\",\n4\n,1,"), C("array_number_and_comma", "[1,]"),
    C("array_spaces_vertical_tab_formfeed", "[\"\va\"\\f]"), C("array_star_inside", "[*]"), C("array_unclosed", "[\"\""),
    C("array_unclosed_trailing_comma", "[1,"), C("array_unclosed_with_object_inside", "[{}"), C("incomplete_false", "[fals]"),
    C("incomplete_null", "[nul]"), C("incomplete_true", "[tru]"), C("multidigit_number_then_00", "123\0"), C("number_++", "[++1234]"),
    C("number_+1", "[+1]"), C("number_+Inf", "[+Inf]"), C("number_-01", "[-01]"), C("number_-1.0.", "[-1.0.]"), C("number_-2.", "[-2.]"),
    C("number_-NaN", "[-NaN]"), C("number_.-1", "[.-1]"), C("number_.2e-3", "[.2e-3]"), C("number_0.1.2", "[0.1.2]"), C("number_0.3e+", "[0.3e+]"),
    C("number_0.3e", "[0.3e]"), C("number_0.e1", "[0.e1]"), C("number_0_capital_E+", "[0E+]"), C("number_0_capital_E", "[0E]"), C("number_0e+", "[0e+]"),
    C("number_0e", "[0e]"), C("number_1.0e+", "[1.0e+]"), C("number_1.0e-", "[1.0e-]"), C("number_1.0e", "[1.0e]"), C("number_1_000", "[1 000.0]"),
    C("number_1eE2", "[1eE2]"), C("number_2.e+3", "[2.e+3]"), C("number_2.e-3", "[2.e-3]"), C("number_2.e3", "[2.e3]"), C("number_9.e+", "[9.e+]"),
    C("number_Inf", "[Inf]"), C("number_NaN", "[NaN]"), C("number_U+FF11", "[\xef\xbc\x91]"), C("number_expression", "[1+2]"), C("number_hex_1_digit", "[0x1]"),
    C("number_hex_2_digits", "[0x42]"), C("number_infinity", "[Infinity]"), C("number_invalid+-", "[0e+-1]"), C("number_invalid-negative-real", "[-123.123foo]"),
    C("number_invalid-utf-8-in-bigger-int", "[123\xe5]"), C("number_invalid-utf-8-in-exponent", "[1e1\xe5]"), C("number_invalid-utf-8-in-int", "[0\xe5]\n"),
    C("number_minus_infinity", "[-Infinity]"), C("number_minus_sign_with_trailing_garbage", "[-foo]"), C("number_minus_space_1", "[- 1]"),
    C("number_neg_int_starting_with_zero", "[-012]"), C("number_neg_real_without_int_part", "[-.123]"), C("number_neg_with_garbage_at_end", "[-1x]"),
    C("number_real_garbage_after_e", "[1ea]"), C("number_real_without_fractional_part", "[1.]"), C("number_starting_with_dot", "[.123]"),
    C("number_with_alpha", "[1.2a-3]"), C("number_with_leading_zero", "[012]"), C("object_bad_value", "[\"x\", truth]"), C("object_bracket_key", "{[: \"x\"}"),
    C("object_comma_instead_of_colon", "{\"x\", null}"), C("object_double_colon", "{\"x\"::\"b\"}"), C("object_emoji", "{\xf0\x9f\x87\xa8}"),
    C("object_garbage_at_end", "{\"a\":\"a\" 123}"), C("object_key_with_single_quotes", "{key: 'value'}"),
    C("object_lone_continuation_byte_in_key_and_trailing_comma", "{\"\xb9\":\"0\",}"), C("object_missing_colon", "{\"a\" b}"), C("object_missing_key", "{:\"b\"}"),
    C("object_missing_semicolon", "{\"a\" \"b\"}"), C("object_missing_value", "{\"a\":"), C("object_no-colon", "{\"a\""), C("object_non_string_key", "{1:1}"),
    C("object_repeated_null_null", "{null:null,null:null}"), C("object_several_trailing_commas", "{\"id\":0,,,,,}"), C("object_single_quote", "{'a':0}"),
    C("object_trailing_comma", "{\"id\":0,}"), C("object_trailing_comment", "{\"a\":\"b\"}/**/"), C("object_trailing_comment_slash_open", "{\"a\":\"b\"}//"),
    C("object_two_commas_in_a_row", "{\"a\":\"b\",,\"c\":\"d\"}"), C("object_unquoted_key", "{a: \"b\"}"), C("object_unterminated-value", "{\"a\":\"a"),
    C("object_with_single_string", "{ \"foo\" : \"bar\", \"a\" }"), C("object_with_trailing_garbage", "{\"a\":\"b\"}#"), C("single_space", " "),
    C("string_1_surrogate_then_escape", "[\"\\uD800\\\"]"), C("string_1_surrogate_then_escape_u", "[\"\\uD800\\u\"]"),
    C("string_1_surrogate_then_escape_u1x", "[\"\\uD800\\u1x\"]"), C("string_accentuated_char_no_quotes", "[\xc3\xa9]"), C("string_backslash_00", "[\"\\\0\"]"),
    C("string_escape_x", "[\"\\x00\"]"), C("string_escaped_backslash_bad", "[\"\\\\\\\"]"), C("string_escaped_ctrl_char_tab", "[\"\\\t\"]"),
    C("string_incomplete_escape", "[\"\\\"]"), C("string_incomplete_escaped_character", "[\"\\u00A\"]"), C("string_invalid_backslash_esc", "[\"\\a\"]"),
    C("string_invalid_unicode_escape", "[\"\\uqqqq\"]"), C("string_invalid_utf8_after_escape", "[\"\\\xe5\"]"), C("string_leading_uescaped_thinspace", "[\\u0020\"asd\"]"),
    C("string_no_quotes_with_bad_escape", "[\\n]"), C("string_single_doublequote", "\""), C("string_single_quote", "['single quote']"),
    C("string_single_string_no_double_quotes", "abc"), C("string_start_escape_unclosed", "[\"\\"), C("string_unescaped_ctrl_char", "[\"a\0a\"]"),
    C("string_unescaped_newline", "[\"new\nline\"]"), C("string_unescaped_tab", "[\"\t\"]"), C("string_unicode_CapitalU", "\"\\UA66D\""),
    C("string_with_trailing_garbage", "\"\"x"), C("structure_U+2060_word_joined", "[\xe2\x81\xa0]"), C("structure_angle_bracket_.", "<.>"),
    C("structure_array_trailing_garbage", "[1]x"), C("structure_array_with_unclosed_string", "[\"asd]"), C("structure_ascii-unicode-identifier", "a\xc3\xa5"),
    C("structure_capitalized_True", "[True]"), C("structure_close_unopened_array", "1]"), C("structure_comma_instead_of_closing_brace", "{\"x\": true,"),
    C("structure_double_array", "[][]"), C("structure_end_array", "]"), C("structure_lone-invalid-utf-8", "\xe5"), C("structure_lone-open-bracket", "["),
    C("structure_no_data", ""), C("structure_null-byte-outside-string", "[\0]"), C("structure_object_followed_by_closing_object", "{}}"),
    C("structure_object_unclosed_no_value", "{\"\":"), C("structure_object_with_comment", "{\"a\":/*comment*/\"b\"}"), C("structure_open_array_apostrophe", "['"),
    C("structure_open_array_comma", "[,"), C("structure_open_array_open_object", "[{"), C("structure_open_object_close_array", "{]"), C("structure_open_object_comma", "{,"),
    C("structure_open_object_open_string", "{\"a"), C("structure_open_open", "[\"\\{[\"\\{[\"\\{[\"\\{"), C("structure_single_star", "*"),
    C("structure_trailing_#", "{\"a\":\"b\"}#{}"), C("structure_unclosed_array_partial_null", "[ false, nul"), C("structure_unicode-identifier", "\xc3\xa5"),
    C("structure_UTF8_BOM_no_data", "\xef\xbb\xbf"), C("structure_whitespace_formfeed", "[\f]"), C("structure_whitespace_U+2060", "[\xe2\x81\xa0]"),
    /* i_: the choice is ours */
    C("i_number_huge_exp", "[0.4e00669999999999999999999999999999999999999999999999999999999999999]"), C("i_number_too_big_pos_int", "[100000000000000000000]"),
    C("i_string_invalid_utf-8", "[\"\xff\"]"), C("i_string_overlong_sequence_2_bytes", "[\"\xc0\xaf\"]"), C("i_string_UTF-16LE_with_BOM", "\xff\xfe[\0\"\0"),
};

static const struct jcase chosen[] = { /* i_ and accepted: half a surrogate pair reads as U+FFFD */
    C("i_object_key_lone_2nd_surrogate", "{\"\\uDFAA\":0}"), C("i_string_1st_surrogate_but_2nd_missing", "[\"\\uDADA\"]"),
    C("i_string_1st_valid_surrogate_2nd_invalid", "[\"\\uD888\\u1234\"]"), C("i_string_incomplete_surrogate_and_escape_valid", "[\"\\uD800\\n\"]"),
    C("i_string_inverted_surrogates_U+1D11E", "[\"\\uDd1e\\uD834\"]"), C("i_string_lone_second_surrogate", "[\"\\uDFAA\"]"), C("i_number_real_underflow", "[123e-10000000]"),
};

static enum wr_json_result parse(struct wr_json *json, const struct jcase *c)
{
    struct wr_json_val root;
    bool repaired;
    return wr_json_parse(json, c->text, c->len, &root, &repaired);
}

Test(json, the_public_test_suite)
{
    struct wr_json *json = wr_json_new();
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
        cr_expect_eq(parse(json, &accepted[i]), WR_JSON_OK, "y_%s is refused", accepted[i].name);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_expect_eq(parse(json, &refused[i]), WR_JSON_BAD, "n_%s is accepted", refused[i].name);
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++)
        cr_expect_eq(parse(json, &chosen[i]), WR_JSON_OK, "%s is refused", chosen[i].name);
    wr_json_free(json);
}

Test(json, a_hundred_thousand_open_brackets_are_a_limit)
{
    struct wr_json *json = wr_json_new();
    char *deep = malloc(200000);
    struct wr_json_val root;
    bool repaired;
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    cr_expect_eq(wr_json_parse(json, deep, 200000, &root, &repaired), WR_JSON_LIMIT);
    cr_expect_neq(wr_json_parse(json, deep, 100000, &root, &repaired), WR_JSON_OK);
    free(deep);
    wr_json_free(json);
}

#define EVENT(extra) "{\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"properties\":{\"Timestamp\":\"2023-11-14T22:13:20Z\"," \
                     "\"ActionType\":\"ProcessCreated\"," extra "}}"

Test(json, keys_that_come_twice_odd_bytes_and_zeros_have_defined_results)
{
    static const struct {
        const char *text;
        size_t len;
        const char *file;
        uint64_t dup, utf8;
    } cases[] = {
        {EVENT("\"FileName\":\"first\",\"FileName\":\"last\""), sizeof EVENT("\"FileName\":\"first\",\"FileName\":\"last\"") - 1, "last", 1, 0},
        {EVENT("\"FileName\":\"a\xff" "b\""), sizeof EVENT("\"FileName\":\"a\xff" "b\"") - 1, "a\xef\xbf\xbd" "b", 0, 1},
        {EVENT("\"FileName\":\"a\\ud800b\""), sizeof EVENT("\"FileName\":\"a\\ud800b\"") - 1, "a\xef\xbf\xbd" "b", 0, 1},
        {EVENT("\"FileName\":\"a\\u001b[31m\""), sizeof EVENT("\"FileName\":\"a\\u001b[31m\"") - 1, "a\x1b[31m", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f = open_rows(false, 1);
        feed(&f, cases[i].text, cases[i].len);
        const struct wr_batch *b = f.rows.of[WR_TABLE_DEVICE_PROCESS_EVENTS];
        cr_assert_eq(b->nrows, 1, "case %zu", i);
        EXPECT_CELL(b, WR_DPE_FileName, 0, cases[i].file);
        cr_expect_eq(wr_log_stats(f.log)->dup_key, cases[i].dup, "case %zu", i);
        cr_expect_eq(wr_log_stats(f.log)->bad_utf8, cases[i].utf8, "case %zu", i);
        close_rows(&f);
    }
    struct fixture f = open_rows(false, 1);
    static const char nul[] = EVENT("\"FileName\":\"a\\u0000b\"");
    feed(&f, nul, sizeof nul - 1);
    const struct wr_str *s = &f.rows.of[WR_TABLE_DEVICE_PROCESS_EVENTS]->col[WR_DPE_FileName].s[0];
    cr_expect(s->len == 3 && !memcmp(wr_str_data(s), "a\0b", 3)); /* a NUL is a character like others */
    static const char raw[] = EVENT("\"FileName\":\"a\nb\"");
    take_rows(&f);
    feed(&f, raw, sizeof raw - 1);
    EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "json");
    close_rows(&f);
}

/* A random value, of what texts hold in practice and of what is just wrong. */
static void put_value(struct wr_buf *b, unsigned *seed, int depth)
{
    static const char *const scalars[] = {"0", "-0", "17", "-4294967296", "9223372036854775807", "9223372036854775808",
        "18446744073709551616", "-9223372036854775809", "1.5", "-0.0", "9007199254740993.0", "0.30000000000000004", "-1764000000.123456", "1234567890.123456789", "0.0000000000000000001", "1e308", "1e309", "-1e-400", "0.1e310", "100e-330", "01", "1.",
        "123456789012345678901234567890.25", "true", "false", "null", "nul", "\"\"", "\"text\"", "\"a\\\\\"", "\"\\\"\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0000\\u0041\\u00e9\\u20ac\"", "\"\\ud83d\\ude39\"", "\"\xc3\xa9\xe2\x82\xac\"", "\"\xc3\"", "\"\\x\"", "\"\\u12g4\"", "\"}]{[\"", "{}", "[]"};
    static const char *const blanks[] = {"", "", "", "", " ", "\t", "\n ", "\r\n"};
    unsigned r = (unsigned)rand_r(seed);
    wr_buf_str(b, blanks[r % 8]);
    if (depth == 0 || r / 8 % 3) {
        wr_buf_str(b, scalars[r / 64 % (sizeof scalars / sizeof *scalars)]);
    } else {
        bool object = r / 64 % 2;
        wr_buf_char(b, object ? '{' : '[');
        for (unsigned i = 0, n = r / 128 % 5; i < n; i++) {
            if (i)
                wr_buf_char(b, ',');
            if (object)
                wr_buf_str(b, i % 2 ? "\"k\\u006b\\\\\":" : " \"key\" :");
            put_value(b, seed, depth - 1);
        }
        wr_buf_char(b, object ? '}' : ']');
    }
    wr_buf_str(b, blanks[r >> 8 & 7]);
}

Test(json, reads_what_simdjson_reads)
{
    struct wr_json *json = wr_json_new();
    struct wr_buf b = {0};
    unsigned seed = 1, taken = 0, runs = 60000;
    for (unsigned i = 0; i < runs; i++) {
        struct wr_json_val root;
        bool repaired;
        wr_buf_reset(&b);
        put_value(&b, &seed, 5);
        if (rand_r(&seed) % 4 == 0) /* some are broken at a byte */
            b.data[(unsigned)rand_r(&seed) % b.len] = "{}[]:,\"\\ \n1-e.tu\x01\xff"[rand_r(&seed) % 18];
        cr_assert(json_same(json, b.data, b.len), "%.*s", (int)b.len, b.data);
        taken += wr_json_parse(json, b.data, b.len, &root, &repaired) == WR_JSON_OK && root.type >= WR_JSON_OBJECT;
    }
    cr_expect(taken > runs / 20 && taken < runs / 2, "%u", taken);
    wr_buf_fini(&b);
    wr_json_free(json);
}

Test(json, reads_what_simdjson_reads_when_any_byte_of_an_event_is_another)
{
    static const char event[] = "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{\"Timestamp\":\"2023-11-14T22:13:20Z\",\"RemotePort\":587,"
                                "\"InitiatingProcessFolderPath\":\"C:\\\\a\\u00e9\",\"AdditionalFields\":null,\"IsX\":[true,false,-1.5e3]}}";
    static const char bytes[] = "{}[]:,\"\\ \n0e\x01\xff";
    struct wr_json *json = wr_json_new();
    char text[sizeof event];
    for (size_t i = 0; i < sizeof event - 1; i++)
        for (size_t k = 0; k < sizeof bytes - 1; k++) {
            memcpy(text, event, sizeof event);
            text[i] = bytes[k];
            cr_assert(json_same(json, event, sizeof event - 1), "%s", event); /* its shape is known */
            cr_assert(json_same(json, text, sizeof event - 1), "%s", text);
            cr_assert(json_same(json, event, i), "%.*s", (int)i, event);
        }
    wr_json_free(json);
}

/* The same where other bytes follow, as in a stream, and the text is looked at where it stands. */
Test(json, a_text_in_a_stream_is_known_by_one_before)
{
    static const char event[] = "{\"a\":\"x\",\"long name with\":[1,-2.5e3,true , null],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"0123456789abcdef0123456789\"}";
    static const struct {
        const char *text;
        bool known;
    } cases[] = {
        {event, true},
        {"{\"a\":\"\\\"\\/\\n\\u00e9\\ufffd\",\"long name with\":[0,123456789012345678,1e3 , false],\"b\":{\"c\":null,\"d\":{}},\"e\":18446744073709551615}", true},
        {"{\"a\":\"\xc3\xa9\xe4\xb8\x89\xf0\x9f\x98\x80\",\"long name with\":[\"\",\"\",\"\" , \"\"],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"0123456789abcde\xc3\xa9\"}", true},
        {"{\"a\":\"\xc3\",\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":\"\xed\xa0\x80\",\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":\"\\ud83d\\ude00\",\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":\"\\q\",\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":\"\\u00g0\",\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":\"\n\",\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":01,\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":1e999,\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":nul,\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":{},\"long name with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":1,\"long name2 with\":[1,2,3 , 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
        {"{\"a\":1,\"long name with\":[1,2,3, 4],\"b\":{\"c\":\"\",\"d\":{}},\"e\":\"\"}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr_json *json = wr_json_new();
        struct wr_json_val root;
        struct wr_buf b = {0};
        bool repaired;
        cr_assert_eq(wr_json_known(json, event, sizeof event - 1, &root), 0, "nothing was seen yet");
        cr_assert_eq(wr_json_parse(json, event, sizeof event - 1, &root, &repaired), WR_JSON_OK);
        size_t len = strlen(cases[i].text);
        wr_buf_str(&b, cases[i].text);
        wr_buf_str(&b, "\n{\"what\":\"follows it\"}\n");
        memset(wr_buf_room(&b, WR_JSON_ZEROS), 0, WR_JSON_ZEROS);
        cr_expect_eq(wr_json_known(json, b.data, b.len, &root), cases[i].known ? len : 0, "%s", cases[i].text);
        for (size_t end = 0; end <= b.len; end++)
            cr_expect(json_known_same(json, b.data, end), "%zu of %s", end, b.data);
        cr_expect(json_same(json, cases[i].text, len), "%s", cases[i].text);
        wr_buf_fini(&b);
        wr_json_free(json);
    }
}

Test(json, the_depth_that_is_a_limit_is_that_of_before)
{
    struct wr_json *json = wr_json_new();
    struct wr_json_val root;
    bool repaired;
    char text[2 * WR_JSON_MAX_DEPTH + 16];
    for (int depth = WR_JSON_MAX_DEPTH - 2; depth <= WR_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        cr_expect_eq(wr_json_parse(json, text, 2 * (size_t)depth, &root, &repaired), depth > WR_JSON_MAX_DEPTH ? WR_JSON_LIMIT : WR_JSON_OK, "%d", depth);
        cr_expect(json_same(json, text, 2 * (size_t)depth), "%d", depth);
        text[2 * depth - 1] = '}'; /* does not close: refused before its depth is seen */
        cr_expect_eq(wr_json_parse(json, text, 2 * (size_t)depth, &root, &repaired), WR_JSON_BAD, "%d", depth);
    }
    wr_json_free(json);
}

/* Texts that differ in values alone have one shape; what is nearly one is not taken for it. */
Test(json, a_shape_is_its_keys_and_signs)
{
    static const struct {
        const char *first, *then;
        bool same;
    } cases[] = {
        {"{\"a\":1,\"b\":\"x\"}", "{\"a\":null,\"b\":\"long\\\"er\"}", true},
        {"{\"a\":1,\"b\":[true]}", "{\"a\":\"},{\",\"b\":[-2.5e1]}", true},
        {"{\"a\" : 1}", "{\"a\" : 25}", true},
        {"{\"a\" : 1}", "{\"a\" : 25 }", false}, /* its blanks are part of a shape */
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\" :2}", false},
        {"[[1],[2]]", "[[[],[]]]", false}, /* brackets where values stood, and valid */
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":]}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":tru,\"b\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":1e999}", false},
        {"{\"a\":1,\"b\":2}", "[\"a\",1,\"b\",2,3]", false},
        {"{\"a\":{},\"b\":2}", "{\"a\":[],\"b\":2}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr_json *json = wr_json_new();
        struct wr_json_val root;
        bool repaired;
        cr_assert_eq(wr_json_parse(json, cases[i].first, strlen(cases[i].first), &root, &repaired), WR_JSON_OK);
        uint64_t shape = root.node.doc->shape;
        cr_assert_neq(shape, 0);
        bool ok = wr_json_parse(json, cases[i].then, strlen(cases[i].then), &root, &repaired) == WR_JSON_OK;
        cr_expect_eq(ok && root.node.doc->shape == shape, cases[i].same, "%s", cases[i].then);
        cr_expect(json_same(json, cases[i].first, strlen(cases[i].first)) && json_same(json, cases[i].then, strlen(cases[i].then)), "%s", cases[i].then);
        wr_json_free(json);
    }
}

/* An event of a sender that leaves some keys out: shapes that begin alike. */
static void put_like(struct wr_buf *b, unsigned *seed)
{
    static const char *const keys[] = {"ts", "uid", "id.orig_h", "query", "answers"};
    static const char *const values[] = {"17", "-1.5e3", "1764000000.123456", "12345678901234567890", "null", "true", "false", "\"\"", "\"C1\"", "\"a\\\\\\u00e9\"",
        "\"\\ud800\"", "\"\xc3\xa9 a text of more than sixteen bytes\"", "\"sixteen bytes ..\"", "01", "1.", "\"\xc3\"", "\"a\x01\"", "\"\\x\"", "\"<Event>\""};
    unsigned out = (unsigned)rand_r(seed) % 8;
    wr_buf_char(b, '{');
    for (unsigned i = 0; i < 5; i++) {
        if (i == 1 + out)
            continue;
        wr_buf_fmt(b, "%s\"%s\":%s", i ? "," : "", keys[i], i == 4 ? "[" : "");
        unsigned r = (unsigned)rand_r(seed);
        wr_buf_str(b, values[r % (r / 64 % 16 ? 13 : sizeof values / sizeof *values)]);
    }
    wr_buf_str(b, out == 3 ? "}" : "]}");
}

Test(json, shapes_that_begin_alike_are_told_apart)
{
    struct wr_json *json = wr_json_new();
    struct wr_buf b = {0};
    unsigned seed = 7, taken = 0, known = 0;
    uint64_t newest = 0;
    for (unsigned i = 0; i < 10000; i++) {
        struct wr_json_val root;
        bool repaired;
        wr_buf_reset(&b);
        put_like(&b, &seed);
        cr_assert(json_same(json, b.data, b.len), "%.*s", (int)b.len, b.data);
        if (wr_json_parse(json, b.data, b.len, &root, &repaired) != WR_JSON_OK)
            continue;
        cr_expect_eq(repaired, memmem(b.data, b.len, "\\ud800", 6) != NULL, "%.*s", (int)b.len, b.data);
        taken++;
        known += root.node.doc->shape && root.node.doc->shape <= newest;
if (root.node.doc->shape > newest || !root.node.doc->shape) fprintf(stderr, "%u %lu %.*s\n", i, root.node.doc->shape, (int)b.len, b.data);
        newest = root.node.doc->shape > newest ? root.node.doc->shape : newest;
        cr_expect(root.node.doc->tagged || !memmem(b.data, b.len, "\"<", 2));
    }
    cr_expect(taken > 5000 && known + 20 > taken, "%u of %u", known, taken);
    wr_buf_fini(&b);
    wr_json_free(json);
}

/* What stands behind the bytes that are there is not taken for theirs: a shape may hold line ends, and these end what is there. */
Test(json, a_known_text_ends_within_its_bytes)
{
    static char text[WR_JSON_BEHIND + 256] = "{\"a\":\"x\",\n\"b\":1}\n{\"a\":\"yy\",\n\"b\":22}\n{\"a\":\"z\n";
    struct wr_json *json = wr_json_new();
    struct wr_json_val root;
    bool repaired;
    const char *second = strchr(text, '}') + 2, *third = strstr(text, "22}") + 4;
    cr_assert_eq(wr_json_parse(json, text, (size_t)(second - text) - 1, &root, &repaired), WR_JSON_OK);
    cr_expect_eq(wr_json_known(json, second, strlen(second), &root), (size_t)(third - second) - 1);
    cr_expect_eq(wr_json_known(json, second, (size_t)(strchr(second, '\n') + 1 - second), &root), 0);
    cr_expect_eq(wr_json_known(json, third, strlen(third), &root), 0);
    wr_json_free(json);
}
