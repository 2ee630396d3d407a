/* Functions over regular expressions (re.h). A constant pattern is compiled once, at bind time, and lives as long as
 * the plan; another one is compiled when it changes from row to row. A pattern that is wrong there gives no result. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/fn/re.h"

#include <stdio.h>

enum { TEXT_MAX = 1024 * 1024, MATCHES_MAX = 1 << 20 };

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

/* Trimming looks for repeated matches at the ends. */
enum form { AS_IS, AT_START, AT_END };

static struct wr_re *compile(struct wr_slice pattern, enum form form, char *why, size_t why_size)
{
    struct wr_buf text = {0};
    static const char *const before[] = {"", "\\A(?:", "(?:"}, *const behind[] = {"", ")+", ")+\\z"};
    wr_buf_str(&text, before[form]);
    wr_buf_add(&text, pattern.p, pattern.len);
    wr_buf_str(&text, behind[form]);
    struct wr_re *re = text.err ? NULL : wr_re_new(text.data ? text.data : "", text.len, why, why_size);
    wr_buf_fini(&text);
    return re;
}

static const void *prepare(struct wr_arena *arena, const struct wr_ex *call, uint32_t arg, enum form form,
                           const char **ret_why)
{
    const struct wr_ex *pattern = call->args[arg];
    if (pattern->kind != WR_EX_CONST || pattern->type != WR_STRING)
        return NULL;
    char why[200] = "out of memory", text[260];
    struct wr_re *re =
        compile((struct wr_slice){wr_str_data(&pattern->value.s), pattern->value.s.len}, form, why, sizeof why);
    if (re && wr_arena_defer(arena, wr_re_free, re))
        return re;
    wr_re_free(re);
    int n = snprintf(text, sizeof text, "this regular expression cannot be used: %s", why);
    *ret_why = wr_arena_strndup(arena, text, (size_t)n);
    if (!*ret_why)
        *ret_why = "out of memory";
    return NULL;
}

#define PREPARE(name, arg, form)                                                                             \
    const void *wr_prepare_##name(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why)    \
    {                                                                                                        \
        return prepare(arena, call, arg, form, ret_why);                                                     \
    }
PREPARE(re0, 0, AS_IS)
PREPARE(re1, 1, AS_IS)
PREPARE(trim_start, 0, AT_START)
PREPARE(trim_end, 0, AT_END)

const void *wr_prepare_extract_all(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why)
{
    const struct wr_re *re = wr_prepare_re0(arena, call, ret_why);
    if (re && wr_re_groups(re) == 0) {
        *ret_why = "extract_all needs a group: (...) around what it shall give";
        return NULL;
    }
    return re;
}

const void *wr_prepare_countof(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why)
{
    const struct wr_ex *kind = call->args[2];
    const struct wr_str normal = WR_STR_LIT("normal"), regex = WR_STR_LIT("regex");
    if (kind->kind == WR_EX_CONST && wr_str_eq(&kind->value.s, &normal))
        return NULL;
    if (kind->kind == WR_EX_CONST && wr_str_eq(&kind->value.s, &regex))
        return prepare(arena, call, 1, AS_IS, ret_why);
    *ret_why = "the kind of countof is \"normal\" or \"regex\"";
    return NULL;
}

/* The pattern in use; `own` when it was compiled here, from `text`. */
struct use {
    const struct wr_re *re;
    struct wr_re *own;
    struct wr_str text;
    bool tried;
};

static struct wr_slice slice_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

static const struct wr_re *pattern_at(struct use *use, const struct wr_vec *v, uint32_t row, enum form form)
{
    char why[64];
    if (use->re)
        return use->re;
    if (use->tried && wr_str_eq(&use->text, &v->s[row]))
        return use->own;
    wr_re_free(use->own);
    use->own = compile(slice_at(v, row), form, why, sizeof why);
    use->text = v->s[row];
    use->tried = true;
    return use->own;
}

static bool find(struct wr_eval *ev, const struct wr_re *re, struct wr_slice text, size_t at,
                 struct wr_re_span *spans, int n)
{
    int found = wr_re_find(re, text.p, text.len, at, spans, n);
    if (found < 0)
        ev->err = WR_ENOMEM;
    return found > 0;
}

/* The next match of many, `*close`: the last one began where it was looked for, as one does that takes a text apart. */
static bool find_next(struct wr_eval *ev, const struct wr_re *re, struct wr_slice text, size_t at, struct wr_re_span *spans,
                      bool *close)
{
    int n = wr_re_groups(re) + 1;
    if (*close && wr_re_match_at(re, text.p, text.len, at, spans, n) > 0)
        return true;
    bool found = find(ev, re, text, at, spans, n);
    *close = found && spans[0].from == at;
    return found;
}

/* Where to look on: behind the match, and one code point further when it was empty. */
static size_t behind(struct wr_slice text, struct wr_re_span span)
{
    size_t at = span.to;
    if (span.from == span.to)
        for (at++; at < text.len && ((unsigned char)text.p[at] & 0xc0) == 0x80; at++)
            ;
    return at;
}

KERNEL(matches_regex)
{
    struct use use = {.re = call->prepared};
    WR_EACH (sel, row) {
        const struct wr_re *re = pattern_at(&use, &args[1], row, AS_IS);
        if (re)
            wr_put_i(out, row, find(ev, re, slice_at(&args[0], row), 0, NULL, 0));
    }
    wr_re_free(use.own);
}

KERNEL(extract)
{
    struct use use = {.re = call->prepared};
    WR_EACH (sel, row) {
        struct wr_re_span spans[WR_RE_MAX_GROUPS + 1];
        struct wr_slice text = slice_at(&args[2], row);
        const struct wr_re *re = pattern_at(&use, &args[0], row, AS_IS);
        int64_t group = args[1].i[row];
        if (!re || group < 0 || group > wr_re_groups(re) || !find(ev, re, text, 0, spans, (int)group + 1))
            continue;
        struct wr_re_span s = spans[group];
        if (s.to > s.from)
            wr_put_text(ev, out, row, text.p + s.from, s.to - s.from);
    }
    wr_re_free(use.own);
}

/* Numbers of the wanted groups, from [1, "name"]; all when there is no list. */
static int wanted(const struct wr_re *re, const struct wr_vec *list, uint32_t row, int out[WR_RE_MAX_GROUPS])
{
    int n = 0, groups = wr_re_groups(re);
    for (int g = 1; !list && g <= groups; g++)
        out[n++] = g;
    const char *at = NULL;
    struct wr_slice item;
    struct wr_buf name = {0};
    while (list && n < WR_RE_MAX_GROUPS && wr_json_next(slice_at(list, row), &at, &item)) {
        int64_t g = -1;
        wr_buf_reset(&name);
        wr_json_to_text(item.p, item.len, &name);
        if (item.len && item.p[0] == '"' && name.len)
            g = wr_re_group(re, name.data, name.len);
        else if (!wr_text_to_long(item.p, item.len, &g))
            g = -1;
        if (g >= 0 && g <= groups)
            out[n++] = (int)g;
    }
    wr_buf_fini(&name);
    return n;
}

static void add_match(struct wr_buf *json, struct wr_slice text, const struct wr_re_span *spans, const int *want,
                      int n)
{
    if (n > 1)
        wr_buf_char(json, '[');
    for (int i = 0; i < n; i++) {
        struct wr_re_span s = spans[want[i]];
        if (i)
            wr_buf_char(json, ',');
        wr_json_str(json, s.to > s.from ? text.p + s.from : "", s.to > s.from ? s.to - s.from : 0);
    }
    if (n > 1)
        wr_buf_char(json, ']');
}

static void extract_all(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                        const struct wr_sel *sel, struct wr_vec *out, const struct wr_vec *list)
{
    struct use use = {.re = call->prepared};
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct wr_re_span spans[WR_RE_MAX_GROUPS + 1];
        int want[WR_RE_MAX_GROUPS];
        struct wr_slice text = slice_at(&args[list ? 2 : 1], row);
        const struct wr_re *re = pattern_at(&use, &args[0], row, AS_IS);
        int n = re ? wanted(re, list, row, want) : 0;
        uint32_t hits = 0;
        bool close = false;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (size_t at = 0; n && json.len <= TEXT_MAX && hits < MATCHES_MAX; at = behind(text, spans[0])) {
            if (!find_next(ev, re, text, at, spans, &close))
                break;
            if (hits++)
                wr_buf_char(&json, ',');
            add_match(&json, text, spans, want, n);
        }
        wr_buf_char(&json, ']');
        if (hits && !json.err)
            wr_put_text(ev, out, row, json.data, json.len);
    }
    if (json.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&json);
    wr_re_free(use.own);
}

KERNEL(extract_all)
{
    extract_all(ev, call, args, sel, out, NULL);
}

KERNEL(extract_all_of)
{
    extract_all(ev, call, args, sel, out, &args[1]);
}

/* \0 is the match, \1 .. \9 its groups, \\ a backslash. */
static void add_rewritten(struct wr_buf *out, struct wr_slice how, struct wr_slice text,
                          const struct wr_re_span *spans, int n)
{
    for (size_t i = 0; i < how.len; i++) {
        bool escape = how.p[i] == '\\' && i + 1 < how.len;
        if (escape && how.p[i + 1] >= '0' && how.p[i + 1] <= '9') {
            int g = how.p[++i] - '0';
            if (g < n && spans[g].to > spans[g].from)
                wr_buf_add(out, text.p + spans[g].from, spans[g].to - spans[g].from);
        } else {
            i += escape && how.p[i + 1] == '\\';
            wr_buf_char(out, how.p[i]);
        }
    }
}

static void replace(struct wr_eval *ev, const struct wr_re *re, struct wr_slice text, struct wr_slice how,
                    struct wr_buf *out)
{
    struct wr_re_span spans[WR_RE_MAX_GROUPS + 1];
    int n = wr_re_groups(re) + 1;
    size_t done = 0;
    bool any = false; /* an empty match right behind the last match is none */
    for (size_t at = 0; out->len <= TEXT_MAX && find(ev, re, text, at, spans, n); at = behind(text, spans[0])) {
        if (any && spans[0].to == spans[0].from && spans[0].from == done)
            continue;
        wr_buf_add(out, text.p + done, spans[0].from - done);
        add_rewritten(out, how, text, spans, n);
        done = spans[0].to;
        any = true;
    }
    wr_buf_add(out, text.p + done, text.len - done);
}

static void replace_all(struct wr_eval *ev, const struct wr_ex *call, const struct wr_sel *sel, struct wr_vec *out,
                        const struct wr_vec *const in[3])
{
    struct use use = {.re = call->prepared};
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        const struct wr_re *re = pattern_at(&use, in[1], row, AS_IS);
        wr_buf_reset(&text);
        if (re)
            replace(ev, re, slice_at(in[0], row), slice_at(in[2], row), &text);
        if (text.len && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
    wr_re_free(use.own);
}

KERNEL(replace_regex)
{
    replace_all(ev, call, sel, out, (const struct wr_vec *const[]){&args[0], &args[1], &args[2]});
}

/* The old name: pattern, rewrite, text. */
KERNEL(replace)
{
    replace_all(ev, call, sel, out, (const struct wr_vec *const[]){&args[2], &args[0], &args[1]});
}

static void trim(struct wr_eval *ev, struct use *start, struct use *end, const struct wr_vec *args,
                 const struct wr_sel *sel, struct wr_vec *out)
{
    WR_EACH (sel, row) {
        struct wr_slice text = slice_at(&args[1], row);
        struct wr_re_span s;
        const struct wr_re *first = start ? pattern_at(start, &args[0], row, AT_START) : NULL;
        const struct wr_re *last = end ? pattern_at(end, &args[0], row, AT_END) : NULL;
        if ((start && !first) || (end && !last))
            continue;
        if (first && find(ev, first, text, 0, &s, 1))
            text = (struct wr_slice){text.p + s.to, text.len - s.to};
        if (last && find(ev, last, text, 0, &s, 1))
            text.len = s.from;
        if (text.len)
            wr_put_text(ev, out, row, text.p, text.len);
    }
}

KERNEL(trim_start)
{
    struct use use = {.re = call->prepared};
    trim(ev, &use, NULL, args, sel, out);
    wr_re_free(use.own);
}

KERNEL(trim_end)
{
    struct use use = {.re = call->prepared};
    trim(ev, NULL, &use, args, sel, out);
    wr_re_free(use.own);
}

struct both {
    const struct wr_re *start, *end;
};

const void *wr_prepare_trim(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why)
{
    struct both both = {.start = wr_prepare_trim_start(arena, call, ret_why)};
    if (!both.start || !(both.end = wr_prepare_trim_end(arena, call, ret_why)))
        return NULL;
    struct both *ret = wr_arena_alloc(arena, sizeof *ret);
    if (ret)
        *ret = both;
    else
        *ret_why = "out of memory";
    return ret;
}

KERNEL(trim)
{
    const struct both *both = call->prepared;
    struct use start = {.re = both ? both->start : NULL}, end = {.re = both ? both->end : NULL};
    trim(ev, &start, &end, args, sel, out);
    wr_re_free(start.own);
    wr_re_free(end.own);
}

KERNEL(countof_kind)
{
    const struct wr_re *re = call->prepared;
    if (!re) {
        wr_k_countof(ev, call, args, sel, out);
        return;
    }
    WR_EACH (sel, row) {
        struct wr_slice text = slice_at(&args[0], row);
        struct wr_re_span s;
        int64_t n = 0;
        for (size_t at = 0; find(ev, re, text, at, &s, 1); at = behind(text, s))
            n++;
        wr_put_i(out, row, n);
    }
}

KERNEL(regex_quote)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        struct wr_slice s = slice_at(&args[0], row);
        wr_buf_reset(&text);
        for (size_t i = 0; i < s.len; i++) {
            if (s.p[i] && strchr("\\.+*?()|[]{}^$#&-~", s.p[i]))
                wr_buf_char(&text, '\\');
            wr_buf_char(&text, s.p[i]);
        }
        if (text.len && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}
