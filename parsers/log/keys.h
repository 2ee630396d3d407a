#ifndef WR_PARSERS_LOG_KEYS_H
#define WR_PARSERS_LOG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Fixed set of names -> small numbers, built once; strangers' keys only look up. */
enum { WR_KEYS_SLOTS = 256 };
struct wr_keys {
    struct {
        const char *name;
        uint16_t len, id;
    } slot[WR_KEYS_SLOTS];
    uint32_t n;
};

/* `name` is borrowed for ever (a literal). At most half of the slots are used. */
void wr_keys_add(struct wr_keys *keys, const char *name, uint16_t id);
bool wr_keys_find(const struct wr_keys *keys, const char *name, size_t len, uint16_t *ret_id);

/* Which name came n-th in the record before: a sender has its keys in one order, and one comparison
 * is less than a search. */
enum { WR_KEYS_ORDER = 64 };
struct wr_keys_order {
    uint8_t slot[WR_KEYS_ORDER];
};

/* Bytes of names; those of 8 and more by words, the last of which may overlap. */
static inline bool wr_keys_same(const char *a, const char *b, size_t len)
{
    uint64_t x, y;
    if (len < 8)
        return memcmp(a, b, len) == 0;
    for (size_t i = 0; i + 8 < len; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + len - 8, 8);
    memcpy(&y, b + len - 8, 8);
    return x == y;
}

bool wr_keys_learn(const struct wr_keys *keys, uint8_t *slot, const char *name, size_t len,
                   uint16_t *ret_id);

/* wr_keys_find for the n-th key of a record. */
static inline bool wr_keys_nth(const struct wr_keys *keys, struct wr_keys_order *order, uint32_t n,
                               const char *name, size_t len, uint16_t *ret_id)
{
    uint8_t *slot = &order->slot[n % WR_KEYS_ORDER];
    if (!len || keys->slot[*slot].len != len || !wr_keys_same(keys->slot[*slot].name, name, len))
        return wr_keys_learn(keys, slot, name, len, ret_id);
    *ret_id = keys->slot[*slot].id;
    return true;
}

#endif
