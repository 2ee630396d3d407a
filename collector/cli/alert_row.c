#include "collector/cli/alert_row.h"

#include <stdbool.h>
#include <string.h>

enum { WRAP = 100, VALUE_MAX = 240, INDENT = 4 };

struct span {
    const char *at;
    size_t len;
};

/* Bytes of the JSON string at `at`, with both quotes; all there is when it has no end. */
static size_t string_len(const char *at, size_t len)
{
    size_t i = 1;
    while (i < len && at[i] != '"')
        i += at[i] == '\\' ? 2 : 1;
    return i < len ? i + 1 : len;
}

/* Bytes of the JSON value at `at`, up to the comma or bracket that follows it. */
static size_t value_len(const char *at, size_t len)
{
    size_t depth = 0, i = 0;
    while (i < len) {
        if (at[i] == '"') {
            i += string_len(at + i, len - i);
            continue;
        }
        if (!depth && (at[i] == ',' || at[i] == '}' || at[i] == ']'))
            break;
        depth += at[i] == '{' || at[i] == '[';
        depth -= at[i] == '}' || at[i] == ']';
        i++;
    }
    return i < len ? i : len;
}

/* The next member of an object; `rest` begins behind its opening bracket and moves on. */
static bool next_member(struct span *rest, struct span *ret_key, struct span *ret_value)
{
    const char *at = rest->at;
    size_t len = rest->len;
    if (len && *at == ',')
        at++, len--;
    if (!len || *at != '"')
        return false;
    size_t n = string_len(at, len);
    if (n < 2 || n + 1 >= len || at[n] != ':')
        return false;
    *ret_key = (struct span){at + 1, n - 2};
    at += n + 1, len -= n + 1;
    n = value_len(at, len);
    *ret_value = (struct span){at, n};
    *rest = (struct span){at + n, len - n};
    return true;
}

static struct span inside(struct span object)
{
    return object.len && *object.at == '{' ? (struct span){object.at + 1, object.len - 1} : (struct span){0};
}

static struct span member(struct span object, const char *name)
{
    struct span rest = inside(object), key, value;
    while (next_member(&rest, &key, &value))
        if (key.len == strlen(name) && memcmp(key.at, name, key.len) == 0)
            return value;
    return (struct span){0};
}

/* A string without its quotes; its escapes stay. */
static struct span unquoted(struct span v)
{
    return v.len >= 2 && *v.at == '"' ? (struct span){v.at + 1, v.len - 2} : v;
}

/* A quoted string of one word needs no quotes. Backslashes, as in paths, are its only escapes. */
static bool plain_word(struct span v)
{
    if (v.len < 3 || *v.at != '"')
        return false;
    for (size_t i = 1; i + 1 < v.len; i++) {
        if (v.at[i] == ' ' || v.at[i] == '=')
            return false;
        if (v.at[i] == '\\' && v.at[++i] != '\\')
            return false;
    }
    return true;
}

/* Printable, without line ends, and cut between two characters. */
static void add_text(struct wr_buf *out, struct span v)
{
    size_t n = v.len < VALUE_MAX ? v.len : VALUE_MAX;
    while (n && n < v.len && ((unsigned char)v.at[n] & 0xc0) == 0x80)
        n--;
    size_t start = out->len;
    wr_buf_printable(out, v.at, n);
    for (size_t i = start; i < out->len; i++)
        if (out->data[i] == '\n')
            out->data[i] = ' ';
    if (n < v.len)
        wr_buf_str(out, "...");
}

static void add_value(struct wr_buf *out, struct span v)
{
    if (!plain_word(v)) {
        add_text(out, v);
        return;
    }
    struct wr_buf word = {0};
    for (size_t i = 1; i + 1 < v.len; i++) {
        i += v.at[i] == '\\';
        wr_buf_char(&word, v.at[i]);
    }
    if (word.err)
        out->err = word.err;
    else
        add_text(out, (struct span){word.data, word.len});
    wr_buf_fini(&word);
}

static void add_columns(struct wr_buf *out, struct span columns)
{
    struct wr_buf word = {0};
    struct span rest = inside(columns), key, value;
    size_t used = 0;
    while (next_member(&rest, &key, &value)) {
        wr_buf_reset(&word);
        add_text(&word, key);
        wr_buf_char(&word, '=');
        add_value(&word, value);
        if (used && used + 1 + word.len > WRAP) {
            wr_buf_char(out, '\n');
            used = 0;
        }
        if (used) {
            wr_buf_char(out, ' ');
            used++;
        } else {
            wr_buf_fmt(out, "%*s", INDENT, "");
            used = INDENT;
        }
        wr_buf_add(out, word.data, word.len);
        used += word.len;
    }
    if (used)
        wr_buf_char(out, '\n');
    if (word.err)
        out->err = word.err;
    wr_buf_fini(&word);
}

void wr_alert_row_head(struct wr_buf *out)
{
    wr_buf_fmt(out, "%-19s  %-8s  %-13s  %s\n", "RAISED (UTC)", "KIND", "SEVERITY", "ALERT");
}

void wr_alert_row(const char *json, size_t len, struct wr_buf *out)
{
    static const struct {
        const char *name;
        size_t width;
        size_t cut; /* bytes shown at most; 0 = all */
    } cells[] = {{"raised_at", 19, 19}, {"kind", 8, 0}, {"severity", 13, 0}, {"message", 0, 0}};
    struct span alert = {json, len};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        struct span v = unquoted(member(alert, cells[i].name));
        if (cells[i].cut && v.len > cells[i].cut)
            v.len = cells[i].cut;
        size_t start = out->len;
        add_text(out, v);
        for (size_t used = out->len - start; used < cells[i].width; used++)
            wr_buf_char(out, ' ');
        wr_buf_str(out, i + 1 < sizeof cells / sizeof *cells ? "  " : "\n");
    }
    add_columns(out, member(alert, "columns"));
}
