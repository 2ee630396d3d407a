/* SipHash-1-3 against the algorithm as its authors write it, byte by byte. */
#include "base/hash.h"

#include <criterion/criterion.h>

static uint64_t rot(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static void round_of(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rot(v[1], 13) ^ v[0];
    v[3] = rot(v[3], 16) ^ v[2];
    v[0] = rot(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rot(v[1], 17) ^ v[2];
    v[3] = rot(v[3], 21) ^ v[0];
    v[2] = rot(v[2], 32);
}

static uint64_t slowly(const struct wr_hash_key *key, const uint8_t *data, size_t len)
{
    uint64_t v[4] = {key->k0 ^ UINT64_C(0x736f6d6570736575), key->k1 ^ UINT64_C(0x646f72616e646f6d),
                     key->k0 ^ UINT64_C(0x6c7967656e657261),
                     key->k1 ^ UINT64_C(0x7465646279746573)};
    for (size_t at = 0; at <= len; at += 8) {
        uint64_t word = len - at < 8 ? (uint64_t)(len & 255) << 56 : 0;
        for (size_t i = at; i < at + 8 && i < len; i++)
            word |= (uint64_t)data[i] << (8 * (i - at));
        v[3] ^= word;
        round_of(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        round_of(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

Test(hash, every_length_is_as_the_algorithm_says)
{
    struct wr_hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + 200);
    for (size_t n = 0; n <= sizeof data; n++)
        cr_expect_eq(wr_hash(&key, data, n), slowly(&key, data, n), "%zu bytes", n);
}

/* Words that differ little, as tuples do: no more of them share a low part or a whole than chance has it. */
Test(hash, pairs_of_near_words_spread)
{
    enum { N = 65536, SLOTS = 65536, PER_SLOT = 16 };
    static uint8_t slot[SLOTS];
    struct wr_pair_key key = wr_pair_key_random();
    uint32_t same = 0, worst = 0, last = 0;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t h = wr_hash_pair(&key, UINT64_C(0x0a00000000000000) | (uint64_t)(i >> 8) << 32 | 0xcb007101, (uint64_t)(i & 255) << 32 | 25);
        uint8_t n = ++slot[h % SLOTS];
        worst = n > worst ? n : worst;
        same += h == last;
        last = h;
    }
    cr_expect_leq(worst, PER_SLOT, "%u of %u in one of %u", worst, N, SLOTS);
    cr_expect_leq(same, 2);
    struct wr_pair_key other = wr_pair_key_random();
    cr_expect_neq((uint64_t)wr_hash_pair(&key, 1, 2) << 32 | wr_hash_pair(&key, 3, 4),
                  (uint64_t)wr_hash_pair(&other, 1, 2) << 32 | wr_hash_pair(&other, 3, 4), "another key, other hashes");
}
