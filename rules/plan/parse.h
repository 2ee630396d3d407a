/* What parse, parse-where and parse-kv look for: WR_OP_PARSE's data. New columns stand behind those of the input, in
 * the order of `col`. Source: Kusto query language reference, "parse operator", "parse-kv operator". */
#ifndef WR_RULES_PLAN_PARSE_H
#define WR_RULES_PLAN_PARSE_H

#include "rules/fn/re.h"
#include "rules/plan/plan.h"

enum wr_parse_kind {
    WR_PARSE_SIMPLE,  /* one value that does not convert: no value at all */
    WR_PARSE_RELAXED, /* ... : this one is null */
    WR_PARSE_REGEX,
    WR_PARSE_KV
};

enum wr_parse_part_kind { WR_PART_TEXT, WR_PART_SKIP, WR_PART_COLUMN };

struct wr_parse_part {
    enum wr_parse_part_kind kind;
    struct wr_str text; /* TEXT */
    uint32_t col;       /* COLUMN */
};

struct wr_parse_col {
    const char *name;
    enum wr_type type;
    int group; /* REGEX */
};

struct wr_parse {
    enum wr_parse_kind kind;
    bool matched_only; /* parse-where */
    const struct wr_parse_part *parts; /* SIMPLE, RELAXED */
    uint32_t nparts;
    const struct wr_parse_col *cols;
    uint32_t ncols;
    const struct wr_re *re; /* REGEX; KV: of one pair, group 1 the key, group 2 the value; or NULL */
    struct wr_str pattern;  /* as the author has it, for explain */
    /* KV; empty delimiters: whatever is neither letter nor digit */
    struct wr_str pair, kv;
    char quote[2], escape; /* 0: none */
    bool greedy;
};

#endif
