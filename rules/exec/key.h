/* Keys of groups: packed and hashed a block of rows at a time, compared as bytes: two rows have the same keys when their
 * packed forms are equal.
 *
 *   packed = null bits (one byte per 8 keys), then each non-null key:
 *            text: varint length, bytes; integer: zigzag varint; real: 8 bytes
 *
 * The hash is keyed: keys come from strangers, who do not know the secret. It is NH (Black et al., "UMAC", 1999) of the packed
 * bytes: two keys of at most 512 bytes, whoever chose them, collide for one secret in 2^31; longer ones are hashed in such
 * pieces, each folded into the next. It never decides an order that can be seen. */
#ifndef WR_RULES_EXEC_KEY_H
#define WR_RULES_EXEC_KEY_H

#include "base/batch.h"
#include "base/hash.h"

enum { WR_KEY_BLOCK = 128 };   /* rows whose keys are read together */
enum { WR_KEY_SECRETS = 128 }; /* words of 32 bits of a key that have secrets of their own */

/* Keys of a block of rows, packed, each at a multiple of 16 bytes with zeros behind it. All zero is empty. */
struct wr_packed_keys {
    uint8_t *data;
    size_t cap;
    struct wr_hash_key secret; /* what the words' secrets were made of */
    uint32_t word[WR_KEY_SECRETS];
    bool seeded;
    bool long_texts; /* some text did not lie in its cell: columns are looked through for the longest first */
    size_t at[WR_KEY_BLOCK]; /* in `data` */
    uint32_t len[WR_KEY_BLOCK], hash[WR_KEY_BLOCK];
};

/* Packs and hashes the keys of at most WR_KEY_BLOCK - `first` selected rows, from place `first` on (0: anew). False when
 * out of memory. */
bool wr_keys_pack(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys, const struct wr_sel *sel,
                  uint32_t first, struct wr_packed_keys *out) WR_MUST_CHECK;
void wr_keys_fini(struct wr_packed_keys *keys);

/* hash[row] for every selected row. */
void wr_key_hash(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys,
                 const struct wr_sel *sel, uint64_t *hash);
uint64_t wr_key_hash_text(const struct wr_hash_key *secret, const char *text, size_t len);
uint64_t wr_key_hash_word(const struct wr_hash_key *secret, uint64_t word);
void wr_key_pack(const struct wr_vec *keys, uint32_t nkeys, uint32_t row, struct wr_buf *out);
/* Writes the keys into row `row` of `out`; texts are borrowed from `packed`. */
void wr_key_unpack(const uint8_t *packed, struct wr_vec *out, uint32_t nkeys, uint32_t row);
/* True when `len` bytes are exactly one packed key of these types: for state from disk. */
bool wr_key_check(const uint8_t *packed, size_t len, const enum wr_type *types, uint32_t nkeys);

#endif
