/* What earlier records said, for later ones: CrowdStrike names a process by an id in its network
 * events and says once, in ProcessRollup2, what that process is. A table of fixed size, four places
 * a key; when they are taken the oldest of them goes. Keys are kept as SipHash, twice with
 * different keys: 128 bits. All workers share it: which of them gets a record is chance. */
#include "base/hash.h"
#include "parsers/log/mapping_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SETS = 4096, WAYS = 4, ROOM = 472, LOCKS = 64 };

struct entry {
    uint64_t key[2];
    uint64_t used; /* when it was written; 0: free */
    uint16_t len;
    char bytes[ROOM]; /* (u16 field, u16 length, text) each */
};

struct wr_lookups {
    struct wr_hash_key key[2];
    uint32_t shape; /* of the mappings: fields are numbers that only they give a meaning */
    atomic_uint_fast64_t now;
    pthread_mutex_t lock[LOCKS];      /* of the sets whose number ends so */
    struct entry entry[SETS * WAYS]; /* 8 MiB, used from the first record on that is remembered */
};

struct wr_lookups *wr_lookups_new(const struct wr_mappings *mappings)
{
    struct wr_lookups *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&l->lock[i], NULL);
    l->key[0] = wr_hash_key_random();
    l->key[1] = wr_hash_key_random();
    for (size_t i = 0; i < MAP_SLOTS; i++) {
        const struct map_slot *s = &mappings->slot[i];
        if (!s->path)
            continue;
        l->shape = wr_crc32c(l->shape, s->path, s->len);
        l->shape = wr_crc32c(l->shape, &s->field, sizeof s->field);
    }
    return l;
}

void wr_lookups_free(struct wr_lookups *lookups)
{
    if (!lookups)
        return;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&lookups->lock[i]);
    free(lookups);
}

/* False: a part of the key is not there. */
static bool key_of(struct wr_fields *f, const struct map_lookup *lookup, struct wr_event *ev,
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
        ret[i] = wr_hash(&f->lookups->key[i], text.data, text.len);
    wr_buf_fini(&text);
    return whole;
}

static pthread_mutex_t *lock_of(struct wr_lookups *l, const uint64_t key[2])
{
    return &l->lock[key[0] % SETS % LOCKS];
}

/* The key's own entry, else (`fresh`) a free one, else the oldest of its places. */
static struct entry *find(struct wr_lookups *l, const uint64_t key[2], bool fresh)
{
    struct entry *set = &l->entry[key[0] % SETS * WAYS], *best = set;
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
    struct entry e = {.used = 0};
    if (!f->lookups || !key_of(f, lookup, ev, e.key))
        return;
    for (uint32_t i = 0; i < lookup->nfields; i++) {
        const struct wr_json_val *v = wr_map_value(f, lookup->fields[i]);
        const char *s;
        size_t n;
        if (!v || !wr_val_text(ev->json, ev->scratch, v, &s, &n) || n + 4 > (size_t)(ROOM - e.len))
            continue; /* the first ones matter most */
        uint16_t head[2] = {lookup->fields[i], (uint16_t)n};
        memcpy(e.bytes + e.len, head, sizeof head);
        memcpy(e.bytes + e.len + sizeof head, s, n);
        e.len = (uint16_t)(e.len + sizeof head + n);
    }
    pthread_mutex_lock(lock_of(f->lookups, e.key));
    e.used = atomic_fetch_add(&f->lookups->now, 1) + 1;
    *find(f->lookups, e.key, true) = e;
    pthread_mutex_unlock(lock_of(f->lookups, e.key));
}

static void give(struct wr_fields *f, const struct entry *e, struct wr_event *ev)
{
    for (uint16_t at = 0; at < e->len;) {
        uint16_t head[2];
        memcpy(head, e->bytes + at, sizeof head);
        at = (uint16_t)(at + sizeof head);
        if (f->seen[head[0]] != f->now) { /* what the record says itself is newer */
            char *copy = wr_arena_strndup(ev->scratch, e->bytes + at, head[1]);
            f->seen[head[0]] = copy ? f->now : f->seen[head[0]];
            f->mark[head[0]] = 0;
            f->val[head[0]] = (struct wr_json_val){.type = WR_JSON_STR, .len = head[1], .s = copy};
        }
        at = (uint16_t)(at + head[1]);
    }
}

void wr_map_recall(struct wr_fields *f, const struct map_lookup *lookup, struct wr_event *ev)
{
    uint64_t key[2];
    if (!f->lookups || !key_of(f, lookup, ev, key)) {
        f->lookups_missed++;
        return;
    }
    pthread_mutex_lock(lock_of(f->lookups, key));
    const struct entry *e = find(f->lookups, key, false);
    if (e)
        give(f, e, ev);
    else
        f->lookups_missed++;
    pthread_mutex_unlock(lock_of(f->lookups, key));
}

/* ---- over a restart ---- */

/* The hash keys go with what they found: the state directory is as secret as the process. */
void wr_lookups_save(struct wr_lookups *lookups, struct wr_buf *out)
{
    wr_buf_u32(out, lookups->shape);
    for (int i = 0; i < 2; i++) {
        wr_buf_u64(out, lookups->key[i].k0);
        wr_buf_u64(out, lookups->key[i].k1);
    }
    if (!atomic_load(&lookups->now))
        return; /* nothing was ever remembered: leave the pages alone */
    for (uint32_t i = 0; i < SETS * WAYS; i++) {
        struct entry *e = &lookups->entry[i];
        pthread_mutex_t *lock = &lookups->lock[i / WAYS % LOCKS];
        pthread_mutex_lock(lock);
        if (e->used) {
            wr_buf_u64(out, e->key[0]);
            wr_buf_u64(out, e->key[1]);
            wr_buf_u64(out, e->used);
            wr_buf_blob(out, e->bytes, e->len);
        }
        pthread_mutex_unlock(lock);
    }
}

static bool whole_fields(const uint8_t *bytes, uint32_t len)
{
    uint32_t at = 0;
    while (at < len) {
        uint16_t head[2];
        if (len - at < sizeof head)
            return false;
        memcpy(head, bytes + at, sizeof head);
        at += sizeof head;
        if (head[0] >= MAP_FIELDS || head[1] > len - at)
            return false;
        at += head[1];
    }
    return true;
}

static bool read_entry(struct wr_rd *rd, struct entry *ret)
{
    uint32_t len;
    *ret = (struct entry){.key = {wr_rd_u64(rd), 0}};
    ret->key[1] = wr_rd_u64(rd);
    ret->used = wr_rd_u64(rd);
    const uint8_t *bytes = wr_rd_blob(rd, &len);
    if (rd->err || !ret->used || len > ROOM || !whole_fields(bytes, len))
        return false;
    memcpy(ret->bytes, bytes, len);
    ret->len = (uint16_t)len;
    return true;
}

enum wr_err wr_lookups_load(struct wr_lookups *lookups, const void *bytes, size_t len)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    struct entry e;
    uint32_t shape = wr_rd_u32(&rd);
    struct wr_hash_key key[2];
    for (int i = 0; i < 2; i++) {
        key[i].k0 = wr_rd_u64(&rd);
        key[i].k1 = wr_rd_u64(&rd);
    }
    struct wr_rd look = rd;
    while (!look.err && look.at < look.end)
        if (!read_entry(&look, &e))
            return WR_ECORRUPT;
    if (look.err)
        return WR_ECORRUPT;
    if (shape != lookups->shape)
        return WR_OK; /* other mappings: their numbers mean something else */
    lookups->key[0] = key[0];
    lookups->key[1] = key[1];
    uint64_t now = 0;
    while (rd.at < rd.end && read_entry(&rd, &e)) {
        *find(lookups, e.key, true) = e;
        now = e.used > now ? e.used : now;
    }
    atomic_store(&lookups->now, now);
    return WR_OK;
}
