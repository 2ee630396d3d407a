#ifndef WR_BASE_HASH_H
#define WR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3: keys come from strangers, so tables are keyed per process against flooding. Results
 * never reach disk, output or ids. Source: Aumasson, Bernstein, "SipHash" (2012). */
struct wr_hash_key {
    uint64_t k0, k1;
};
uint64_t wr_hash(const struct wr_hash_key *key, const void *data, size_t len);
/* A fresh key from the system's random numbers. */
struct wr_hash_key wr_hash_key_random(void);

/* The same for two words, which takes a tenth of it: NH (Black et al., "UMAC", 1999), whose collisions are as rare as chance
 * for who does not know the key, folded by a second product. */
struct wr_pair_key {
    uint64_t k[4];
};
struct wr_pair_key wr_pair_key_random(void);
static inline uint32_t wr_hash_pair(const struct wr_pair_key *key, uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)(a + key->k[0]) * (b + key->k[1]);
    p = (unsigned __int128)((uint64_t)p ^ key->k[2]) * ((uint64_t)(p >> 64) ^ key->k[3]);
    uint64_t h = (uint64_t)p ^ (uint64_t)(p >> 64);
    return (uint32_t)(h ^ h >> 32);
}

/* xxHash64: what Kusto's hash() and hash_xxhash64() give. Anyone can make values that collide: no key of a table.
 * Source: the xxHash specification 0.1.1, "XXH64". */
uint64_t wr_xxh64(uint64_t seed, const void *data, size_t len);

/* CRC-32C (Castagnoli), as in RFC 3720 appendix B.4; `crc` continues an earlier result, 0 starts. */
uint32_t wr_crc32c(uint32_t crc, const void *data, size_t len);

/* SHA-256 of one buffer; `out` takes 32 bytes. For ids that must be the same everywhere, for ever. */
void wr_sha256(const void *data, size_t len, uint8_t *out);

/* SHA-1 of one buffer; `out` takes 20 bytes. For community ids, which are made of it; for nothing that must be secure. */
void wr_sha1(const void *data, size_t len, uint8_t *out);

/* Lower-case hex of `n` bytes; `out` takes 2 * n + 1. */
void wr_hex(const uint8_t *bytes, size_t n, char *out);

#endif
