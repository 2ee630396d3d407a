/* Small functions of text: code points, the words of a command line, the place of the first of several texts. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

static void put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, struct wr_buf *text)
{
    if (text->err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, text->data ? text->data : "", text->len);
}

static void utf8(struct wr_buf *out, uint32_t c)
{
    if (c < 0x80) {
        wr_buf_char(out, (char)c);
        return;
    }
    if (c < 0x800) {
        wr_buf_char(out, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        wr_buf_char(out, (char)(0xe0 | c >> 12));
        wr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        wr_buf_char(out, (char)(0xf0 | c >> 18));
        wr_buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        wr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    wr_buf_char(out, (char)(0x80 | (c & 0x3f)));
}

static bool code_point(int64_t c)
{
    return c > 0 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

/* make_string(): code points and arrays of them as text; null where one is none. */
KERNEL(make_string)
{
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        bool ok = true;
        wr_buf_reset(&text);
        for (uint32_t i = 0; i < call->nargs && ok; i++) {
            struct wr_scalar x = wr_scalar_at(ev, &args[i], row);
            struct wr_slice item, array = {wr_str_data(&x.s), x.s.len};
            const char *at = NULL;
            if (x.kind == WR_SC_INT && code_point(x.i)) {
                utf8(&text, (uint32_t)x.i);
                continue;
            }
            int64_t c;
            ok = x.kind == WR_SC_OTHER && array.p[0] == '[';
            while (ok && wr_json_next(array, &at, &item)) {
                ok = wr_text_to_long(item.p, item.len, &c) && code_point(c);
                if (ok)
                    utf8(&text, (uint32_t)c);
            }
        }
        if (ok)
            put(ev, out, row, &text);
    }
    wr_buf_fini(&text);
}

/* to_utf8(), unicode_codepoints_from_string(): the code points of a text. */
KERNEL(codepoints)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        const unsigned char *p = (const unsigned char *)wr_str_data(&args[0].s[row]), *end = p + args[0].s[row].len;
        wr_buf_reset(&text);
        wr_buf_char(&text, '[');
        while (p < end) {
            uint32_t n = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
            uint32_t c = n ? *p & (0x3fu >> n) : *p;
            for (p++; n && p < end; n--)
                c = c << 6 | (*p++ & 0x3f);
            wr_buf_str(&text, text.len > 1 ? "," : "");
            wr_buf_i64(&text, c);
        }
        wr_buf_char(&text, ']');
        put(ev, out, row, &text);
    }
    wr_buf_fini(&text);
}

/* parse_command_line(s, "windows"): words as a C program of Windows gets them. Source: Microsoft C runtime, "Parsing C
 * command-line arguments". */
KERNEL(parse_command_line)
{
    (void)call;
    struct wr_buf text = {0}, word = {0};
    WR_EACH (sel, row) {
        const char *p = wr_str_data(&args[0].s[row]), *end = p + args[0].s[row].len;
        wr_buf_reset(&text);
        wr_buf_char(&text, '[');
        while (p < end) {
            bool quoted = false;
            while (p < end && (*p == ' ' || *p == '\t'))
                p++;
            if (p == end)
                break;
            wr_buf_reset(&word);
            for (; p < end && (quoted || (*p != ' ' && *p != '\t')); p++) {
                uint32_t slashes = 0;
                for (; p < end && *p == '\\'; p++)
                    slashes++;
                bool quote = p < end && *p == '"';
                for (uint32_t i = 0; i < (quote ? slashes / 2 : slashes); i++)
                    wr_buf_char(&word, '\\');
                if (quote && slashes % 2) {
                    wr_buf_char(&word, '"');
                } else if (quote && quoted && p + 1 < end && p[1] == '"') {
                    wr_buf_char(&word, '"');
                    p++;
                } else if (quote) {
                    quoted = !quoted;
                } else if (p < end && (quoted || (*p != ' ' && *p != '\t'))) {
                    wr_buf_char(&word, *p);
                } else {
                    break;
                }
            }
            wr_buf_str(&text, text.len > 1 ? "," : "");
            wr_json_str(&text, word.data ? word.data : "", word.len);
        }
        wr_buf_char(&text, ']');
        if (args[0].s[row].len)
            put(ev, out, row, &text);
    }
    wr_buf_fini(&text);
    wr_buf_fini(&word);
}

/* has_any_index(s, [terms]): place of the first term that the text has; -1. */
KERNEL(has_any_index)
{
    (void)ev;
    (void)call;
    WR_EACH (sel, row) {
        struct wr_slice list = {wr_str_data(&args[1].s[row]), args[1].s[row].len}, item;
        const char *at = NULL, *hay = wr_str_data(&args[0].s[row]);
        size_t len = args[0].s[row].len;
        int64_t index = 0, found = -1;
        if (wr_json_count(list) < 0)
            continue;
        for (; found < 0 && wr_json_next(list, &at, &item); index++) {
            struct wr_buf term = {0};
            wr_json_to_text(item.p, item.len, &term);
            for (size_t i = 0; term.len && found < 0 && i + term.len <= len; i++) {
                struct wr_str a = wr_str_borrow(hay + i, term.len), b = wr_str_borrow(term.data, term.len);
                bool before = i && wr_is_alnum(hay[i - 1]) && wr_is_alnum(term.data[0]);
                bool behind = i + term.len < len && wr_is_alnum(hay[i + term.len]) && wr_is_alnum(term.data[term.len - 1]);
                if (!before && !behind && wr_str_eq_nocase(&a, &b))
                    found = index;
            }
            wr_buf_fini(&term);
        }
        wr_put_i(out, row, found);
    }
}

/* ipv4_range_to_cidr_list(first, last): the fewest networks that hold exactly these addresses. */
static bool address(const struct wr_str *s, uint64_t *ret)
{
    const char *p = wr_str_data(s), *end = p + s->len;
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t part = 0, digits = 0;
        if (i && (p == end || *p++ != '.'))
            return false;
        for (; p < end && *p >= '0' && *p <= '9' && digits < 4; digits++)
            part = part * 10 + (uint32_t)(*p++ - '0');
        if (!digits || part > 255)
            return false;
        *ret = *ret << 8 | part;
    }
    return p == end;
}

KERNEL(ipv4_range_to_cidr_list)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        uint64_t a, b;
        if (!address(&args[0].s[row], &a) || !address(&args[1].s[row], &b) || a > b)
            continue;
        wr_buf_reset(&text);
        wr_buf_char(&text, '[');
        while (a <= b) {
            int bits = 32;
            while (bits > 0 && a % (UINT64_C(1) << (33 - bits)) == 0 && a + (UINT64_C(1) << (33 - bits)) - 1 <= b)
                bits--;
            wr_buf_fmt(&text, "%s\"%u.%u.%u.%u/%d\"", text.len > 1 ? "," : "", (unsigned)(a >> 24), (unsigned)(a >> 16 & 255),
                       (unsigned)(a >> 8 & 255), (unsigned)(a & 255), bits);
            a += UINT64_C(1) << (32 - bits);
        }
        wr_buf_char(&text, ']');
        put(ev, out, row, &text);
    }
    wr_buf_fini(&text);
}
