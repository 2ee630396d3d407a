/* Names that clients asked for, by the addresses of the answers: what the far end of a connection
 * is called where neither its own host nor a record says. By client and address, since one address
 * serves many names; and by address alone for clients whose questions were not seen (a resolver
 * asked for them). Bounded: the one not told for longest goes, counted. */
#include "parsers/conn/table.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"

#include <stdlib.h>
#include <string.h>

#define DAY (86400 * WR_SECOND)
enum { ADDRESSES_MAX = 32, ASKED_MAX = 255 };

static const uint8_t anybody[16];

static struct wr_answer *answer_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->answers, i);
}

static uint32_t hash_of(const struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16])
{
    uint8_t both[32];
    memcpy(both, client, 16);
    memcpy(both + 16, addr, 16);
    return (uint32_t)wr_hash(&c->hash_key, both, sizeof both);
}

static uint32_t find(const struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16],
                     bool v6)
{
    uint32_t hash = hash_of(c, client, addr), pos = hash, i;
    while ((i = wr_index_next(&c->by_answer, hash, &pos)) != WR_NONE) {
        const struct wr_answer *a = answer_at(c, i);
        if (a->v6 == v6 && memcmp(a->addr, addr, 16) == 0 && memcmp(a->client, client, 16) == 0)
            break;
    }
    return i;
}

static void unlist(struct wr_conn *c, uint32_t i)
{
    const struct wr_answer *a = answer_at(c, i);
    *(a->prev == WR_NONE ? &c->answer.head : &answer_at(c, a->prev)->next) = a->next;
    *(a->next == WR_NONE ? &c->answer.tail : &answer_at(c, a->next)->prev) = a->prev;
}

static void enlist(struct wr_conn *c, uint32_t i)
{
    struct wr_answer *a = answer_at(c, i);
    a->prev = c->answer.tail;
    a->next = WR_NONE;
    *(c->answer.tail == WR_NONE ? &c->answer.head : &answer_at(c, c->answer.tail)->next) = i;
    c->answer.tail = i;
}

static void drop(struct wr_conn *c, uint32_t i)
{
    const struct wr_answer *a = answer_at(c, i);
    unlist(c, i);
    wr_index_del(&c->by_answer, hash_of(c, a->client, a->addr), i);
    wr_who_give(c, a->name);
    wr_pool_give(&c->answers, i);
    c->nanswers--;
}

static enum wr_err add(struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16], bool v6,
                       uint32_t *ret_i)
{
    if (c->nanswers == WR_ANSWERS_MAX) {
        drop(c, c->answer.head);
        c->stats.answers_dropped++;
    }
    uint32_t i = wr_pool_take(&c->answers);
    if (i == WR_NONE)
        return WR_ENOMEM;
    struct wr_answer *a = answer_at(c, i);
    memcpy(a->client, client, 16);
    memcpy(a->addr, addr, 16);
    a->v6 = v6;
    a->name = WR_NONE;
    a->when = -1;
    if (!wr_index_put(&c->by_answer, hash_of(c, client, addr), i)) {
        wr_pool_give(&c->answers, i);
        return WR_ENOMEM;
    }
    enlist(c, i);
    c->nanswers++;
    *ret_i = i;
    return WR_OK;
}

static enum wr_err put(struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16], bool v6,
                       struct wr_who name, int64_t when)
{
    uint32_t i = find(c, client, addr, v6), id;
    enum wr_err err = wr_who_take(c, name, &id);
    if (err || id == WR_NONE)
        return err;
    if (i == WR_NONE)
        err = add(c, client, addr, v6, &i);
    if (err || when < answer_at(c, i)->when) {
        wr_who_give(c, id);
        return err;
    }
    struct wr_answer *a = answer_at(c, i);
    wr_who_give(c, a->name);
    a->name = id;
    a->when = when;
    unlist(c, i);
    enlist(c, i);
    return WR_OK;
}

enum wr_err wr_answer_note(struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16],
                           bool v6, struct wr_who name, int64_t when)
{
    enum wr_err err = put(c, anybody, addr, v6, name, when);
    if (err || memcmp(client, anybody, 16) == 0)
        return err;
    return put(c, client, addr, v6, name, when);
}

struct wr_who wr_answer_find(const struct wr_conn *c, const uint8_t client[16],
                             const uint8_t addr[16], bool v6, int64_t when)
{
    const uint8_t *const who[2] = {client, anybody};
    for (int k = 0; k < 2 && c->nanswers; k++) {
        uint32_t i = find(c, who[k], addr, v6);
        int64_t apart = i == WR_NONE ? 0 : when - answer_at(c, i)->when;
        if (i != WR_NONE && apart <= DAY && apart >= -WR_OPEN_FAR)
            return wr_who_at(c, answer_at(c, i)->name);
    }
    return (struct wr_who){0};
}

/* ---- a row of ASimDnsActivityLogs ---- */

void wr_conn_dns_cols(struct wr_colset *set)
{
    static const uint16_t cols[] = {WR_DNS_TimeGenerated, WR_DNS_SrcIpAddr, WR_DNS_DnsQuery,
                                    WR_DNS_DnsResponseName};
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
        wr_colset_add(set, cols[i]);
}

static bool is_address_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' ||
           c == ':';
}

static bool is_word_char(char c)
{
    return is_address_char(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '-' ||
           c == '_' || c == '%';
}

/* The next address in what sources say of an answer: lists, objects, Windows' text with semicolons.
 */
static bool next_address(const char **at, const char *end, uint8_t addr[16], bool *ret_v6)
{
    for (const char *p = *at; p < end;) {
        const char *from = p;
        bool plain = true;
        for (; p < end && is_word_char(*p); p++)
            plain &= is_address_char(*p);
        size_t n = (size_t)(p - from);
        if (n >= 3 && plain && n < WR_ADDRESS_TEXT && wr_address_parse(from, n, addr, ret_v6)) {
            *at = p;
            return true;
        }
        p += n == 0;
    }
    *at = end;
    return false;
}

enum wr_err wr_conn_dns(struct wr_conn *conn, const struct wr_batch *b, uint32_t row,
                        int64_t now_ns)
{
    const struct wr_vec *query = &b->col[WR_DNS_DnsQuery],
                        *answer = &b->col[WR_DNS_DnsResponseName], *src = &b->col[WR_DNS_SrcIpAddr],
                        *time = &b->col[WR_DNS_TimeGenerated];
    uint8_t client[16] = {0}, addr[16];
    bool v6;
    enum wr_err err = wr_conn_advance(conn, now_ns);
    if (err || !query->s || !answer->s || !query->s[row].len || query->s[row].len > ASKED_MAX)
        return err;
    struct wr_who name = {.at = (const uint8_t *)wr_str_data(&query->s[row]),
                          .len = query->s[row].len};
    if (!src->s || !wr_address_parse(wr_str_data(&src->s[row]), src->s[row].len, client, &v6))
        memset(client, 0, sizeof client);
    bool timed = time->i && wr_vec_valid(time, row) && time->i[row] > WR_TICKS_UNIX_EPOCH;
    int64_t when = timed ? wr_ticks_to_unix_ns(time->i[row]) : conn->now;
    when = when < 0 ? 0 : when > WR_TIME_MAX ? WR_TIME_MAX : when;
    const char *at = wr_str_data(&answer->s[row]), *end = at + answer->s[row].len;
    for (int n = 0; !err && n < ADDRESSES_MAX && next_address(&at, end, addr, &v6); n++) {
        err = wr_answer_note(conn, client, addr, v6, name, when);
        conn->stats.answers++;
    }
    return err;
}

/* ---- state ---- */

void wr_answers_fini(struct wr_conn *c)
{
    wr_pool_fini(&c->answers);
    free(c->by_answer.slot);
}

void wr_answers_save(const struct wr_conn *c, struct wr_buf *out)
{
    wr_buf_u32(out, c->nanswers);
    for (uint32_t i = c->answer.head; i != WR_NONE; i = answer_at(c, i)->next) {
        const struct wr_answer *a = answer_at(c, i);
        struct wr_who name = wr_who_at(c, a->name);
        wr_buf_add(out, a->client, 16);
        wr_buf_add(out, a->addr, 16);
        wr_buf_u8(out, a->v6);
        wr_buf_u64(out, (uint64_t)a->when);
        wr_buf_blob(out, name.at, name.len);
    }
}

enum wr_err wr_answers_load(struct wr_conn *c, struct wr_rd *rd)
{
    uint32_t n = wr_rd_u32(rd);
    if (rd->err || n > WR_ANSWERS_MAX)
        return WR_ECORRUPT;
    while (n--) {
        const uint8_t *ends = wr_rd_take(rd, 32);
        uint8_t v6 = wr_rd_u8(rd);
        int64_t when = (int64_t)wr_rd_u64(rd);
        struct wr_who name;
        name.at = wr_rd_blob(rd, &name.len);
        uint32_t had = c->nanswers;
        if (rd->err || v6 > 1 || when < 0 || when > WR_TIME_MAX || !name.len)
            return WR_ECORRUPT;
        enum wr_err err = put(c, ends, ends + 16, v6, name, when);
        if (err || c->nanswers == had) /* twice, or no room for what there was room for */
            return err ? err : WR_ECORRUPT;
    }
    return WR_OK;
}
