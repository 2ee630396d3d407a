#include "rules/exec/parse.h"

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/kql/token.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char **text, size_t *len)
{
    while (*len && is_blank(**text)) {
        ++*text;
        --*len;
    }
    while (*len && is_blank((*text)[*len - 1]))
        --*len;
}

static bool dynamic_cell(struct wr_eval *ev, const char *text, size_t len, struct wr_vec *out, uint32_t row)
{
    struct wr_buf json = {0};
    if (!wr_json_compact(text, len, &json)) {
        wr_buf_reset(&json);
        wr_json_str(&json, text, len);
    }
    if (json.err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, json.data, json.len);
    wr_buf_fini(&json);
    return true;
}

bool wr_parse_cell(struct wr_eval *ev, const char *text, size_t len, struct wr_vec *out, uint32_t row)
{
    struct wr_value v;
    const char *why;
    if (out->type == WR_STRING) {
        wr_put_s(out, row, wr_str_borrow(text, len));
        return true;
    }
    trim(&text, &len);
    if (!len)
        return false;
    if (out->type == WR_DYNAMIC)
        return dynamic_cell(ev, text, len, out, row);
    if (!wr_kql_typed_literal(out->type, text, len, ev->arena, &v, &why) || v.null)
        return false;
    if (out->s)
        wr_put_s(out, row, v.s);
    else if (out->r)
        wr_put_r(out, row, v.r);
    else
        wr_put_i(out, row, v.i);
    return true;
}

/* ---- simple and relaxed ---- */

struct piece {
    const char *p;
    size_t len;
};

/* How much of the text a number takes. */
static size_t number_len(enum wr_type type, const char *p, size_t len)
{
    size_t n = 0;
    while (n < len && is_blank(p[n]))
        n++;
    n += n < len && (p[n] == '-' || p[n] == '+');
    bool real = type == WR_REAL || type == WR_DECIMAL;
    while (n < len && ((p[n] >= '0' && p[n] <= '9') || (real && p[n] && strchr(".eE", p[n]))))
        n++;
    return n;
}

/* Cuts `text` by the pattern; false when it does not fit. */
static bool cut(const struct wr_parse *spec, const char *text, size_t len, struct piece *got)
{
    const char *at = text, *end = text + len;
    for (uint32_t i = 0; i < spec->nparts; i++) {
        const struct wr_parse_part *part = &spec->parts[i], *next = i + 1 < spec->nparts ? part + 1 : NULL;
        size_t left = (size_t)(end - at);
        if (part->kind == WR_PART_TEXT) { /* found by what stands before it, or due right here */
            size_t n = part->text.len;
            if (left < n || memcmp(at, wr_str_data(&part->text), n) != 0)
                return false;
            at += n;
            continue;
        }
        const char *stop = end;
        if (next && next->kind == WR_PART_TEXT) {
            stop = memmem(at, left, wr_str_data(&next->text), next->text.len);
            /* the last text ends the whole: of several the last one counts */
            if (stop && i + 2 == spec->nparts && left >= next->text.len)
                stop = memcmp(end - next->text.len, wr_str_data(&next->text), next->text.len) == 0
                           ? end - next->text.len
                           : NULL;
        } else if (next && part->kind == WR_PART_COLUMN) {
            stop = at + number_len(spec->cols[part->col].type, at, left);
        } else if (next) {
            stop = at; /* a column behind '*': it begins here */
        }
        if (!stop)
            return false;
        if (part->kind == WR_PART_COLUMN)
            got[part->col] = (struct piece){at, (size_t)(stop - at)};
        at = stop;
    }
    return at == end;
}

/* ---- regex ---- */

static bool match(struct wr_eval *ev, const struct wr_parse *spec, const char *text, size_t len, struct piece *got)
{
    struct wr_re_span spans[WR_RE_MAX_GROUPS + 1];
    int n = wr_re_groups(spec->re) + 1, found = wr_re_find(spec->re, text, len, 0, spans, n);
    if (found < 0)
        ev->err = WR_ENOMEM;
    for (uint32_t i = 0; found > 0 && i < spec->ncols; i++) {
        const struct wr_re_span *s = &spans[spec->cols[i].group];
        got[i] = s->from <= s->to ? (struct piece){text + s->from, s->to - s->from} : (struct piece){text, 0};
    }
    return found > 0;
}

/* ---- rows ---- */

static bool is_valid(const struct wr_vec *v, uint32_t row)
{
    return wr_vec_valid(v, row) && v->s;
}

static bool by_pattern(struct wr_eval *ev, const struct wr_parse *spec, const struct wr_str *s, struct wr_vec *cols,
                       uint32_t row)
{
    struct piece got[WR_MAX_COLS];
    const char *text = wr_str_data(s);
    bool ok = spec->kind == WR_PARSE_REGEX ? match(ev, spec, text, s->len, got) : cut(spec, text, s->len, got);
    for (uint32_t i = 0; ok && i < spec->ncols; i++) {
        bool converts = wr_parse_cell(ev, got[i].p, got[i].len, &cols[i], row);
        ok = converts || spec->kind == WR_PARSE_RELAXED;
    }
    for (uint32_t i = 0; !ok && i < spec->ncols; i++)
        wr_cell_clear(&cols[i], row);
    return ok;
}

static bool by_keys(struct wr_eval *ev, const struct wr_parse *spec, const struct wr_str *s, struct wr_vec *cols,
                    uint32_t row)
{
    struct wr_str found[WR_MAX_COLS];
    bool has[WR_MAX_COLS] = {false};
    wr_parse_pairs(ev, spec, wr_str_data(s), s->len, found, has);
    for (uint32_t i = 0; i < spec->ncols && !ev->err; i++)
        if (has[i])
            (void)wr_parse_cell(ev, wr_str_data(&found[i]), found[i].len, &cols[i], row);
    return true;
}

void wr_parse_apply(struct wr_eval *ev, const struct wr_op *op, struct wr_chunk *chunk)
{
    const struct wr_parse *spec = op->data;
    uint16_t nin = op->input->schema->ncols;
    struct wr_vec *cols = wr_arena_alloc(ev->arena, (op->schema->ncols + 1u) * sizeof *cols);
    const struct wr_vec *text = wr_ex_eval(ev, op->cols[0], chunk->col, &chunk->sel);
    if (!cols || !text) {
        ev->err = WR_ENOMEM;
        return;
    }
    memcpy(cols, chunk->col, nin * sizeof *cols);
    for (uint32_t i = 0; i < spec->ncols; i++) {
        struct wr_vec *v = wr_vec_new(ev, spec->cols[i].type);
        if (!v)
            return;
        cols[nin + i] = *v;
    }
    uint32_t n = 0;
    for (uint32_t k = 0; k < chunk->sel.n && !ev->err; k++) {
        uint16_t row = chunk->sel.row[k];
        bool ok = is_valid(text, row) && (spec->kind == WR_PARSE_KV
                                              ? by_keys(ev, spec, &text->s[row], cols + nin, row)
                                              : by_pattern(ev, spec, &text->s[row], cols + nin, row));
        chunk->sel.row[n] = row;
        n += ok || !spec->matched_only;
    }
    chunk->sel.n = n;
    chunk->col = cols;
    chunk->schema = op->schema;
}
