/* Names that exporters give in options tables (RFC 6759, RFC 5610 style) and that endpoints give in records of
 * their own: number or id -> text. Bounded by rows and bytes, the oldest goes first; a name told again is new. */
#ifndef WR_PARSERS_FLOW_NAMES_H
#define WR_PARSERS_FLOW_NAMES_H

#include "base/buf.h"
#include "base/hash.h"

#include <stdbool.h>

enum wr_name_kind {
    WR_NAME_APPLICATION, /* 95 -> 96, 94 */
    WR_NAME_INTERFACE,   /* 10, 14, 252, 253 -> 82, 83 */
    WR_NAME_VRF,         /* 234, 235 -> 236 */
    WR_NAME_USER,        /* 8741/36 -> 8741/35 */
    WR_NAME_VENDOR_APP,  /* 8741/40 -> 8741/41 */
    WR_NAME_HOST,        /* 9/12332 -> 350: of an endpoint, whoever relays its flows */
    WR_NAME_NKINDS
};
enum { WR_NAME_MAX_KEY = 32, WR_NAME_MAX_TEXT = 255 };
#define WR_NAME_ANY UINT32_MAX /* domain: whichever told it last */

struct wr_name {
    struct wr_name *next_hash, *older, *newer;
    int64_t told_ns;
    uint32_t hash, domain;
    uint8_t kind, key_len, text_len;
    uint8_t bytes[]; /* key, then text */
};

struct wr_names {
    struct wr_name **slots;
    struct wr_name *oldest, *newest;
    uint32_t nslots, n, max;
    size_t bytes, max_bytes; /* of the names alone */
    struct wr_hash_key hash_key;
};

struct wr_name_key {
    enum wr_name_kind kind;
    uint32_t domain;
    uint8_t len;
    uint8_t at[WR_NAME_MAX_KEY];
};

/* A number: how many octets it came in does not matter. */
struct wr_name_key wr_name_key_int(enum wr_name_kind kind, uint32_t domain, uint64_t n);
/* An applicationId of `len` octets: engine, for engine 20 an enterprise number, selector (RFC 6759 4). The
 * selector's width does not matter. */
struct wr_name_key wr_name_key_app(uint32_t domain, const uint8_t *id, uint32_t len);
struct wr_name_key wr_name_key_bytes(enum wr_name_kind kind, const uint8_t *at, uint32_t len);

/* Memory that several tables share. */
struct wr_budget {
    size_t *used;
    size_t limit;
};
/* Keeps a name, for its own domain and for any that has none. False: no room. */
bool wr_names_put(struct wr_names *names, const struct wr_name_key *key, const char *text, size_t len,
                  int64_t now_ns, const struct wr_budget *budget);
/* Of the key's domain, else what any domain told last; NULL. Borrowed until the next put. */
const struct wr_name *wr_names_find(const struct wr_names *names, const struct wr_name_key *key);
static inline const char *wr_name_text(const struct wr_name *name)
{
    return (const char *)name->bytes + name->key_len;
}
void wr_names_fini(struct wr_names *names, size_t *used_bytes);

/* Names of endpoints by their device ids. Endpoints move between addresses, and so between decoders: those may share a table, which
 * locks by itself; whoever decodes holds no other lock that a holder of this one waits for. */
struct wr_flow_hosts;
/* Keeps a name; `key` is of WR_NAME_HOST and domain WR_NAME_ANY. False: no room. */
bool wr_flow_hosts_put(struct wr_flow_hosts *hosts, const struct wr_name_key *key, const char *text, size_t len, int64_t now_ns);
/* Copies the name that was told since `since_ns`; its length, 0: there is none. */
size_t wr_flow_hosts_find(struct wr_flow_hosts *hosts, const struct wr_name_key *key, int64_t since_ns, char ret_text[WR_NAME_MAX_TEXT]);

#endif
