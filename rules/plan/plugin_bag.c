/* evaluate bag_unpack: slots of a bag as columns. They are those of the schema that the author gives; without one, those of the
 * data, where that is constant. Source: Kusto "bag_unpack plugin". */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/plan/plugin.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_SLOTS = 200 };

enum conflict { CONFLICT_ERROR, CONFLICT_REPLACE, CONFLICT_KEEP };

struct slot {
    const char *name;
    enum wr_type type; /* WR_NTYPES: null so far */
};

struct unpack {
    struct wr_binder *b;
    const struct wr_plugin_call *call;
    struct wr_op *input;
    struct wr_ex *bag;
    uint16_t col;
    const char *prefix;
    enum conflict conflict;
    const struct wr_value *ignored; /* array of names, or NULL */
    struct slot slot[MAX_SLOTS];
    uint32_t n;
};

static enum wr_type type_of(struct wr_slice v)
{
    int64_t i;
    double r;
    if (!v.len || *v.p == 'n')
        return WR_NTYPES;
    if (*v.p == '"')
        return WR_STRING;
    if (*v.p == 't' || *v.p == 'f')
        return WR_BOOL;
    if (wr_text_to_long(v.p, v.len, &i))
        return WR_LONG;
    return wr_text_to_real(v.p, v.len, &r) ? WR_REAL : WR_DYNAMIC;
}

static enum wr_type common(enum wr_type a, enum wr_type b)
{
    if (a == b || b == WR_NTYPES)
        return a;
    if (a == WR_NTYPES)
        return b;
    return (a == WR_LONG && b == WR_REAL) || (a == WR_REAL && b == WR_LONG) ? WR_REAL : WR_DYNAMIC;
}

static bool is_ignored(const struct unpack *u, const char *name)
{
    struct wr_slice item, list = {u->ignored ? wr_str_data(&u->ignored->s) : "", u->ignored ? u->ignored->s.len : 0};
    const char *at = NULL;
    bool found = false;
    while (u->ignored && !found && wr_json_next(list, &at, &item)) {
        struct wr_buf text = {0};
        wr_json_to_text(item.p, item.len, &text);
        found = text.len == strlen(name) && memcmp(text.data, name, text.len) == 0;
        wr_buf_fini(&text);
    }
    return found;
}

static bool add_slot(struct unpack *u, struct wr_slice key, struct wr_slice value)
{
    struct wr_buf text = {0};
    wr_json_to_text(key.p, key.len, &text);
    const char *name = text.err ? NULL : wr_arena_strndup(u->b->arena, text.data ? text.data : "", text.len);
    wr_buf_fini(&text);
    if (!name)
        return wr_bind_nomem(u->b);
    if (is_ignored(u, name))
        return true;
    uint32_t i = 0;
    while (i < u->n && strcmp(u->slot[i].name, name) != 0)
        i++;
    if (i == MAX_SLOTS) {
        wr_bind_error(u->b, u->call->span, "the bags have more than %d slots", MAX_SLOTS);
        return false;
    }
    if (i == u->n)
        u->slot[u->n++] = (struct slot){name, WR_NTYPES};
    u->slot[i].type = common(u->slot[i].type, type_of(value));
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct slot *)a)->name, ((const struct slot *)b)->name);
}

/* Slots of constant data, in the order of their names. */
static bool slots_of_data(struct unpack *u)
{
    struct wr_rows rows;
    if (!wr_op_is_constant(u->input)) {
        struct wr_diag *d = wr_bind_error(u->b, u->call->span, "bag_unpack must be told its columns here: nothing has arrived yet");
        wr_diag_hint(u->b->diags, d, "write bag_unpack(d) : (*, Name: string, Age: long)");
        return false;
    }
    if (!wr_op_rows_now(u->b, u->input, &rows))
        return false;
    bool ok = true;
    for (uint64_t n = 0; n < rows.nrows && ok; n++) {
        uint32_t row;
        const struct wr_batch *batch = wr_rows_at(&rows, n, &row);
        const struct wr_vec *v = &batch->col[u->col];
        const char *at = NULL;
        struct wr_slice key, value;
        if (!wr_vec_valid(v, row) || !v->s[row].len || wr_str_data(&v->s[row])[0] != '{')
            continue;
        struct wr_slice bag = {wr_str_data(&v->s[row]), v->s[row].len};
        while (ok && wr_json_next_member(bag, &at, &key, &value))
            ok = add_slot(u, key, value);
    }
    wr_rows_fini(&rows);
    qsort(u->slot, u->n, sizeof *u->slot, by_name);
    return ok;
}

/* The slot as a value of the type. */
static struct wr_ex *slot_ex(struct unpack *u, const char *name, enum wr_type type)
{
    static const char *const to[WR_NTYPES] = {[WR_BOOL] = "tobool",         [WR_INT] = "toint",
                                              [WR_LONG] = "tolong",         [WR_REAL] = "toreal",
                                              [WR_DATETIME] = "todatetime", [WR_TIMESPAN] = "totimespan",
                                              [WR_STRING] = "tostring",     [WR_GUID] = "toguid",
                                              [WR_DECIMAL] = "todecimal"};
    struct wr_value key = {.type = WR_STRING, .s = wr_str_borrow(name, strlen(name))};
    struct wr_ex *args[] = {u->bag, wr_ex_const(u->b, &key, u->call->span)};
    struct wr_ex *ex = args[1] ? wr_ex_call(u->b, "[]", args, 2, u->call->span) : NULL;
    if (!ex || type == WR_DYNAMIC)
        return ex;
    return wr_ex_call(u->b, to[type], &ex, 1, u->call->span);
}

static bool add_column(struct unpack *u, struct wr_cols *cols, const char *slot, enum wr_type type)
{
    char name[320];
    snprintf(name, sizeof name, "%.60s%.250s", u->prefix, slot);
    uint32_t at = wr_cols_find(cols, name);
    if (at != UINT32_MAX && u->conflict == CONFLICT_ERROR) {
        struct wr_diag *d = wr_bind_error(u->b, u->call->span, "the input has a column '%s' already", name);
        wr_diag_hint(u->b->diags, d, "give a prefix, or columnsConflict='replace_source' or 'keep_source'");
        return false;
    }
    if (at != UINT32_MAX && u->conflict == CONFLICT_KEEP)
        return true;
    struct wr_ex *ex = slot_ex(u, slot, type == WR_NTYPES ? WR_DYNAMIC : type);
    if (!ex || at == UINT32_MAX)
        return ex && wr_cols_add(u->b, cols, name, true, ex, u->call->span);
    cols->ex[at] = ex;
    cols->def[at].type = ex->type;
    return true;
}

static bool keep_input(struct unpack *u, struct wr_cols *cols)
{
    bool ok = true;
    for (uint16_t c = 0; c < u->input->schema->ncols && ok; c++) {
        struct wr_ex *ex = c == u->col ? NULL : wr_ex_col(u->b, u->input->schema, c, u->call->span);
        ok = c == u->col || (ex && wr_cols_add(u->b, cols, u->input->schema->cols[c].name, true, ex, u->call->span));
    }
    return ok;
}

/* One column of the given schema: the input's where it has it, else a slot. */
static bool given_column(struct unpack *u, struct wr_cols *cols, const struct wr_kql_col *col)
{
    uint16_t c = wr_schema_find(u->input->schema, col->name.text, col->name.len);
    size_t n = strlen(u->prefix);
    if (c == WR_NO_COL || c == u->col) {
        const char *slot = strncmp(col->name.text, u->prefix, n) == 0 ? col->name.text + n : col->name.text;
        return add_column(u, cols, slot, col->type);
    }
    if (u->call->star && wr_cols_find(cols, col->name.text) != UINT32_MAX)
        return true;
    struct wr_ex *ex = wr_ex_col(u->b, u->input->schema, c, u->call->span);
    return ex && wr_cols_add(u->b, cols, col->name.text, true, ex, u->call->span);
}

static const struct wr_kql_ex *argument(const struct wr_plugin_call *call, uint32_t at, const char *name)
{
    for (uint32_t i = 0; i < call->nargs; i++)
        if (call->args[i]->kind == WR_KQL_NAMED && strcmp(call->args[i]->names[0].text, name) == 0)
            return call->args[i]->args[0];
    return at < call->nargs && call->args[at]->kind != WR_KQL_NAMED ? call->args[at] : NULL;
}

static bool options(struct unpack *u)
{
    const struct wr_kql_ex *prefix = argument(u->call, 1, "OutputColumnPrefix");
    const struct wr_kql_ex *conflict = argument(u->call, 2, "columnsConflict");
    const struct wr_kql_ex *ignored = argument(u->call, 3, "ignoredProperties");
    struct wr_ex *ex[3] = {0};
    const struct wr_kql_ex *ast[3] = {prefix, conflict, ignored};
    for (int i = 0; i < 3; i++)
        if (ast[i] && (!(ex[i] = wr_bind_ex(u->b, ast[i])) || ex[i]->kind != WR_EX_CONST)) {
            wr_bind_error(u->b, ast[i]->span, "bag_unpack takes constants here");
            return false;
        }
    u->prefix = "";
    if (ex[0] && ex[0]->type == WR_STRING)
        u->prefix = wr_arena_strndup(u->b->arena, wr_str_data(&ex[0]->value.s), ex[0]->value.s.len);
    if (ex[1] && ex[1]->type == WR_STRING) {
        const struct wr_str replace = WR_STR_LIT("replace_source"), keep = WR_STR_LIT("keep_source");
        u->conflict = wr_str_eq(&ex[1]->value.s, &replace) ? CONFLICT_REPLACE
                      : wr_str_eq(&ex[1]->value.s, &keep)  ? CONFLICT_KEEP
                                                           : CONFLICT_ERROR;
    }
    if (ex[2] && ex[2]->type == WR_DYNAMIC && !ex[2]->value.null)
        u->ignored = &ex[2]->value;
    return u->prefix || wr_bind_nomem(u->b);
}

struct wr_op *wr_bind_bag_unpack(struct wr_binder *b, const struct wr_plugin_call *call, struct wr_op *input)
{
    struct unpack *u = wr_arena_alloc(b->arena, sizeof *u);
    struct wr_cols cols = {0};
    if (!u) {
        wr_bind_nomem(b);
        return NULL;
    }
    *u = (struct unpack){.b = b, .call = call, .input = input};
    if (!call->nargs || !(u->bag = wr_bind_ex(b, call->args[0])))
        return NULL;
    if (u->bag->kind != WR_EX_COL || u->bag->type != WR_DYNAMIC) {
        wr_bind_error(b, call->args[0]->span, "bag_unpack takes a dynamic column");
        return NULL;
    }
    u->col = u->bag->col;
    bool ok = options(u);
    if (ok && call->has_schema) {
        ok = !call->star || keep_input(u, &cols);
        for (uint32_t i = 0; i < call->ncols && ok; i++)
            ok = given_column(u, &cols, &call->cols[i]);
    } else if (ok) {
        ok = slots_of_data(u) && keep_input(u, &cols);
        for (uint32_t i = 0; i < u->n && ok; i++)
            ok = add_column(u, &cols, u->slot[i].name, u->slot[i].type);
    }
    return ok ? wr_op_map(b, &cols, input, call->span) : NULL;
}
