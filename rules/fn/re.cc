#include "rules/fn/re.h"

#include <re2/re2.h>

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

/* (?<name> as RE2 2022 writes it: (?P<name>. Escapes and classes are stepped over; (?<= and (?<! stay, to be refused. */
static std::string with_names(const char *p, size_t len)
{
    std::string out;
    bool in_class = false;
    for (size_t i = 0; i < len; i++) {
        out += p[i];
        if (p[i] == '\\' && i + 1 < len)
            out += p[++i];
        else if (p[i] == '[')
            in_class = true;
        else if (p[i] == ']')
            in_class = false;
        else if (!in_class && p[i] == '(' && len - i > 3 && p[i + 1] == '?' && p[i + 2] == '<' &&
                 p[i + 3] != '=' && p[i + 3] != '!') {
            out += "?P";
            i++;
        }
    }
    return out;
}

struct wr_re *wr_re_new(const char *pattern, size_t len, char *why, size_t why_size)
{
    struct wr_re *re = nullptr;
    try {
        RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(MEMORY_MAX);
        re = new wr_re(with_names(pattern, len), options);
        if (!re->re.ok())
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

int wr_re_find(const struct wr_re *re, const char *text, size_t len, size_t at, struct wr_re_span *spans, int n)
{
    re2::StringPiece groups[WR_RE_MAX_GROUPS + 1];
    if (at > len)
        return 0;
    try {
        if (!re->re.Match(re2::StringPiece(text, len), at, len, RE2::UNANCHORED, groups, n))
            return 0;
    } catch (const std::bad_alloc &) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        bool there = groups[i].data() != nullptr;
        spans[i].from = there ? (size_t)(groups[i].data() - text) : 1;
        spans[i].to = there ? spans[i].from + groups[i].size() : 0;
    }
    return 1;
}
