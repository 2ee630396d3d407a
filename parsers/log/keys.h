#ifndef WR_PARSERS_LOG_KEYS_H
#define WR_PARSERS_LOG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
