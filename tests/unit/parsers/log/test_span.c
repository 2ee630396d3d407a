/* The fast look at a line and the machine over bytes: where the fast one finds an end, the machine finds the same, or says that
 * it is no JSON before it. */
#include "parsers/log/span.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static size_t slow(const char *data, size_t len)
{
    struct wr_json_span s = {0};
    size_t pos = 0;
    return wr_json_span_feed(&s, data, len, &pos) == WR_SPAN_END ? pos : 0;
}

#ifdef __SSE2__
#define FAST(n) (n)
#else
#define FAST(n) 0
#endif

Test(span, finds_the_end_of_a_value_in_a_line)
{
    static const struct {
        const char *text;
        size_t end;
    } cases[] = {
        {"{}\n", 2},
        {"{\"a\":1}\n{\"b\":2}\n", 7},
        {"{\"a\":\"}\"} x", 9},
        {"{\"a\":\"\\\"}\"}\n", 11},
        {"{\"a\":\"\\\\\"}\n", 10},
        {"[{\"a\":[1,{}]}]\r\n", 14},
        {"{\"a\":", 0},
        {"{\"a\":\"\n\"}", 0},
        {"{\n\"a\":1}", 0},
        {"text", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(wr_json_span_line(cases[i].text, strlen(cases[i].text)), FAST(cases[i].end), "%s", cases[i].text);
}

/* Strings, escapes and brackets at every place of a block, and across blocks. */
Test(span, agrees_with_the_machine_over_bytes)
{
    static const char alphabet[] = "{}[]\",:\\a1 \"\"\\";
    char text[300];
    unsigned seed = 1;
    uint32_t found = 0;
    for (int round = 0; round < 200000; round++) {
        size_t len = 2 + (size_t)(rand_r(&seed) % 200), pad = (size_t)(rand_r(&seed) % 130);
        size_t n = 0;
        text[n++] = '{';
        text[n++] = '"';
        memset(text + n, 'x', pad > len ? len : pad);
        n += pad > len ? len : pad;
        text[n++] = '"';
        text[n++] = ':';
        while (n < len + 4)
            text[n++] = alphabet[rand_r(&seed) % (int)(sizeof alphabet - 1)];
        text[n++] = '"';
        text[n++] = '}';
        size_t fast = wr_json_span_line(text, n), exact = slow(text, n);
        if (exact)
            cr_assert_eq(fast, FAST(exact), "%.*s", (int)n, text);
        found += exact > 0;
    }
    cr_assert_gt(found, 1000);
}

Test(span, goes_no_deeper_than_the_machine)
{
    char text[200];
    for (size_t depth = 62; depth < 68; depth++) {
        size_t n = depth;
        memset(text, '[', n);
        memset(text + n, ']', depth);
        size_t fast = wr_json_span_line(text, n + depth);
        cr_expect_eq(fast > 0, FAST(depth <= WR_SPAN_MAX_DEPTH), "%zu", depth);
    }
}
