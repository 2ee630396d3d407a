/* Paths into dynamic values. What is missing, or null in the JSON, is null. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

static struct wr_slice json_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

/* A slice lies in its parent's text, which may be a short value inside the vector: it is copied. */
static void put_slice(struct wr_eval *ev, struct wr_vec *out, uint32_t row, struct wr_slice value)
{
    if (value.len != 4 || memcmp(value.p, "null", 4) != 0)
        wr_put_text(ev, out, row, value.p, value.len);
}

KERNEL(member)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_slice value;
        if (wr_json_member(json_at(&args[0], row), wr_str_data(&args[1].s[row]), args[1].s[row].len, &value))
            put_slice(ev, out, row, value);
    }
}

KERNEL(element)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_slice value;
        if (wr_json_element(json_at(&args[0], row), args[1].i[row], &value))
            put_slice(ev, out, row, value);
    }
}

KERNEL(array_length)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        int64_t n = wr_json_count(json_at(&args[0], row));
        if (n >= 0)
            wr_put_i(out, row, n);
    }
}

KERNEL(pack_array)
{
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        wr_buf_reset(&text);
        wr_buf_char(&text, '[');
        for (uint32_t a = 0; a < call->nargs; a++) {
            if (a)
                wr_buf_char(&text, ',');
            wr_json_cell(&args[a], row, &text);
        }
        wr_buf_char(&text, ']');
        if (!text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

/* Bytes of the values in a row: fixed for numbers and times, the length of texts. */
KERNEL(estimate_data_size)
{
    (void)ev;
    static const uint8_t fixed[] = {[WR_BOOL] = 1,     [WR_INT] = 4,      [WR_LONG] = 8, [WR_REAL] = 8,
                                    [WR_DATETIME] = 8, [WR_TIMESPAN] = 8, [WR_GUID] = 16};
    WR_EACH (sel, row) {
        int64_t size = 0;
        for (uint32_t a = 0; a < call->nargs; a++) {
            enum wr_type t = args[a].type;
            bool text = t == WR_STRING || t == WR_DYNAMIC || t == WR_DECIMAL;
            size += !text ? fixed[t] : wr_vec_valid(&args[a], row) ? args[a].s[row].len : 0;
        }
        wr_put_i(out, row, size);
    }
}
