#include "rules/exec/key.h"

#include "base/buf.h"
#include "rules/fn/kernel.h"

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

uint64_t wr_key_hash_word(const struct wr_hash_key *secret, uint64_t word)
{
    return fold(word ^ secret->k0, secret->k1 | 1);
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

uint32_t wr_key_words(const struct wr_vec *keys, uint32_t nkeys)
{
    uint32_t n = 1;
    for (uint32_t k = 0; k < nkeys; k++)
        n += keys[k].s ? 2 : 1;
    return n;
}

static inline void text_words(const struct wr_hash_key *secret, const struct wr_str *s, uint64_t *first,
                              uint64_t *w)
{
    memcpy(w, s, 2 * sizeof *w);
    if (s->len > WR_STR_INLINE) {
        w[1] = text_bytes(secret, 0, wr_str_data(s), s->len);
        *first |= UINT64_C(1) << 63;
    }
}

/* Words of one column, from `to` on, `stride` apart; `null` is its bit in the row's first word, which stands
 * `back` words before. */
static void column_words(const struct wr_hash_key *secret, const struct wr_vec *v, const struct wr_sel *sel,
                         uint64_t *to, uint32_t stride, uint32_t back, uint64_t null)
{
    if (v->s && !v->valid) {
        for (uint32_t k = 0; k < sel->n; k++, to += stride)
            text_words(secret, &v->s[sel->row[k]], to - back, to);
        return;
    }
    for (uint32_t k = 0; k < sel->n; k++, to += stride) {
        uint32_t row = sel->row[k];
        if (!wr_vec_valid(v, row)) {
            to[0] = 0;
            if (v->s)
                to[1] = 0;
            *(to - back) |= null;
        } else if (v->s) {
            text_words(secret, &v->s[row], to - back, to);
        } else {
            to[0] = v->r ? real_bits(v->r[row]) : (uint64_t)v->i[row];
        }
    }
}

void wr_keys_read(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys,
                  const struct wr_sel *sel, uint64_t *words, uint32_t *hash)
{
    uint32_t n = wr_key_words(keys, nkeys), at = 1;
    for (uint32_t k = 0; k < sel->n; k++)
        words[(size_t)k * n] = 0;
    for (uint32_t k = 0; k < nkeys; k++) {
        column_words(secret, &keys[k], sel, words + at, n, at, UINT64_C(1) << (k < 63 ? k : 63));
        at += keys[k].s ? 2 : 1;
    }
    for (uint32_t k = 0; k < sel->n; k++, words += n) {
        uint64_t h = secret->k1;
        for (uint32_t i = 0; i + 1 < n; i += 2)
            h = fold(words[i] ^ secret->k0, words[i + 1] ^ h);
        if (n % 2)
            h = fold(words[n - 1] ^ secret->k0, h);
        hash[k] = (uint32_t)(h >> 32);
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

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
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

/* memcmp for the short texts that keys are made of, without a call: overlapping words. */
static bool same_bytes(const void *a, const void *b, size_t n)
{
    const char *p = a, *q = b;
    uint64_t x, y, z, w;
    uint32_t c, d, e, f;
    if (n > 16)
        return memcmp(p, q, n) == 0;
    if (n >= 8) {
        memcpy(&x, p, 8);
        memcpy(&y, q, 8);
        memcpy(&z, p + n - 8, 8);
        memcpy(&w, q + n - 8, 8);
        return ((x ^ y) | (z ^ w)) == 0;
    }
    if (n >= 4) {
        memcpy(&c, p, 4);
        memcpy(&d, q, 4);
        memcpy(&e, p + n - 4, 4);
        memcpy(&f, q + n - 4, 4);
        return ((c ^ d) | (e ^ f)) == 0;
    }
    for (size_t i = 0; i < n; i++)
        if (p[i] != q[i])
            return false;
    return true;
}

bool wr_key_equal(const uint8_t *packed, const struct wr_vec *keys, uint32_t nkeys, uint32_t row)
{
    const uint8_t *p = packed + (nkeys + 7) / 8;
    for (uint32_t k = 0; k < nkeys; k++) {
        const struct wr_vec *v = &keys[k];
        bool null = packed[k / 8] >> (k % 8) & 1;
        if (null != !wr_vec_valid(v, row))
            return false;
        if (null)
            continue;
        if (v->s) {
            uint64_t len = get_varint(&p);
            if (len != v->s[row].len || !same_bytes(p, wr_str_data(&v->s[row]), len))
                return false;
            p += len;
        } else if (v->r) {
            uint64_t bits = real_bits(v->r[row]);
            if (memcmp(p, &bits, 8) != 0)
                return false;
            p += 8;
        } else if (get_varint(&p) != zigzag(v->i[row])) {
            return false;
        }
    }
    return true;
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
