#include "rules/exec/key_form.h"

#include "base/buf.h"
#include "rules/exec/eval.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

uint64_t wr_key_hash_word(const struct wr_hash_key *secret, uint64_t word)
{
    const uint64_t c = UINT64_C(0x9e3779b97f4a7c15); /* good without a secret, too: hashes stand for values (dset.h) */
    return fold(fold(word ^ secret->k0, secret->k1 ^ c) ^ c, c);
}

static uint64_t more(const struct wr_hash_key *secret, uint64_t h, uint64_t word)
{
    return fold(word ^ secret->k0, h ^ secret->k1);
}

static uint64_t text_bytes(const struct wr_hash_key *secret, uint64_t h, const char *p, size_t len)
{
    uint64_t w;
    h = more(secret, h, len);
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&w, p, 8);
        h = more(secret, h, w);
    }
    w = 0;
    memcpy(&w, p, len);
    return more(secret, h, w);
}

uint64_t wr_key_hash_text(const struct wr_hash_key *secret, const char *text, size_t len)
{
    return text_bytes(secret, 0, text, len);
}

static uint64_t text_hash(const struct wr_hash_key *secret, uint64_t h, const struct wr_str *s)
{
    uint64_t w[2];
    if (s->len > WR_STR_INLINE)
        return text_bytes(secret, h, wr_str_data(s), s->len);
    memcpy(w, s, sizeof w);
    return fold(w[0] ^ secret->k0, w[1] ^ h ^ secret->k1);
}

/* The bits by which a value groups: 0.0 with -0.0, NaN with NaN. */
static uint64_t real_bits(double r)
{
    uint64_t w;
    r = r == 0 ? 0 : r;
    memcpy(&w, &r, sizeof w);
    return r != r ? UINT64_C(0x7ff8000000000000) : w;
}

void wr_key_hash(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys,
                 const struct wr_sel *sel, uint64_t *hash)
{
    WR_EACH (sel, row)
        hash[row] = nkeys;
    for (uint32_t k = 0; k < nkeys; k++) {
        const struct wr_vec *v = &keys[k];
        if (v->type == WR_STRING) {
            WR_EACH (sel, row)
                hash[row] = text_hash(secret, hash[row], &v->s[row]);
            continue;
        }
        WR_EACH (sel, row) {
            if (!wr_vec_valid(v, row))
                hash[row] = more(secret, hash[row], UINT64_C(0xa0761d6478bd642f));
            else if (v->s)
                hash[row] = text_hash(secret, hash[row], &v->s[row]);
            else
                hash[row] = more(secret, hash[row], v->r ? real_bits(v->r[row]) : (uint64_t)v->i[row]);
        }
    }
}

static void put_varint(struct wr_buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        wr_buf_u8(out, (uint8_t)(v | 0x80));
    wr_buf_u8(out, (uint8_t)v);
}

static inline uint64_t get_varint(const uint8_t **p)
{
    uint64_t v = 0;
    if (**p < 0x80)
        return *(*p)++;
    for (int shift = 0;; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
}

void wr_key_pack(const struct wr_vec *keys, uint32_t nkeys, uint32_t row, struct wr_buf *out)
{
    for (uint32_t k = 0; k < nkeys; k += 8) {
        unsigned bits = 0;
        for (uint32_t j = k; j < nkeys && j < k + 8; j++)
            bits |= (unsigned)!wr_vec_valid(&keys[j], row) << (j - k);
        wr_buf_u8(out, (uint8_t)bits);
    }
    for (uint32_t k = 0; k < nkeys; k++) {
        const struct wr_vec *v = &keys[k];
        if (!wr_vec_valid(v, row))
            continue;
        if (v->s) {
            put_varint(out, v->s[row].len);
            wr_buf_add(out, wr_str_data(&v->s[row]), v->s[row].len);
        } else if (v->r) {
            wr_buf_u64(out, real_bits(v->r[row]));
        } else {
            put_varint(out, zigzag(v->i[row]));
        }
    }
}

/* ---- a block of rows ---------------------------------------------------------------------------- */

enum { ALIGN = 16, PAD = WR_KEY_PAD, ANY_MOST = 16 }; /* bytes of a number, or of a short text whose length is not looked at */

/* Room for `more` bytes from `at` on; false when out of memory. */
static bool room_at(struct wr_packed_keys *keys, size_t at, size_t more)
{
    if (at + more <= keys->cap)
        return true;
    size_t cap = at + more + keys->cap / 2;
    uint8_t *data = realloc(keys->data, cap);
    if (!data)
        return false;
    keys->data = data;
    keys->cap = cap;
    return true;
}

static inline uint8_t *number_at(uint8_t *p, const struct wr_vec *v, uint32_t row)
{
    if (!v->r)
        return whole_at(p, v->i[row]);
    uint64_t bits = real_bits(v->r[row]);
    memcpy(p, &bits, 8);
    return p + 8;
}

/* Of more than WR_STR_INLINE bytes: twice 8 from both ends when that is all of it. */
static inline uint8_t *long_text(uint8_t *p, const struct wr_str *s)
{
    const char *text = wr_str_data(s);
    uint32_t len = s->len;
    p = varint_at(p, len);
    if (len <= 16) {
        uint64_t low, high;
        memcpy(&low, text, sizeof low);
        memcpy(&high, text + len - 8, sizeof high);
        memcpy(p, &low, sizeof low);
        memcpy(p + len - 8, &high, sizeof high);
    } else {
        memcpy(p, text, len);
    }
    return p + len;
}

/* Texts of a column that has no nulls; some are long. */
static void pack_texts(const struct wr_str *text, const struct wr_sel *sel, uint8_t **restrict end)
{
    for (uint32_t k = 0; k < sel->n; k++) {
        const struct wr_str *s = &text[sel->row[k]];
        end[k] = s->len <= WR_STR_INLINE ? short_text(end[k], s, s->len) : long_text(end[k], s);
    }
}

/* Whole numbers without nulls. */
static void pack_whole(const int64_t *restrict i, const struct wr_sel *sel, uint8_t **restrict end)
{
    for (uint32_t k = 0; k < sel->n; k++)
        end[k] = whole_at(end[k], i[sel->row[k]]);
}

/* Any column: key `k`. `from`: where each row's null bits stand in `data`. */
static uint32_t pack_any(const struct wr_vec *v, uint32_t most, const struct wr_sel *sel, uint32_t k, uint8_t *data,
                         const size_t *from, uint8_t **end)
{
    uint32_t any = 0;
    for (uint32_t i = 0; i < sel->n; i++) {
        uint32_t row = sel->row[i];
        if (v->valid && !(v->valid[row / 64] >> (row % 64) & 1)) {
            data[from[i] + k / 8] |= (uint8_t)(1u << (k % 8));
        } else if (!v->s) {
            end[i] = number_at(end[i], v, row);
        } else {
            const struct wr_str *s = &v->s[row];
            any |= most <= WR_STR_INLINE ? WR_STR_INLINE - s->len : 0;
            end[i] = s->len > WR_STR_INLINE && most > WR_STR_INLINE ? long_text(end[i], s)
                                                                    : short_text(end[i], s, s->len & 15);
        }
    }
    return any;
}

/* The most bytes that a key of the block takes there; `texts`: some may be long. */
static size_t key_most(const struct wr_vec *v, const struct wr_sel *sel, bool texts, uint32_t *ret_text)
{
    *ret_text = 0;
    if (!v->s || !texts)
        return ANY_MOST;
    uint32_t most = 0;
    WR_EACH (sel, row)
        most = v->s[row].len > most ? v->s[row].len : most;
    *ret_text = most;
    return most <= WR_STR_INLINE ? ANY_MOST : (size_t)most + 5;
}

enum { SOME_KEYS = 16 };
enum { LONG = 512 }; /* keys of a block that may be longer stand one behind the other, each as long as it is */

/* Where each row's key begins, in `from`, its null bits zero; `end`: behind those, unless the first column's loop is to begin the
 * keys (to->begin). False when out of memory. */
static bool place_keys(const struct wr_vec *keys, uint32_t nkeys, const struct wr_sel *sel, size_t at, size_t each, bool texts,
                       struct wr_packed_keys *out, size_t *from, struct wr_key_places *to)
{
    uint32_t bytes = (nkeys + 7) / 8;
    for (uint32_t i = 0; each <= LONG && i < sel->n; i++, at += each)
        from[i] = at;
    for (uint32_t i = 0; each > LONG && i < sel->n; i++) {
        from[i] = at;
        size_t len = 0;
        for (uint32_t k = 0; k < nkeys; k++)
            len = (k ? len : bytes + 2 * ALIGN + PAD) + (keys[k].s ? keys[k].s[sel->row[i]].len : 0) + ANY_MOST;
        at = (at + len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    }
    if (!room_at(out, 0, at + ALIGN + PAD))
        return false;
    to->each = each;
    to->begin = texts && each <= LONG && bytes == 1 ? out->data + from[0] : NULL;
    for (uint32_t i = 0; !to->begin && i < sel->n; i++) {
        to->end[i] = out->data + from[i] + bytes;
        memset(out->data + from[i], 0, bytes);
    }
    return true;
}

static const struct wr_key_kernels *kernels_now(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return &wr_key_avx2;
#endif
    return &wr_key_generic;
}

static bool is_short(const struct wr_vec *v, uint32_t most)
{
    return v->s && !v->valid && most <= WR_STR_INLINE;
}

/* The columns, one after the other. False: a text that `most` does not tell of is long. */
static bool pack_columns(const struct wr_vec *keys, uint32_t nkeys, const struct wr_sel *sel, const uint32_t *most, uint8_t *data,
                         const size_t *from, struct wr_key_places to)
{
    const struct wr_key_kernels *kernels = kernels_now();
    uint32_t any = 0;
    for (uint32_t k = 0, n = 1; k < nkeys; k += n, n = 1) {
        const struct wr_vec *v = &keys[k];
        uint32_t text = most[k < SOME_KEYS ? k : SOME_KEYS];
        if (is_short(v, text)) {
            while (n < 3 && k + n < nkeys && is_short(v + n, most[k + n < SOME_KEYS ? k + n : SOME_KEYS]))
                n++;
            bool whole = k + n < nkeys && v[n].i && wr_vec_full(&v[n], sel);
            if (!kernels->texts(v, n, whole ? v[n].i : NULL, sel, to))
                return false;
            n += whole;
            to.begin = NULL;
        } else if (v->s && !v->valid) {
            pack_texts(v->s, sel, to.end);
        } else if (v->i && wr_vec_full(v, sel)) {
            pack_whole(v->i, sel, to.end);
        } else {
            any |= pack_any(v, text, sel, k, data, from, to.end);
        }
    }
    return any >> 31 == 0;
}

/* The secret of each word, from that of all: once. */
static void seed(const struct wr_hash_key *secret, struct wr_packed_keys *keys)
{
    if (keys->seeded && keys->secret.k0 == secret->k0 && keys->secret.k1 == secret->k1)
        return;
    keys->seeded = true;
    keys->secret = *secret;
    for (uint32_t w = 0; w < WR_KEY_SECRETS; w++)
        keys->word[w] = (uint32_t)(wr_key_hash_word(secret, w + 1) >> 32);
}

bool wr_keys_pack(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys, const struct wr_sel *sel,
                  uint32_t first, struct wr_packed_keys *out)
{
    uint8_t *end[WR_KEY_BLOCK];
    uint32_t most[SOME_KEYS + 1]; /* the longest text of each column; of later ones: whether to look */
    size_t at = 0;
    if (first)
        at = (out->at[first - 1] + out->len[first - 1] + ALIGN + PAD) & ~(size_t)(ALIGN - 1);
    for (bool packed = false; !packed;) {
        struct wr_key_places to = {.end = end};
        size_t each = (nkeys + 7) / 8 + ALIGN + PAD;
        for (uint32_t k = 0; k < nkeys; k++)
            each += key_most(&keys[k], sel, out->long_texts, &most[k < SOME_KEYS ? k : SOME_KEYS]);
        most[SOME_KEYS] = out->long_texts ? UINT32_MAX : 0;
        each = (each + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        if (!place_keys(keys, nkeys, sel, at, each, nkeys && is_short(&keys[0], most[0]), out, out->at + first, &to))
            return false;
        packed = pack_columns(keys, nkeys, sel, most, out->data, out->at + first, to);
        out->long_texts |= !packed;
    }
    seed(secret, out);
    kernels_now()->finish(out, first, sel->n, end);
    return true;
}

void wr_keys_fini(struct wr_packed_keys *keys)
{
    free(keys->data);
    *keys = (struct wr_packed_keys){0};
}

void wr_key_unpack(const uint8_t *packed, struct wr_vec *out, uint32_t nkeys, uint32_t row)
{
    const uint8_t *p = packed + (nkeys + 7) / 8;
    for (uint32_t k = 0; k < nkeys; k++) {
        if (packed[k / 8] >> (k % 8) & 1)
            continue;
        if (out[k].s) {
            uint64_t len = get_varint(&p);
            wr_put_s(&out[k], row, wr_str_borrow((const char *)p, len));
            p += len;
        } else if (out[k].r) {
            double r;
            memcpy(&r, p, sizeof r);
            wr_put_r(&out[k], row, r);
            p += 8;
        } else {
            uint64_t v = get_varint(&p);
            wr_put_i(&out[k], row, (int64_t)(v >> 1 ^ (0 - (v & 1))));
        }
    }
}

static bool read_varint(struct wr_rd *rd, uint64_t *ret_v)
{
    *ret_v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t b = wr_rd_u8(rd);
        *ret_v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return !rd->err;
    }
    return false;
}

bool wr_key_check(const uint8_t *packed, size_t len, const enum wr_type *types, uint32_t nkeys)
{
    struct wr_rd rd = wr_rd_init(packed, len);
    const uint8_t *nulls = wr_rd_take(&rd, (nkeys + 7) / 8);
    for (uint32_t k = 0; nulls && k < nkeys; k++) {
        uint64_t v = 0;
        if (nulls[k / 8] >> (k % 8) & 1) {
            if (types[k] == WR_STRING)
                return false;
        } else if (types[k] == WR_REAL) {
            (void)wr_rd_u64(&rd);
        } else if (!read_varint(&rd, &v) ||
                   (wr_type_is_str(types[k]) && v && (v > len || !wr_rd_take(&rd, v)))) {
            return false;
        }
    }
    return nulls && !rd.err && rd.at == rd.end;
}
