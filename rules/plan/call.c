/* A call: its overload, its literals in the other side's type, its arguments converted. */
#include "rules/plan/bind.h"

#include <string.h>

struct wr_ex *wr_ex_convert(struct wr_binder *b, struct wr_ex *ex, enum wr_type type)
{
    static const char *const to[WR_NTYPES] = {"tobool",     "toint",      "tolong",   "toreal",
                                              "todatetime", "totimespan", "tostring", "toguid",
                                              "parse_json", "todecimal"};
    if (ex->type == type)
        return ex;
    struct wr_value v;
    bool simple = ex->kind == WR_EX_CONST && ex->type != WR_DYNAMIC && ex->type != WR_DECIMAL;
    if (simple && wr_value_convert(b->arena, &ex->value, type, &v))
        return wr_ex_const(b, &v, ex->span);
    struct wr_ex *const args[] = {ex};
    return wr_ex_call(b, to[type], args, 1, ex->span);
}

static bool is_operator(const char *name)
{
    return !((wr_ascii_lower(*name) >= 'a' && wr_ascii_lower(*name) <= 'z') || *name == '_');
}

/* Comparisons take a literal in the other side's type, as Kusto's binder does: RemotePort == "22".
 */
static bool compares(const char *name)
{
    static const char *const names[] = {"==", "!=", "<",   "<=",      ">",
                                        ">=", "in", "!in", "between", "!between"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* in~, has_any, has_all: constants of their lists are texts. */
static bool lists_texts(const char *name)
{
    const char *plain = name + (*name == '!');
    return strcmp(plain, "in~") == 0 || strcmp(plain, "has_any") == 0 || strcmp(plain, "has_all") == 0;
}

static bool reads_text(const char *name)
{
    static const char *const words[] = {"has", "contains", "startswith", "endswith", "in~", "=~", "matches"};
    const char *plain = name + (*name == '!' && name[1] != '~');
    bool any = strcmp(name, "!~") == 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        any |= strncmp(plain, words[i], strlen(words[i])) == 0;
    return any;
}

static bool orders(const char *name)
{
    return *name == '<' || *name == '>' || strstr(name, "between");
}

static bool is_number(enum wr_type t)
{
    return t == WR_INT || t == WR_LONG || t == WR_REAL || t == WR_DECIMAL;
}

/* Brings text literals to the column's type and back; false after an error. A literal that has no
 * value there becomes null, which equals nothing. */
static bool bend_literals(struct wr_binder *b, const char *name, struct wr_ex **args,
                          uint32_t nargs)
{
    enum wr_type type = args[0]->type;
    if (args[0]->kind == WR_EX_CONST && nargs == 2)
        type = args[1]->type;
    for (uint32_t i = 0; i < nargs; i++) {
        struct wr_ex *ex = args[i];
        bool text_to_number = ex->type == WR_STRING && (is_number(type) || type == WR_GUID || type == WR_BOOL ||
                                                        type == WR_DATETIME || type == WR_TIMESPAN);
        bool number_to_text = is_number(ex->type) && type == WR_STRING;
        if (ex->kind != WR_EX_CONST || ex->value.null || (!text_to_number && !number_to_text) ||
            orders(name))
            continue;
        struct wr_value v = {.type = type, .null = true};
        if (!wr_value_convert(b->arena, &ex->value, type, &v)) {
            wr_diag_add(b->diags, WR_WARNING, b->source, ex->span,
                        "this never equals a value of type %s", wr_type_name(type));
            v = (struct wr_value){.type = type, .null = type != WR_STRING};
        }
        args[i] = wr_ex_const(b, &v, ex->span);
        if (!args[i])
            return false;
    }
    return true;
}

/* Beside a bool a number is 1 or 0: IsLocalAdmin == 1. False after an error. */
static bool bend_bools(struct wr_binder *b, const char *name, struct wr_ex **args, uint32_t nargs)
{
    bool any = false;
    for (uint32_t i = 0; i < nargs; i++)
        any |= is_number(args[i]->type);
    for (uint32_t i = 0; i < nargs && any && !orders(name); i++)
        if (args[i]->type == WR_BOOL && !(args[i] = wr_ex_convert(b, args[i], WR_LONG)))
            return false;
    return true;
}

/* The type of what iff() or case() gives where its values are of several; WR_NTYPES: they have a common one, or are
 * no such values. A dynamic value becomes what the others are; else all become dynamic. */
static enum wr_type mixed_type(struct wr_ex *const *args, uint32_t nargs)
{
    enum wr_type type = WR_DYNAMIC;
    bool dynamic = false;
    for (uint32_t i = 1; i < nargs; i += i + 2 < nargs ? 2 : 1) {
        dynamic |= args[i]->type == WR_DYNAMIC;
        if (args[i]->type == WR_DYNAMIC || args[i]->type == type)
            continue;
        if (type != WR_DYNAMIC && !(is_number(type) && is_number(args[i]->type)))
            return WR_DYNAMIC;
        type = type == WR_DYNAMIC || args[i]->type == WR_REAL || args[i]->type == WR_DECIMAL ? args[i]->type : type;
    }
    return dynamic && type != WR_STRING && type != WR_DYNAMIC ? type : WR_NTYPES;
}

/* iff(c, 1, "none"), case(c, d.port, 0): False after an error. */
static bool mix_values(struct wr_binder *b, const char *name, struct wr_ex **args, uint32_t nargs)
{
    if (nargs < 3 || (strcmp(name, "iff") != 0 && strcmp(name, "iif") != 0 && strcmp(name, "case") != 0))
        return true;
    enum wr_type type = mixed_type(args, nargs);
    for (uint32_t i = 1; i < nargs && type != WR_NTYPES; i += i + 2 < nargs ? 2 : 1) {
        struct wr_value first = {.type = WR_LONG};
        struct wr_ex *pair[2];
        if (args[i]->type == WR_DYNAMIC || type != WR_DYNAMIC) {
            args[i] = wr_ex_convert(b, args[i], type);
        } else { /* as it is: parse_json() would read what a text says */
            pair[0] = wr_ex_call(b, "pack_array", &args[i], 1, args[i]->span);
            pair[1] = wr_ex_const(b, &first, args[i]->span);
            args[i] = pair[0] && pair[1] ? wr_ex_call(b, "[]", pair, 2, args[i]->span) : NULL;
        }
        if (!args[i])
            return false;
    }
    return true;
}

/* b has_any ("x", 2): as ("x", "2"). */
static bool texts_of_literals(struct wr_binder *b, struct wr_ex **args, uint32_t nargs)
{
    for (uint32_t i = 1; i < nargs && (args[0]->type == WR_STRING || args[0]->type == WR_DYNAMIC); i++) {
        if (args[i]->kind != WR_EX_CONST || args[i]->type == WR_STRING || args[i]->type == WR_DYNAMIC)
            continue;
        args[i] = wr_ex_call(b, "tostring", &args[i], 1, args[i]->span);
        if (!args[i])
            return false;
    }
    return true;
}

static void list_types(struct wr_ex *const *args, uint32_t nargs, struct wr_buf *out)
{
    for (uint32_t i = 0; i < nargs && i < 8; i++)
        wr_buf_fmt(out, "%s%s", i ? ", " : "", wr_type_name(args[i]->type));
    wr_buf_str(out, nargs > 8 ? ", ..." : "");
    wr_buf_char(out, '\0');
}

static struct wr_ex *no_overload(struct wr_binder *b, const char *name, struct wr_ex *const *args,
                                 uint32_t nargs, struct wr_span span)
{
    struct wr_buf types = {0};
    list_types(args, nargs, &types);
    struct wr_diag *d;
    const char *given = types.data ? types.data : "";
    if (is_operator(name) && nargs == 2)
        d = wr_bind_error(b, span, "'%s' does not take %s and %s", name,
                          wr_type_name(args[0]->type), wr_type_name(args[1]->type));
    else
        d = wr_bind_error(b, span, "'%s' does not take (%s)", name, given);
    bool time = false, text = false;
    for (uint32_t i = 0; i < nargs; i++) {
        time |= args[i]->type == WR_DATETIME;
        text |= args[i]->type == WR_STRING;
    }
    if (reads_text(name) && nargs && args[0]->type != WR_STRING && args[0]->type != WR_DYNAMIC)
        wr_diag_hint(b->diags, d, "it reads texts: tostring() makes one, == and in compare values");
    else if (reads_text(name))
        wr_diag_hint(b->diags, d, "it takes texts: tostring() makes one");
    else if (nargs == 2 && args[1]->type == WR_DATETIME && (strcmp(name, "bin") == 0 || strcmp(name, "floor") == 0))
        wr_diag_hint(b->diags, d, "the width of a bin is a time span: bin(Timestamp, 1h)");
    else if (time && text)
        wr_diag_hint(b->diags, d, "write a time as datetime(2026-01-31)");
    else if (is_number(nargs ? args[0]->type : WR_BOOL) && text)
        wr_diag_hint(b->diags, d, "convert one side: tostring(), tolong(), toreal()");
    else
        d->page = "docs/kql.md";
    wr_buf_fini(&types);
    return NULL;
}

/* The cheapest overload; the first of equal ones. */
static const struct wr_fn *best_overload(const char *name, struct wr_ex *const *args,
                                         uint32_t nargs, enum wr_type *want, enum wr_type *scratch,
                                         enum wr_type *ret_result)
{
    const struct wr_fn *best = NULL;
    uint32_t cost = UINT32_MAX;
    bool bend = compares(name);
    for (const struct wr_fn *fn = wr_fn_find(name, strlen(name)); fn; fn = wr_fn_next(fn)) {
        struct wr_match m;
        if (!wr_signature_match(fn->signature, args, nargs, bend, scratch, &m) || m.cost >= cost)
            continue;
        best = fn;
        cost = m.cost;
        *ret_result = m.result;
        memcpy(want, scratch, nargs * sizeof *want);
    }
    return best;
}

static bool prepare(struct wr_binder *b, struct wr_ex *ex)
{
    const char *why = NULL;
    if (strcmp(ex->fn->name, "geo_info_from_ip_address") == 0)
        ex->prepared = b->env ? b->env->geo : NULL; /* what the program has, not what the arguments say */
    if (!ex->fn->prepare)
        return true;
    ex->prepared = ex->fn->prepare(b->arena, ex, &why);
    if (ex->prepared || !why)
        return true;
    wr_bind_error(b, ex->span, "%s", why);
    return false;
}

struct wr_ex *wr_ex_call(struct wr_binder *b, const char *name, struct wr_ex *const *given,
                         uint32_t nargs, struct wr_span span)
{
    enum wr_type *want = wr_arena_alloc(b->arena, (2 * nargs + 2) * sizeof *want), result = WR_BOOL;
    struct wr_ex **args = wr_arena_alloc(b->arena, (nargs + 1) * sizeof *args);
    if (!want || !args) {
        wr_bind_nomem(b);
        return NULL;
    }
    for (uint32_t i = 0; i < nargs; i++)
        args[i] = given[i];
    if (nargs > 1 && compares(name) && (!bend_literals(b, name, args, nargs) || !bend_bools(b, name, args, nargs)))
        return NULL;
    if (!mix_values(b, name, args, nargs))
        return NULL;
    if (nargs > 1 && lists_texts(name) && !texts_of_literals(b, args, nargs))
        return NULL;
    const struct wr_fn *fn = best_overload(name, args, nargs, want, want + nargs + 1, &result);
    if (!fn)
        return no_overload(b, name, args, nargs, span);
    if (orders(name) && nargs > 1 &&
        (want[0] == WR_STRING || want[0] == WR_BOOL || want[0] == WR_GUID)) {
        struct wr_diag *d =
            wr_bind_error(b, span, "values of type %s have no order", wr_type_name(want[0]));
        wr_diag_hint(b->diags, d,
                     want[0] == WR_STRING ? "compare texts with strcmp(a, b) > 0" : "use == or !=");
        return NULL;
    }
    struct wr_ex *ex = wr_ex_new(b, WR_EX_CALL, result, span);
    if (!ex)
        return NULL;
    ex->fn = fn;
    ex->args = args;
    ex->nargs = nargs;
    ex->per_run = true;
    for (uint32_t i = 0; i < nargs; i++) {
        args[i] = wr_ex_convert(b, args[i], want[i]);
        if (!args[i])
            return NULL;
        ex->per_run = ex->per_run && args[i]->per_run;
    }
    return prepare(b, ex) ? wr_ex_fold(b, ex) : NULL;
}
