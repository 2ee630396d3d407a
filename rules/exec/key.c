#include "rules/exec/key.h"

#include "base/buf.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

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

/* ---- a block of rows ---------------------------------------------------------------------------- */

enum { ALIGN = 16, KEY_MOST = WR_STR_INLINE + 1 }; /* bytes that a key takes unless it is a long text */

static inline uint8_t *varint_at(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

/* Room for `more` bytes from `p` on; the place may move. NULL when out of memory. */
static uint8_t *room_at(struct wr_packed_keys *keys, uint8_t *p, size_t more)
{
    size_t at = keys->data ? (size_t)(p - keys->data) : 0;
    if (at + more <= keys->cap)
        return p;
    size_t cap = at + more + keys->cap;
    uint8_t *data = realloc(keys->data, cap);
    if (!data)
        return NULL;
    keys->data = data;
    keys->cap = cap;
    return data + at;
}

static uint8_t *long_text(struct wr_packed_keys *out, uint8_t *p, const struct wr_str *s, uint32_t nkeys)
{
    p = room_at(out, p, s->len + 2 * ALIGN + (nkeys + 1) * KEY_MOST);
    if (!p)
        return NULL;
    p = varint_at(p, s->len);
    memcpy(p, wr_str_data(s), s->len);
    return p + s->len;
}

static inline uint8_t *number_at(uint8_t *p, const struct wr_vec *v, uint32_t row)
{
    if (!v->r)
        return varint_at(p, zigzag(v->i[row]));
    uint64_t bits = real_bits(v->r[row]);
    memcpy(p, &bits, 8);
    return p + 8;
}

/* The form of wr_key_pack, from `p` on; its end, or NULL when out of memory. */
static inline uint8_t *pack_row(struct wr_packed_keys *out, const struct wr_vec *keys, uint32_t nkeys, uint32_t row,
                                uint8_t *p)
{
    size_t nulls = (size_t)(p - out->data);
    for (uint32_t k = 0; k < nkeys; k += 8)
        *p++ = 0;
    for (uint32_t k = 0; k < nkeys; k++) {
        const struct wr_vec *v = &keys[k];
        if (v->valid && !(v->valid[row / 64] >> (row % 64) & 1)) {
            out->data[nulls + k / 8] |= (uint8_t)(1u << (k % 8));
            continue;
        }
        const struct wr_str *s = v->s ? &v->s[row] : NULL;
        if (!s) {
            p = number_at(p, v, row);
        } else if (s->len <= WR_STR_INLINE) {
            uint64_t low;
            uint32_t high;
            memcpy(&low, s->inl, sizeof low);
            memcpy(&high, s->inl + 8, sizeof high);
            *p = (uint8_t)s->len;
            memcpy(p + 1, &low, sizeof low);
            memcpy(p + 9, &high, sizeof high);
            p += 1 + s->len;
        } else if (!(p = long_text(out, p, s, nkeys))) {
            return NULL;
        }
    }
    return p;
}

/* Zeros stand behind `p` up to a multiple of 16. */
static inline uint32_t hash_padded(const struct wr_hash_key *secret, const uint8_t *p, size_t len)
{
    uint64_t h = secret->k1, w[2];
    for (size_t i = 0; i < len; i += ALIGN) {
        memcpy(w, p + i, sizeof w);
        h = fold(w[0] ^ secret->k0, w[1] ^ h);
    }
    return (uint32_t)(h >> 32);
}

/* Short texts of a column that has no nulls; `more`: some row has a long one. */
static bool pack_texts(const struct wr_str *text, const uint16_t *restrict row, uint32_t n, uint8_t **restrict end)
{
    uint32_t more = 0;
    for (uint32_t k = 0; k < n; k++) {
        const struct wr_str *s = &text[row[k]];
        uint8_t *p = end[k];
        uint64_t low;
        uint32_t high, len = s->len;
        more |= len > WR_STR_INLINE;
        len = len > WR_STR_INLINE ? 0 : len; /* its row is packed again */
        memcpy(&low, s->inl, sizeof low);
        memcpy(&high, s->inl + 8, sizeof high);
        *p = (uint8_t)len;
        memcpy(p + 1, &low, sizeof low);
        memcpy(p + 9, &high, sizeof high);
        end[k] = p + 1 + len;
    }
    return more != 0;
}

static bool pack_any(const struct wr_vec *v, const struct wr_sel *sel, uint32_t k, size_t each, uint8_t *data,
                     uint8_t **end)
{
    bool more = false;
    for (uint32_t i = 0; i < sel->n; i++) {
        uint32_t row = sel->row[i];
        if (!wr_vec_valid(v, row)) {
            data[i * each + k / 8] |= (uint8_t)(1u << (k % 8));
        } else if (!v->s) {
            end[i] = number_at(end[i], v, row);
        } else {
            uint32_t len = v->s[row].len;
            more |= len > WR_STR_INLINE;
            len = len > WR_STR_INLINE ? 0 : len;
            *end[i] = (uint8_t)len;
            memcpy(end[i] + 1, v->s[row].inl, WR_STR_INLINE);
            end[i] += 1 + len;
        }
    }
    return more;
}

/* Rows one after the other, whatever texts they have. */
static bool pack_long(const struct wr_vec *keys, uint32_t nkeys, const struct wr_sel *sel, uint32_t first, size_t at,
                      struct wr_packed_keys *out)
{
    size_t each = (size_t)(nkeys + 1) * KEY_MOST + nkeys / 8 + 3 * ALIGN;
    for (uint32_t k = 0; k < sel->n; k++) {
        uint8_t *p = room_at(out, out->data + at, each);
        p = p ? pack_row(out, keys, nkeys, sel->row[k], p) : NULL;
        if (!p)
            return false;
        memset(p, 0, ALIGN);
        out->at[first + k] = at;
        out->len[first + k] = (uint32_t)((size_t)(p - out->data) - at);
        at = (at + out->len[first + k] + ALIGN) & ~(size_t)(ALIGN - 1);
    }
    return true;
}

bool wr_keys_pack(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys, const struct wr_sel *sel,
                  uint32_t first, struct wr_packed_keys *out)
{
    uint8_t *end[WR_KEY_BLOCK];
    uint32_t nulls = (nkeys + 7) / 8;
    size_t each = (nulls + (size_t)nkeys * KEY_MOST + 2 * ALIGN) & ~(size_t)(ALIGN - 1), at = 0;
    bool more = false;
    if (first)
        at = (out->at[first - 1] + out->len[first - 1] + ALIGN) & ~(size_t)(ALIGN - 1);
    uint8_t *data = room_at(out, out->data ? out->data + at : NULL, each * (sel->n + 1));
    if (!data)
        return false;
    for (uint32_t i = 0; i < sel->n; i++) {
        memset(data + i * each, 0, ALIGN); /* more than the null bits of any but the longest key */
        end[i] = data + i * each + nulls;
    }
    for (uint32_t i = 0; nulls > ALIGN && i < sel->n; i++)
        memset(data + i * each, 0, nulls);
    for (uint32_t k = 0; k < nkeys; k++)
        more |= keys[k].s && !keys[k].valid ? pack_texts(keys[k].s, sel->row, sel->n, end)
                                            : pack_any(&keys[k], sel, k, each, data, end);
    if (more && !pack_long(keys, nkeys, sel, first, at, out))
        return false;
    for (uint32_t i = 0; i < sel->n; i++) {
        if (!more) {
            memset(end[i], 0, ALIGN);
            out->at[first + i] = at + i * each;
            out->len[first + i] = (uint32_t)(end[i] - (data + i * each));
        }
        out->hash[first + i] = hash_padded(secret, out->data + out->at[first + i], out->len[first + i]);
    }
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
