/* The table as bytes. Entries stand in the order of memory, which is much faster than that of any
 * list, and are numbered by it; chains and indexes are rebuilt. Loading trusts nothing: a table is
 * built beside the old one and takes its place when every number is in range, every list holds what
 * it may, and every packed row reads back.
 *
 *   magic, columns, mode | counters, clock, observers | entries with their counters and rows
 *   done, quick, slow list, hold list, pair list: entry numbers
 *   due lists: (entry number, row's place in it) or a whole image */
#include "parsers/conn/save.h"

#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x454e4357, ROWS_MAX = 4, IMAGE = WR_NONE };
enum { NSTATS = sizeof(struct wr_conn_stats) / sizeof(uint64_t), UNLINKED = 0x80 };

static void put_point(struct wr_buf *out, const struct wr_conn *c, const struct wr_point *p)
{
    wr_buf_u32(out, p->id);
    wr_buf_u32(out, p->sampling);
    for (int d = 0; d < 2; d++) {
        wr_buf_u32(out, p->packets[d]);
        wr_buf_u64(out, p->bytes[d]);
    }
    for (int i = 0; i < WR_SEEN; i++)
        wr_buf_u32(out, p->seen[i]);
    wr_buf_u8(out, p->total != WR_NONE);
    if (p->total == WR_NONE)
        return;
    const struct wr_total *t = wr_total_at(c, p->total);
    for (int d = 0; d < 2; d++) {
        wr_buf_u64(out, (uint64_t)t->start[d]);
        wr_buf_u64(out, t->bytes[d]);
        wr_buf_u32(out, t->packets[d]);
    }
}

static enum wr_err load_point(struct wr_conn *c, struct wr_rd *rd, struct wr_point *p)
{
    p->id = wr_rd_u32(rd);
    p->sampling = wr_rd_u32(rd);
    p->next = p->total = WR_NONE;
    for (int d = 0; d < 2; d++) {
        p->packets[d] = wr_rd_u32(rd);
        p->bytes[d] = wr_rd_below(rd, wr_rd_u64(rd), INT64_MAX);
    }
    for (int i = 0; i < WR_SEEN; i++)
        p->seen[i] = wr_rd_u32(rd);
    if (!wr_rd_u8_max(rd, 1) || rd->err)
        return rd->err ? WR_ECORRUPT : WR_OK;
    p->total = wr_pool_take(&c->totals);
    if (p->total == WR_NONE)
        return WR_ENOMEM;
    struct wr_total *t = wr_total_at(c, p->total);
    for (int d = 0; d < 2; d++) {
        t->start[d] = wr_rd_time(rd);
        t->bytes[d] = wr_rd_below(rd, wr_rd_u64(rd), INT64_MAX);
        t->packets[d] = wr_rd_u32(rd);
    }
    return rd->err ? WR_ECORRUPT : WR_OK;
}

static void put_counters(struct wr_buf *out, const struct wr_conn *c, const struct wr_entry *e)
{
    uint8_t n = e->flags & WR_CONN_FLOW ? 1 : 0;
    for (uint32_t p = e->point.next; n && p != WR_NONE; p = wr_point_at(c, p)->next)
        n++;
    wr_buf_u8(out, n);
    for (const struct wr_point *p = &e->point; n; n--) {
        put_point(out, c, p);
        if (p->next != WR_NONE)
            p = wr_point_at(c, p->next);
    }
}

static enum wr_err load_counters(struct wr_conn *c, struct wr_rd *rd, struct wr_entry *e)
{
    uint8_t n = wr_rd_u8_max(rd, WR_POINTS_MAX);
    if (rd->err || (n > 0) != ((e->flags & WR_CONN_FLOW) != 0))
        return WR_ECORRUPT;
    struct wr_point *p = &e->point;
    for (uint8_t i = 0; i < n; i++) {
        if (i) {
            p->next = wr_pool_take(&c->points);
            if (p->next == WR_NONE)
                return WR_ENOMEM;
            p = wr_point_at(c, p->next);
        }
        enum wr_err err = load_point(c, rd, p);
        if (err)
            return err;
    }
    return WR_OK;
}

static void put_entry(struct wr_buf *out, const struct wr_conn *c, const struct wr_entry *e, int64_t due)
{
    const struct wr_conn_key *k = &e->key;
    wr_buf_u8(out, k->proto);
    wr_buf_u8(out, (uint8_t)(k->v6 | k->pad[1] << 1));
    for (int s = 0; s < 2; s++) {
        wr_buf_add(out, k->addr[s], 16);
        wr_buf_u16(out, k->port[s]);
        wr_buf_u64(out, (uint64_t)e->syn_start[s]);
        wr_buf_u64(out, e->bytes[s]);
        wr_buf_u8(out, e->tcp[s]);
    }
    wr_buf_u64(out, (uint64_t)e->start);
    wr_buf_u64(out, (uint64_t)e->last);
    wr_buf_u64(out, (uint64_t)e->touched);
    wr_buf_u64(out, (uint64_t)due);
    wr_buf_u64(out, e->born);
    wr_buf_u8(out, e->flags);
    wr_buf_u8(out, e->lone_syn);
    wr_buf_u8(out, e->initiator);
    wr_buf_u8(out, e->first_src);
    wr_buf_u8(out, e->bytes_known);
    wr_buf_u8(out, e->unchained);
    wr_buf_u8(out, e->nat & WR_NAT_SAVED);
    struct wr_who who = wr_who_at(c, e->who);
    wr_buf_u16(out, e->label);
    wr_buf_u8(out, e->who_side);
    wr_buf_blob(out, who.at, who.len);
    put_counters(out, c, e);
    uint8_t n = 0;
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
        n++;
    wr_buf_u8(out, n);
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
        wr_row_save(c, wr_crow_at(c, r), out);
}

bool wr_key_is_canonical(const struct wr_conn_key *k)
{
    static const uint8_t zero[12];
    int cmp = memcmp(k->addr[0], k->addr[1], 16);
    if (!k->v6 && (memcmp(k->addr[0] + 4, zero, 12) != 0 || memcmp(k->addr[1] + 4, zero, 12) != 0))
        return false;
    return cmp < 0 || (cmp == 0 && k->port[0] <= k->port[1]);
}

/* Fields of fixed size; lists and counters come after. */
static enum wr_err load_fields(struct wr_conn *c, struct wr_rd *rd, struct wr_entry *e, int64_t *ret_due)
{
    e->key.proto = wr_rd_u8(rd);
    uint8_t family = wr_rd_u8_max(rd, 3);
    e->key.v6 = family & 1;
    e->key.pad[1] = family >> 1;
    for (int s = 0; s < 2; s++) {
        const uint8_t *addr = wr_rd_take(rd, 16);
        if (addr)
            memcpy(e->key.addr[s], addr, 16);
        e->key.port[s] = wr_rd_u16(rd);
        e->syn_start[s] = wr_rd_time(rd);
        e->bytes[s] = wr_rd_below(rd, wr_rd_u64(rd), INT64_MAX);
        e->tcp[s] = wr_rd_u8(rd);
    }
    e->start = wr_rd_time(rd);
    e->last = wr_rd_time(rd);
    e->touched = wr_rd_time(rd);
    *ret_due = (int64_t)wr_rd_below(rd, wr_rd_u64(rd), INT64_MAX);
    e->born = wr_rd_below(rd, wr_rd_u64(rd), c->next_born - 1);
    e->flags = wr_rd_u8(rd);
    e->lone_syn = wr_rd_u8_max(rd, 3);
    e->initiator = wr_rd_u8_max(rd, 1);
    e->first_src = wr_rd_u8_max(rd, 1);
    e->bytes_known = wr_rd_u8_max(rd, 3);
    e->unchained = wr_rd_u8_max(rd, 1) != 0;
    e->nat = wr_rd_u8_max(rd, WR_NAT_SAVED);
    e->label = (uint16_t)wr_rd_below(rd, wr_rd_u16(rd), c->labels.n);
    e->who_side = wr_rd_u8_max(rd, 1);
    struct wr_who who;
    who.at = wr_rd_blob(rd, &who.len);
    if (rd->err)
        return WR_ECORRUPT;
    enum wr_err err = wr_who_take(c, who, &e->who); /* its reader takes any octets */
    if (err)
        return err;
    bool good =
        !rd->err && e->last >= e->start && e->touched <= c->now && wr_key_is_canonical(&e->key);
    return good ? WR_OK : WR_ECORRUPT;
}

/* At most one event a side, one flow-only row and one session, as binding makes them. */
static bool rows_are_sound(const struct wr_conn *c, const struct wr_entry *e)
{
    unsigned seen = 0;
    if (wr_key_is_host(&e->key)) { /* one event's, or its row's id */
        const struct wr_crow *row = e->rows == WR_NONE ? NULL : wr_crow_at(c, e->rows);
        bool event = row && row->packed && row->table == WR_DUE_EVENTS && row->next == WR_NONE;
        return !e->key.proto && e->key.v6 && !(e->flags & WR_CONN_FLOW) && e->bytes_known == (row ? 0 : 1) && (event || !row);
    }
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next) {
        const struct wr_crow *row = wr_crow_at(c, r);
        bool session = row->table == WR_DUE_SESSIONS;
        unsigned bit = session ? 8u : row->packed ? 1u << row->side : 4u;
        if ((seen & bit) || (row->packed && row->table != WR_DUE_EVENTS) || row->table > WR_DUE_SESSIONS ||
            (!row->packed && row->action >= WR_ACTION_INBOUND))
            return false;
        seen |= bit;
    }
    return seen || (e->flags & WR_CONN_FLOW);
}

static enum wr_err load_rows(struct wr_conn *c, struct wr_rd *rd, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint8_t n = wr_rd_u8_max(rd, ROWS_MAX);
    if (rd->err)
        return WR_ECORRUPT;
    for (uint32_t *at = &e->rows; n; n--) {
        uint32_t r;
        enum wr_err err = wr_row_load(c, rd, &r);
        if (err)
            return err;
        struct wr_crow *row = wr_crow_at(c, r);
        bool waits = row->packed && row->action == WR_ACTION_REQUEST;
        if (row->state == WR_ROW_IMAGE || (row->state == WR_ROW_HELD && !c->opts.final_only && !waits))
            return WR_ECORRUPT;
        if (row->state == WR_ROW_DUE_INSERT || row->state == WR_ROW_DUE_AMEND)
            row->state |= UNLINKED;
        row->entry = i;
        *at = r;
        at = &row->next;
    }
    return rows_are_sound(c, e) ? WR_OK : WR_ECORRUPT;
}

static enum wr_err load_entry(struct wr_conn *c, struct wr_rd *rd)
{
    uint32_t i = wr_table_take(c);
    if (i == WR_NONE)
        return WR_ENOMEM;
    struct wr_entry *e = wr_entry_at(c, i);
    int64_t due = 0;
    enum wr_err err = load_fields(c, rd, e, &due);
    *wr_wait_at(c, i) = (struct wr_wait){.due = due};
    if (!err)
        err = load_counters(c, rd, e);
    if (!err)
        err = load_rows(c, rd, i);
    if (err)
        return err;
    bool chained = !e->unchained;
    e->unchained = 1;
    e->hash = wr_table_hash(c, &e->key);
    c->stats.live++;
    c->hosts |= wr_key_is_host(&e->key);
    return !chained || wr_table_link(c, i) ? WR_OK : WR_ENOMEM;
}

/* Place of a row among its entry's. */
static uint8_t place_of(const struct wr_conn *c, uint32_t r)
{
    uint8_t place = 0;
    for (uint32_t at = wr_entry_at(c, wr_crow_at(c, r)->entry)->rows; at != r;
         at = wr_crow_at(c, at)->next)
        place++;
    return place;
}

static void put_lists(struct wr_buf *out, const struct wr_conn *c, const uint32_t *number)
{
    for (int list = 0; list < WR_NLRU; list++) {
        uint32_t n = 0;
        for (uint32_t i = c->lru[list].head; i != WR_NONE; i = wr_link_at(c, i)->next)
            n++;
        wr_buf_u32(out, n);
        for (uint32_t i = c->lru[list].head; i != WR_NONE; i = wr_link_at(c, i)->next)
            wr_buf_u32(out, number[i]);
    }
    for (int list = 0; list < 2; list++) {
        uint32_t n = 0;
        for (uint32_t i = c->wait[list].head; i != WR_NONE; i = wr_wait_at(c, i)->next)
            n++;
        wr_buf_u32(out, n);
        for (uint32_t i = c->wait[list].head; i != WR_NONE; i = wr_wait_at(c, i)->next)
            wr_buf_u32(out, number[i]);
    }
    for (int list = 0; list < WR_NDUE; list++) {
        const struct wr_queue *q = &c->due[list];
        wr_buf_u32(out, q->n - q->head);
        for (uint32_t k = q->head; k < q->n; k++) {
            const uint32_t r = q->at[k];
            const struct wr_crow *row = wr_crow_at(c, r);
            wr_buf_u32(out, row->entry == WR_NONE ? IMAGE : number[row->entry]);
            if (row->entry == WR_NONE)
                wr_row_save(c, row, out);
            else
                wr_buf_u8(out, place_of(c, r));
        }
    }
}

static void put_observers(struct wr_buf *out, const struct wr_observers *x)
{
    wr_buf_u16(out, (uint16_t)x->n);
    for (uint32_t i = 0; i < x->n; i++) {
        wr_buf_u32(out, x->at[i].point);
        wr_buf_add(out, x->at[i].addr, sizeof x->at[i].addr);
    }
}

static enum wr_err load_observers(struct wr_conn *c, struct wr_rd *rd)
{
    enum wr_err err = WR_OK;
    for (uint16_t n = wr_rd_u16(rd); n && !err; n--) {
        uint32_t point = wr_rd_u32(rd), had = c->observers.n;
        const uint8_t *addr = wr_rd_take(rd, 16);
        err = addr ? wr_observer_note(c, point, addr) : WR_ECORRUPT;
        if (!err && c->observers.n == had) /* a point twice, or no address */
            err = WR_ECORRUPT;
    }
    return err;
}

static enum wr_err load_labels(struct wr_conn *c, struct wr_rd *rd)
{
    for (uint16_t n = wr_rd_u16(rd); n; n--) {
        const uint8_t *name = wr_rd_take(rd, WR_LABEL_TEXT);
        uint32_t had = c->labels.n;
        uint16_t label;
        if (!name || name[WR_LABEL_TEXT - 1])
            return WR_ECORRUPT;
        enum wr_err err = wr_label_number(c, (const char *)name, &label);
        if (err || c->labels.n == had) /* a name twice */
            return err ? err : WR_ECORRUPT;
    }
    return WR_OK;
}

void wr_conn_save(const struct wr_conn *conn, struct wr_buf *out)
{
    uint32_t *number = malloc(((size_t)conn->entries.n + 1) * sizeof *number);
    if (!number) {
        out->err = WR_ENOMEM;
        return;
    }
    wr_buf_u32(out, MAGIC);
    wr_buf_u16(out, WR_DNE_NCOLS);
    wr_buf_u16(out, WR_NETSESSION_NCOLS);
    wr_buf_u8(out, conn->opts.final_only);
    uint64_t stats[NSTATS];
    memcpy(stats, &conn->stats, sizeof stats);
    for (int i = 0; i < NSTATS; i++)
        wr_buf_u64(out, stats[i]);
    wr_buf_u64(out, conn->next_id);
    wr_buf_u64(out, conn->next_born);
    wr_buf_u64(out, (uint64_t)conn->now);
    wr_buf_u8(out, conn->seen_event);
    put_observers(out, &conn->observers);
    wr_buf_u16(out, (uint16_t)conn->labels.n);
    for (uint32_t i = 0; i < conn->labels.n; i++)
        wr_buf_add(out, conn->labels.at[i], WR_LABEL_TEXT);
    wr_clocks_save(conn, out);
    wr_recents_save(conn, out);
    wr_agents_save(conn, out);
    wr_answers_save(conn, out);
    for (int i = 0; i < 2; i++)
        wr_buf_u64(out, (uint64_t)conn->lag[i]);
    wr_buf_u64(out, (uint64_t)conn->lag_since);
    uint32_t next = 0;
    wr_buf_u32(out, (uint32_t)conn->stats.live);
    for (uint32_t i = 0; i < conn->entries.n; i++) {
        const struct wr_entry *e = wr_entry_at(conn, i);
        if (e->lru == WR_LRU_NOT)
            continue;
        number[i] = next++;
        put_entry(out, conn, e, e->wait == WR_WAIT_NOT ? 0 : wr_wait_at(conn, i)->due);
    }
    put_lists(out, conn, number);
    wr_nats_save(conn, out);
    free(number);
}

/* Without a row, or with one that is held. */
static bool may_wait(const struct wr_conn *c, const struct wr_entry *e)
{
    bool held = e->rows == WR_NONE;
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
        held |= wr_crow_at(c, r)->state == WR_ROW_HELD;
    return held;
}

/* In a fresh table, an entry's number is its place in the file. */
static enum wr_err load_lists(struct wr_conn *c, struct wr_rd *rd)
{
    uint32_t listed = 0;
    for (uint8_t list = 0; list < WR_NLRU; list++)
        for (uint32_t n = wr_rd_u32(rd); n; n--) {
            uint32_t i = wr_rd_u32(rd);
            if (rd->err || i >= c->entries.n || wr_entry_at(c, i)->lru != WR_LRU_NOT)
                return WR_ECORRUPT;
            wr_table_enlist_lru(c, i, list);
            listed++;
        }
    if (listed != c->entries.n)
        return WR_ECORRUPT;
    for (uint8_t list = 0; list < 2; list++)
        for (uint32_t n = wr_rd_u32(rd); n; n--) {
            uint32_t i = wr_rd_u32(rd);
            if (rd->err || i >= c->entries.n || wr_entry_at(c, i)->wait != WR_WAIT_NOT ||
                !may_wait(c, wr_entry_at(c, i)) || c->opts.final_only)
                return WR_ECORRUPT;
            wr_table_wait(c, i, list, wr_wait_at(c, i)->due);
        }
    return rd->err ? WR_ECORRUPT : WR_OK;
}

static enum wr_err load_due(struct wr_conn *c, struct wr_rd *rd, uint8_t table)
{
    uint32_t i = wr_rd_u32(rd), r = WR_NONE;
    uint8_t state;
    if (i == IMAGE) {
        enum wr_err err = wr_row_load(c, rd, &r);
        if (err)
            return err;
        state = wr_crow_at(c, r)->state;
        bool whole = state == WR_ROW_IMAGE || state == WR_ROW_DUE_INSERT;
        if (!whole || !wr_crow_at(c, r)->packed)
            return WR_ECORRUPT;
    } else {
        uint8_t place = wr_rd_u8(rd);
        if (rd->err || i >= c->entries.n)
            return WR_ECORRUPT;
        for (r = wr_entry_at(c, i)->rows; r != WR_NONE && place; place--)
            r = wr_crow_at(c, r)->next;
        if (r == WR_NONE || !(wr_crow_at(c, r)->state & UNLINKED))
            return WR_ECORRUPT;
        state = (uint8_t)(wr_crow_at(c, r)->state & ~UNLINKED);
    }
    if (wr_crow_at(c, r)->table != table)
        return WR_ECORRUPT;
    return wr_row_due(c, r, state);
}

static enum wr_err load_body(struct wr_conn *c, struct wr_rd *rd)
{
    enum wr_err err = WR_OK;
    for (uint32_t n = wr_rd_u32(rd); !err && n; n--)
        err = load_entry(c, rd);
    if (!err)
        err = load_lists(c, rd);
    for (uint8_t table = 0; !err && table < WR_NDUE; table++)
        for (uint32_t n = wr_rd_u32(rd); !err && n; n--)
            err = load_due(c, rd, table);
    if (!err)
        err = wr_nats_load(c, rd);
    for (uint32_t i = 0; !err && i < c->entries.n; i++) {
        const struct wr_entry *e = wr_entry_at(c, i);
        bool idle = e->rows == WR_NONE && e->wait == WR_WAIT_NOT && !c->opts.final_only && !wr_key_is_host(&e->key);
        for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
            idle |= (wr_crow_at(c, r)->state & UNLINKED) != 0; /* due, but in no list */
        if (idle)
            err = WR_ECORRUPT;
    }
    return err || (!rd->err && rd->at == rd->end) ? err : WR_ECORRUPT;
}

enum wr_err wr_conn_load(struct wr_conn *conn, const void *bytes, size_t len)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    uint64_t stats[NSTATS];
    if (wr_rd_u32(&rd) != MAGIC || wr_rd_u16(&rd) != WR_DNE_NCOLS ||
        wr_rd_u16(&rd) != WR_NETSESSION_NCOLS || wr_rd_u8(&rd) != conn->opts.final_only)
        return WR_ECORRUPT;
    struct wr_conn *c = wr_conn_new(&conn->opts);
    if (!c)
        return WR_ENOMEM;
    for (int i = 0; i < NSTATS; i++)
        stats[i] = wr_rd_u64(&rd);
    memcpy(&c->stats, stats, sizeof stats);
    c->stats.live = 0;
    c->next_id = wr_rd_below(&rd, wr_rd_u64(&rd), INT64_MAX);
    c->next_born = wr_rd_u64(&rd);
    c->now = wr_rd_time(&rd);
    c->seen_event = wr_rd_u8_max(&rd, 1);
    enum wr_err err = rd.err ? WR_ECORRUPT : load_observers(c, &rd);
    if (!err)
        err = load_labels(c, &rd);
    if (!err)
        err = wr_clocks_load(c, &rd);
    if (!err)
        err = wr_recents_load(c, &rd);
    if (!err)
        err = wr_agents_load(c, &rd);
    if (!err)
        err = wr_answers_load(c, &rd);
    for (int i = 0; !err && i < 2; i++)
        c->lag[i] = wr_rd_time(&rd);
    if (!err)
        c->lag_since = wr_rd_time(&rd);
    if (!err)
        err = load_body(c, &rd);
    if (!err) {
        struct wr_conn old = *conn;
        *conn = *c;
        *c = old;
    }
    wr_conn_free(c);
    return err;
}
