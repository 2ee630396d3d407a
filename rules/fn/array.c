/* Functions over arrays and sets. What is no array gives null; times in arrays are texts. Sources: Kusto
 * "array-slice function", "set-union function" and their kin. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <math.h>
#include <stdlib.h>

enum { ITEMS_MAX = 1 << 20, SET_MAX = 4096 };

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

/* Elements of one array, in the run's arena. */
struct items {
    struct wr_slice *at;
    int64_t n; /* -1: no array */
};

static struct wr_slice slice_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

static struct items items_at(struct wr_eval *ev, const struct wr_vec *v, uint32_t row)
{
    struct items list = {.n = -1};
    struct wr_slice all = slice_at(v, row);
    const char *at = NULL;
    list.n = wr_vec_valid(v, row) ? wr_json_count(all) : -1;
    if (list.n < 0)
        return list;
    list.at = wr_arena_alloc(ev->arena, ((size_t)list.n + 1) * sizeof *list.at);
    if (!list.at) {
        ev->err = WR_ENOMEM;
        list.n = -1;
    }
    for (int64_t i = 0; i < list.n; i++)
        (void)wr_json_next(all, &at, &list.at[i]);
    return list;
}

static void open_list(struct wr_buf *json)
{
    wr_buf_reset(json);
    wr_buf_char(json, '[');
}

static void add_item(struct wr_buf *json, struct wr_slice item)
{
    if (json->len > 1 && json->data[json->len - 1] != '[')
        wr_buf_char(json, ',');
    wr_buf_add(json, item.p, item.len);
}

static void close_list(struct wr_eval *ev, struct wr_buf *json, struct wr_vec *out, uint32_t row)
{
    wr_buf_char(json, ']');
    if (json->err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, json->data, json->len);
}

static const struct wr_slice null_item = {"null", 4};

static int64_t from_end(int64_t index, int64_t n)
{
    return index < 0 ? index + n : index;
}

KERNEL(array_slice)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row);
        if (list.n < 0)
            continue;
        int64_t from = from_end(args[1].i[row], list.n), to = from_end(args[2].i[row], list.n);
        open_list(&json);
        for (int64_t i = from < 0 ? 0 : from; i <= to && i < list.n; i++)
            add_item(&json, list.at[i]);
        close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

KERNEL(array_split)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row), cuts = {.n = 1};
        struct wr_slice one;
        int64_t at = 0, cut;
        struct wr_scalar where = wr_scalar_at(ev, &args[1], row);
        if (where.kind == WR_SC_OTHER)
            cuts = items_at(ev, &args[1], row);
        if (list.n < 0 || cuts.n < 0 || (where.kind != WR_SC_INT && where.kind != WR_SC_OTHER))
            continue;
        open_list(&json);
        for (int64_t c = 0; c <= cuts.n; c++) {
            one = cuts.at && c < cuts.n ? cuts.at[c] : null_item;
            cut = c == cuts.n ? list.n : cuts.at ? 0 : where.i;
            if (c < cuts.n && cuts.at && !wr_text_to_long(one.p, one.len, &cut))
                cut = list.n;
            cut = from_end(cut, list.n);
            wr_buf_str(&json, c ? ",[" : "[");
            for (; at < cut && at < list.n; at++)
                add_item(&json, list.at[at]);
            wr_buf_char(&json, ']');
        }
        close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

KERNEL(array_concat)
{
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        bool ok = true;
        open_list(&json);
        for (uint32_t a = 0; a < call->nargs; a++) {
            struct items list = items_at(ev, &args[a], row);
            ok = ok && list.n >= 0;
            for (int64_t i = 0; i < list.n; i++)
                add_item(&json, list.at[i]);
        }
        if (ok)
            close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

KERNEL(array_reverse)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row);
        if (list.n < 0)
            continue;
        open_list(&json);
        for (int64_t i = list.n; i-- > 0;)
            add_item(&json, list.at[i]);
        close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

/* Element i of the result is element i + by of the array, around its end or not. */
static void moved(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                  const struct wr_sel *sel, struct wr_vec *out, int64_t sign, bool around)
{
    struct wr_buf json = {0}, fill = {0};
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row);
        int64_t by = args[1].i[row];
        if (list.n < 0)
            continue;
        if (around)
            by = list.n ? by % list.n : 0;
        by = by > list.n ? list.n : by < -list.n ? -list.n : by;
        wr_buf_reset(&fill);
        if (!around && call->nargs > 2)
            wr_json_cell(&args[2], row, &fill);
        open_list(&json);
        for (int64_t i = 0; i < list.n; i++) {
            int64_t from = i + sign * by;
            if (around)
                from = (from % list.n + list.n) % list.n;
            bool in = from >= 0 && from < list.n;
            add_item(&json, in ? list.at[from] : fill.len ? (struct wr_slice){fill.data, fill.len} : null_item);
        }
        close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
    wr_buf_fini(&fill);
}

#define MOVED(name, sign, around)                                                                            \
    KERNEL(array_##name)                                                                                     \
    {                                                                                                        \
        moved(ev, call, args, sel, out, sign, around);                                                       \
    }
MOVED(rotate_left, 1, true)
MOVED(rotate_right, -1, true)
MOVED(shift_left, 1, false)
MOVED(shift_right, -1, false)

static struct wr_scalar scalar_of(struct wr_eval *ev, struct wr_slice item)
{
    struct wr_str json = wr_str_borrow(item.p, item.len);
    struct wr_vec one = {.type = WR_DYNAMIC, .s = &json};
    return wr_scalar_at(ev, &one, 0);
}

/* array_iff(conditions, a, b): a and b are arrays or one value for all. */
KERNEL(array_iff)
{
    (void)call;
    struct wr_buf json = {0}, cell = {0};
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row), branch[2] = {{.n = -1}, {.n = -1}};
        for (int b = 0; b < 2; b++)
            if (args[b + 1].type == WR_DYNAMIC)
                branch[b] = items_at(ev, &args[b + 1], row);
        if (list.n < 0)
            continue;
        open_list(&json);
        for (int64_t i = 0; i < list.n; i++) {
            struct wr_scalar c = scalar_of(ev, list.at[i]);
            int b = !(c.kind == WR_SC_REAL ? c.r != 0 : c.i != 0);
            bool known = c.kind == WR_SC_BOOL || c.kind == WR_SC_INT || c.kind == WR_SC_REAL;
            wr_buf_reset(&cell);
            if (branch[b].n < 0)
                wr_json_cell(&args[b + 1], row, &cell);
            else if (i < branch[b].n)
                wr_buf_add(&cell, branch[b].at[i].p, branch[b].at[i].len);
            add_item(&json, known && cell.len ? (struct wr_slice){cell.data, cell.len} : null_item);
        }
        close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
    wr_buf_fini(&cell);
}

KERNEL(array_index_of)
{
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row);
        struct wr_scalar want = wr_scalar_at(ev, &args[1], row);
        if (list.n < 0)
            continue;
        int64_t from = call->nargs > 2 ? from_end(args[2].i[row], list.n) : 0, hit = -1;
        int64_t length = call->nargs > 3 ? args[3].i[row] : -1, nth = call->nargs > 4 ? args[4].i[row] : 1;
        int64_t to = length < 0 || length > list.n - from ? list.n : from + length;
        for (int64_t i = from < 0 ? 0 : from; i < to && hit < 0; i++) {
            struct wr_scalar have = scalar_of(ev, list.at[i]);
            if (wr_scalar_eq(&have, &want, false) && --nth == 0)
                hit = i;
        }
        wr_put_i(out, row, hit);
    }
}

KERNEL(array_sum)
{
    (void)call;
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row);
        double sum = 0;
        bool ok = list.n >= 0;
        for (int64_t i = 0; ok && i < list.n; i++) {
            struct wr_scalar x = scalar_of(ev, list.at[i]);
            ok = x.kind == WR_SC_INT || x.kind == WR_SC_REAL;
            sum += x.r;
        }
        if (ok)
            wr_put_r(out, row, sum);
    }
}

/* ---- sorting: numbers, then texts, then the rest in its order; nulls at the end ---- */

struct sortable {
    struct wr_scalar key;
    struct wr_slice item;
    int64_t place;
};

static int sort_class(const struct wr_scalar *s)
{
    static const int classes[] = {[WR_SC_BOOL] = 1, [WR_SC_INT] = 2, [WR_SC_REAL] = 2, [WR_SC_TEXT] = 3,
                                  [WR_SC_OTHER] = 4, [WR_SC_NULL] = 5};
    return classes[s->kind];
}

static int by_value(const void *pa, const void *pb, int sign)
{
    const struct sortable *a = pa, *b = pb;
    int x = sort_class(&a->key), y = sort_class(&b->key), cmp = 0;
    if (x != y)
        return x == 5 || y == 5 ? x - y : sign * (x - y);
    (void)wr_scalar_cmp(&a->key, &b->key, &cmp);
    if (x == 1)
        cmp = (a->key.i > b->key.i) - (a->key.i < b->key.i);
    return cmp ? sign * cmp : (a->place > b->place) - (a->place < b->place);
}

static int ascending(const void *a, const void *b)
{
    return by_value(a, b, 1);
}

static int descending(const void *a, const void *b)
{
    return by_value(a, b, -1);
}

/* The nulls at the end, in their order, to the front. */
static void nulls_to_front(struct sortable *s, int64_t n, struct sortable *room)
{
    int64_t nulls = 0;
    while (nulls < n && s[n - 1 - nulls].key.kind == WR_SC_NULL)
        nulls++;
    memcpy(room, s + n - nulls, (size_t)nulls * sizeof *s);
    memmove(s + nulls, s, (size_t)(n - nulls) * sizeof *s);
    memcpy(s, room, (size_t)nulls * sizeof *s);
}

/* The elements in their order; the last argument may be a bool: false puts nulls first. NULL: no list, or no memory. */
static struct sortable *sorted(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args, uint32_t row, bool down)
{
    struct items list = items_at(ev, &args[0], row);
    const struct wr_vec *last = &args[call->nargs - 1];
    bool first = last->type == WR_BOOL && wr_vec_valid(last, row) && !last->i[row];
    size_t n = (size_t)(list.n < 0 ? 0 : list.n);
    struct sortable *s = wr_arena_alloc(ev->arena, (2 * n + 1) * sizeof *s);
    if (list.n < 0 || !s)
        return NULL;
    for (int64_t i = 0; i < list.n; i++)
        s[i] = (struct sortable){scalar_of(ev, list.at[i]), list.at[i], i};
    qsort(s, n, sizeof *s, down ? descending : ascending);
    if (first)
        nulls_to_front(s, list.n, s + n);
    return s;
}

static void put_sorted(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args, const struct wr_sel *sel,
                       struct wr_vec *out, bool down)
{
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row);
        const struct sortable *s = sorted(ev, call, args, row, down);
        if (!s)
            continue;
        open_list(&json);
        for (int64_t i = 0; i < list.n; i++)
            add_item(&json, s[i].item);
        close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

KERNEL(array_sort_asc)
{
    put_sorted(ev, call, args, sel, out, false);
}

KERNEL(array_sort_desc)
{
    put_sorted(ev, call, args, sel, out, true);
}

/* Several arrays in the order of the first, as one array of them; null in the place of one whose length is another. */
static void put_all_sorted(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args, const struct wr_sel *sel,
                           struct wr_vec *out, bool down)
{
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct items first = items_at(ev, &args[0], row);
        const struct sortable *s = sorted(ev, call, args, row, down);
        if (!s)
            continue;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (uint32_t a = 0; a < call->nargs && args[a].type == WR_DYNAMIC; a++) {
            struct items list = items_at(ev, &args[a], row);
            wr_buf_str(&json, a ? "," : "");
            if (list.n != first.n) {
                wr_buf_str(&json, "null");
                continue;
            }
            wr_buf_char(&json, '[');
            for (int64_t i = 0; i < list.n; i++) {
                wr_buf_str(&json, i ? "," : "");
                wr_buf_add(&json, list.at[s[i].place].p, list.at[s[i].place].len);
            }
            wr_buf_char(&json, ']');
        }
        wr_buf_char(&json, ']');
        if (!json.err)
            wr_put_text(ev, out, row, json.data, json.len);
    }
    if (json.err)
        ev->err = json.err;
    wr_buf_fini(&json);
}

KERNEL(array_sort_asc_all)
{
    put_all_sorted(ev, call, args, sel, out, false);
}

KERNEL(array_sort_desc_all)
{
    put_all_sorted(ev, call, args, sel, out, true);
}

/* strcat_array(array, delimiter) */
KERNEL(strcat_array)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        struct items list = items_at(ev, &args[0], row);
        wr_buf_reset(&text);
        for (int64_t i = 0; i < list.n; i++) {
            if (i)
                wr_buf_add(&text, wr_str_data(&args[1].s[row]), args[1].s[row].len);
            wr_json_to_text(list.at[i].p, list.at[i].len, &text);
        }
        if (text.len && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

/* zip(a, b, ...): arrays of the i-th elements; null where one is shorter. */
KERNEL(zip)
{
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct items list[16];
        int64_t most = 0;
        bool ok = call->nargs <= 16;
        for (uint32_t a = 0; ok && a < call->nargs; a++) {
            list[a] = items_at(ev, &args[a], row);
            ok = list[a].n >= 0;
            most = list[a].n > most ? list[a].n : most;
        }
        open_list(&json);
        for (int64_t i = 0; ok && i < most; i++) {
            wr_buf_str(&json, i ? ",[" : "[");
            for (uint32_t a = 0; a < call->nargs; a++)
                add_item(&json, i < list[a].n ? list[a].at[i] : null_item);
            wr_buf_char(&json, ']');
        }
        if (ok)
            close_list(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

/* repeat(value, count): at most 1 MiB of it. */
KERNEL(repeat)
{
    (void)call;
    enum { BYTES_MAX = 1 << 20 };
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        int64_t n = wr_vec_valid(&args[1], row) ? args[1].i[row] : -1;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (int64_t i = 0; i < n && json.len <= BYTES_MAX && !json.err; i++) {
            wr_buf_str(&json, i ? "," : "");
            wr_json_cell(&args[0], row, &json);
        }
        wr_buf_char(&json, ']');
        if (n >= 0 && json.len <= BYTES_MAX && !json.err)
            wr_put_text(ev, out, row, json.data, json.len);
    }
    if (json.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&json);
}
