#ifndef WR_PARSERS_CONN_NAT_TABLE_H
#define WR_PARSERS_CONN_NAT_TABLE_H

#include "parsers/conn/entry.h"

/* Translations of addresses as the table keeps them, and what they mean for connections. */
struct wr_record;
struct wr_opening;
/* A tuple on another side of a translation, and the connection's own. `to` is WR_TIME_MAX while it holds. */
struct wr_alias {
    struct wr_conn_key seen, inside;
    int64_t from, to, touched;
    uint64_t since; /* rows from this id on were made when it was known */
    uint32_t next, prev;
    uint8_t swap /* end 0 of `seen` is end 1 of `inside` */, learned /* from a port block, by the time */,
        guessed /* its end was told, not its begin */, list;
};

/* Ports of an outside address that an inside address has, whoever the peer is. */
struct wr_block {
    uint8_t outside[16], inside[16];
    int64_t from, to, touched;
    uint32_t next, prev;
    uint16_t first, last, port; /* port: the inside one, when there is one for one */
    uint8_t proto /* 0 any */, v6, exact, list;
};

enum { WR_NAT_OPEN, WR_NAT_ENDED, WR_NAT_NLISTS };
struct wr_nats {
    struct wr_pool aliases, blocks;
    struct wr_index by_seen, by_block, by_wild, by_inside;
    struct wr_list alias[WR_NAT_NLISTS], block[WR_NAT_NLISTS]; /* by last use */
    uint32_t naliases, nblocks;
    bool wild; /* by_wild is kept: there have been blocks */
    bool inside; /* by_inside is kept: rules read the translated ends of sessions */
};

/* nat.c: translations of addresses, as events and flow records tell of them */
#define WR_NAT_POINT UINT32_C(0x6e617400) /* xor: what one exporter sees on both sides of a translation are two views */
enum wr_err wr_nat_told(struct wr_conn *c, const struct wr_flow *flow, struct wr_who who);
/* The record's or event's tuple becomes the connection's own. */
enum wr_err wr_nat_record(struct wr_conn *c, struct wr_record *rec, const struct wr_flow *flow);
void wr_nat_opening(struct wr_conn *c, struct wr_opening *open);
/* An entry of flows that only lacks the inside port of this event; WR_NONE: there is none. */
enum wr_err wr_nat_claim(struct wr_conn *c, const struct wr_opening *open, uint32_t *ret_i);
/* A last look before the entry becomes a row. */
enum wr_err wr_nat_settle(struct wr_conn *c, uint32_t i, uint32_t *ret_i);

/* nat_table.c */
void wr_nats_init(struct wr_nats *nat);
void wr_nats_fini(struct wr_nats *nat);
/* The one that held at `when`, or the nearest within the slack of clocks. */
uint32_t wr_alias_find(const struct wr_conn *c, const struct wr_conn_key *seen, int64_t when);
uint32_t wr_block_find(const struct wr_conn *c, const uint8_t addr[16], bool v6, uint16_t port, uint8_t proto, int64_t when);
void wr_alias_touch(struct wr_conn *c, uint32_t i);
void wr_block_touch(struct wr_conn *c, uint32_t i);
/* Adds what holds from `from` to `to`; one of the same ends that holds then is made longer. */
enum wr_err wr_alias_add(struct wr_conn *c, const struct wr_alias *alias, uint32_t *ret_i);
enum wr_err wr_block_add(struct wr_conn *c, const struct wr_block *block, uint32_t *ret_i);
/* Ends it; false: it was not known. */
bool wr_alias_end(struct wr_conn *c, const struct wr_alias *alias, int64_t to);
bool wr_block_end(struct wr_conn *c, const struct wr_block *block, int64_t to);
void wr_alias_drop(struct wr_conn *c, uint32_t i);
void wr_nats_expire(struct wr_conn *c, int64_t ended_ns);
/* nat_view.c: an alias in the index by inside tuple; and a session's ends as other sides of translations know them, [0] that of
 * the row's side. */
bool wr_alias_show(struct wr_conn *c, uint32_t i) WR_MUST_CHECK;
void wr_alias_hide(struct wr_conn *c, uint32_t i);
struct wr_nat_end {
    bool known, v6;
    uint16_t port;
    uint8_t addr[16];
};
void wr_nat_ends(const struct wr_conn *c, const struct wr_crow *row, const struct wr_conn_key *key,
                 struct wr_nat_end ret_ends[2]);
/* Entries that match by all but one end's port. */
enum wr_err wr_wild_begin(struct wr_conn *c);
enum wr_err wr_wild_add(struct wr_conn *c, uint32_t i, uint8_t side);
void wr_wild_del(struct wr_conn *c, uint32_t i);
uint32_t wr_wild_hash(const struct wr_conn *c, const struct wr_conn_key *key, uint8_t side);
void wr_nats_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_nats_load(struct wr_conn *c, struct wr_rd *rd);

/* nat64.c: the IPv4 address within an IPv6 one of the well-known prefix or a configured one. */
bool wr_nat64_inside(const struct wr_conn *c, const uint8_t v6[16], uint8_t ret_v4[16]);

#endif
