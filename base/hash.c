#include "base/hash.h"

#include "base/err.h"

#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* The last 0 to 7 bytes, little-endian, without a loop: reads overlap. */
static uint64_t tail(const uint8_t *p, size_t n)
{
    if (n >= 4) {
        uint32_t a, b;
        memcpy(&a, p, 4);
        memcpy(&b, p + n - 4, 4);
        return a | (uint64_t)b << (8 * (n - 4));
    }
    return n == 0 ? 0 : (uint64_t)p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
}

uint64_t wr_hash(const struct wr_hash_key *key, const void *data, size_t len)
{
    uint64_t v[4] = {key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du,
                     key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u};
    const uint8_t *p = data;
    size_t left = len;
    for (; left >= 8; p += 8, left -= 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)len << 56 | tail(p, left);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#define XX1 UINT64_C(0x9e3779b185ebca87)
#define XX2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define XX3 UINT64_C(0x165667b19e3779f9)
#define XX4 UINT64_C(0x85ebca77c2b2ae63)
#define XX5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t xx_round(uint64_t acc, const uint8_t *p)
{
    uint64_t lane;
    memcpy(&lane, p, 8);
    return rotl(acc + lane * XX2, 31) * XX1;
}

uint64_t wr_xxh64(uint64_t seed, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t left = len;
    uint64_t h = seed + XX5;
    if (len >= 32) {
        uint64_t v[4] = {seed + XX1 + XX2, seed + XX2, seed, seed - XX1};
        for (; left >= 32; left -= 32)
            for (int i = 0; i < 4; i++, p += 8)
                v[i] = xx_round(v[i], p);
        h = rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18);
        for (int i = 0; i < 4; i++)
            h = (h ^ rotl(v[i] * XX2, 31) * XX1) * XX1 + XX4;
    }
    h += len;
    for (; left >= 8; p += 8, left -= 8)
        h = rotl(h ^ xx_round(0, p), 27) * XX1 + XX4;
    if (left >= 4) {
        uint32_t lane;
        memcpy(&lane, p, 4);
        h = rotl(h ^ lane * XX1, 23) * XX2 + XX3;
        p += 4;
        left -= 4;
    }
    for (; left; p++, left--)
        h = rotl(h ^ *p * XX5, 11) * XX1;
    h = (h ^ h >> 33) * XX2;
    h = (h ^ h >> 29) * XX3;
    return h ^ h >> 32;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
__attribute__((target("sse4.2"))) static uint32_t crc_hw(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t c = crc;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        c = _mm_crc32_u64(c, m);
    }
    for (; n; p++, n--)
        c = _mm_crc32_u8((uint32_t)c, *p);
    return (uint32_t)c;
}
#endif

static uint32_t crc_bitwise(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n; p++, n--) {
        crc ^= *p;
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return crc;
}

struct wr_hash_key wr_hash_key_random(void)
{
    struct wr_hash_key key;
    /* 16 bytes come whole once the kernel's pool is ready (getrandom(2)): less is a broken system. */
    WR_ASSERT(getrandom(&key, sizeof key, 0) == (ssize_t)sizeof key);
    return key;
}

struct wr_pair_key wr_pair_key_random(void)
{
    struct wr_hash_key a = wr_hash_key_random(), b = wr_hash_key_random();
    return (struct wr_pair_key){{a.k0, a.k1, b.k0, b.k1}};
}

uint32_t wr_crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_hw(~crc, data, len);
#endif
    return ~crc_bitwise(~crc, data, len);
}

void wr_sha256(const void *data, size_t len, uint8_t *out)
{
    WR_ASSERT(SHA256(data, len, out) != NULL);
}

void wr_sha1(const void *data, size_t len, uint8_t *out)
{
    WR_ASSERT(SHA1(data, len, out) != NULL);
}

void wr_hex(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}
