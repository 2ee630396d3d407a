#include "parsers/log/keys.h"

#include "base/err.h"

#include <string.h>

/* Names share long beginnings (InitiatingProcess...), so the length and the last 8 bytes tell most of them
 * apart. */
static uint32_t hash(const char *name, size_t len)
{
    uint64_t head = 0, tail = 0;
    size_t n = len < 8 ? len : 8;
    memcpy(&head, name, n);
    memcpy(&tail, name + len - n, n);
    uint64_t h = head ^ (tail << 29 | tail >> 35) ^ len * UINT64_C(0x9e3779b97f4a7c15);
    h *= UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(h >> 56) % WR_KEYS_SLOTS;
}

void wr_keys_add(struct wr_keys *keys, const char *name, uint16_t id)
{
    size_t len = strlen(name);
    WR_ASSERT(keys->n < WR_KEYS_SLOTS / 2);
    keys->n++;
    uint32_t i = hash(name, len);
    while (keys->slot[i].name)
        i = (i + 1) % WR_KEYS_SLOTS;
    keys->slot[i].name = name;
    keys->slot[i].len = (uint16_t)len;
    keys->slot[i].id = id;
}

/* WR_KEYS_SLOTS: it is none of them. */
static uint32_t find(const struct wr_keys *keys, const char *name, size_t len)
{
    for (uint32_t i = hash(name, len); keys->slot[i].name; i = (i + 1) % WR_KEYS_SLOTS)
        if (keys->slot[i].len == len && !memcmp(keys->slot[i].name, name, len))
            return i;
    return WR_KEYS_SLOTS;
}

bool wr_keys_find(const struct wr_keys *keys, const char *name, size_t len, uint16_t *ret_id)
{
    uint32_t i = find(keys, name, len);
    if (i < WR_KEYS_SLOTS)
        *ret_id = keys->slot[i].id;
    return i < WR_KEYS_SLOTS;
}

bool wr_keys_learn(const struct wr_keys *keys, uint8_t *slot, const char *name, size_t len, uint16_t *ret_id)
{
    uint32_t i = find(keys, name, len);
    if (i == WR_KEYS_SLOTS)
        return false;
    *slot = (uint8_t)i;
    *ret_id = keys->slot[i].id;
    return true;
}
