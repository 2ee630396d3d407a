/* What flow records say about process, account and host, kept once however many connections have it: a process
 * opens many. Lists of who.h, counted by use; the columns they fill are below. */
#include "parsers/conn/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 64 << 20 };

struct wr_who_item {
    uint32_t refs, hash, len;
    uint8_t bytes[];
};

static const uint16_t columns[WR_WHO_NKINDS] = {
    [WR_WHO_DEVICE_NAME] = WR_DNE_DeviceName,
    [WR_WHO_DEVICE_ID] = WR_DNE_DeviceId,
    [WR_WHO_PROCESS] = WR_DNE_InitiatingProcessFileName,
    [WR_WHO_PROCESS_PATH] = WR_DNE_InitiatingProcessFolderPath,
    [WR_WHO_PROCESS_COMMAND] = WR_DNE_InitiatingProcessCommandLine,
    [WR_WHO_PROCESS_ID] = WR_DNE_InitiatingProcessId,
    [WR_WHO_PROCESS_SHA256] = WR_DNE_InitiatingProcessSHA256,
    [WR_WHO_PARENT] = WR_DNE_InitiatingProcessParentFileName,
    [WR_WHO_PARENT_ID] = WR_DNE_InitiatingProcessParentId,
    [WR_WHO_PROCESS_DOMAIN] = WR_DNE_InitiatingProcessAccountDomain,
    [WR_WHO_PROCESS_ACCOUNT] = WR_DNE_InitiatingProcessAccountName,
    [WR_WHO_PROCESS_SID] = WR_DNE_InitiatingProcessAccountSid,
    [WR_WHO_USER_DOMAIN] = WR_DNE_InitiatingProcessAccountDomain,
    [WR_WHO_USER] = WR_DNE_InitiatingProcessAccountName,
    [WR_WHO_URL] = WR_DNE_RemoteUrl,
    [WR_WHO_APPLICATION] = WR_DNE_AdditionalFields,
};

/* The first column is Timestamp, which no kind fills. */
static bool has_column(enum wr_who_kind kind)
{
    return columns[kind] != 0;
}

uint32_t wr_conn_who(const struct wr_colset *wanted, const struct wr_colset *sessions)
{
    struct wr_colset sources = wr_session_sources(sessions);
    uint32_t kinds = 0;
    for (uint32_t k = 0; k < WR_WHO_NKINDS; k++)
        if (has_column(k) && (wr_colset_has(wanted, columns[k]) || wr_colset_has(&sources, columns[k])))
            kinds |= wr_who_bit(k);
    if (wr_colset_has(sessions, WR_NETSESSION_NetworkApplicationProtocol))
        kinds |= wr_who_bit(WR_WHO_APPLICATION);
    /* a process makes a row complete, whether a rule reads its name or not */
    return kinds ? kinds | wr_who_bit(WR_WHO_PROCESS) : 0;
}

static struct wr_who_item *item_at(const struct wr_conn *c, uint32_t i)
{
    return c->whos.at[i];
}

struct wr_who wr_who_at(const struct wr_conn *c, uint32_t i)
{
    if (i == WR_NONE)
        return (struct wr_who){0};
    return (struct wr_who){.at = item_at(c, i)->bytes, .len = item_at(c, i)->len};
}

void wr_who_foresee(const struct wr_conn *c, uint32_t i)
{
    if (i != WR_NONE)
        __builtin_prefetch(&c->whos.at[i]);
}

void wr_who_foresee_text(const struct wr_conn *c, uint32_t i)
{
    if (i != WR_NONE)
        __builtin_prefetch(item_at(c, i));
}

void wr_who_give(struct wr_conn *c, uint32_t i)
{
    if (i == WR_NONE || --item_at(c, i)->refs)
        return;
    struct wr_whos *whos = &c->whos;
    struct wr_who_item *item = whos->at[i];
    wr_index_del(&whos->index, item->hash, i);
    whos->bytes -= sizeof *item + item->len;
    whos->at[i] = NULL;
    free(item);
    whos->free[whos->nfree++] = i;
}

static bool make_room(struct wr_whos *whos)
{
    if (whos->nfree || whos->n < whos->cap)
        return true;
    uint32_t cap = whos->cap ? whos->cap * 2 : 64;
    struct wr_who_item **at = realloc(whos->at, cap * sizeof *at);
    if (!at)
        return false;
    whos->at = at;
    uint32_t *list = realloc(whos->free, cap * sizeof *list);
    if (!list)
        return false;
    whos->free = list;
    whos->cap = cap;
    return true;
}

/* One more use of the list; WR_NONE when it is empty or there is no room. */
static enum wr_err take(struct wr_conn *c, const void *bytes, size_t len, uint32_t *ret_i)
{
    struct wr_whos *whos = &c->whos;
    uint32_t hash = (uint32_t)wr_hash(&c->hash_key, bytes, len), pos = hash, i;
    *ret_i = WR_NONE;
    if (!len)
        return WR_OK;
    while ((i = wr_index_next(&whos->index, hash, &pos)) != WR_NONE) {
        if (item_at(c, i)->len == len && memcmp(item_at(c, i)->bytes, bytes, len) == 0) {
            item_at(c, i)->refs++;
            *ret_i = i;
            return WR_OK;
        }
    }
    if (whos->bytes + sizeof(struct wr_who_item) + len > MAX_BYTES) {
        c->stats.who_dropped++;
        return WR_OK;
    }
    struct wr_who_item *item = make_room(whos) ? malloc(sizeof *item + len) : NULL;
    if (!item)
        return WR_ENOMEM;
    i = whos->nfree ? whos->free[whos->nfree - 1] : whos->n;
    if (!wr_index_put(&whos->index, hash, i)) {
        free(item);
        return WR_ENOMEM;
    }
    *item = (struct wr_who_item){.refs = 1, .hash = hash, .len = (uint32_t)len};
    memcpy(item->bytes, bytes, len);
    whos->at[i] = item;
    if (whos->nfree)
        whos->nfree--;
    else
        whos->n++;
    whos->bytes += sizeof *item + len;
    *ret_i = i;
    return WR_OK;
}

enum wr_err wr_who_take(struct wr_conn *c, struct wr_who who, uint32_t *ret_i)
{
    return take(c, who.at, who.len, ret_i);
}

void wr_whos_fini(struct wr_whos *whos)
{
    for (uint32_t i = 0; i < whos->n; i++)
        free(whos->at[i]);
    free(whos->at);
    free(whos->free);
    free(whos->index.slot);
    *whos = (struct wr_whos){0};
}

static bool is_sided(enum wr_who_kind kind)
{
    return kind <= WR_WHO_LAST_SIDED;
}

struct parts {
    const char *text[WR_WHO_NKINDS];
    uint32_t len[WR_WHO_NKINDS];
    bool sided;
};

static struct parts parts_of(struct wr_who who)
{
    struct parts p = {0};
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    while (wr_who_next(&who, &kind, &text, &len)) {
        if (!has_column(kind) || p.text[kind])
            continue;
        p.text[kind] = text;
        p.len[kind] = len;
        p.sided |= is_sided(kind);
    }
    return p;
}

bool wr_who_tells_process(const struct wr_conn *c, const struct wr_entry *e, uint8_t side)
{
    return e->who != WR_NONE && e->who_side == side && parts_of(wr_who_at(c, e->who)).text[WR_WHO_PROCESS];
}

/* What rules have seen of a row stays as it is: its columns are what groups are made of. */
static bool is_frozen(const struct wr_conn *c, const struct wr_entry *e)
{
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
        if (!wr_crow_at(c, r)->packed && wr_crow_at(c, r)->state != WR_ROW_HELD)
            return true;
    return false;
}

/* What the entry has stays; `who`, of the end `side`, adds what is missing. */
enum wr_err wr_who_learn(struct wr_conn *c, struct wr_entry *e, uint8_t side, struct wr_who who)
{
    if (!who.len || is_frozen(c, e))
        return WR_OK;
    struct parts old = parts_of(wr_who_at(c, e->who)), new = parts_of(who);
    bool other_end = old.sided && e->who_side != side;
    wr_buf_reset(&c->buf);
    for (uint32_t k = 0; k < WR_WHO_NKINDS; k++) {
        if (old.text[k])
            wr_who_add(&c->buf, (enum wr_who_kind)k, old.text[k], old.len[k]);
        else if (new.text[k] && !(other_end && is_sided(k)))
            wr_who_add(&c->buf, (enum wr_who_kind)k, new.text[k], new.len[k]);
    }
    if (c->buf.err)
        return WR_ENOMEM;
    uint32_t i;
    enum wr_err err = take(c, c->buf.data, c->buf.len, &i);
    if (err || i == WR_NONE)
        return err;
    wr_who_give(c, e->who);
    e->who = i;
    if (new.sided && !other_end)
        e->who_side = side;
    return WR_OK;
}

static int64_t number_of(const char *text, uint32_t len)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < len && n < INT64_MAX / 10 - 1; i++)
        n = n * 10 + (text[i] - '0');
    return n;
}

static bool fill_column(struct wr_conn *c, struct wr_batch *b, uint32_t r, enum wr_who_kind kind,
                        const struct parts *p)
{
    uint16_t col = columns[kind];
    if (kind == WR_WHO_PROCESS_ID || kind == WR_WHO_PARENT_ID) {
        wr_batch_set_i64(b, col, r, number_of(p->text[kind], p->len[kind]));
        return true;
    }
    if (kind != WR_WHO_APPLICATION)
        return wr_batch_set_str(b, col, r, p->text[kind], p->len[kind]);
    wr_buf_reset(&c->buf);
    wr_buf_str(&c->buf, "{\"Application\":");
    wr_json_str(&c->buf, p->text[kind], p->len[kind]);
    wr_buf_char(&c->buf, '}');
    return !c->buf.err && wr_batch_set_str(b, col, r, c->buf.data, c->buf.len);
}

bool wr_who_fill(struct wr_conn *c, const struct wr_entry *e, uint8_t side, struct wr_batch *b, uint32_t r)
{
    if (e->who == WR_NONE)
        return true;
    struct parts p = parts_of(wr_who_at(c, e->who));
    bool account = false;
    for (uint32_t k = 0; k < WR_WHO_NKINDS; k++) {
        bool user = k == WR_WHO_USER || k == WR_WHO_USER_DOMAIN;
        if (!p.text[k] || (is_sided(k) && e->who_side != side) || (user && account))
            continue;
        account |= k == WR_WHO_PROCESS_ACCOUNT;
        if (!fill_column(c, b, r, (enum wr_who_kind)k, &p))
            return false;
    }
    return true;
}
