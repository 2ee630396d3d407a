/* Keys of a block, packed a column at a time, against the form of one row: texts of every length,
 * nulls, many columns. */
#include "rules/exec/key_form.h"

#include "base/arena.h"
#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { ROWS = WR_KEY_BLOCK, COLUMNS = 40 };

static uint64_t prng;

static uint32_t roll(uint32_t n)
{
    prng = prng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((prng >> 32) * n) >> 32);
}

static struct wr_vec column(struct wr_arena *a, uint32_t text_most)
{
    static const enum wr_type types[] = {WR_STRING, WR_STRING, WR_LONG, WR_REAL, WR_DYNAMIC};
    struct wr_vec v = {.type = types[roll(5)]};
    void *cells = wr_arena_alloc(a, ROWS * sizeof(struct wr_str));
    cr_assert_not_null(cells);
    if (wr_type_is_str(v.type))
        v.s = cells;
    else if (v.type == WR_REAL)
        v.r = cells;
    else
        v.i = cells;
    if (v.type != WR_STRING)
        v.valid = wr_arena_alloc(a, ROWS / 8);
    for (uint32_t r = 0; r < ROWS; r++) {
        char text[2000];
        uint32_t len = roll(text_most + 1);
        memset(text, 'a' + (int)roll(3), len);
        if (v.s)
            cr_assert(wr_str_copy(a, text, len, &v.s[r]));
        else if (v.r)
            v.r[r] = (double)roll(9) - 4;
        else
            v.i[r] = (int64_t)((uint64_t)roll(UINT32_MAX) << roll(33)) * (roll(2) ? 1 : -1);
        if (v.valid && roll(4))
            wr_vec_set_valid(&v, r);
    }
    return v;
}

static void check(const struct wr_packed_keys *keys, uint32_t at, const struct wr_vec *cols,
                  uint32_t n, uint32_t row)
{
    struct wr_buf want = {0};
    wr_key_pack(cols, n, row, &want);
    cr_assert_eq(keys->len[at], want.len);
    const uint8_t *have = keys->data + keys->at[at];
    cr_assert_eq(keys->at[at] % 16, 0);
    cr_assert(want.len == 0 || memcmp(have, want.data, want.len) == 0);
    for (uint32_t i = 0; i < 16; i++)
        cr_assert_eq(have[want.len + i], 0);
    wr_buf_fini(&want);
}

static void block(uint64_t seed, uint32_t text_most, struct wr_packed_keys *keys)
{
    const struct wr_hash_key secret = {3, 5};
    struct wr_arena *a = wr_arena_new(1 << 16);
    struct wr_vec cols[COLUMNS];
    uint16_t row[ROWS];
    prng = seed;
    uint32_t n = roll(4) ? roll(8) : roll(COLUMNS + 1), rows = 1 + roll(ROWS - 1);
    for (uint32_t c = 0; c < n; c++)
        cols[c] = column(a, text_most);
    for (uint32_t r = 0; r < rows; r++)
        row[r] = (uint16_t)(seed % 2 ? r : ROWS - 1 - r);
    struct wr_sel all = {row, rows}, one = {&row[rows - 1], 1};
    cr_assert(wr_keys_pack(&secret, cols, n, &all, 0, keys));
    for (uint32_t r = 0; r < rows; r++)
        check(keys, r, cols, n, row[r]);
    cr_assert(wr_keys_pack(&secret, cols, n, &one, rows,
                           keys)); /* the same key once more, behind the others */
    cr_assert_eq(keys->hash[rows], keys->hash[rows - 1]);
    for (uint32_t r = 0; r <= rows; r++)
        check(keys, r, cols, n, row[r < rows ? r : r - 1]);
    wr_arena_free(a);
}

Test(key, blocks_are_packed_as_rows_are)
{
    static const uint32_t most[] = {0, 5, 12, 13, 15, 16, 17, 40, 127, 128, 300, 1900};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        struct wr_packed_keys keys = {0}; /* kept over blocks, as streams do */
        for (uint64_t seed = 1; seed <= 30; seed++)
            block(seed * 100 + i, most[i], &keys);
        wr_keys_fini(&keys);
    }
}

/* What the processor has must not be seen in hashes: the loops for AVX2 and the others give the same. */
Test(key, loops_agree)
{
#ifdef __x86_64__
    enum { BYTES = 4096 };
    if (!__builtin_cpu_supports("avx2"))
        return;
    struct wr_packed_keys keys = {0};
    block(7, 12, &keys);
    uint8_t *data = calloc(ROWS, BYTES + 64), *end[ROWS], text[16];
    cr_assert_not_null(data);
    struct wr_packed_keys one = keys, other = keys;
    for (uint32_t r = 0; r < ROWS; r++) {
        uint32_t len = roll(r % 2 ? 80 : BYTES);
        one.at[r] = other.at[r] = (size_t)r * (BYTES + 64);
        for (uint32_t i = 0; i < len; i++)
            data[one.at[r] + i] = (uint8_t)roll(256);
        end[r] = data + one.at[r] + len;
    }
    one.data = other.data = data;
    wr_key_generic.finish(&one, 0, ROWS, end);
    wr_key_avx2.finish(&other, 0, ROWS, end);
    cr_assert(memcmp(one.hash, other.hash, sizeof one.hash) == 0);
    cr_assert(memcmp(one.len, other.len, sizeof one.len) == 0);
    struct wr_str cell[ROWS];
    uint16_t row[ROWS];
    for (uint32_t r = 0; r < ROWS; r++) {
        uint32_t len = roll(WR_STR_INLINE + 1);
        memset(text, 'a' + (int)(r % 26), sizeof text);
        cell[r] = wr_str_borrow((const char *)text, len);
        row[r] = (uint16_t)r;
    }
    struct wr_vec cols[3] = {{.type = WR_STRING, .s = cell}, {.type = WR_STRING, .s = cell}, {.type = WR_STRING, .s = cell}};
    struct wr_sel sel = {row, ROWS};
    for (uint32_t n = 1; n <= 3; n++) {
        uint8_t *end_one[ROWS], *end_other[ROWS], *more = calloc(ROWS, 128);
        cr_assert_not_null(more);
        memset(data, 0, (size_t)ROWS * 128);
        cr_assert(wr_key_generic.texts(cols, n, NULL, &sel, (struct wr_key_places){data, 128, end_one}));
        cr_assert(wr_key_avx2.texts(cols, n, NULL, &sel, (struct wr_key_places){more, 128, end_other}));
        for (uint32_t r = 0; r < ROWS; r++) {
            cr_assert_eq(end_one[r] - data, end_other[r] - more);
            cr_assert(memcmp(data + 128 * r, more + 128 * r, (size_t)(end_one[r] - data) - 128 * r) == 0);
        }
        free(more);
    }
    free(data);
    wr_keys_fini(&keys);
#endif
}
