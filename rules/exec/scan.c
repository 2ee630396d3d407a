/* scan: a machine whose steps hold the last row that matched them.
 *
 * A row is tried against the steps from the last to the first. For step k:
 *   1. when step k-1 holds a sequence and the row meets the condition of k seen from it, the sequence moves on to k;
 *   2. else, when k holds a sequence (or is the first), and the row meets its condition seen from there, it stays.
 * Every match assigns the step's columns and gives the row, as the step's output says. */
#include "rules/plan/steps.h"

#include "rules/exec/rows.h"
#include "rules/fn/kernel.h"
#include "rules/plan/bind.h"

/* What a step knows of itself and of those before it: per step a row of input and declared columns. */
struct state {
    bool active, pending; /* pending: output=last holds its row back */
    int64_t id;
    struct wr_vec *held; /* nsteps * width cells */
};

struct work {
    struct wr_eval *ev;
    const struct wr_op *op;
    const struct wr_scan_spec *spec;
    uint32_t nin, width;
    struct state state[WR_SCAN_MAX_STEPS];
    struct wr_vec *row;    /* what expressions see */
    struct wr_vec *result; /* width, and the id */
    int64_t next_id;
    struct wr_arena *keep, *scratch; /* of states; of one row */
    struct wr_rows *out;
};

static enum wr_type type_of(const struct work *w, uint32_t c)
{
    return w->spec->row->cols[c].type;
}

static void put_value(const struct wr_value *v, struct wr_vec *out)
{
    wr_cell_clear(out, 0);
    wr_put_value(out, 0, v);
}

static struct wr_vec *one_row(struct work *w, uint32_t n)
{
    struct wr_vec *v = wr_arena_alloc(w->keep, (n + 1) * sizeof *v);
    w->ev->nrows = 1;
    for (uint32_t c = 0; v && c < n; c++) {
        struct wr_vec *cell = wr_vec_new(w->ev, type_of(w, c % w->width));
        if (!cell)
            return NULL;
        v[c] = *cell;
    }
    return v;
}

/* A cell that outlives the input's row: long texts are copied. */
static void keep_cell(struct work *w, const struct wr_vec *from, struct wr_vec *to)
{
    wr_cell_clear(to, 0);
    wr_cell_copy(from, 0, to, 0);
    if (to->s && wr_vec_valid(to, 0) && to->s[0].len > WR_STR_INLINE) {
        struct wr_str s = to->s[0];
        if (!wr_str_copy(w->keep, wr_str_data(&s), s.len, &to->s[0]))
            w->ev->err = WR_ENOMEM;
    }
}

/* What `step.column` stands for, seen from state `s` (NULL: from nowhere). */
static void see(struct work *w, const struct state *s)
{
    for (uint32_t i = 0; i < w->spec->nrefs; i++) {
        const struct wr_scan_ref *r = &w->spec->ref[i];
        struct wr_vec *to = &w->row[w->width + i];
        wr_cell_clear(to, 0);
        if (s && s->active)
            wr_cell_copy(&s->held[r->step * w->width + r->col], 0, to, 0);
        else if (r->col >= w->nin)
            put_value(&w->spec->initial[r->col - w->nin], to);
    }
}

static bool meets(struct work *w, const struct wr_scan_step *step)
{
    uint16_t zero = 0;
    const struct wr_vec *v = wr_ex_eval(w->ev, w->op->cols[step->cond], w->row, &(struct wr_sel){&zero, 1});
    return v && wr_vec_valid(v, 0) && v->i[0];
}

/* Declared columns of a match: assigned, or as declared. */
static void assign(struct work *w, const struct wr_scan_step *step)
{
    uint16_t zero = 0;
    for (uint32_t i = 0; i < w->nin; i++)
        w->result[i] = w->row[i];
    for (uint32_t i = 0; i < w->spec->ndeclared; i++)
        put_value(&w->spec->initial[i], &w->result[w->nin + i]);
    for (uint32_t i = step->first; i < step->first + step->nassign; i++) {
        const struct wr_scan_assign *a = &w->spec->assign[i];
        const struct wr_vec *v = wr_ex_eval(w->ev, w->op->cols[a->ex], w->row, &(struct wr_sel){&zero, 1});
        if (!v)
            return;
        wr_cell_clear(&w->result[a->col], 0);
        wr_cell_copy(v, 0, &w->result[a->col], 0);
    }
}

static void give(struct work *w, const struct wr_vec *cells, int64_t id)
{
    uint16_t zero = 0;
    struct wr_vec *row = wr_arena_alloc(w->ev->arena, (w->width + 2u) * sizeof *row);
    if (!row) {
        w->ev->err = WR_ENOMEM;
        return;
    }
    memcpy(row, cells, w->width * sizeof *row);
    row[w->width] = (struct wr_vec){.type = WR_LONG, .i = &id};
    enum wr_err err = wr_rows_add(w->out, row, &(struct wr_sel){&zero, 1});
    if (err)
        w->ev->err = err;
}

static void release(struct work *w, uint32_t k)
{
    struct state *s = &w->state[k];
    if (s->pending && s->active)
        give(w, s->held + k * w->width, s->id);
    s->pending = false;
}

/* The match of step k becomes what the step holds, and goes out. */
static void hold(struct work *w, uint32_t k)
{
    struct state *s = &w->state[k];
    for (uint32_t c = 0; c < w->width; c++)
        keep_cell(w, &w->result[c], &s->held[k * w->width + c]);
    s->active = true;
    if (w->spec->step[k].output == WR_SCAN_ALL)
        give(w, w->result, s->id);
    s->pending = w->spec->step[k].output == WR_SCAN_LAST;
}

static void try_step(struct work *w, uint32_t k)
{
    const struct wr_scan_step *step = &w->spec->step[k];
    struct state *s = &w->state[k], *before = k ? &w->state[k - 1] : NULL;
    if (before && before->active) {
        see(w, before);
        if (meets(w, step)) {
            assign(w, step);
            release(w, k - 1);
            release(w, k);
            struct wr_vec *held = s->held;
            *s = *before;
            before->held = held;
            before->active = before->pending = false;
            hold(w, k);
            return;
        }
    }
    if (!s->active && k)
        return;
    see(w, s);
    if (!meets(w, step))
        return;
    assign(w, step);
    if (!s->active)
        s->id = w->next_id++;
    hold(w, k);
}

static bool start(struct work *w)
{
    struct wr_arena *scratch = w->ev->arena;
    w->ev->arena = w->keep;
    w->row = wr_arena_alloc(w->keep, (w->width + w->spec->nrefs + 1) * sizeof *w->row);
    w->result = one_row(w, w->width);
    struct wr_vec *cells = one_row(w, w->width);
    bool ok = w->row && w->result && cells;
    if (ok)
        memcpy(w->row, cells, w->width * sizeof *cells);
    for (uint32_t i = 0; ok && i < w->spec->nrefs; i++) {
        struct wr_vec *v = wr_vec_new(w->ev, type_of(w, w->spec->ref[i].col));
        ok = v != NULL;
        if (ok)
            w->row[w->width + i] = *v;
    }
    for (uint32_t k = 0; ok && k < w->spec->nsteps; k++)
        ok = (w->state[k].held = one_row(w, w->spec->nsteps * w->width)) != NULL;
    for (uint32_t i = 0; ok && i < w->spec->ndeclared; i++)
        put_value(&w->spec->initial[i], &w->row[w->nin + i]);
    w->ev->arena = scratch;
    return ok;
}

static enum wr_err run(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *in, struct wr_rows *out,
                       const char **ret_why)
{
    struct work w = {.ev = ev, .op = op, .spec = op->data, .out = out, .keep = ev->arena};
    enum { KEEP_MAX = 64 << 20 };
    w.nin = op->input->schema->ncols;
    w.width = w.nin + w.spec->ndeclared;
    w.scratch = wr_arena_new(4096);
    bool ok = w.scratch && start(&w);
    ev->arena = w.scratch;
    for (uint64_t n = 0; ok && n < in->nrows && !ev->err; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(in, n, &row);
        ev->nrows = 1;
        for (uint32_t c = 0; c < w.nin; c++) {
            wr_cell_clear(&w.row[c], 0);
            wr_cell_copy(&b->col[c], row, &w.row[c], 0);
        }
        for (uint32_t k = w.spec->nsteps; k-- > 0 && !ev->err;)
            try_step(&w, k);
        wr_arena_reset(w.scratch);
        if (wr_arena_bytes(w.keep) > KEEP_MAX) {
            *ret_why = "the texts that the steps of this scan hold need more memory than allowed";
            ev->err = WR_ELIMIT;
        }
    }
    for (uint32_t k = w.spec->nsteps; ok && k-- > 0 && !ev->err;)
        release(&w, k);
    enum wr_err err = ok ? ev->err : WR_ENOMEM;
    ev->arena = w.keep;
    wr_arena_free(w.scratch);
    return err;
}

static void print(const struct wr_op *op, struct wr_buf *out)
{
    const struct wr_scan_spec *spec = op->data;
    for (uint32_t k = 0; k < spec->nsteps; k++) {
        const struct wr_scan_step *step = &spec->step[k];
        wr_buf_fmt(out, "%sstep %s output %d: ", k ? "; " : "", step->name, (int)step->output);
        wr_ex_print(op->cols[step->cond], spec->row, out);
        for (uint32_t i = step->first; i < step->first + step->nassign; i++) {
            wr_buf_fmt(out, ", %s = ", spec->row->cols[spec->assign[i].col].name);
            wr_ex_print(op->cols[spec->assign[i].ex], spec->row, out);
        }
    }
    for (uint32_t i = 0; i < spec->nrefs; i++)
        wr_buf_fmt(out, "; %u.%u", spec->ref[i].step, spec->ref[i].col);
    for (uint32_t i = 0; i < spec->ndeclared; i++) {
        wr_buf_str(out, "; ");
        wr_value_print(&spec->initial[i], out);
    }
}

const struct wr_whole wr_scan_whole = {.name = "scan", .run = run, .print = print};
