/* Which addresses an agent speaks for, and what follows when the network saw a connection that no
 * event explains:
 *
 *   nobody ever spoke for the initiator's address        UnmanagedDevice, once a day
 *   its agent has been silent for longer than it may     AgentSilent, once a silence
 *   its agent is there                                   HiddenConnection
 *
 * A connection counts only after its events have had time to come (hold), and only if its initiator
 * is at a private address. Where sensors cap their events silence is normal: those are of low
 * confidence, as is an unmanaged device before a day of events has been seen. The names that agents
 * give stand for their addresses in every table. */
#include "parsers/conn/table.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"
#include "parsers/conn/hostnames.h"

#include <stdlib.h>
#include <string.h>

#define DAY (86400 * WR_SECOND)
#define SILENT                                                                                     \
    (3600 * WR_SECOND) /* of a sensor that tells of every connection; of one that caps: a day */
#define RELIST (60 * WR_SECOND) /* the order of use is to the minute: putting an agent last touches three others */

static struct wr_agent *agent_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->agents, i);
}

uint32_t wr_agent_hash(const struct wr_conn *c, const uint8_t addr[16], bool v6)
{
    uint64_t word[2];
    memcpy(word, addr, sizeof word);
    return wr_hash_pair(&c->pair_key, word[0], v6 ? ~word[1] : 0);
}

static uint32_t find_of(const struct wr_conn *c, const uint8_t addr[16], bool v6, uint32_t hash)
{
    uint32_t pos = hash, i;
    while ((i = wr_index_next(&c->by_addr, hash, &pos)) != WR_NONE)
        if (agent_at(c, i)->v6 == v6 && wr_words_same(agent_at(c, i)->addr, addr, 16))
            break;
    return i;
}

static uint32_t find(const struct wr_conn *c, const uint8_t addr[16], bool v6)
{
    return find_of(c, addr, v6, wr_agent_hash(c, addr, v6));
}

void wr_agent_foresee(const struct wr_conn *c, uint32_t i)
{
    wr_who_foresee(c, agent_at(c, i)->called[0].name);
    wr_clock_foresee_at(c, agent_at(c, i)->clock);
}

void wr_agent_foresee_name(const struct wr_conn *c, uint32_t i)
{
    wr_who_foresee_text(c, agent_at(c, i)->called[0].name);
}

uint32_t wr_agent_first(const struct wr_conn *c, uint32_t hash)
{
    uint32_t pos = hash;
    return wr_index_next(&c->by_addr, hash, &pos);
}

static void unlist(struct wr_conn *c, uint32_t i)
{
    const struct wr_agent *a = agent_at(c, i);
    *(a->prev == WR_NONE ? &c->agent.head : &agent_at(c, a->prev)->next) = a->next;
    *(a->next == WR_NONE ? &c->agent.tail : &agent_at(c, a->next)->prev) = a->prev;
}

static void enlist(struct wr_conn *c, uint32_t i)
{
    struct wr_agent *a = agent_at(c, i);
    a->prev = c->agent.tail;
    a->next = WR_NONE;
    a->listed = c->now;
    *(c->agent.tail == WR_NONE ? &c->agent.head : &agent_at(c, c->agent.tail)->next) = i;
    c->agent.tail = i;
}

static void drop(struct wr_conn *c, uint32_t i)
{
    struct wr_agent *a = agent_at(c, i);
    unlist(c, i);
    wr_index_del(&c->by_addr, wr_agent_hash(c, a->addr, a->v6), i);
    for (int k = 0; k < WR_CALLED; k++)
        wr_who_give(c, a->called[k].name);
    c->nagents--;
    wr_pool_give(&c->agents, i);
}

/* The address' record, made when there is none; the one used longest ago goes when there is no
 * room. */
static enum wr_err get(struct wr_conn *c, const uint8_t addr[16], bool v6, uint32_t hash, uint32_t *ret_i)
{
    uint32_t i = find_of(c, addr, v6, hash);
    if (i != WR_NONE) {
        if (c->now - agent_at(c, i)->listed > RELIST) {
            unlist(c, i);
            enlist(c, i);
        }
        *ret_i = i;
        return WR_OK;
    }
    if (c->nagents == WR_AGENTS_MAX) {
        drop(c, c->agent.head);
        c->stats.agents_dropped++;
    }
    i = wr_pool_take(&c->agents);
    if (i == WR_NONE)
        return WR_ENOMEM;
    struct wr_agent *a = agent_at(c, i);
    memcpy(a->addr, addr, 16);
    a->v6 = v6;
    a->heard = a->unmanaged = a->silent = -1;
    for (int k = 0; k < WR_CALLED; k++)
        a->called[k].name = WR_NONE;
    if (!wr_index_put(&c->by_addr, hash, i)) {
        wr_pool_give(&c->agents, i);
        return WR_ENOMEM;
    }
    enlist(c, i);
    c->nagents++;
    *ret_i = i;
    return WR_OK;
}

/* ---- names ---------------------------------------------------------------------------------------
 */

static size_t label_len(struct wr_who name)
{
    const uint8_t *dot = memchr(name.at, '.', name.len);
    return dot ? (size_t)(dot - name.at) : name.len;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* `ws1` and `WS1.corp.example` are one device. */
static bool same_device(struct wr_who a, struct wr_who b)
{
    size_t n = label_len(a);
    if (n != label_len(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

static uint32_t name_hash(struct wr_who name)
{
    return wr_clock_device((const char *)name.at, name.len);
}

static void pop(struct wr_conn *c, struct wr_agent *a)
{
    wr_who_give(c, a->called[0].name);
    memmove(a->called, a->called + 1, (WR_CALLED - 1) * sizeof *a->called);
    a->called[WR_CALLED - 1].name = WR_NONE;
    a->device = 0;
}

static enum wr_err push(struct wr_conn *c, struct wr_agent *a, struct wr_who name, int64_t when, uint8_t rank)
{
    uint32_t i;
    enum wr_err err = wr_who_take(c, name, &i);
    if (err || i == WR_NONE)
        return err;
    wr_who_give(c, a->called[WR_CALLED - 1].name);
    memmove(a->called + 1, a->called, (WR_CALLED - 1) * sizeof *a->called);
    a->called[0] = (struct wr_called){.from = when, .name = i, .rank = rank};
    a->device = 0;
    return WR_OK;
}

/* The newest name, told by what knows no better: is it the same device? */
static enum wr_err rename_device(struct wr_conn *c, struct wr_agent *a, struct wr_who name, uint8_t rank)
{
    struct wr_called *top = &a->called[0];
    struct wr_who had = wr_who_at(c, top->name);
    uint32_t i;
    if (rank < top->rank || (had.len == name.len && memcmp(had.at, name.at, name.len) == 0))
        return WR_OK;
    enum wr_err err = wr_who_take(c, name, &i);
    if (err || i == WR_NONE)
        return err;
    wr_who_give(c, top->name);
    top->name = i;
    top->rank = rank;
    a->device = 0;
    return WR_OK;
}

/* An address moves to another device: who told of it last is believed. When an agent goes on to speak after another name came
 * for its address, that is a second name of its device. */
static enum wr_err called(struct wr_conn *c, struct wr_agent *a, struct wr_who name, int64_t when, uint8_t rank)
{
    struct wr_called *top = a->called;
    if (top->name == WR_NONE)
        return push(c, a, name, when, rank);
    if (same_device(wr_who_at(c, top->name), name)) {
        top->from = when < top->from ? when : top->from;
        return rename_device(c, a, name, rank);
    }
    if (when < top->from || (rank < WR_CALLER_AGENT && a->other == name_hash(name)))
        return WR_OK;
    bool again = rank == WR_CALLER_AGENT && top->rank < rank && top[1].name != WR_NONE && top[1].rank == rank &&
                 same_device(wr_who_at(c, top[1].name), name);
    if (!again)
        return push(c, a, name, when, rank);
    a->other = name_hash(wr_who_at(c, top->name));
    pop(c, a);
    return WR_OK;
}

enum wr_err wr_agent_called(struct wr_conn *c, const uint8_t addr[16], bool v6, struct wr_who name, int64_t when,
                            enum wr_caller rank)
{
    uint32_t i;
    if (!name.len || name.len > WR_WHO_MAX_TEXT)
        return WR_OK;
    enum wr_err err = get(c, addr, v6, wr_agent_hash(c, addr, v6), &i);
    return err ? err : called(c, agent_at(c, i), name, when, (uint8_t)rank);
}

/* Its newest name is this very text. */
static bool is_called(const struct wr_conn *c, const struct wr_agent *a, struct wr_who name)
{
    struct wr_who top = wr_who_at(c, a->called[0].name);
    return name.len && top.len == name.len && memcmp(top.at, name.at, name.len) == 0;
}

enum wr_err wr_agent_heard(struct wr_conn *c, const struct wr_told *t, uint32_t *ret_device, int64_t *ret_skew)
{
    struct wr_who name = t->text[WR_TOLD_DEVICE];
    int64_t when = t->when;
    uint32_t i;
    enum wr_err err = get(c, t->addr[0], t->v6, t->agent_hash, &i);
    if (err)
        return err;
    struct wr_agent *a = agent_at(c, i);
    bool known = is_called(c, a, name);
    *ret_device = known && a->device ? a->device : name.len ? name_hash(name) : 0;
    if (known)
        a->device = *ret_device;
    *ret_skew = wr_clock_skew(c, *ret_device, &a->clock);
    if (c->first_heard < 0 || when < c->first_heard)
        c->first_heard = when;
    if (when < a->heard)
        return WR_OK;
    a->heard = when;
    a->capped = t->capped;
    a->unseen = 0;
    if (!name.len || (known && when >= a->called[0].from))
        return WR_OK;
    return called(c, a, name, when, WR_CALLER_AGENT);
}

enum wr_err wr_agent_spoke(struct wr_conn *c, const uint8_t addr[16], bool v6, int64_t when)
{
    uint32_t i;
    enum wr_err err = get(c, addr, v6, wr_agent_hash(c, addr, v6), &i);
    if (err)
        return err;
    if (c->first_heard < 0 || when < c->first_heard)
        c->first_heard = when;
    struct wr_agent *a = agent_at(c, i);
    if (when < a->heard)
        return WR_OK;
    a->heard = when;
    a->unseen = 0;
    return WR_OK;
}

struct wr_who wr_agent_name(const struct wr_conn *c, const uint8_t addr[16], bool v6, int64_t when)
{
    uint32_t i = find(c, addr, v6);
    const struct wr_called *at = i == WR_NONE ? NULL : agent_at(c, i)->called;
    if (!at || at->name == WR_NONE)
        return wr_hostnames_find(c->opts.hostnames, addr, v6);
    int k = 0; /* before the first name was told, that one */
    while (at[k].from > when + WR_OPEN_SLACK && k + 1 < WR_CALLED && at[k + 1].name != WR_NONE)
        k++;
    return wr_who_at(c, at[k].name);
}

/* ---- rows ---------------------------------------------------------------------------------------
 */

static bool set(struct wr_batch *b, uint16_t col, const char *text, size_t len)
{
    return wr_batch_set_str(b, col, 0, text, len);
}

static bool fill(const struct wr_conn *c, const struct wr_entry *e, uint8_t side,
                 const struct wr_agent *a, struct wr_batch *b)
{
    char local[WR_ADDRESS_TEXT], remote[WR_ADDRESS_TEXT], number[8];
    const char *proto = wr_protocol_text(e->key.proto, number);
    struct wr_who name = wr_agent_name(c, e->key.addr[side], e->key.v6, e->start);
    wr_address_text(e->key.addr[side], e->key.v6, local);
    wr_address_text(e->key.addr[!side], e->key.v6, remote);
    wr_batch_set_i64(b, WR_SIDE_Timestamp, 0, wr_ticks_of_unix_ns(e->start));
    if (!wr_is_icmp(e->key.proto)) {
        wr_batch_set_i64(b, WR_SIDE_LocalPort, 0, e->key.port[side]);
        wr_batch_set_i64(b, WR_SIDE_RemotePort, 0, e->key.port[!side]);
    }
    wr_batch_set_i64(b, WR_SIDE_Connections, 0, a->unseen);
    if (e->bytes_known >> side & 1)
        wr_batch_set_i64(b, WR_SIDE_SentBytes, 0, (int64_t)e->bytes[side]);
    if (e->bytes_known >> !side & 1)
        wr_batch_set_i64(b, WR_SIDE_ReceivedBytes, 0, (int64_t)e->bytes[!side]);
    if (a->heard >= 0)
        wr_batch_set_i64(b, WR_SIDE_LastAgentEvent, 0, wr_ticks_of_unix_ns(a->heard));
    return set(b, WR_SIDE_LocalIP, local, strlen(local)) &&
           set(b, WR_SIDE_RemoteIP, remote, strlen(remote)) &&
           set(b, WR_SIDE_Protocol, proto, strlen(proto)) &&
           (name.len ? set(b, WR_SIDE_DeviceName, (const char *)name.at, name.len)
                     : set(b, WR_SIDE_DeviceName, local, strlen(local)));
}

/* A row that never changes: an image from its birth. */
static enum wr_err emit(struct wr_conn *c, const struct wr_entry *e, uint8_t side,
                        const struct wr_agent *a, uint8_t table, bool sure)
{
    static const char *const types[] = {"UnmanagedDevice", "HiddenConnection", "AgentSilent"};
    const char *type = types[table - WR_DUE_UNMANAGED], *confidence = sure ? "high" : "low";
    uint32_t r;
    if (!(c->opts.one_sided >> (table - WR_DUE_UNMANAGED) & 1))
        return WR_OK;
    if (!wr_batch_reset(c->one_sided))
        return WR_ENOMEM;
    (void)wr_batch_row(c->one_sided);
    if (!fill(c, e, side, a, c->one_sided) ||
        !set(c->one_sided, WR_SIDE_Type, type, strlen(type)) ||
        !set(c->one_sided, WR_SIDE_Confidence, confidence, strlen(confidence)))
        return WR_ENOMEM;
    wr_buf_reset(&c->buf);
    wr_row_pack(c->one_sided, 0, &c->buf);
    enum wr_err err = c->buf.err ? WR_ENOMEM : wr_row_event(c, WR_NONE, side, c->buf.data, c->buf.len, &r);
    if (err)
        return err;
    wr_crow_at(c, r)->table = table;
    if ((err = wr_row_due(c, r, WR_ROW_IMAGE)))
        wr_row_free(c, r);
    return err;
}

enum wr_err wr_agent_unexplained(struct wr_conn *c, const struct wr_entry *e)
{
    uint8_t why, side = wr_entry_initiator(e, &why);
    uint32_t i;
    if (!c->opts.one_sided || c->first_heard < 0 ||
        strcmp(wr_address_type(e->key.addr[side], e->key.v6), "Private") != 0)
        return WR_OK;
    enum wr_err err = get(c, e->key.addr[side], e->key.v6, wr_agent_hash(c, e->key.addr[side], e->key.v6), &i);
    if (err)
        return err;
    struct wr_agent *a = agent_at(c, i);
    if (a->unseen < UINT32_MAX)
        a->unseen++;
    if (a->heard < 0) {
        bool sure = e->start - c->first_heard >= DAY;
        if (a->unmanaged >= 0 && e->start - a->unmanaged < DAY && (a->sure || !sure))
            return WR_OK;
        a->unmanaged = e->start;
        a->sure = sure;
        return emit(c, e, side, a, WR_DUE_UNMANAGED, sure);
    }
    if (e->start - a->heard <= (a->capped ? DAY : SILENT))
        return emit(c, e, side, a, WR_DUE_HIDDEN, !a->capped);
    if (a->silent == a->heard)
        return WR_OK;
    a->silent = a->heard;
    return emit(c, e, side, a, WR_DUE_SILENT, !a->capped);
}

/* ---- state --------------------------------------------------------------------------------------
 */

void wr_agents_fini(struct wr_conn *c)
{
    wr_pool_fini(&c->agents);
    free(c->by_addr.slot);
}

static void save_names(const struct wr_conn *c, const struct wr_agent *a, struct wr_buf *out)
{
    uint8_t n = 0;
    while (n < WR_CALLED && a->called[n].name != WR_NONE)
        n++;
    wr_buf_u8(out, n);
    for (uint8_t k = 0; k < n; k++) {
        struct wr_who name = wr_who_at(c, a->called[k].name);
        wr_buf_u64(out, (uint64_t)a->called[k].from);
        wr_buf_u8(out, a->called[k].rank);
        wr_buf_blob(out, name.at, name.len);
    }
}

static enum wr_err load_names(struct wr_conn *c, struct wr_agent *a, struct wr_rd *rd)
{
    uint8_t n = wr_rd_u8(rd);
    if (rd->err || n > WR_CALLED)
        return WR_ECORRUPT;
    for (uint8_t k = 0; k < n; k++) {
        struct wr_called *at = &a->called[k];
        struct wr_who name;
        at->from = (int64_t)wr_rd_u64(rd);
        at->rank = wr_rd_u8(rd);
        name.at = wr_rd_blob(rd, &name.len);
        if (rd->err || !name.len || at->from < 0 || at->from > WR_TIME_MAX || !at->rank || at->rank >= WR_NCALLERS)
            return WR_ECORRUPT;
        enum wr_err err = wr_who_take(c, name, &at->name);
        if (err || at->name == WR_NONE)
            return err ? err : WR_ECORRUPT; /* there was room before */
    }
    return WR_OK;
}

void wr_agents_save(const struct wr_conn *c, struct wr_buf *out)
{
    wr_buf_u64(out, (uint64_t)(c->first_heard + 1));
    wr_buf_u32(out, c->nagents);
    for (uint32_t i = c->agent.head; i != WR_NONE; i = agent_at(c, i)->next) {
        const struct wr_agent *a = agent_at(c, i);
        wr_buf_add(out, a->addr, 16);
        wr_buf_u8(out, (uint8_t)(a->v6 | a->capped << 1 | a->sure << 2));
        wr_buf_u64(out, (uint64_t)(a->heard + 1));
        wr_buf_u64(out, (uint64_t)(a->unmanaged + 1));
        wr_buf_u64(out, (uint64_t)(a->silent + 1));
        wr_buf_u64(out, (uint64_t)a->listed);
        wr_buf_u32(out, a->unseen);
        wr_buf_u32(out, a->other);
        save_names(c, a, out);
    }
}

/* -1 or a time. */
static int64_t rd_when(struct wr_rd *rd)
{
    uint64_t v = wr_rd_u64(rd);
    if (v > (uint64_t)WR_TIME_MAX + 1 && !rd->err)
        rd->err = WR_ECORRUPT;
    return (int64_t)(v & INT64_MAX) - 1;
}

enum wr_err wr_agents_load(struct wr_conn *c, struct wr_rd *rd)
{
    c->first_heard = rd_when(rd);
    uint32_t n = wr_rd_u32(rd);
    if (rd->err || n > WR_AGENTS_MAX)
        return WR_ECORRUPT;
    while (n--) {
        const uint8_t *addr = wr_rd_take(rd, 16);
        uint8_t flags = wr_rd_u8(rd);
        uint32_t i, had = c->nagents;
        if (!addr || flags > 7)
            return WR_ECORRUPT;
        enum wr_err err = get(c, addr, flags & 1, wr_agent_hash(c, addr, flags & 1), &i);
        if (err || c->nagents == had) /* an address twice */
            return err ? err : WR_ECORRUPT;
        struct wr_agent *a = agent_at(c, i);
        a->capped = flags >> 1 & 1;
        a->sure = flags >> 2 & 1;
        a->heard = rd_when(rd);
        a->unmanaged = rd_when(rd);
        a->silent = rd_when(rd);
        a->listed = (int64_t)wr_rd_u64(rd);
        if (a->listed < 0 || a->listed > c->now)
            return WR_ECORRUPT;
        a->unseen = wr_rd_u32(rd);
        a->other = wr_rd_u32(rd);
        if ((err = load_names(c, a, rd)))
            return err;
    }
    return WR_OK;
}
