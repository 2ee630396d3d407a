#include "parsers/conn/hostnames.h"

#include "base/hash.h"
#include "parsers/conn/address.h"
#include "parsers/conn/table.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1000000, NAME_MAX_TEXT = 255 };

struct item {
    uint8_t addr[16];
    uint32_t at; /* in the text */
    uint8_t len, v6;
};

struct wr_hostnames {
    char *text;
    struct item *item;
    uint32_t n, cap;
    struct wr_index index;
};

static const struct wr_hash_key hash_key = {0x776569722d686f73, 0x742d6e616d65730a};

struct wr_hostnames *wr_hostnames_new(void)
{
    return calloc(1, sizeof(struct wr_hostnames));
}

static void clear(struct wr_hostnames *names)
{
    free(names->text);
    free(names->item);
    free(names->index.slot);
    *names = (struct wr_hostnames){0};
}

void wr_hostnames_free(struct wr_hostnames *names)
{
    if (!names)
        return;
    clear(names);
    free(names);
}

uint32_t wr_hostnames_count(const struct wr_hostnames *names)
{
    return names ? names->n : 0;
}

static uint32_t hash_of(const uint8_t addr[16])
{
    return (uint32_t)wr_hash(&hash_key, addr, 16);
}

static const struct item *find(const struct wr_hostnames *names, const uint8_t addr[16], bool v6)
{
    uint32_t hash = hash_of(addr), pos = hash, i;
    while ((i = wr_index_next(&names->index, hash, &pos)) != WR_NONE)
        if (names->item[i].v6 == v6 && memcmp(names->item[i].addr, addr, 16) == 0)
            return &names->item[i];
    return NULL;
}

struct wr_who wr_hostnames_find(const struct wr_hostnames *names, const uint8_t addr[16], bool v6)
{
    const struct item *item = names && names->n ? find(names, addr, v6) : NULL;
    if (!item)
        return (struct wr_who){0};
    return (struct wr_who){.at = (const uint8_t *)names->text + item->at, .len = item->len};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; its length, 0 at the end. */
static size_t word(const char **at, const char *end)
{
    while (*at < end && is_blank(**at))
        ++*at;
    const char *p = *at;
    while (p < end && !is_blank(*p))
        p++;
    return (size_t)(p - *at);
}

static enum wr_err add(struct wr_hostnames *names, const uint8_t addr[16], bool v6,
                       const char *name, size_t len)
{
    if (find(names, addr, v6))
        return WR_OK;
    if (names->n == MOST)
        return WR_ELIMIT;
    if (names->n == names->cap) {
        uint32_t cap = names->cap ? names->cap * 2 : 256;
        struct item *item = realloc(names->item, cap * sizeof *item);
        if (!item)
            return WR_ENOMEM;
        names->item = item;
        names->cap = cap;
    }
    struct item *item = &names->item[names->n];
    *item = (struct item){.at = (uint32_t)(name - names->text), .len = (uint8_t)len, .v6 = v6};
    memcpy(item->addr, addr, 16);
    if (!wr_index_put(&names->index, hash_of(addr), names->n))
        return WR_ENOMEM;
    names->n++;
    return WR_OK;
}

static enum wr_err read_line(struct wr_hostnames *names, const char *at, const char *end)
{
    const char *comment = memchr(at, '#', (size_t)(end - at));
    end = comment ? comment : end;
    size_t n = word(&at, end);
    uint8_t addr[16];
    bool v6;
    if (!n)
        return WR_OK;
    if (!wr_address_parse(at, n, addr, &v6))
        return WR_EINVAL;
    at += n;
    n = word(&at, end);
    if (!n || n > NAME_MAX_TEXT)
        return WR_EINVAL;
    return add(names, addr, v6, at, n);
}

enum wr_err wr_hostnames_read(struct wr_hostnames *names, const char *text, size_t len,
                              uint32_t *ret_line)
{
    struct wr_hostnames new = {0};
    enum wr_err err = len < UINT32_MAX && (new.text = malloc(len + 1)) ? WR_OK : WR_ENOMEM;
    *ret_line = 0;
    if (!err && len)
        memcpy(new.text, text, len);
    for (size_t at = 0; !err && at < len;) {
        const char *from = new.text + at, *end = memchr(from, '\n', len - at);
        size_t n = end ? (size_t)(end - from) : len - at;
        ++*ret_line;
        err = read_line(&new, from, from + n);
        at += n + 1;
    }
    if (err) {
        clear(&new);
        return err;
    }
    clear(names);
    *names = new;
    return WR_OK;
}
