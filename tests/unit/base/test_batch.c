#include "base/batch.h"
#include "base/buf.h"

#include <criterion/criterion.h>

static struct wr_batch *new_batch(uint32_t cap)
{
    struct wr_colset wanted = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &wanted, cap);
    cr_assert_not_null(b);
    return b;
}

static void add(struct wr_batch *b, int64_t port, const char *device)
{
    uint32_t r = wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_RemotePort, r, port);
    cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, device, strlen(device)));
}

Test(batch, new_row_is_null_and_empty)
{
    struct wr_batch *b = new_batch(2);
    uint32_t r = wr_batch_row(b);
    cr_expect_not(wr_vec_valid(&b->col[WR_DNE_RemotePort], r));
    cr_expect_eq(b->col[WR_DNE_DeviceName].s[r].len, 0);
    wr_batch_free(b);
}

Test(batch, alias_shares_its_columns_values)
{
    struct wr_batch *b = new_batch(1);
    uint32_t r = wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, 42);
    cr_expect_eq(b->col[WR_DNE_TimeGenerated].i[r], 42);
    wr_batch_free(b);
}

Test(batch, seal_selects_every_row)
{
    struct wr_batch *b = new_batch(3);
    for (int i = 0; i < 3; i++)
        add(b, 25, "a");
    wr_batch_seal(b);
    cr_expect_eq(b->sel.n, 3);
    cr_expect_eq(b->sel.row[2], 2);
    wr_batch_free(b);
}

Test(batch, unrow_leaves_no_trace)
{
    struct wr_batch *b = new_batch(1);
    add(b, 587, "a device with a long name");
    wr_batch_unrow(b);
    uint32_t r = wr_batch_row(b);
    cr_expect_not(wr_vec_valid(&b->col[WR_DNE_RemotePort], r));
    cr_expect_eq(b->col[WR_DNE_DeviceName].s[r].len, 0);
    wr_batch_free(b);
}

Test(row, packed_row_reads_back_the_same)
{
    struct wr_batch *a = new_batch(1), *b = new_batch(1);
    struct wr_buf one = {0}, two = {0};
    add(a, 465, "lab-ws07.lab.example");
    wr_row_pack(a, 0, &one);
    cr_assert_eq(wr_row_unpack(b, one.data, one.len), WR_OK);
    wr_row_pack(b, 0, &two);
    cr_assert_eq(one.len, two.len);
    cr_expect_arr_eq(one.data, two.data, one.len);
    cr_expect_eq(wr_row_unpack(b, one.data, one.len), WR_EFULL);
    wr_buf_fini(&one);
    wr_buf_fini(&two);
    wr_batch_free(a);
    wr_batch_free(b);
}

Test(row, every_cut_of_a_packed_row_is_refused_or_shorter)
{
    struct wr_batch *a = new_batch(1), *b = new_batch(1);
    struct wr_buf row = {0};
    add(a, 465, "lab-ws07.lab.example");
    wr_row_pack(a, 0, &row);
    for (size_t cut = 0; cut < row.len; cut++) {
        enum wr_err err = wr_row_unpack(b, row.data, cut);
        cr_expect(err == WR_OK || err == WR_ECORRUPT);
        cr_expect_eq(b->nrows, err == WR_OK ? 1 : 0);
        cr_assert(wr_batch_reset(b));
    }
    wr_buf_fini(&row);
    wr_batch_free(a);
    wr_batch_free(b);
}

/* Short texts are read as words: every length, amid the row and as its last bytes, leaves what is not its own zero. */
Test(row, short_texts_of_every_length)
{
    static const char text[] = "0123456789abcdefghij";
    for (size_t n = 0; n <= 16; n++) {
        for (size_t m = 0; m <= 16; m++) {
            struct wr_batch *b = new_batch(1), *back = new_batch(1);
            struct wr_buf packed = {0};
            uint32_t r = wr_batch_row(b);
            cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, text, n) && wr_batch_set_str(b, WR_DNE_Protocol, r, text, m));
            wr_row_pack(b, 0, &packed);
            char *exact = malloc(packed.len + 1); /* nothing behind it, for who looks */
            if (packed.len)
                memcpy(exact, packed.data, packed.len);
            exact = realloc(exact, packed.len ? packed.len : 1);
            cr_assert_eq(wr_row_unpack(back, exact, packed.len), WR_OK);
            const struct wr_str *got[2] = {&back->col[WR_DNE_DeviceName].s[0], &back->col[WR_DNE_Protocol].s[0]};
            const size_t len[2] = {n, m};
            for (int k = 0; k < 2; k++) {
                struct wr_str want = wr_str_borrow(text, len[k]);
                cr_assert(wr_str_eq(got[k], &want), "%zu and %zu", n, m);
                if (len[k] <= WR_STR_INLINE)
                    cr_assert_arr_eq(got[k], &want, sizeof want, "%zu and %zu", n, m);
            }
            free(exact);
            wr_buf_fini(&packed);
            wr_batch_free(b);
            wr_batch_free(back);
        }
    }
}
