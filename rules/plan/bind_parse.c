/* parse, parse-where, parse-kv: their patterns, read once. */
#include "rules/plan/bind.h"
#include "rules/plan/parse.h"

#include <stdio.h>
#include <string.h>

/* ---- the operator ---- */

/* Behind the input's columns: the new ones under names that nothing clashes with. */
static const struct wr_schema *widened(struct wr_binder *b, const struct wr_schema *in, const struct wr_parse *spec,
                                       struct wr_span span)
{
    struct wr_schema *schema = wr_arena_alloc(b->arena, sizeof *schema);
    struct wr_coldef *cols = wr_arena_alloc(b->arena, (in->ncols + spec->ncols + 1u) * sizeof *cols);
    if (!schema || !cols) {
        wr_bind_nomem(b);
        return NULL;
    }
    if (in->ncols + spec->ncols > WR_MAX_COLS) {
        wr_bind_error(b, span, "too many columns (256 are kept)");
        return NULL;
    }
    memcpy(cols, in->cols, in->ncols * sizeof *cols);
    for (uint32_t i = 0; i < spec->ncols; i++)
        cols[in->ncols + i] = (struct wr_coldef){
            .name = spec->cols[i].name, .type = spec->cols[i].type, .store = (uint16_t)(in->ncols + i)};
    *schema = (struct wr_schema){.name = "", .cols = cols, .ncols = (uint16_t)(in->ncols + spec->ncols)};
    return schema;
}

/* New columns take the place of old ones of their name. */
static struct wr_op *replace_columns(struct wr_binder *b, struct wr_op *op, const struct wr_parse *spec)
{
    struct wr_cols cols = {0};
    uint16_t nin = op->input->schema->ncols;
    bool clash = false;
    for (uint16_t i = 0; i < op->schema->ncols; i++) {
        const struct wr_coldef *def = &op->schema->cols[i];
        uint16_t from = i;
        for (uint32_t k = 0; i < nin && k < spec->ncols; k++)
            if (strcmp(spec->cols[k].name, def->name) == 0)
                from = (uint16_t)(nin + k);
        clash |= from != i;
        struct wr_ex *ex = def->hidden ? NULL : wr_ex_col(b, op->schema, from, op->span);
        if (def->hidden || (i >= nin && wr_cols_find(&cols, def->name) != UINT32_MAX))
            continue;
        if (!ex || !wr_cols_add(b, &cols, def->name, true, ex, op->span))
            return NULL;
    }
    return clash ? wr_op_map(b, &cols, op, op->span) : op;
}

static struct wr_op *parse_op(struct wr_binder *b, const struct wr_kql_op *ast, const struct wr_parse *spec,
                              struct wr_op *input)
{
    struct wr_ex *text = wr_bind_ex(b, ast->args[0]);
    if (text && text->type != WR_STRING && text->type != WR_DYNAMIC) {
        wr_bind_error(b, ast->args[0]->span, "%s takes a text; this is a %s", b->op, wr_type_name(text->type));
        return NULL;
    }
    for (uint32_t i = 1; i < spec->ncols; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(spec->cols[i].name, spec->cols[k].name) == 0) {
                wr_bind_error(b, ast->span, "a second column '%s'", spec->cols[i].name);
                return NULL;
            }
    text = text ? wr_ex_convert(b, text, WR_STRING) : NULL;
    struct wr_op *op = text ? wr_op_new(b, WR_OP_PARSE, input, ast->span) : NULL;
    struct wr_ex **cols = op ? wr_arena_alloc(b->arena, sizeof *cols) : NULL;
    if (!cols)
        return NULL;
    cols[0] = text;
    op->cols = cols;
    op->nkeys = 1;
    op->data = spec;
    op->schema = widened(b, input->schema, spec, ast->span);
    return op->schema ? replace_columns(b, op, spec) : NULL;
}

/* ---- parse, parse-where ---- */

static bool kind_of(struct wr_binder *b, const struct wr_kql_op *ast, enum wr_parse_kind *ret)
{
    static const char *const names[] = {"simple", "relaxed", "regex"};
    *ret = WR_PARSE_SIMPLE;
    for (int i = 0; ast->label.text && i < 3; i++)
        if (strcmp(names[i], ast->label.text) == 0) {
            *ret = (enum wr_parse_kind)i;
            return true;
        }
    if (!ast->label.text)
        return true;
    struct wr_diag *d = wr_bind_error(b, ast->label.span, "no %s of kind '%s'", b->op, ast->label.text);
    wr_diag_hint(b->diags, d, "kinds: simple relaxed regex");
    return false;
}

static void column_pattern(const struct wr_parse_col *col, uint32_t i, struct wr_buf *out)
{
    const char *body = ".*";
    if (col->type == WR_INT || col->type == WR_LONG)
        body = "\\s*[-+]?[0-9]+";
    else if (col->type == WR_REAL || col->type == WR_DECIMAL)
        body = "\\s*[-+]?[0-9]*\\.?[0-9]+(?:[eE][-+]?[0-9]+)?";
    wr_buf_fmt(out, "(?P<weir_%u>%s)", i, body);
}

/* The whole as one pattern. False after an error. */
static bool compile(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_parse *spec,
                    struct wr_parse_col *cols)
{
    struct wr_buf text = {0};
    char why[200] = "out of memory";
    const char *flags = ast->withsource.text ? ast->withsource.text : "";
    if (strspn(flags, "Uims") != strlen(flags)) {
        wr_bind_error(b, ast->withsource.span, "flags are among U, i, m, s");
        return false;
    }
    wr_buf_fmt(&text, *flags ? "(?%s)\\A" : "\\A", flags);
    for (uint32_t i = 0; i < spec->nparts; i++) {
        const struct wr_parse_part *part = &spec->parts[i];
        if (part->kind == WR_PART_SKIP)
            wr_buf_str(&text, ".*");
        else if (part->kind == WR_PART_COLUMN)
            column_pattern(&cols[part->col], part->col, &text);
        else
            wr_buf_fmt(&text, "(?:%.*s)", (int)part->text.len, wr_str_data(&part->text));
    }
    wr_buf_str(&text, "\\z");
    struct wr_re *re = text.err ? NULL : wr_re_new(text.data, text.len, why, sizeof why);
    bool ok = re && wr_arena_defer(b->arena, wr_re_free, re) &&
              wr_str_copy(b->arena, text.data, text.len, &spec->pattern);
    for (uint32_t i = 0; ok && i < spec->ncols; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "weir_%u", i);
        cols[i].group = wr_re_group(re, name, (size_t)n);
    }
    if (!re)
        wr_bind_error(b, ast->span, "this pattern cannot be used: %s", why);
    spec->re = re;
    wr_buf_fini(&text);
    return ok;
}

/* A text has no end of its own when '*' or another text follows it. */
static bool check_ends(struct wr_binder *b, const struct wr_kql_op *ast, const struct wr_parse *spec)
{
    for (uint32_t i = 0; i + 1 < spec->nparts; i++) {
        const struct wr_parse_part *part = &spec->parts[i], *next = part + 1;
        enum wr_type type = part->kind == WR_PART_COLUMN ? spec->cols[part->col].type : WR_STRING;
        bool number = type == WR_INT || type == WR_LONG || type == WR_REAL || type == WR_DECIMAL;
        if (part->kind != WR_PART_COLUMN || next->kind == WR_PART_TEXT || number)
            continue;
        struct wr_diag *d =
            wr_bind_error(b, ast->by[i]->span, "column '%s' has no end here", spec->cols[part->col].name);
        wr_diag_hint(b->diags, d, "put the text that follows it behind it, in quotes");
        return false;
    }
    return true;
}

struct wr_op *wr_bind_parse(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_parse *spec = wr_arena_alloc(b->arena, sizeof *spec);
    struct wr_parse_part *parts = wr_arena_alloc(b->arena, (ast->nby + 1) * sizeof *parts);
    struct wr_parse_col *cols = wr_arena_alloc(b->arena, (ast->nby + 1) * sizeof *cols);
    if (!spec || !parts || !cols || !kind_of(b, ast, &spec->kind))
        return NULL;
    spec->matched_only = strcmp(ast->name.text, "parse-where") == 0;
    spec->parts = parts;
    spec->nparts = ast->nby;
    spec->cols = cols;
    if (spec->matched_only && spec->kind == WR_PARSE_RELAXED) {
        wr_bind_error(b, ast->label.span, "no parse-where of kind 'relaxed'");
        return NULL;
    }
    for (uint32_t i = 0; i < ast->nby; i++) {
        const struct wr_kql_ex *ex = ast->by[i];
        parts[i] = (struct wr_parse_part){.kind = WR_PART_SKIP, .col = spec->ncols};
        if (ex->kind == WR_KQL_NAME) {
            parts[i].kind = WR_PART_COLUMN;
            cols[spec->ncols++] = (struct wr_parse_col){.name = ex->cols[0].name.text, .type = ex->cols[0].type};
            cols[spec->ncols - 1].name = wr_arena_strndup(b->arena, ex->name.text, ex->name.len);
            if (!cols[spec->ncols - 1].name)
                return NULL;
        } else if (ex->kind == WR_KQL_LITERAL && ex->value.type == WR_STRING) {
            parts[i].kind = WR_PART_TEXT;
            if (!wr_str_copy(b->arena, wr_str_data(&ex->value.s), ex->value.s.len, &parts[i].text))
                return NULL;
        } else if (ex->kind != WR_KQL_STAR) {
            wr_bind_error(b, ex->span, "a pattern is made of texts, columns and '*'");
            return NULL;
        }
    }
    if (spec->kind == WR_PARSE_REGEX ? !compile(b, ast, spec, cols) : !check_ends(b, ast, spec))
        return NULL;
    return parse_op(b, ast, spec, input);
}

/* ---- parse-kv ---- */

static bool option_text(struct wr_binder *b, const struct wr_kql_ex *option, struct wr_str *ret)
{
    struct wr_ex *ex = wr_bind_ex(b, option->args[0]);
    if (!ex)
        return false;
    if (ex->kind != WR_EX_CONST || ex->type != WR_STRING || !ex->value.s.len) {
        wr_bind_error(b, option->span, "'%s' is a text", option->names[0].text);
        return false;
    }
    *ret = ex->value.s;
    return true;
}

static bool one_or_two(struct wr_binder *b, const struct wr_kql_ex *option, uint32_t most, char *ret)
{
    struct wr_str s;
    if (!option_text(b, option, &s))
        return false;
    if (s.len > most) {
        wr_bind_error(b, option->span, "'%s' has %s", option->names[0].text,
                      most == 2 ? "one character, or two: opening and closing" : "one character");
        return false;
    }
    for (uint32_t i = 0; i < most; i++)
        ret[i] = wr_str_data(&s)[i < s.len ? i : 0];
    return true;
}

static bool option_regex(struct wr_binder *b, const struct wr_kql_ex *option, struct wr_parse *spec)
{
    char why[200] = "out of memory";
    if (!option_text(b, option, &spec->pattern))
        return false;
    struct wr_re *re = wr_re_new(wr_str_data(&spec->pattern), spec->pattern.len, why, sizeof why);
    if (re && wr_re_groups(re) != 2)
        wr_bind_error(b, option->span, "the pattern needs two groups: the key, and the value");
    else if (!re)
        wr_bind_error(b, option->span, "this regular expression cannot be used: %s", why);
    if (re && wr_re_groups(re) == 2 && wr_arena_defer(b->arena, wr_re_free, re)) {
        spec->re = re;
        return true;
    }
    wr_re_free(re);
    return false;
}

static bool option_bool(struct wr_binder *b, const struct wr_kql_ex *option, bool *ret)
{
    struct wr_ex *ex = wr_bind_ex(b, option->args[0]);
    if (ex && (ex->kind != WR_EX_CONST || ex->type != WR_BOOL)) {
        wr_bind_error(b, option->span, "'%s' is true or false", option->names[0].text);
        return false;
    }
    *ret = ex && ex->value.i;
    return ex != NULL;
}

static bool kv_option(struct wr_binder *b, const struct wr_kql_ex *option, struct wr_parse *spec)
{
    const char *name = option->kind == WR_KQL_NAMED ? option->names[0].text : "";
    if (strcmp(name, "pair_delimiter") == 0)
        return option_text(b, option, &spec->pair);
    if (strcmp(name, "kv_delimiter") == 0)
        return option_text(b, option, &spec->kv);
    if (strcmp(name, "quote") == 0)
        return one_or_two(b, option, 2, spec->quote);
    if (strcmp(name, "escape") == 0)
        return one_or_two(b, option, 1, &spec->escape);
    if (strcmp(name, "greedy") == 0)
        return option_bool(b, option, &spec->greedy);
    if (strcmp(name, "regex") == 0)
        return option_regex(b, option, spec);
    struct wr_diag *d = wr_bind_error(b, option->span, "no such option of parse-kv");
    wr_diag_hint(b->diags, d, "options: pair_delimiter kv_delimiter quote escape greedy regex");
    return false;
}

struct wr_op *wr_bind_parse_kv(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_parse *spec = wr_arena_alloc(b->arena, sizeof *spec);
    struct wr_parse_col *cols = wr_arena_alloc(b->arena, (ast->ncols + 1) * sizeof *cols);
    if (!spec || !cols) {
        wr_bind_nomem(b);
        return NULL;
    }
    spec->kind = WR_PARSE_KV;
    spec->cols = cols;
    spec->ncols = ast->ncols;
    for (uint32_t i = 0; i < ast->ncols; i++) {
        cols[i] = (struct wr_parse_col){.type = ast->cols[i].type};
        cols[i].name = wr_arena_strndup(b->arena, ast->cols[i].name.text, ast->cols[i].name.len);
        if (!cols[i].name)
            return NULL;
    }
    for (uint32_t i = 0; i < ast->nby; i++)
        if (!kv_option(b, ast->by[i], spec))
            return NULL;
    if (spec->greedy && (!spec->pair.len || !spec->kv.len)) {
        wr_bind_error(b, ast->span, "greedy needs pair_delimiter and kv_delimiter");
        return NULL;
    }
    return parse_op(b, ast, spec, input);
}

/* ---- explain ---- */

void wr_parse_print(const struct wr_op *op, struct wr_buf *out)
{
    const struct wr_parse *s = op->data;
    static const char *const kinds[] = {"simple", "relaxed", "regex", "kv"};
    wr_buf_fmt(out, "parse%s %s ", s->matched_only ? "-where" : "", kinds[s->kind]);
    wr_ex_print(op->cols[0], op->input->schema, out);
    wr_buf_str(out, " with");
    for (uint32_t i = 0; i < s->nparts; i++) {
        wr_buf_char(out, ' ');
        if (s->parts[i].kind == WR_PART_TEXT)
            wr_json_str(out, wr_str_data(&s->parts[i].text), s->parts[i].text.len);
        else
            wr_buf_str(out, s->parts[i].kind == WR_PART_SKIP ? "*" : s->cols[s->parts[i].col].name);
    }
    for (uint32_t i = 0; i < s->ncols; i++)
        wr_buf_fmt(out, "%s%s:%s", i ? ", " : " (", s->cols[i].name, wr_type_name(s->cols[i].type));
    wr_buf_char(out, ')');
    if (s->kind < WR_PARSE_REGEX)
        return;
    wr_buf_char(out, ' ');
    wr_json_str(out, wr_str_data(&s->pattern), s->pattern.len);
    if (s->kind == WR_PARSE_REGEX)
        return;
    wr_buf_char(out, ' ');
    wr_json_str(out, wr_str_data(&s->pair), s->pair.len);
    wr_buf_char(out, ' ');
    wr_json_str(out, wr_str_data(&s->kv), s->kv.len);
    wr_buf_fmt(out, " %u %u %u%s", (unsigned char)s->quote[0], (unsigned char)s->quote[1], (unsigned char)s->escape,
               s->greedy ? " greedy" : "");
}
