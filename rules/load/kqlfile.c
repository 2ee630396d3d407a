/* Plain .kql rules: comments `// key: value` above the query say what a Sentinel file has keys for.
 * A line that is indented below its key continues it. */
#include "rules/load/load.h"

#include <string.h>

enum { MAX_LIST = 32 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **p, const char **end)
{
    while (*p < *end && is_blank(**p))
        ++*p;
    while (*end > *p && is_blank((*end)[-1]))
        --*end;
}

static bool key_is(const char *key, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(key, name, len) == 0;
}

/* The first word: `medium; high from a user's path` is medium. */
static size_t first_word(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && !is_blank(p[n]) && p[n] != ';' && p[n] != ',')
        n++;
    return n;
}

/* `T1071.003, T1048` */
static const char *const *list_of(struct wr_rule *rule, const char *p, const char *end,
                                  uint32_t *ret_n, bool *ok)
{
    const char **list = wr_arena_alloc(rule->arena, MAX_LIST * sizeof *list);
    *ok = *ok && list;
    while (list && p < end && *ret_n < MAX_LIST) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *from = p, *to = comma ? comma : end;
        trim(&from, &to);
        if (to > from)
            list[(*ret_n)++] = wr_rule_text(rule, from, (size_t)(to - from), ok);
        p = comma ? comma + 1 : end;
    }
    return list;
}

struct header {
    struct wr_rule *rule;
    const char *name; /* of the file, for messages */
    struct wr_diags *diags;
    bool ok;
};

static void take_severity(struct header *h, const char *p, const char *end, uint32_t line)
{
    size_t n = first_word(p, end);
    const char *severity = wr_severity_of(p, n);
    if (severity) {
        h->rule->severity = severity;
        return;
    }
    wr_diag_file(h->diags, WR_ERROR, h->name, line,
                 "severity '%.*s' is none of High, Medium, Low, Informational", (int)n, p);
    h->ok = false;
}

static void take_key(struct header *h, const char *key, size_t n, const char *p, const char *end,
                     uint32_t line)
{
    struct wr_rule *r = h->rule;
    size_t len = (size_t)(end - p);
    if (key_is(key, n, "id"))
        r->id = wr_rule_text(r, p, len, &h->ok);
    else if (key_is(key, n, "name"))
        r->name = wr_rule_text(r, p, len, &h->ok);
    else if (key_is(key, n, "version"))
        r->version = wr_rule_text(r, p, len, &h->ok);
    else if (key_is(key, n, "description"))
        r->description = wr_rule_text(r, p, len, &h->ok);
    else if (key_is(key, n, "confidence"))
        r->confidence = wr_rule_text(r, p, first_word(p, end), &h->ok);
    else if (key_is(key, n, "severity"))
        take_severity(h, p, end, line);
    else if (key_is(key, n, "tactics") || key_is(key, n, "tactic"))
        r->tactics = list_of(r, p, end, &r->ntactics, &h->ok);
    else if (key_is(key, n, "techniques") || key_is(key, n, "technique"))
        r->techniques = list_of(r, p, end, &r->ntechniques, &h->ok);
}

/* One comment line: a key only where a word and a colon begin it. */
static void take_line(struct header *h, const char *p, const char *end, uint32_t line)
{
    if (end - p > 1 && is_blank(p[0]) && is_blank(p[1]))
        return; /* goes on with the line above */
    trim(&p, &end);
    size_t n = 0;
    while (p + n < end && wr_ascii_lower(p[n]) >= 'a' && wr_ascii_lower(p[n]) <= 'z')
        n++;
    if (!n || p + n >= end || p[n] != ':')
        return;
    const char *value = p + n + 1;
    trim(&value, &end);
    if (value < end && h->ok)
        take_key(h, p, n, value, end, line);
}

static void read_header(struct header *h, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    for (uint32_t line = 1; p < end; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        const char *from = p, *to = stop ? stop : end;
        trim(&from, &to);
        if (to > from && (to - from < 2 || from[0] != '/' || from[1] != '/'))
            return;
        if (to > from)
            take_line(h, from + 2, to, line);
        p = stop ? stop + 1 : end;
    }
}

/* The file's name without folder and suffix. */
static const char *stem(struct wr_rule *rule, const char *name, bool *ok)
{
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    size_t n = strlen(base);
    return wr_rule_text(rule, base, n > 4 ? n - 4 : n, ok);
}

bool wr_load_kql(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                 struct wr_diags *diags)
{
    struct wr_rule *rule = wr_rule_new(name);
    if (!rule)
        return false;
    struct header h = {.rule = rule, .name = name, .diags = diags, .ok = true};
    read_header(&h, text, len);
    if (!*rule->id)
        rule->id = stem(rule, name, &h.ok);
    if (!*rule->name)
        rule->name = rule->id;
    struct wr_source src = {.name = name, .text = text, .len = len, .line0 = 1};
    if (h.ok && wr_rule_compile(set, rule, &src, 0, diags) && wr_rule_custom_entities(rule))
        return wr_ruleset_push(set, rule, diags);
    bool left_out = rule->left_out;
    wr_rule_free(rule);
    return left_out;
}
