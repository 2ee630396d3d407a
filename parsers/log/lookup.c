/* What earlier records said, for later ones: CrowdStrike names a process by an id in its network
 * events and says once, in ProcessRollup2, what that process is. A table of fixed size, four places
 * a key; when they are taken the oldest of them goes. Keys are kept as SipHash, twice with
 * different keys: 128 bits. */
#include "base/buf.h"
#include "base/hash.h"
#include "parsers/log/mapping_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SETS = 4096, WAYS = 4, ROOM = 472 };

struct entry {
    uint64_t key[2];
    uint64_t used; /* when it was written; 0: free */
    uint16_t len;
    char bytes[ROOM]; /* (u16 field, u16 length, text) each */
};

struct map_memory {
    struct wr_hash_key key[2];
    uint64_t now;
    struct entry entry[SETS * WAYS]; /* 8 MiB, used from the first record on that is remembered */
};

void wr_map_memory_free(struct map_memory *memory)
{
    free(memory);
}

/* False: a part of the key is not there. */
static bool key_of(const struct wr_fields *f, const struct map_lookup *lookup, struct wr_event *ev,
                   uint64_t ret[2])
{
    struct wr_buf text = {0};
    bool whole = true;
    wr_buf_char(&text, (char)lookup->id);
    for (uint32_t i = 0; i < lookup->nkeys && whole; i++) {
        const struct wr_json_val *v = wr_map_value(f, lookup->keys[i]);
        const char *s;
        size_t n;
        whole = v && wr_val_text(ev->json, ev->scratch, v, &s, &n) && n <= UINT32_MAX;
        if (whole)
            wr_buf_blob(&text, s, (uint32_t)n);
    }
    whole = whole && !text.err;
    for (int i = 0; i < 2 && whole; i++)
        ret[i] = wr_hash(&f->memory->key[i], text.data, text.len);
    wr_buf_fini(&text);
    return whole;
}

static bool memory(struct wr_fields *f)
{
    if (f->memory)
        return true;
    f->memory = calloc(1, sizeof *f->memory);
    if (!f->memory)
        return false;
    f->memory->key[0] = wr_hash_key_random();
    f->memory->key[1] = wr_hash_key_random();
    return true;
}

/* The key's own entry, else (`fresh`) a free one, else the oldest of its places. */
static struct entry *find(struct map_memory *m, const uint64_t key[2], bool fresh)
{
    struct entry *set = &m->entry[key[0] % SETS * WAYS], *best = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].used && set[i].key[0] == key[0] && set[i].key[1] == key[1])
            return &set[i];
        if (set[i].used < best->used)
            best = &set[i];
    }
    return fresh ? best : NULL;
}

void wr_map_remember(struct wr_fields *f, const struct map_lookup *lookup, struct wr_event *ev)
{
    uint64_t key[2];
    if (!memory(f) || !key_of(f, lookup, ev, key))
        return;
    struct entry *e = find(f->memory, key, true);
    *e = (struct entry){.key = {key[0], key[1]}, .used = ++f->memory->now};
    for (uint32_t i = 0; i < lookup->nfields; i++) {
        const struct wr_json_val *v = wr_map_value(f, lookup->fields[i]);
        const char *s;
        size_t n;
        if (!v || !wr_val_text(ev->json, ev->scratch, v, &s, &n) || n + 4 > (size_t)(ROOM - e->len))
            continue; /* the first ones matter most */
        uint16_t head[2] = {lookup->fields[i], (uint16_t)n};
        memcpy(e->bytes + e->len, head, sizeof head);
        memcpy(e->bytes + e->len + sizeof head, s, n);
        e->len = (uint16_t)(e->len + sizeof head + n);
    }
}

void wr_map_recall(struct wr_fields *f, const struct map_lookup *lookup, struct wr_event *ev)
{
    uint64_t key[2];
    struct entry *e = f->memory && key_of(f, lookup, ev, key) ? find(f->memory, key, false) : NULL;
    if (!e) {
        f->lookups_missed++;
        return;
    }
    for (uint16_t at = 0; at < e->len;) {
        uint16_t head[2];
        memcpy(head, e->bytes + at, sizeof head);
        at = (uint16_t)(at + sizeof head);
        if (f->seen[head[0]] != f->now) { /* what the record says itself is newer */
            char *copy = wr_arena_strndup(ev->scratch, e->bytes + at, head[1]);
            f->seen[head[0]] = copy ? f->now : f->seen[head[0]];
            f->val[head[0]] = (struct wr_json_val){.type = WR_JSON_STR, .len = head[1], .s = copy};
        }
        at = (uint16_t)(at + head[1]);
    }
}
