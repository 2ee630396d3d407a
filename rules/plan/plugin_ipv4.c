/* evaluate ipv4_lookup: rows of a list of networks by longest prefix. The list must not be a table of events: it is read at each
 * run, so that a file that changed counts. Source: Kusto "ipv4_lookup plugin". */
#include "rules/exec/run.h"
#include "rules/fn/kernel.h"
#include "rules/plan/plugin.h"

#include <stdlib.h>

enum { MAX_NETWORKS = 1000000, LIST_BYTES = 512 << 20, MAX_KEYS = 8 };

struct lookup {
    const struct wr_op *list;
    uint16_t ip, network; /* columns of the input and of the list */
    uint16_t key[MAX_KEYS], list_key[MAX_KEYS];
    uint32_t nkeys;
    bool unmatched;
    uint16_t from[WR_MAX_COLS]; /* result columns behind the input's: of the list */
    uint32_t nfrom;
};

struct network {
    uint32_t addr;
    uint32_t bits;
    uint64_t row;
};

/* Longest prefix first, then by address, then as the list has them. */
static int order(const void *x, const void *y)
{
    const struct network *a = x, *b = y;
    if (a->bits != b->bits)
        return a->bits > b->bits ? -1 : 1;
    if (a->addr != b->addr)
        return a->addr < b->addr ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

/* a.b.c.d or a.b.c.d/n */
static bool network_of(const struct wr_str *s, uint32_t *ret_addr, uint32_t *ret_bits)
{
    const char *p = wr_str_data(s), *end = p + s->len;
    uint32_t part[5] = {0, 0, 0, 0, 32};
    for (int i = 0; i < 5; i++) {
        uint32_t digits = 0;
        if (i && (p == end || *p++ != (i == 4 ? '/' : '.')))
            return false;
        for (part[i] = 0; p < end && *p >= '0' && *p <= '9' && digits < 4; digits++)
            part[i] = part[i] * 10 + (uint32_t)(*p++ - '0');
        if (!digits || part[i] > (i == 4 ? 32 : 255))
            return false;
        if (i == 3 && p == end) {
            part[4] = 32;
            break;
        }
    }
    *ret_bits = part[4];
    *ret_addr = (part[0] << 24 | part[1] << 16 | part[2] << 8 | part[3]) & (part[4] ? UINT32_MAX << (32 - part[4]) : 0);
    return p == end;
}

static bool same_cell(const struct wr_vec *a, uint32_t ra, const struct wr_vec *b, uint32_t rb)
{
    if (!wr_vec_valid(a, ra) || !wr_vec_valid(b, rb))
        return false;
    return a->s ? wr_str_eq(&a->s[ra], &b->s[rb]) : a->i[ra] == b->i[rb];
}

/* First network of exactly these bits and this address at or behind `at`. */
static const struct network *find(const struct network *list, uint32_t n, uint32_t addr, uint32_t bits)
{
    uint32_t lo = 0, hi = n;
    const struct network want = {.addr = addr, .bits = bits, .row = 0};
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (order(&list[mid], &want) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && list[lo].addr == addr && list[lo].bits == bits ? &list[lo] : NULL;
}

struct running {
    const struct lookup *l;
    const struct wr_rows *rows; /* of the list */
    struct network *list;
    uint32_t n;
    struct wr_vec *cols; /* one row of the result */
    uint32_t ninput, nall;
};

/* Row of the list that matches, longest prefix first; false: none. */
static bool match(const struct running *r, const struct wr_batch *b, uint32_t row, uint64_t *ret)
{
    uint32_t addr, bits;
    const struct wr_vec *ip = &b->col[r->l->ip];
    if (!wr_vec_valid(ip, row) || !network_of(&ip->s[row], &addr, &bits))
        return false;
    for (int len = (int)bits; len >= 0; len--) {
        uint32_t net = len ? addr & UINT32_MAX << (32 - len) : 0;
        const struct network *at = find(r->list, r->n, net, (uint32_t)len);
        for (; at && at < r->list + r->n && at->addr == net && at->bits == (uint32_t)len; at++) {
            uint32_t k = 0, lr;
            const struct wr_batch *lb = wr_rows_at(r->rows, at->row, &lr);
            while (k < r->l->nkeys && same_cell(&b->col[r->l->key[k]], row, &lb->col[r->l->list_key[k]], lr))
                k++;
            if (k < r->l->nkeys)
                continue;
            *ret = at->row;
            return true;
        }
    }
    return false;
}

static enum wr_err put_row(struct wr_eval *ev, struct running *r, const struct wr_batch *b, uint32_t row, struct wr_rows *out)
{
    uint64_t found;
    bool matched = match(r, b, row, &found);
    if (!matched && !r->l->unmatched)
        return WR_OK;
    uint32_t lr = 0;
    const struct wr_batch *lb = matched ? wr_rows_at(r->rows, found, &lr) : NULL;
    uint16_t zero = 0;
    uint64_t *valid = wr_arena_alloc(ev->arena, r->nall * sizeof *valid);
    if (!valid)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < r->nall; c++) {
        const struct wr_vec *v = c < r->ninput ? &b->col[c] : lb ? &lb->col[r->l->from[c - r->ninput]] : NULL;
        uint32_t at = c < r->ninput ? row : lr;
        r->cols[c] = (struct wr_vec){.type = out->schema->cols[c].type, .valid = &valid[c]};
        if (!v || !(v->i || v->r || v->s))
            continue;
        r->cols[c].i = v->i ? v->i + at : NULL;
        r->cols[c].r = v->r ? v->r + at : NULL;
        r->cols[c].s = v->s ? v->s + at : NULL;
        valid[c] = wr_vec_valid(v, at);
    }
    return wr_rows_add(out, r->cols, &(struct wr_sel){&zero, 1});
}

/* The list's networks, sorted. */
static enum wr_err read_list(struct running *r, const char **ret_why)
{
    if (r->rows->nrows > MAX_NETWORKS) {
        *ret_why = "the list of networks has more than 1,000,000 rows";
        return WR_ELIMIT;
    }
    r->list = malloc((r->rows->nrows + 1) * sizeof *r->list);
    if (!r->list)
        return WR_ENOMEM;
    for (uint64_t n = 0; n < r->rows->nrows; n++) {
        uint32_t row, addr, bits;
        const struct wr_batch *b = wr_rows_at(r->rows, n, &row);
        const struct wr_vec *v = &b->col[r->l->network];
        if (v->s && wr_vec_valid(v, row) && network_of(&v->s[row], &addr, &bits))
            r->list[r->n++] = (struct network){addr, bits, n};
    }
    qsort(r->list, r->n, sizeof *r->list, order);
    return WR_OK;
}

static enum wr_err run(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *in, struct wr_rows *out,
                       const char **ret_why)
{
    const struct lookup *l = op->data;
    struct running r = {.l = l, .ninput = in->schema->ncols, .nall = in->schema->ncols + l->nfrom};
    struct wr_run_opts opts = {.memory_bytes = LIST_BYTES};
    struct wr_run *list = wr_run_new(l->list, &opts);
    struct wr_span span;
    r.cols = wr_arena_alloc(ev->arena, (r.nall + 1) * sizeof *r.cols);
    enum wr_err err = list && r.cols ? wr_run_go(list, ev->now, &r.rows, ret_why, &span) : WR_ENOMEM;
    if (!err)
        err = read_list(&r, ret_why);
    for (uint64_t n = 0; n < in->nrows && !err; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(in, n, &row);
        err = put_row(ev, &r, b, row, out);
    }
    free(r.list);
    wr_run_free(list);
    return err;
}

static void print(const struct wr_op *op, struct wr_buf *out)
{
    const struct lookup *l = op->data;
    wr_buf_fmt(out, "%s in %s%s", op->input->schema->cols[l->ip].name, l->list->schema->cols[l->network].name,
               l->unmatched ? ", unmatched rows too" : "");
    for (const struct wr_op *o = l->list; o; o = o->input) {
        wr_buf_fmt(out, " %d:%s", o->kind, o->kind == WR_OP_EXTERNAL ? o->schema->name : "");
        for (uint32_t i = 0; o->kind == WR_OP_ROWS && i < o->nrows * o->schema->ncols; i++)
            if (o->rows[i]->kind == WR_EX_CONST && wr_type_is_str(o->rows[i]->type))
                wr_json_str(out, wr_str_data(&o->rows[i]->value.s), o->rows[i]->value.s.len);
    }
}

static const struct wr_whole whole = {.name = "ipv4_lookup", .run = run, .print = print};

static bool reads_events(const struct wr_op *op)
{
    bool any = op->kind == WR_OP_SCAN || (op->input && reads_events(op->input));
    for (uint32_t i = 0; i < op->ninputs && !any; i++)
        any = reads_events(op->inputs[i]);
    return any;
}

static uint16_t column(struct wr_binder *b, const struct wr_kql_ex *ast, const struct wr_schema *schema, bool text)
{
    uint16_t c = ast->kind == WR_KQL_NAME ? wr_schema_find(schema, ast->name.text, ast->name.len) : (uint16_t)WR_NO_COL;
    if (c == WR_NO_COL)
        wr_bind_error(b, ast->span, "ipv4_lookup takes a column's name here, of the %s", schema == b->row ? "input" : "list");
    else if (text && schema->cols[c].type != WR_STRING) {
        wr_bind_error(b, ast->span, "ipv4_lookup compares texts: column '%s' is none", ast->name.text);
        c = WR_NO_COL;
    }
    return c;
}

static bool keys(struct wr_binder *b, const struct wr_plugin_call *call, struct lookup *l)
{
    for (uint32_t i = 3; i < call->nargs; i++) {
        const struct wr_kql_ex *a = call->args[i];
        if (a->kind == WR_KQL_NAMED) {
            struct wr_ex *ex = strcmp(a->names[0].text, "return_unmatched") == 0 ? wr_bind_ex(b, a->args[0]) : NULL;
            if (!ex || ex->kind != WR_EX_CONST || ex->type != WR_BOOL) {
                wr_bind_error(b, a->span, "ipv4_lookup knows return_unmatched = true or false");
                return false;
            }
            l->unmatched = ex->value.i != 0;
            continue;
        }
        if (l->nkeys == MAX_KEYS) {
            wr_bind_error(b, a->span, "ipv4_lookup takes 8 more keys at most");
            return false;
        }
        uint16_t in = column(b, a, b->row, false), of = column(b, a, l->list->schema, false);
        if (in == WR_NO_COL || of == WR_NO_COL)
            return false;
        if (b->row->cols[in].type != l->list->schema->cols[of].type) {
            wr_bind_error(b, a->span, "the key '%s' is of another type in the list", a->name.text);
            return false;
        }
        l->key[l->nkeys] = in;
        l->list_key[l->nkeys++] = of;
    }
    return true;
}

/* The input's columns, then the list's; a name that is taken gets a number. */
static const struct wr_schema *shape(struct wr_binder *b, const struct wr_plugin_call *call, struct wr_op *input, struct lookup *l)
{
    struct wr_cols cols = {0};
    bool ok = true;
    for (uint16_t c = 0; c < input->schema->ncols && ok; c++) {
        struct wr_ex of = {.type = input->schema->cols[c].type};
        ok = wr_cols_add(b, &cols, input->schema->cols[c].name, true, &of, call->span);
    }
    for (uint16_t c = 0; c < l->list->schema->ncols && ok; c++) {
        struct wr_ex of = {.type = l->list->schema->cols[c].type};
        ok = wr_cols_add(b, &cols, l->list->schema->cols[c].name, false, &of, call->span);
        l->from[l->nfrom++] = c;
    }
    return ok ? wr_cols_schema(b, &cols) : NULL;
}

struct wr_op *wr_bind_ipv4_lookup(struct wr_binder *b, const struct wr_plugin_call *call, struct wr_op *input)
{
    struct lookup *l = wr_arena_alloc(b->arena, sizeof *l);
    if (!l || call->nargs < 3) {
        wr_bind_error(b, call->span, "ipv4_lookup takes a list, a column of addresses and the list's column of networks");
        return NULL;
    }
    const struct wr_schema *row = b->row;
    struct wr_op *list = wr_bind_source(b, call->args[0]);
    list = list ? wr_op_visible(b, list) : NULL;
    b->row = row;
    if (!list)
        return NULL;
    if (reads_events(list)) {
        struct wr_diag *d = wr_bind_error(b, call->args[0]->span, "ipv4_lookup needs a list: this reads events");
        wr_diag_hint(b->diags, d, "a datatable, a watchlist, externaldata or a table of your own");
        return NULL;
    }
    l->list = list;
    l->ip = column(b, call->args[1], input->schema, true);
    l->network = column(b, call->args[2], list->schema, true);
    if (l->ip == WR_NO_COL || l->network == WR_NO_COL || !keys(b, call, l))
        return NULL;
    return wr_op_whole(b, &whole, l, shape(b, call, input, l), input, call->span);
}
