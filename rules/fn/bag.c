/* Functions over property bags. The first of equal keys holds. Source: Kusto "bag-pack function"
 * and its kin. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include "base/ticks.h"

enum { ITEMS_MAX = 1 << 20 };

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

static struct wr_slice slice_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

static bool is_bag(struct wr_slice json)
{
    return json.len && json.p[0] == '{';
}

static void finish(struct wr_eval *ev, struct wr_buf *buf)
{
    if (buf->err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(buf);
}

static void put_json(struct wr_eval *ev, const struct wr_buf *json, struct wr_vec *out,
                     uint32_t row)
{
    if (!json->err)
        wr_put_text(ev, out, row, json->data, json->len);
}

static void comma(struct wr_buf *json)
{
    if (json->len > 1)
        wr_buf_char(json, ',');
}

/* Text of a quoted key. */
static struct wr_slice key_text(struct wr_slice key, struct wr_buf *buf)
{
    wr_buf_reset(buf);
    wr_json_to_text(key.p, key.len, buf);
    return (struct wr_slice){buf->data ? buf->data : "", buf->len};
}

static bool holds(struct wr_slice bag, struct wr_slice key)
{
    struct wr_slice value;
    return wr_json_member(bag, key.p, key.len, &value);
}

static void add_member(struct wr_buf *json, struct wr_slice key, struct wr_slice value)
{
    comma(json);
    wr_buf_add(json, key.p, key.len);
    wr_buf_char(json, ':');
    wr_buf_add(json, value.p, value.len);
}

/* One step of a path: .name, ['name'], ["name"], [3]; false when it is none of them. */
static bool step_into(const char **p, const char *end, struct wr_slice *value)
{
    const char *at = *p + 1, *stop = at;
    if (**p == '.') {
        while (stop < end && *stop != '.' && *stop != '[')
            stop++;
        *p = stop;
        return stop > at && wr_json_member(*value, at, (size_t)(stop - at), value);
    }
    if (**p != '[' || !(stop = memchr(at, ']', (size_t)(end - at))))
        return false;
    *p = stop + 1;
    int64_t index;
    if (stop - at > 1 && (*at == '\'' || *at == '"') && stop[-1] == *at)
        return wr_json_member(*value, at + 1, (size_t)(stop - at - 2), value);
    return wr_text_to_long(at, (size_t)(stop - at), &index) &&
           wr_json_element(*value, index, value);
}

/* The member that a key, or a path as in "$.a.b", names: `ret_key` with its quotes, and its value.
 */
static bool locate(struct wr_slice bag, struct wr_slice path, struct wr_slice *ret_key,
                   struct wr_slice *ret_value)
{
    struct wr_slice parent = bag, found = bag;
    const char *p = path.p, *end = path.p + path.len, *at = NULL;
    if (path.len > 1 && p[0] == '$' && (p[1] == '.' || p[1] == '[')) {
        for (p++; p < end;) {
            parent = found;
            if (!step_into(&p, end, &found))
                return false;
        }
    } else if (!wr_json_member(bag, path.p, path.len, &found)) {
        return false;
    }
    while (is_bag(parent) && wr_json_next_member(parent, &at, ret_key, ret_value))
        if (ret_value->p == found.p)
            return true;
    return false;
}

/* bag_pack(key, value, ...) */
KERNEL(bag_pack)
{
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        wr_buf_reset(&json);
        wr_buf_char(&json, '{');
        for (uint32_t a = 0; a + 1 < call->nargs; a += 2) {
            struct wr_slice key = slice_at(&args[a], row);
            bool taken = false;
            for (uint32_t before = 0; before < a && !taken; before += 2)
                taken = wr_str_eq(&args[before].s[row], &args[a].s[row]);
            if (taken)
                continue;
            comma(&json);
            wr_json_str(&json, key.p, key.len);
            wr_buf_char(&json, ':');
            wr_json_cell(&args[a + 1], row, &json);
        }
        wr_buf_char(&json, '}');
        put_json(ev, &json, out, row);
    }
    finish(ev, &json);
}

KERNEL(bag_keys)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice bag = slice_at(&args[0], row), key, value;
        const char *at = NULL;
        if (!is_bag(bag))
            continue;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        while (wr_json_next_member(bag, &at, &key, &value)) {
            comma(&json);
            wr_buf_add(&json, key.p, key.len);
        }
        wr_buf_char(&json, ']');
        put_json(ev, &json, out, row);
    }
    finish(ev, &json);
}

KERNEL(bag_has_key)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    {
        struct wr_slice bag = slice_at(&args[0], row);
        struct wr_slice key, value;
        if (is_bag(bag))
            wr_put_i(out, row, locate(bag, slice_at(&args[1], row), &key, &value));
    }
}

/* bag_merge(a, b, ...): the leftmost of equal keys; what is no bag is left out. */
KERNEL(bag_merge)
{
    struct wr_buf json = {0}, name = {0};
    WR_EACH(sel, row)
    {
        bool any = false;
        wr_buf_reset(&json);
        wr_buf_char(&json, '{');
        for (uint32_t a = 0; a < call->nargs; a++) {
            struct wr_slice bag = slice_at(&args[a], row), key, value;
            const char *at = NULL;
            any |= wr_vec_valid(&args[a], row) && is_bag(bag);
            while (wr_vec_valid(&args[a], row) && wr_json_next_member(bag, &at, &key, &value)) {
                struct wr_slice text = key_text(key, &name);
                bool left = false;
                for (uint32_t l = 0; l < a && !left; l++)
                    left = wr_vec_valid(&args[l], row) && holds(slice_at(&args[l], row), text);
                if (!left)
                    add_member(&json, key, value);
            }
        }
        wr_buf_char(&json, '}');
        if (any)
            put_json(ev, &json, out, row);
    }
    finish(ev, &json);
    finish(ev, &name);
}

/* `json` without the member, and without one of the commas around it. */
static void cut(struct wr_buf *json, struct wr_slice key, struct wr_slice value)
{
    size_t from = (size_t)(key.p - json->data), to = (size_t)(value.p + value.len - json->data);
    if (json->data[to] == ',')
        to++;
    else if (json->data[from - 1] == ',')
        from--;
    memmove(json->data + from, json->data + to, json->len - to);
    json->len -= to - from;
}

/* Keys, or paths as in "$.a.b". */
KERNEL(bag_remove_keys)
{
    (void)call;
    enum { KEYS_MAX = 1024 }; /* each one reads the bag */
    struct wr_buf json = {0}, name = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice bag = slice_at(&args[0], row), keys = slice_at(&args[1], row), item, key,
                        value;
        const char *at = NULL;
        if (!is_bag(bag) || wr_json_count(keys) > KEYS_MAX)
            continue;
        wr_buf_reset(&json);
        if (!wr_json_compact(bag.p, bag.len, &json) || json.err)
            continue;
        while (wr_json_next(keys, &at, &item))
            if (locate((struct wr_slice){json.data, json.len}, key_text(item, &name), &key, &value))
                cut(&json, key, value);
        put_json(ev, &json, out, row);
    }
    finish(ev, &json);
    finish(ev, &name);
}

KERNEL(bag_set_key)
{
    (void)call;
    struct wr_buf json = {0}, name = {0}, cell = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice bag = slice_at(&args[0], row), want = slice_at(&args[1], row), key, value;
        const char *at = NULL;
        bool set = false;
        if (!wr_vec_valid(&args[0], row) || !is_bag(bag))
            continue;
        wr_buf_reset(&cell);
        wr_json_cell(&args[2], row, &cell);
        struct wr_slice now = {cell.data, cell.len};
        wr_buf_reset(&json);
        wr_buf_char(&json, '{');
        while (wr_json_next_member(bag, &at, &key, &value)) {
            struct wr_slice text = key_text(key, &name);
            bool here = text.len == want.len && memcmp(text.p, want.p, want.len) == 0;
            add_member(&json, key, here ? now : value);
            set |= here;
        }
        if (!set) {
            comma(&json);
            wr_json_str(&json, want.p, want.len);
            wr_buf_char(&json, ':');
            wr_buf_add(&json, now.p, now.len);
        }
        wr_buf_char(&json, '}');
        put_json(ev, &json, out, row);
    }
    finish(ev, &json);
    finish(ev, &name);
    finish(ev, &cell);
}

/* Keys from one array, values from another; null where values are missing. */
KERNEL(bag_zip)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice keys = slice_at(&args[0], row), values = slice_at(&args[1], row), key,
                        value;
        const char *k = NULL, *v = NULL;
        if (wr_json_count(keys) < 0)
            continue; /* values that are no array are none */
        wr_buf_reset(&json);
        wr_buf_char(&json, '{');
        while (wr_json_next(keys, &k, &key)) {
            bool more = wr_json_next(values, &v, &value);
            if (key.p[0] == '"')
                add_member(&json, key, more ? value : (struct wr_slice){"null", 4});
        }
        wr_buf_char(&json, '}');
        put_json(ev, &json, out, row);
    }
    finish(ev, &json);
}

/* range(from, to, step): an array of numbers or times. */
static void put_range(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                      const struct wr_sel *sel, struct wr_vec *out, int64_t step)
{
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        int64_t by = call->nargs > 2 ? args[2].i[row] : step, x = args[0].i[row],
                to = args[1].i[row];
        struct wr_vec one = {.type = args[0].type, .i = &x};
        if (by == 0)
            continue;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (int n = 0; n < ITEMS_MAX && (by > 0 ? x <= to : x >= to); n++) {
            comma(&json);
            wr_json_cell(&one, 0, &json);
            if (__builtin_add_overflow(x, by, &x))
                break;
        }
        wr_buf_char(&json, ']');
        put_json(ev, &json, out, row);
    }
    finish(ev, &json);
}

KERNEL(range)
{
    put_range(ev, call, args, sel, out, 1);
}

KERNEL(range_time)
{
    put_range(ev, call, args, sel, out, WR_TICKS_HOUR);
}

KERNEL(range_real)
{
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        double by = call->nargs > 2 ? args[2].r[row] : 1, from = args[0].r[row],
               to = args[1].r[row];
        if (!(by > 0 || by < 0))
            continue;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (int n = 0; n < ITEMS_MAX; n++) {
            double x = from + n * by;
            if (!(by > 0 ? x <= to : x >= to))
                break;
            comma(&json);
            wr_json_real(&json, x);
        }
        wr_buf_char(&json, ']');
        put_json(ev, &json, out, row);
    }
    finish(ev, &json);
}

/* extract_json("$.a[0]", text): the value as text, "" when there is none. */
KERNEL(extract_json)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice path = slice_at(&args[0], row), value = slice_at(&args[1], row);
        const char *p = path.p, *end = path.p + path.len;
        wr_buf_reset(&text);
        if (p == end || *p++ != '$' || !wr_json_end(value.p, value.p + value.len, 0))
            continue;
        while (p < end && step_into(&p, end, &value))
            ;
        if (p == end)
            wr_json_to_text(value.p, value.len, &text);
        if (text.len && !text.err && p == end)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    finish(ev, &text);
}
