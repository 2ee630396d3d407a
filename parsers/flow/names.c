#include "parsers/flow/names.h"

#include <stdlib.h>
#include <string.h>

struct wr_name_key wr_name_key_int(enum wr_name_kind kind, uint32_t domain, uint64_t n)
{
    struct wr_name_key key = {.kind = kind, .domain = domain, .len = 8};
    memcpy(key.at, &n, sizeof n); /* never stored as a number, and never leaves this machine's tables */
    return key;
}

struct wr_name_key wr_name_key_bytes(enum wr_name_kind kind, const uint8_t *at, uint32_t len)
{
    struct wr_name_key key = {.kind = kind};
    key.len = (uint8_t)(len < WR_NAME_MAX_KEY ? len : WR_NAME_MAX_KEY);
    memcpy(key.at, at, key.len);
    return key;
}

struct wr_name_key wr_name_key_app(uint32_t domain, const uint8_t *id, uint32_t len)
{
    enum { PANA_L7_PEN = 20, PEN_END = 5 };
    struct wr_name_key key = {.kind = WR_NAME_APPLICATION, .domain = domain};
    uint32_t at = len && id[0] == PANA_L7_PEN && len > PEN_END ? PEN_END : len ? 1 : 0;
    memcpy(key.at, id, at);
    key.len = (uint8_t)at;
    while (at < len && id[at] == 0)
        at++;
    uint32_t n = len - at < WR_NAME_MAX_KEY - PEN_END ? len - at : WR_NAME_MAX_KEY - PEN_END;
    memcpy(key.at + key.len, id + at, n);
    key.len = (uint8_t)(key.len + n);
    return key;
}

static uint32_t hash_of(const struct wr_names *names, const struct wr_name_key *key)
{
    uint8_t bytes[5 + WR_NAME_MAX_KEY];
    bytes[0] = (uint8_t)key->kind;
    memcpy(bytes + 1, &key->domain, 4);
    memcpy(bytes + 5, key->at, key->len);
    return (uint32_t)wr_hash(&names->hash_key, bytes, 5u + key->len);
}

static struct wr_name *find(const struct wr_names *names, const struct wr_name_key *key, uint32_t hash)
{
    struct wr_name *n = names->nslots ? names->slots[hash & (names->nslots - 1)] : NULL;
    while (n && (n->hash != hash || n->kind != key->kind || n->domain != key->domain ||
                 n->key_len != key->len || memcmp(n->bytes, key->at, key->len) != 0))
        n = n->next_hash;
    return n;
}

const struct wr_name *wr_names_find(const struct wr_names *names, const struct wr_name_key *key)
{
    if (!names->n)
        return NULL;
    const struct wr_name *n = find(names, key, hash_of(names, key));
    if (n || key->domain == WR_NAME_ANY)
        return n;
    struct wr_name_key any = *key;
    any.domain = WR_NAME_ANY;
    return find(names, &any, hash_of(names, &any));
}

static void unlink_age(struct wr_names *names, struct wr_name *n)
{
    *(n->older ? &n->older->newer : &names->oldest) = n->newer;
    *(n->newer ? &n->newer->older : &names->newest) = n->older;
}

static void link_newest(struct wr_names *names, struct wr_name *n)
{
    n->older = names->newest;
    n->newer = NULL;
    *(names->newest ? &names->newest->newer : &names->oldest) = n;
    names->newest = n;
}

static size_t size_of(const struct wr_name *n)
{
    return sizeof *n + n->key_len + n->text_len;
}

static void drop(struct wr_names *names, struct wr_name *n, size_t *used_bytes)
{
    struct wr_name **at = &names->slots[n->hash & (names->nslots - 1)];
    while (*at != n)
        at = &(*at)->next_hash;
    *at = n->next_hash;
    unlink_age(names, n);
    names->n--;
    names->bytes -= size_of(n);
    *used_bytes -= size_of(n);
    free(n);
}

static bool grow(struct wr_names *names, const struct wr_budget *budget)
{
    uint32_t nslots = names->nslots ? names->nslots * 2 : 16;
    size_t more = (nslots - names->nslots) * sizeof(struct wr_name *);
    struct wr_name **slots = *budget->used + more <= budget->limit ? calloc(nslots, sizeof *slots) : NULL;
    if (!slots)
        return names->nslots > 0; /* longer chains, then */
    for (struct wr_name *n = names->oldest; n; n = n->newer) {
        n->next_hash = slots[n->hash & (nslots - 1)];
        slots[n->hash & (nslots - 1)] = n;
    }
    free(names->slots);
    names->slots = slots;
    names->nslots = nslots;
    *budget->used += more;
    return true;
}

static bool put(struct wr_names *names, const struct wr_name_key *key, const char *text, size_t len,
                int64_t now_ns, const struct wr_budget *budget)
{
    uint32_t hash = hash_of(names, key);
    struct wr_name *there = find(names, key, hash);
    if (there && there->text_len == len && memcmp(wr_name_text(there), text, len) == 0) {
        there->told_ns = now_ns;
        unlink_age(names, there);
        link_newest(names, there);
        return true;
    }
    if (there)
        drop(names, there, budget->used);
    size_t size = sizeof(struct wr_name) + key->len + len;
    while (names->n && (names->n >= names->max || names->bytes + size > names->max_bytes))
        drop(names, names->oldest, budget->used);
    if (names->n >= names->nslots && !grow(names, budget))
        return false;
    struct wr_name *n = *budget->used + size <= budget->limit ? malloc(size) : NULL;
    if (!n)
        return false;
    *n = (struct wr_name){.told_ns = now_ns, .hash = hash, .domain = key->domain, .kind = (uint8_t)key->kind,
                          .key_len = key->len, .text_len = (uint8_t)len};
    memcpy(n->bytes, key->at, key->len);
    memcpy(n->bytes + key->len, text, len);
    n->next_hash = names->slots[hash & (names->nslots - 1)];
    names->slots[hash & (names->nslots - 1)] = n;
    link_newest(names, n);
    names->n++;
    names->bytes += size;
    *budget->used += size;
    return true;
}

bool wr_names_put(struct wr_names *names, const struct wr_name_key *key, const char *text, size_t len,
                  int64_t now_ns, const struct wr_budget *budget)
{
    if (len > WR_NAME_MAX_TEXT) {
        len = WR_NAME_MAX_TEXT;
        while (len && ((uint8_t)text[len] & 0xc0) == 0x80)
            len--; /* not inside a character */
    }
    if (!len || !key->len)
        return true;
    bool ok = put(names, key, text, len, now_ns, budget);
    if (!ok || key->domain == WR_NAME_ANY)
        return ok;
    struct wr_name_key any = *key;
    any.domain = WR_NAME_ANY;
    return put(names, &any, text, len, now_ns, budget);
}

void wr_names_fini(struct wr_names *names, size_t *used_bytes)
{
    while (names->oldest)
        drop(names, names->oldest, used_bytes);
    *used_bytes -= names->nslots * sizeof(struct wr_name *);
    free(names->slots);
    *names = (struct wr_names){0};
}
