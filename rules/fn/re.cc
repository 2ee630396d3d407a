#include "rules/fn/re.h"

#include <re2/re2.h>

#include <cctype>
#include <cstdio>
#include <cstring>
#include <map>
#include <new>
#include <string>

struct wr_re {
    RE2 re;
    wr_re(const std::string &pattern, const RE2::Options &options) : re(pattern, options) {}
};

enum { MEMORY_MAX = 4 << 20 }; /* program and automata of one pattern */

/* What Kusto's own library reads otherwise inside of a class, so that RE2 would match something else; NULL: nothing.
 * *at stands on what follows the opening bracket, then on the closing one. */
static const char *class_differs(const char *p, size_t len, size_t *at)
{
    size_t i = *at;
    i += i < len && p[i] == '^';
    i += i < len && p[i] == ']'; /* the first one is a character */
    for (; i < len && p[i] != ']'; i++) {
        bool twice = i + 1 < len && p[i] == p[i + 1];
        if (p[i] == '\\') {
            i++;
        } else if (p[i] == '[' && i + 1 < len && p[i + 1] == ':') {
            const char *end = static_cast<const char *>(memchr(p + i, ']', len - i));
            i = end ? (size_t)(end - p) : len;
        } else if (p[i] == '[') {
            return "a class inside of a class; the character is \\[";
        } else if (twice && (p[i] == '&' || p[i] == '-' || p[i] == '~')) {
            return "&&, -- or ~~ between classes; write the class that comes out, and \\ before a character";
        }
    }
    *at = i < len ? i : len;
    return nullptr;
}

/* What stands behind "(?" and is in no linear-time library, or not in RE2; NULL: a group that RE2 has. */
static const char *group_differs(const char *p, size_t len)
{
    size_t i = 0;
    if (len && (*p == '=' || *p == '!'))
        return "look-ahead";
    if (len > 1 && *p == '<' && (p[1] == '=' || p[1] == '!'))
        return "look-behind";
    if (len && *p == '>')
        return "an atomic group";
    if (len && *p == '#')
        return "a comment";
    if (len > 1 && *p == 'P' && p[1] == '=')
        return "a back-reference";
    for (; i < len && (isalpha((unsigned char)p[i]) || p[i] == '-'); i++)
        if (p[i] == 'x' || p[i] == 'u' || p[i] == 'R')
            return "flags x, u and R";
    return nullptr;
}

/* The pattern with (?<name> as RE2 2022 writes it, (?P<name>. Escapes and classes are stepped over. *why: what RE2 lacks. */
static std::string with_names(const char *p, size_t len, const char **why)
{
    std::string out;
    for (size_t i = 0; i < len && !*why; i++) {
        size_t from = i;
        if (p[i] == '\\' && i + 1 < len) {
            i++;
            *why = p[i] >= '1' && p[i] <= '9' ? "a back-reference" : nullptr;
        } else if (p[i] == '[') {
            i++;
            *why = class_differs(p, len, &i);
        } else if (len - i > 3 && p[i] == '(' && p[i + 1] == '?') {
            *why = group_differs(p + i + 2, len - i - 2);
            if (p[i + 2] == '<') {
                out += "(?P";
                i++;
                continue;
            }
        }
        out.append(p + from, (i < len ? i + 1 : len) - from);
    }
    return out;
}

struct wr_re *wr_re_new(const char *pattern, size_t len, char *why, size_t why_size)
{
    struct wr_re *re = nullptr;
    try {
        const char *lacks = nullptr;
        std::string text = with_names(pattern, len, &lacks);
        if (lacks) {
            snprintf(why, why_size, "%s (not in RE2, whose matches take linear time)", lacks);
            return nullptr;
        }
        RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(MEMORY_MAX);
        re = new wr_re(text, options);
        if (re->re.error_code() == RE2::ErrorRepeatSize)
            snprintf(why, why_size, "what repeats may repeat 1,000 times at most");
        else if (!re->re.ok())
            snprintf(why, why_size, "%s", re->re.error().c_str());
        else if (re->re.NumberOfCapturingGroups() > WR_RE_MAX_GROUPS)
            snprintf(why, why_size, "more than %d groups", WR_RE_MAX_GROUPS);
        else
            return re;
    } catch (const std::bad_alloc &) {
        snprintf(why, why_size, "out of memory");
    }
    delete re;
    return nullptr;
}

void wr_re_free(void *re)
{
    delete static_cast<wr_re *>(re);
}

int wr_re_groups(const struct wr_re *re)
{
    return re->re.NumberOfCapturingGroups();
}

int wr_re_group(const struct wr_re *re, const char *name, size_t len)
{
    for (const auto &group : re->re.NamedCapturingGroups())
        if (group.first.size() == len && memcmp(group.first.data(), name, len) == 0)
            return group.second;
    return -1;
}

static int match(const struct wr_re *re, re2::StringPiece text, size_t at, RE2::Anchor anchor, struct wr_re_span *spans, int n)
{
    re2::StringPiece groups[WR_RE_MAX_GROUPS + 1];
    if (at > text.size())
        return 0;
    try {
        if (!re->re.Match(text, at, text.size(), anchor, groups, n))
            return 0;
    } catch (const std::bad_alloc &) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        bool there = groups[i].data() != nullptr;
        spans[i].from = there ? (size_t)(groups[i].data() - text.data()) : 1;
        spans[i].to = there ? spans[i].from + groups[i].size() : 0;
    }
    return 1;
}

int wr_re_find(const struct wr_re *re, const char *text, size_t len, size_t at, struct wr_re_span *spans, int n)
{
    return match(re, re2::StringPiece(text, len), at, RE2::UNANCHORED, spans, n);
}

int wr_re_match_at(const struct wr_re *re, const char *text, size_t len, size_t at, struct wr_re_span *spans, int n)
{
    return match(re, re2::StringPiece(text, len), at, RE2::ANCHOR_START, spans, n);
}
