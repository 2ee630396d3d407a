#include "parsers/log/event.h"

#include <stdlib.h>

static int cmp_int(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int cmp_str(const void *a, const void *b)
{
    return wr_str_cmp(a, b);
}

static int cmp_nocase(const void *a, const void *b)
{
    const struct wr_str *x = a, *y = b;
    const char *p = wr_str_data(x), *q = wr_str_data(y);
    uint32_t n = x->len < y->len ? x->len : y->len;
    for (uint32_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)wr_ascii_lower(p[i]), d = (unsigned char)wr_ascii_lower(q[i]);
        if (c != d)
            return c < d ? -1 : 1;
    }
    return (x->len > y->len) - (x->len < y->len);
}

/* Columns that something else than the record fills: the parser (time, table name), the flow (bytes, names) or
 * the connection table. Their predicates are left to the rules. */
static bool decided_later(enum wr_table table, uint16_t col)
{
    if (col == WR_TIME_COL || col == wr_event_type_col(table))
        return true;
    if (table != WR_TABLE_DEVICE_NETWORK_EVENTS)
        return wr_schema_of(table)->cols[col].hidden;
    return col == WR_DNE_SentBytes || col == WR_DNE_ReceivedBytes || col == WR_DNE_EventCount ||
           col == WR_DNE_RemoteUrl || col >= WR_DNE__RowId;
}

static bool copy_pred(struct wr_arena *arena, struct wr_pred *dst, const struct wr_pred *src)
{
    *dst = *src;
    if (src->op == WR_PRED_SET)
        return true;
    if (src->op == WR_PRED_IN_INT) {
        int64_t *ints = wr_arena_alloc(arena, src->n * sizeof *ints);
        if (!ints)
            return false;
        if (src->n)
            memcpy(ints, src->ints, src->n * sizeof *ints);
        qsort(ints, src->n, sizeof *ints, cmp_int);
        dst->ints = ints;
        return true;
    }
    struct wr_str *strs = wr_arena_alloc(arena, src->n * sizeof *strs);
    if (!strs)
        return false;
    for (uint32_t i = 0; i < src->n; i++)
        if (!wr_str_copy(arena, wr_str_data(&src->strs[i]), src->strs[i].len, &strs[i]))
            return false;
    qsort(strs, src->n, sizeof *strs, src->op == WR_PRED_IN_STR ? cmp_str : cmp_nocase);
    dst->strs = strs;
    return true;
}

static bool copy_branch(struct wr_arena *arena, enum wr_table table, struct wr_branch *dst,
                        const struct wr_branch *src)
{
    const struct wr_schema *schema = wr_schema_of(table);
    struct wr_pred *preds = wr_arena_alloc(arena, src->npreds * sizeof *preds);
    if (!preds)
        return false;
    dst->npreds = 0;
    for (uint32_t i = 0; i < src->npreds; i++) {
        uint16_t col = src->preds[i].col;
        if (col >= schema->ncols)
            return false;
        col = schema->cols[col].store;
        if (decided_later(table, col))
            continue;
        if (!copy_pred(arena, &preds[dst->npreds], &src->preds[i]))
            return false;
        preds[dst->npreds++].col = col;
    }
    dst->preds = preds;
    return true;
}

enum wr_err wr_filter_init(struct wr_filter *filter, const struct wr_scan *scan)
{
    *filter = (struct wr_filter){.arena = wr_arena_new(4096)};
    if (!filter->arena)
        return WR_ENOMEM;
    filter->branches = wr_arena_alloc(filter->arena, scan->nbranches * sizeof *filter->branches);
    if (!filter->branches)
        goto fail;
    for (; filter->nbranches < scan->nbranches; filter->nbranches++) {
        struct wr_branch *b = &filter->branches[filter->nbranches];
        if (!copy_branch(filter->arena, scan->table, b, &scan->branches[filter->nbranches]))
            goto fail;
        for (uint32_t i = 0; i < b->npreds; i++)
            wr_colset_add(&filter->cols, b->preds[i].col);
    }
    return WR_OK;
fail:
    wr_filter_fini(filter);
    return WR_ENOMEM;
}

void wr_filter_fini(struct wr_filter *filter)
{
    if (filter->arena)
        wr_arena_free(filter->arena);
    *filter = (struct wr_filter){0};
}

static bool in_ints(const struct wr_pred *p, struct wr_event *ev)
{
    int64_t v;
    return wr_event_has(ev, p->col) && wr_val_i64(wr_event_val(ev, p->col), &v) && p->n &&
           bsearch(&v, p->ints, p->n, sizeof v, cmp_int);
}

static bool in_strs(const struct wr_pred *p, const char *text, size_t len)
{
    struct wr_str s = wr_str_borrow(text, len);
    return p->n && bsearch(&s, p->strs, p->n, sizeof s, p->op == WR_PRED_IN_STR ? cmp_str : cmp_nocase);
}

static bool pred_accepts(const struct wr_pred *p, struct wr_event *ev)
{
    if (p->op == WR_PRED_SET)
        return wr_event_has(ev, p->col) && !(wr_event_val(ev, p->col)->type == WR_JSON_STR && !wr_event_val(ev, p->col)->len);
    if (p->op == WR_PRED_IN_INT)
        return in_ints(p, ev);
    const char *text = "";
    size_t len = 0;
    if (wr_event_has(ev, p->col) && !wr_val_text(ev->json, ev->scratch, wr_event_val(ev, p->col), &text, &len))
        return true;
    /* A request becomes a success when its flow shows the handshake. */
    static const char success[] = "ConnectionSuccess";
    if (ev->table == WR_TABLE_DEVICE_NETWORK_EVENTS && p->col == WR_DNE_ActionType && wr_event_has(ev, p->col) &&
        wr_val_is(wr_event_val(ev, p->col), "ConnectionRequest") && in_strs(p, success, sizeof success - 1))
        return true;
    return in_strs(p, text, len);
}

bool wr_filter_accepts(const struct wr_filter *filter, struct wr_event *ev)
{
    if (!filter->arena)
        return true;
    for (uint32_t b = 0; b < filter->nbranches; b++) {
        const struct wr_branch *branch = &filter->branches[b];
        uint32_t i = 0;
        while (i < branch->npreds && pred_accepts(&branch->preds[i], ev))
            i++;
        if (i == branch->npreds)
            return true;
    }
    return false;
}
