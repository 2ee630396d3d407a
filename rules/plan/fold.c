/* Constants: conversion between types, and calls whose arguments are all constant. */
#include "base/buf.h"
#include "base/ticks.h"
#include "rules/exec/eval.h"
#include "rules/plan/bind.h"

#include <string.h>

static bool copy_value(struct wr_arena *arena, struct wr_value *v)
{
    struct wr_str s = v->s;
    return !wr_type_is_str(v->type) || wr_str_copy(arena, wr_str_data(&s), s.len, &v->s);
}

/* Runs `ex` over one row that has no columns. */
static bool eval_once(const struct wr_ex *ex, struct wr_arena *arena, struct wr_value *ret)
{
    struct wr_arena *scratch = wr_arena_new(1024);
    uint16_t zero = 0;
    struct wr_sel sel = {.row = &zero, .n = 1};
    struct wr_eval ev = {.arena = scratch, .nrows = 1};
    const struct wr_vec *v = scratch ? wr_ex_eval(&ev, ex, NULL, &sel) : NULL;
    bool ok = v != NULL && ev.err == WR_OK;
    if (ok) {
        *ret = (struct wr_value){.type = ex->type, .null = true};
        if (wr_vec_valid(v, 0)) {
            *ret = wr_value_at(v, 0);
            ret->type = ex->type;
        }
        ok = copy_value(arena, ret);
    }
    wr_arena_free(scratch);
    return ok;
}

static bool is_call(const struct wr_ex *ex, const char *name)
{
    return ex->kind == WR_EX_CALL && strcmp(ex->fn->name, name) == 0;
}

/* now(), ago(1h): a time, at every run. */
static bool never_null(const struct wr_ex *ex)
{
    if (ex->kind == WR_EX_CONST)
        return !ex->value.null;
    bool sure = is_call(ex, "now") || is_call(ex, "ago");
    for (uint32_t i = 0; i < ex->nargs && sure; i++)
        sure = never_null(ex->args[i]);
    return sure;
}

/* `true or x`, `true and x` and their kin; NULL: as it stands. This is what makes filters of functions whose parameters are
 * left out go away. */
static struct wr_ex *shorten(struct wr_binder *b, struct wr_ex *ex)
{
    bool any = is_call(ex, "or"), all = is_call(ex, "and");
    struct wr_value v = {.type = WR_BOOL, .i = is_call(ex, "isnotnull")};
    if ((v.i || is_call(ex, "isnull")) && ex->args[0]->kind == WR_EX_CALL && never_null(ex->args[0]))
        return wr_ex_const(b, &v, ex->span);
    for (uint32_t i = 0; (any || all) && ex->nargs == 2 && i < 2; i++) {
        const struct wr_ex *a = ex->args[i];
        if (a->kind == WR_EX_CONST && a->type == WR_BOOL && !a->value.null)
            return (a->value.i != 0) == any ? ex->args[i] : ex->args[1 - i];
    }
    return NULL;
}

struct wr_ex *wr_ex_fold(struct wr_binder *b, struct wr_ex *ex)
{
    struct wr_ex *shorter = ex->kind == WR_EX_CALL ? shorten(b, ex) : NULL;
    if (shorter)
        return shorter;
    if (ex->kind != WR_EX_CALL || ex->fn->flags & (WR_FN_PER_RUN | WR_FN_NO_FOLD))
        return ex;
    for (uint32_t i = 0; i < ex->nargs; i++)
        if (ex->args[i]->kind != WR_EX_CONST)
            return ex;
    struct wr_value v;
    if (!eval_once(ex, b->arena, &v)) {
        wr_bind_nomem(b);
        return NULL;
    }
    return wr_ex_const(b, &v, ex->span);
}

static bool text_of(const struct wr_value *v, struct wr_arena *arena, struct wr_value *ret)
{
    struct wr_buf buf = {0};
    wr_value_print(v, &buf);
    *ret = (struct wr_value){.type = WR_STRING};
    bool ok = wr_str_copy(arena, buf.data ? buf.data : "", buf.len, &ret->s);
    wr_buf_fini(&buf);
    return ok;
}

static bool from_text(struct wr_arena *arena, const struct wr_value *v, enum wr_type type,
                      struct wr_value *ret)
{
    const char *why;
    if (v->s.len == 0)
        return false;
    return wr_kql_typed_literal(type, wr_str_data(&v->s), v->s.len, arena, ret, &why) && !ret->null;
}

bool wr_value_convert(struct wr_arena *arena, const struct wr_value *v, enum wr_type type,
                      struct wr_value *ret)
{
    *ret = *v;
    ret->type = type;
    if (v->type == type || v->null)
        return true;
    bool integer = v->type == WR_INT || v->type == WR_LONG;
    if (integer && type == WR_REAL)
        ret->r = (double)v->i;
    else if (integer && type == WR_INT)
        return v->i >= INT32_MIN && v->i <= INT32_MAX;
    else if (v->type == WR_STRING && type != WR_DYNAMIC)
        return from_text(arena, v, type, ret);
    else if (type == WR_STRING && (integer || v->type == WR_REAL))
        return text_of(v, arena, ret);
    else if (!(integer && type == WR_LONG))
        return false;
    return true;
}
