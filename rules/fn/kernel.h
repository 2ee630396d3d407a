/* What kernels share: row loops, cells of result vectors, scalars of dynamic values. Private to rules/. */
#ifndef WR_RULES_FN_KERNEL_H
#define WR_RULES_FN_KERNEL_H

#include "base/buf.h"
#include "rules/plan/plan.h"

/* `row` takes each selected row in turn. */
#define WR_EACH(sel, row)                                                                                    \
    for (uint32_t row##_k = 0, row; row##_k < (sel)->n && ((row) = (sel)->row[row##_k], true); row##_k++)

static inline void wr_put_i(struct wr_vec *out, uint32_t row, int64_t v)
{
    out->i[row] = v;
    wr_vec_set_valid(out, row);
}

static inline void wr_put_r(struct wr_vec *out, uint32_t row, double v)
{
    out->r[row] = v;
    wr_vec_set_valid(out, row);
}

static inline void wr_put_s(struct wr_vec *out, uint32_t row, struct wr_str v)
{
    out->s[row] = v;
    wr_vec_set_valid(out, row);
}

/* A cell of another column of the same type; its text is borrowed. Nothing for null: cells of new vectors are. */
static inline void wr_cell_copy(const struct wr_vec *from, uint32_t row, struct wr_vec *to, uint32_t to_row)
{
    if ((!from->i && !from->r && !from->s) || !wr_vec_valid(from, row))
        return;
    if (from->s)
        wr_put_s(to, to_row, from->s[row]);
    else if (from->r)
        wr_put_r(to, to_row, from->r[row]);
    else
        wr_put_i(to, to_row, from->i[row]);
}

/* Null, or an empty text. */
static inline void wr_cell_clear(struct wr_vec *v, uint32_t row)
{
    if (v->type == WR_STRING)
        v->s[row] = wr_str_borrow("", 0);
    else if (v->valid)
        v->valid[row / 64] &= ~(UINT64_C(1) << row % 64);
}

/* A constant; its text is borrowed. Nothing for null. */
static inline void wr_put_value(struct wr_vec *out, uint32_t row, const struct wr_value *v)
{
    if (v->null)
        return;
    if (out->s)
        wr_put_s(out, row, v->s);
    else if (out->r)
        wr_put_r(out, row, v->type == WR_REAL ? v->r : (double)v->i);
    else
        wr_put_i(out, row, v->i);
}

/* Copies `text` into the run's arena. */
void wr_put_text(struct wr_eval *ev, struct wr_vec *out, uint32_t row, const char *text, size_t len);

/* A number as double: bool, int, long, real, decimal. */
double wr_num_at(const struct wr_vec *vec, uint32_t row);

/* Any value of a column as tostring() gives it, appended to `out`; nothing for null. */
void wr_text_at(const struct wr_vec *vec, uint32_t row, struct wr_buf *out);

/* One scalar, with dynamic ones resolved to what they hold. */
enum wr_scalar_kind {
    WR_SC_NULL,
    WR_SC_BOOL,
    WR_SC_INT, /* also datetime and timespan */
    WR_SC_REAL,
    WR_SC_TEXT,
    WR_SC_OTHER /* array, bag: `s` is the JSON text */
};
struct wr_scalar {
    enum wr_scalar_kind kind;
    enum wr_type type; /* of the column; WR_DYNAMIC when resolved from one */
    int64_t i;
    double r;
    struct wr_str s; /* unescaped text may lie in the run's arena; a decimal's digits */
};
struct wr_scalar wr_scalar_at(struct wr_eval *ev, const struct wr_vec *vec, uint32_t row);
/* Equality and order over run-time types: numbers by value, text with text; false when they do not compare.
 */
bool wr_scalar_eq(const struct wr_scalar *a, const struct wr_scalar *b, bool nocase);
bool wr_scalar_cmp(const struct wr_scalar *a, const struct wr_scalar *b, int *ret_cmp);

/* A vector of `ev->nrows` null cells; NULL when out of memory (ev->err is set). */
struct wr_vec *wr_vec_new(struct wr_eval *ev, enum wr_type type);
/* Reads the whole of a text; false when it is not a number. Blanks around it are allowed. */
bool wr_text_to_long(const char *text, size_t len, int64_t *ret_v);
bool wr_text_to_real(const char *text, size_t len, double *ret_v);
bool wr_text_to_timespan(const char *text, size_t len, int64_t *ret_v);

/* ASCII letter or digit: what a term of `has` is made of. */
static inline bool wr_is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Kernels: one declaration for every row of functions.def. */
#define FN(name, sig, kernel, prepare, flags, page) wr_fn_eval wr_k_##kernel;
#include "rules/fn/functions.def"
#undef FN
typedef const void *wr_fn_prepare(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why);
wr_fn_prepare wr_prepare_re0, wr_prepare_re1, wr_prepare_trim, wr_prepare_trim_start, wr_prepare_trim_end;
wr_fn_prepare wr_prepare_extract_all, wr_prepare_countof, wr_prepare_zone;
wr_fn_prepare wr_prepare_decompose, wr_prepare_anomalies, wr_prepare_forecast;
const void *wr_prepare_in(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why);
const void *wr_prepare_in_nocase(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why);
/* Membership in what they prepared, of whole numbers or of texts. */
bool wr_members_int(const void *members, int64_t v);
bool wr_members_text(const void *members, const struct wr_str *s);

#endif
