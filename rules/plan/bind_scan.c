/* scan: steps, each with a condition and assignments; `step.column` is a column of its own, filled at run time. */
#include "rules/plan/plugin.h"
#include "rules/plan/steps.h"

#include <string.h>

struct wr_scan_binding {
    struct wr_scan_spec *spec;
    struct wr_coldef cols[WR_MAX_COLS];
    struct wr_schema row; /* grows with each new `step.column` */
    uint16_t width;
};

struct wr_ex *wr_bind_scan_ref(struct wr_binder *b, const struct wr_kql_ex *ast, bool *ret_is)
{
    struct wr_scan_binding *s = b->scan;
    const struct wr_kql_ex *step = ast->args[0];
    *ret_is = false;
    if (!s || ast->kind != WR_KQL_PATH || step->kind != WR_KQL_NAME ||
        wr_schema_find(&s->row, step->name.text, step->name.len) != WR_NO_COL)
        return NULL;
    uint16_t k = 0;
    while (k < s->spec->nsteps && strcmp(s->spec->step[k].name, step->name.text) != 0)
        k++;
    if (k == s->spec->nsteps)
        return NULL;
    *ret_is = true;
    uint16_t col = 0;
    while (col < s->width && strcmp(s->cols[col].name, ast->name.text) != 0)
        col++;
    if (col == s->width) {
        struct wr_diag *d = wr_bind_error(b, ast->name.span, "no column '%s' in this scan", ast->name.text);
        wr_hint_column(b, d, &s->row, ast->name.text);
        return NULL;
    }
    uint32_t i = 0;
    while (i < s->spec->nrefs && (s->spec->ref[i].step != k || s->spec->ref[i].col != col))
        i++;
    if (i == s->spec->nrefs) {
        if (i == WR_SCAN_MAX_REFS || s->row.ncols == WR_MAX_COLS) {
            wr_bind_error(b, ast->span, "this scan looks back at too many columns");
            return NULL;
        }
        s->spec->ref[s->spec->nrefs++] = (struct wr_scan_ref){k, col};
        s->cols[s->row.ncols] = (struct wr_coldef){
            .name = ast->name.text, .type = s->cols[col].type, .store = s->row.ncols, .hidden = true};
        s->cols[s->row.ncols].name = wr_arena_strndup(b->arena, ast->name.text, ast->name.len);
        s->row.ncols++;
    }
    struct wr_ex *ex = wr_ex_new(b, WR_EX_COL, s->cols[col].type, ast->span);
    if (ex)
        ex->col = (uint16_t)(s->width + i);
    return ex;
}

static bool declare(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_scan_binding *s)
{
    struct wr_value *initial = wr_arena_alloc(b->arena, (ast->ncols + 1) * sizeof *initial);
    if (!initial)
        return wr_bind_nomem(b);
    s->spec->initial = initial;
    s->spec->ndeclared = ast->ncols;
    for (uint32_t i = 0; i < ast->ncols; i++) {
        const struct wr_kql_col *col = &ast->cols[i];
        initial[i] = (struct wr_value){.type = col->type, .null = col->type != WR_STRING};
        if (wr_schema_find(&s->row, col->name.text, col->name.len) != WR_NO_COL || s->row.ncols == WR_MAX_COLS) {
            wr_bind_error(b, col->name.span, "a second column '%s'", col->name.text);
            return false;
        }
        s->cols[s->row.ncols] = (struct wr_coldef){
            .name = wr_arena_strndup(b->arena, col->name.text, col->name.len), .type = col->type, .store = s->row.ncols};
        if (!s->cols[s->row.ncols].name)
            return false;
        s->row.ncols++;
        struct wr_ex *ex = ast->defaults[i] ? wr_bind_ex(b, ast->defaults[i]) : NULL;
        ex = ex ? wr_ex_convert(b, ex, col->type) : NULL;
        if (ast->defaults[i] && (!ex || ex->kind != WR_EX_CONST)) {
            if (ex)
                wr_bind_error(b, ast->defaults[i]->span, "a default is a constant");
            return false;
        }
        if (ex)
            initial[i] = ex->value;
        initial[i].type = col->type;
    }
    return true;
}

static bool bind_step(struct wr_binder *b, const struct wr_kql_step *ast, struct wr_scan_binding *s,
                      struct wr_scan_step *step, struct wr_ex **cols, uint32_t *ncols, uint32_t *nassign)
{
    step->cond = *ncols;
    if (!(cols[(*ncols)++] = wr_bind_pred(b, ast->cond)))
        return false;
    step->first = *nassign;
    for (uint32_t i = 0; i < ast->nassign; i++) {
        const struct wr_kql_ex *a = ast->assign[i];
        uint16_t col = (uint16_t)(s->width - s->spec->ndeclared);
        while (a->kind == WR_KQL_NAMED && col < s->width && strcmp(s->cols[col].name, a->names[0].text) != 0)
            col++;
        if (a->kind != WR_KQL_NAMED || col == s->width) {
            struct wr_diag *d = wr_bind_error(b, a->span, "an assignment goes to a declared column");
            wr_diag_hint(b->diags, d, "declare (Name: type) before 'with'");
            return false;
        }
        struct wr_ex *ex = wr_bind_ex(b, a->args[0]);
        ex = ex ? wr_ex_convert(b, ex, s->cols[col].type) : NULL;
        if (!ex)
            return false;
        s->spec->assign[(*nassign)++] = (struct wr_scan_assign){col, *ncols};
        cols[(*ncols)++] = ex;
    }
    step->nassign = ast->nassign;
    return true;
}

static const struct wr_schema *result_schema(struct wr_binder *b, const struct wr_kql_op *ast,
                                             const struct wr_scan_binding *s)
{
    struct wr_cols cols = {0};
    for (uint16_t i = 0; i < s->width; i++) {
        struct wr_ex type = {.type = s->cols[i].type};
        if (!wr_cols_add(b, &cols, s->cols[i].name, true, &type, ast->span))
            return NULL;
    }
    struct wr_ex type = {.type = WR_LONG};
    if (ast->label.text && !wr_cols_add(b, &cols, ast->label.text, true, &type, ast->label.span))
        return NULL;
    return wr_cols_schema(b, &cols);
}

struct wr_op *wr_bind_scan(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_scan_binding *s = wr_arena_alloc(b->arena, sizeof *s);
    struct wr_scan_spec *spec = wr_arena_alloc(b->arena, sizeof *spec);
    uint32_t total = 1, ncols = 0, nassign = 0;
    for (uint32_t k = 0; k < ast->nsteps; k++)
        total += 1 + ast->steps[k].nassign;
    struct wr_ex **cols = wr_arena_alloc(b->arena, total * sizeof *cols);
    bool ordered = input->ordered;
    if (!s || !spec || !cols || !(spec->assign = wr_arena_alloc(b->arena, total * sizeof *spec->assign)) ||
        !(input = wr_op_visible(b, input)))
        return NULL;
    if (!ordered) {
        struct wr_diag *d = wr_bind_error(b, ast->name.span, "scan needs rows in an order");
        wr_diag_hint(b->diags, d, "put a sort, or serialize, before it");
        d->page = "docs/kql.md#order";
        return NULL;
    }
    if (ast->nsteps > WR_SCAN_MAX_STEPS) {
        wr_bind_error(b, ast->span, "too many steps in one scan (%d are read)", WR_SCAN_MAX_STEPS);
        return NULL;
    }
    s->spec = spec;
    memcpy(s->cols, input->schema->cols, input->schema->ncols * sizeof *s->cols);
    s->row = (struct wr_schema){.name = "", .cols = s->cols, .ncols = input->schema->ncols};
    b->row = NULL;
    if (!declare(b, ast, s))
        return NULL;
    s->width = s->row.ncols;
    for (uint32_t k = 0; k < ast->nsteps; k++) {
        for (uint32_t j = 0; j < k; j++)
            if (strcmp(ast->steps[j].name.text, ast->steps[k].name.text) == 0) {
                wr_bind_error(b, ast->steps[k].name.span, "a second step '%s'", ast->steps[k].name.text);
                return NULL;
            }
        spec->step[k].name = wr_arena_strndup(b->arena, ast->steps[k].name.text, ast->steps[k].name.len);
        spec->step[k].output = (enum wr_scan_output)ast->steps[k].output;
    }
    spec->nsteps = ast->nsteps;
    spec->row = &s->row;
    spec->match_id = ast->label.text != NULL;
    b->row = &s->row;
    b->scan = s;
    bool ok = true;
    for (uint32_t k = 0; ok && k < ast->nsteps; k++)
        ok = bind_step(b, &ast->steps[k], s, &spec->step[k], cols, &ncols, &nassign);
    b->scan = NULL;
    struct wr_op *op = ok ? wr_op_whole(b, &wr_scan_whole, spec, result_schema(b, ast, s), input, ast->span) : NULL;
    if (!op)
        return NULL;
    op->cols = cols;
    op->nkeys = ncols;
    op->ordered = true;
    return op;
}
