/* Keys of groups: hashed from columns, packed once per group, compared with a row without packing it.
 *
 *   packed = null bits (one byte per 8 keys), then each non-null key:
 *            text: varint length, bytes; integer: zigzag varint; real: 8 bytes
 *
 * The hash is keyed (multiply and fold, as wyhash does): keys come from strangers, who do not know the
 * secret. It never decides an order that can be seen. */
#ifndef WR_RULES_EXEC_KEY_H
#define WR_RULES_EXEC_KEY_H

#include "base/batch.h"
#include "base/hash.h"

/* The keys of a row as words: [nulls; bit 63: a long text, or a null beyond 63 keys] then two a text (length,
 * bytes; of a long one length, prefix, hash) and one of anything else. Rows with the same keys have the same
 * words; with bit 63 the keys themselves must be compared, too. */
uint32_t wr_key_words(const struct wr_vec *keys, uint32_t nkeys);
/* Those of the selected rows one after the other in `words`, and a hash of each in `hash`. */
void wr_keys_read(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys,
                  const struct wr_sel *sel, uint64_t *words, uint32_t *hash);

/* hash[row] for every selected row. */
void wr_key_hash(const struct wr_hash_key *secret, const struct wr_vec *keys, uint32_t nkeys,
                 const struct wr_sel *sel, uint64_t *hash);
uint64_t wr_key_hash_text(const struct wr_hash_key *secret, const char *text, size_t len);
uint64_t wr_key_hash_word(const struct wr_hash_key *secret, uint64_t word);
void wr_key_pack(const struct wr_vec *keys, uint32_t nkeys, uint32_t row, struct wr_buf *out);
bool wr_key_equal(const uint8_t *packed, const struct wr_vec *keys, uint32_t nkeys, uint32_t row);
/* Writes the keys into row `row` of `out`; texts are borrowed from `packed`. */
void wr_key_unpack(const uint8_t *packed, struct wr_vec *out, uint32_t nkeys, uint32_t row);
/* True when `len` bytes are exactly one packed key of these types: for state from disk. */
bool wr_key_check(const uint8_t *packed, size_t len, const enum wr_type *types, uint32_t nkeys);

#endif
