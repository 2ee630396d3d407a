/* Entries in their chain and lists. An entry is in exactly one lru list, in at most one wait list,
 * and in its key's chain unless younger ones pushed it out (then it only waits for its end). */
#include "parsers/conn/table.h"

#include <string.h>

/* Most keys are IPv4's: two words say what 40 octets would. */
uint32_t wr_table_hash(const struct wr_conn *c, const struct wr_conn_key *key)
{
    if (key->v6)
        return (uint32_t)wr_hash(&c->hash_key, key, sizeof *key);
    uint32_t addr[2];
    memcpy(&addr[0], key->addr[0], 4);
    memcpy(&addr[1], key->addr[1], 4);
    uint64_t rest = (uint64_t)key->port[0] << 32 | (uint64_t)key->port[1] << 16 | (uint64_t)key->proto << 8 | key->pad[0];
    return wr_hash_pair(&c->pair_key, (uint64_t)addr[0] << 32 | addr[1], rest);
}

void wr_table_prefetch(const struct wr_conn *c, const struct wr_entry *e)
{
    if (e->rows != WR_NONE)
        wr_foresee_crow(c, e->rows);
}

uint32_t wr_table_newest(const struct wr_conn *c, const struct wr_conn_key *key)
{
    return wr_table_newest_of(c, key, wr_table_hash(c, key));
}

void wr_table_enlist_lru(struct wr_conn *c, uint32_t i, uint8_t list)
{
    struct wr_list *l = &c->lru[list];
    *wr_link_at(c, i) = (struct wr_link){.prev = l->tail, .next = WR_NONE};
    *(l->tail == WR_NONE ? &l->head : &wr_link_at(c, l->tail)->next) = i;
    l->tail = i;
    wr_entry_at(c, i)->lru = list;
}

static void unlist_lru(struct wr_conn *c, uint32_t i)
{
    struct wr_list *l = &c->lru[wr_entry_at(c, i)->lru];
    struct wr_link at = *wr_link_at(c, i);
    *(at.prev == WR_NONE ? &l->head : &wr_link_at(c, at.prev)->next) = at.next;
    *(at.next == WR_NONE ? &l->tail : &wr_link_at(c, at.next)->prev) = at.prev;
}

/* Flow and event have met: neither is waited for. */
static bool is_explained(const struct wr_conn *c, const struct wr_entry *e)
{
    if (!(e->flags & WR_CONN_FLOW))
        return false;
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
        if (wr_crow_at(c, r)->packed)
            return true;
    return false;
}

static uint8_t lru_of(const struct wr_conn *c, const struct wr_entry *e)
{
    bool open = e->key.proto == WR_TCP && !(e->flags & WR_CONN_CLOSED);
    return open ? WR_LRU_SLOW : is_explained(c, e) ? WR_LRU_DONE : WR_LRU_QUICK;
}

void wr_table_touch(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint8_t list = lru_of(c, e);
    e->touched = c->now;
    if (e->lru == list && c->lru[list].tail == i)
        return;
    unlist_lru(c, i);
    wr_table_enlist_lru(c, i, list);
}

void wr_table_wait(struct wr_conn *c, uint32_t i, uint8_t list, int64_t due)
{
    struct wr_list *l = &c->wait[list];
    *wr_wait_at(c, i) = (struct wr_wait){.prev = l->tail, .next = WR_NONE, .due = due};
    *(l->tail == WR_NONE ? &l->head : &wr_wait_at(c, l->tail)->next) = i;
    l->tail = i;
    wr_entry_at(c, i)->wait = list;
}

void wr_table_unwait(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    if (e->wait == WR_WAIT_NOT)
        return;
    struct wr_list *l = &c->wait[e->wait];
    struct wr_wait at = *wr_wait_at(c, i);
    *(at.prev == WR_NONE ? &l->head : &wr_wait_at(c, at.prev)->next) = at.next;
    *(at.next == WR_NONE ? &l->tail : &wr_wait_at(c, at.next)->prev) = at.prev;
    e->wait = WR_WAIT_NOT;
}

/* Takes the entry out of its chain. */
static void unchain(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    if (e->unchained)
        return;
    uint32_t hash = e->hash;
    if (e->head && e->older == WR_NONE) { /* all of its chain, as nearly every entry is */
        (void)wr_index_del(&c->by_key, hash, i);
    } else if (e->head) {
        wr_index_set(&c->by_key, hash, i, e->older);
        wr_entry_at(c, e->older)->head = 1;
    } else {
        uint32_t at = wr_table_newest_of(c, &e->key, hash);
        while (wr_entry_at(c, at)->older != i)
            at = wr_entry_at(c, at)->older;
        wr_entry_at(c, at)->older = e->older;
    }
    e->older = WR_NONE;
    e->unchained = 1;
    e->head = 0;
}

/* Is `a` newer than `b`? Equal starts: by birth, so that the order does not hang on the order of
 * calls. */
static bool newer(const struct wr_entry *a, const struct wr_entry *b)
{
    return a->start != b->start ? a->start > b->start : a->born > b->born;
}

/* Nothing else has its key. */
static bool link_alone(struct wr_conn *c, struct wr_entry *e, uint32_t i)
{
    if (!wr_index_put(&c->by_key, e->hash, i))
        return false;
    e->older = WR_NONE;
    e->unchained = 0;
    e->head = 1;
    return true;
}

/* Puts an unchained entry into its key's chain, newest start first; the oldest of a full chain
 * falls out. */
bool wr_table_link(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint32_t hash = e->hash, head = wr_table_newest_of(c, &e->key, hash);
    if (head == WR_NONE)
        return link_alone(c, e, i);
    if (newer(e, wr_entry_at(c, head))) {
        wr_index_set(&c->by_key, hash, head, i);
        wr_entry_at(c, head)->head = 0;
        e->head = 1;
        e->older = head;
        head = i;
    } else {
        uint32_t at = head;
        while (wr_entry_at(c, at)->older != WR_NONE &&
               newer(wr_entry_at(c, wr_entry_at(c, at)->older), e))
            at = wr_entry_at(c, at)->older;
        e->older = wr_entry_at(c, at)->older;
        wr_entry_at(c, at)->older = i;
    }
    e->unchained = 0;
    uint32_t n = 1, at = head;
    while (wr_entry_at(c, at)->older != WR_NONE) {
        at = wr_entry_at(c, at)->older;
        n++;
    }
    if (n > (wr_key_is_host(&e->key) ? WR_HOST_CHAIN_MAX : WR_CHAIN_MAX))
        unchain(c, at);
    return true;
}

void wr_table_rechain(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint32_t older = e->older;
    if (e->unchained)
        return;
    if (e->head && (older == WR_NONE || newer(e, wr_entry_at(c, older))))
        return;
    unchain(c, i);
    WR_ASSERT(wr_table_link(c, i)); /* its slot has just become free */
}

static void swap_i64(int64_t v[2])
{
    int64_t t = v[0];
    v[0] = v[1];
    v[1] = t;
}

static void swap_u64(uint64_t v[2])
{
    uint64_t t = v[0];
    v[0] = v[1];
    v[1] = t;
}

static void swap_u32(uint32_t v[2])
{
    uint32_t t = v[0];
    v[0] = v[1];
    v[1] = t;
}

static uint8_t swap_bits(uint8_t v)
{
    return (uint8_t)((v & 1) << 1 | (v >> 1 & 1));
}

static void swap_ends(struct wr_conn *c, struct wr_entry *e)
{
    uint8_t t = e->tcp[0];
    e->tcp[0] = e->tcp[1];
    e->tcp[1] = t;
    swap_i64(e->syn_start);
    swap_u64(e->bytes);
    e->lone_syn = swap_bits(e->lone_syn);
    e->bytes_known = swap_bits(e->bytes_known);
    e->initiator = !e->initiator;
    e->first_src = !e->first_src;
    e->who_side = !e->who_side;
    for (struct wr_point *p = &e->point;; p = wr_point_at(c, p->next)) {
        swap_u32(p->packets);
        swap_u64(p->bytes);
        if (p->total != WR_NONE) {
            struct wr_total *total = wr_total_at(c, p->total);
            swap_i64(total->start);
            swap_u64(total->bytes);
            swap_u32(total->packets);
        }
        if (p->next == WR_NONE)
            break;
    }
}

/* Its records had another tuple than this key: views of their own. */
static enum wr_err rename_points(struct wr_conn *c, struct wr_entry *e)
{
    enum wr_err err = WR_OK;
    for (struct wr_point *p = &e->point; !err; p = wr_point_at(c, p->next)) {
        const uint8_t *known = wr_observer_find(c, p->id);
        p->id ^= WR_NAT_POINT;
        uint8_t addr[16];
        if (known) {
            memcpy(addr, known, sizeof addr); /* noting may move the list */
            err = wr_observer_note(c, p->id, addr);
        }
        if (p->next == WR_NONE)
            break;
    }
    return err;
}

enum wr_err wr_table_rekey(struct wr_conn *c, uint32_t i, const struct wr_conn_key *key, bool swap)
{
    struct wr_entry *e = wr_entry_at(c, i);
    WR_ASSERT(e->rows == WR_NONE && (e->flags & WR_CONN_FLOW));
    wr_wild_del(c, i);
    unchain(c, i);
    if (swap)
        swap_ends(c, e);
    if (!(e->nat & WR_NAT_MOVED)) {
        enum wr_err err = rename_points(c, e);
        if (err)
            return err;
    }
    e->nat = WR_NAT_MOVED;
    e->key = *key;
    e->hash = wr_table_hash(c, key);
    return wr_table_link(c, i) ? WR_OK : WR_ENOMEM;
}

_Static_assert(sizeof(struct wr_entry) + sizeof(struct wr_link) + sizeof(struct wr_wait) + sizeof(struct wr_crow) +
                       sizeof(struct wr_slot) * 8 / 3 + 4 * sizeof *((struct wr_ids *)0)->ring <=
                   WR_CONN_BYTES,
               "an index is at least 3/8 full once it has grown, the ring of ids a quarter");
_Static_assert(sizeof(struct wr_point) <= 64 && sizeof(struct wr_total) <= 48, "as conn.h says");

static enum wr_err evict(struct wr_conn *c)
{
    uint32_t oldest = WR_NONE;
    for (int list = 0; list < WR_NLRU; list++) {
        uint32_t i = c->lru[list].head;
        if (i != WR_NONE &&
            (oldest == WR_NONE || wr_entry_at(c, i)->touched < wr_entry_at(c, oldest)->touched))
            oldest = i;
    }
    const struct wr_entry *e = wr_entry_at(c, oldest);
    bool undecided = e->rows == WR_NONE && e->flags & WR_CONN_FLOW;
    bool open = e->rows != WR_NONE && (e->lru == WR_LRU_SLOW || !(e->flags & WR_CONN_FLOW));
    c->stats.evicted++;
    c->stats.evicted_undecided += undecided;
    c->stats.evicted_open += open;
    c->stats.evicted_ended += !undecided && !open;
    c->giving_up = undecided || open;
    enum wr_err err = wr_table_drop(c, oldest);
    c->giving_up = false;
    return err;
}

/* Links and waits grow with the entries. Few entries wait: nothing of theirs is touched before. */
static bool grow_with_entries(struct wr_conn *c)
{
    return (c->links.n >= c->entries.n || wr_pool_take(&c->links) != WR_NONE) &&
           (c->waits.n >= c->entries.n || wr_pool_take_raw(&c->waits) != WR_NONE);
}

uint32_t wr_table_take(struct wr_conn *c)
{
    uint32_t i = wr_pool_take_raw(&c->entries);
    if (i == WR_NONE)
        return WR_NONE;
    *wr_entry_at(c, i) = (struct wr_entry){.older = WR_NONE,
                                           .rows = WR_NONE,
                                           .who = WR_NONE,
                                           .lru = WR_LRU_NOT,
                                           .wait = WR_WAIT_NOT,
                                           .point = {.next = WR_NONE, .total = WR_NONE}};
    if ((c->links.n >= c->entries.n && c->waits.n >= c->entries.n) || grow_with_entries(c))
        return i;
    wr_pool_give(&c->entries, i);
    return WR_NONE;
}

enum wr_err wr_table_add(struct wr_conn *c, const struct wr_conn_key *key, uint32_t hash, int64_t start, bool alone,
                         uint32_t *ret_i)
{
    while (c->stats.live >= c->opts.max_connections) {
        enum wr_err err = evict(c);
        if (err)
            return err;
    }
    uint32_t i = wr_table_take(c);
    if (i == WR_NONE)
        return WR_ENOMEM;
    struct wr_entry *e = wr_entry_at(c, i);
    e->key = *key;
    e->hash = hash;
    e->start = e->last = start;
    e->syn_start[0] = e->syn_start[1] = WR_TIME_MAX;
    e->unchained = 1;
    e->born = c->next_born++;
    e->touched = c->now;
    if (!(alone ? link_alone(c, e, i) : wr_table_link(c, i))) {
        wr_pool_give(&c->entries, i);
        return WR_ENOMEM;
    }
    wr_table_enlist_lru(c, i, lru_of(c, e));
    c->stats.live++;
    c->stats.connections++;
    *ret_i = i;
    return WR_OK;
}

void wr_table_free_counters(struct wr_conn *c, struct wr_entry *e)
{
    if (e->point.total == WR_NONE && e->point.next == WR_NONE)
        return;
    if (e->point.total != WR_NONE)
        wr_pool_give(&c->totals, e->point.total);
    for (uint32_t p = e->point.next; p != WR_NONE;) {
        struct wr_point *point = wr_point_at(c, p);
        uint32_t next = point->next;
        if (point->total != WR_NONE)
            wr_pool_give(&c->totals, point->total);
        wr_pool_give(&c->points, p);
        p = next;
    }
    e->point.next = e->point.total = WR_NONE;
}

/* Who goes next, and the two after: entries that nobody has touched for longest are in no cache. What is read here was asked
 * for when those before it went. */
static void foresee_oldest(const struct wr_conn *c, uint8_t list)
{
    uint32_t i = c->lru[list].head;
    if (i == WR_NONE)
        return;
    if (wr_entry_at(c, i)->rows != WR_NONE)
        __builtin_prefetch(wr_crow_at(c, wr_entry_at(c, i)->rows)->packed, 1);
    if ((i = wr_link_at(c, i)->next) == WR_NONE)
        return;
    wr_index_foresee(&c->by_key, wr_entry_at(c, i)->hash);
    if (wr_entry_at(c, i)->rows != WR_NONE)
        wr_foresee_crow(c, wr_entry_at(c, i)->rows);
    if ((i = wr_link_at(c, i)->next) != WR_NONE)
        wr_foresee_entry(c, i);
}

/* Its rows go, but for those that rules have yet to see. */
static enum wr_err drop_rows(struct wr_conn *c, uint32_t i, struct wr_entry *e)
{
    enum wr_err err = WR_OK;
    if (e->rows == WR_NONE && (e->flags & WR_CONN_FLOW))
        err = wr_row_orphan(c, i);
    else if (e->rows != WR_NONE && (wr_crow_at(c, e->rows)->state != WR_ROW_OUT || wr_crow_at(c, e->rows)->next != WR_NONE))
        err = wr_rows_release(c, i);
    c->stats.unseen += e->rows != WR_NONE && !(e->flags & WR_CONN_FLOW);
    while (!err && e->rows != WR_NONE) { /* a session stands before the events that it is made of */
        uint32_t r = e->rows;
        struct wr_crow *row = wr_crow_at(c, r);
        uint32_t next = row->next;
        if (row->state == WR_ROW_OUT && c->giving_up && !(c->opts.sessions_only && row->table != WR_DUE_SESSIONS))
            err = wr_row_due(c, r, WR_ROW_DUE_AMEND); /* rules are told that nothing more comes */
        if (err)
            break;
        if (row->state == WR_ROW_OUT)
            wr_row_free(c, r);
        else
            err = wr_row_detach(c, r);
        if (!err)
            e->rows = next;
    }
    return err;
}

enum wr_err wr_table_drop(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    enum wr_err err = drop_rows(c, i, e);
    if (err)
        return err;
    wr_table_unwait(c, i);
    if (e->nat & WR_NAT_WILD * 3)
        wr_wild_del(c, i);
    uint8_t list = e->lru;
    unlist_lru(c, i);
    e->lru = WR_LRU_NOT;
    unchain(c, i);
    wr_table_free_counters(c, e);
    wr_who_give(c, e->who);
    wr_pool_give(&c->entries, i);
    c->stats.live--;
    foresee_oldest(c, list);
    return WR_OK;
}
