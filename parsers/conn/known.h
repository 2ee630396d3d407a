#ifndef WR_PARSERS_CONN_KNOWN_H
#define WR_PARSERS_CONN_KNOWN_H

#include "parsers/conn/entry.h"

/* What is known beside connections: names, devices' clocks and agents, exporters, answers, the last events of sensors that
 * cap theirs. */
struct wr_told;
struct wr_who_item;
struct wr_whos {
    struct wr_who_item **at;
    uint32_t *free;
    uint32_t n, cap, nfree;
    size_t bytes;
    struct wr_index index;
};

/* How far a device's clock is ahead. `n` samples, from WR_CLOCK_SAMPLES on a ring. */
struct wr_clock {
    uint32_t device;
    int32_t ms[WR_CLOCK_SAMPLES], skew_ms;
    uint32_t n;
    uint32_t name; /* of one that is off, WR_NONE until its next event */
    bool told;     /* wr_conn_clock_news has; not saved */
};

/* What a sensor that caps its events last told of (local, remote, remote port, protocol). */
struct wr_remote_key {
    uint8_t local[16], remote[16];
    uint16_t port;
    uint8_t proto, v6, pad[2];
};
struct wr_recent {
    uint32_t next, prev; /* in order of arrival */
    struct wr_remote_key key;
    uint32_t len;
    int64_t when;
    char *packed;
};

/* What a device at an address is called, from then on. A source of a greater rank knows better. */
enum wr_caller { WR_CALLER_DHCP = 1, WR_CALLER_FLOW, WR_CALLER_AGENT, WR_NCALLERS };
enum { WR_CALLED = 3 };
struct wr_called {
    int64_t from;
    uint32_t name;
    uint8_t rank;
};

/* A name that was asked for, and an address of its answer; for a client, or for all of them (no address). */
struct wr_answer {
    uint32_t next, prev; /* in order of use */
    uint8_t client[16], addr[16];
    bool v6;
    uint32_t name;
    int64_t when;
};

/* An address, and the agent that speaks for it. Times are -1 for never. An event of one that is known touches the first line
 * of memory alone. */
struct wr_agent {
    uint8_t addr[16];
    bool v6, capped, sure;
    uint32_t device; /* wr_clock_device() of its newest name; 0: not worked out */
    uint32_t clock;  /* where that was found last, or any other number: to be looked at first */
    uint32_t unseen; /* connections without an event since it was heard */
    int64_t listed;  /* when it was last put at the end of the list */
    int64_t heard;   /* newest event */
    struct wr_called called[WR_CALLED]; /* newest first; name WR_NONE: no more */
    uint32_t next, prev; /* in order of use */
    uint32_t other;  /* hash of a name that another source has for the device that an agent names; 0 none */
    int64_t unmanaged, silent; /* when it was told to be unmanaged; `heard` of the silence that was told */
};
_Static_assert(sizeof(struct wr_agent) == 128 && offsetof(struct wr_agent, called) + sizeof(struct wr_called) == 64, "lines of memory");

/* Who an observation point is: a session's Dvc. The first WR_OBSERVERS_MAX points; of later ones nothing is known. */
enum { WR_OBSERVERS_MAX = 4096 };
struct wr_observer {
    uint32_t point;
    uint8_t addr[16]; /* IPv6, or IPv4-mapped */
};
struct wr_observers {
    struct wr_observer *at;
    uint32_t n, cap;
    struct wr_index index;
};

/* Names of applications, lower case; a connection has the number of one, from 1; 0 none. */
enum { WR_LABELS_MAX = 4096, WR_LABEL_TEXT = 32 };
struct wr_labels {
    char (*at)[WR_LABEL_TEXT];
    uint32_t n, cap;
    struct wr_index index;
};

/* clock.c */
uint32_t wr_clock_device(const char *name, size_t len); /* never 0, which is no device */
/* Asks for the clock of this number, if there is one. */
void wr_clock_foresee_at(const struct wr_conn *c, uint32_t i);
/* Of this device, which perhaps was found at *i; *i is where it is, if it is anywhere. */
int64_t wr_clock_skew(const struct wr_conn *c, uint32_t device, uint32_t *i);
enum wr_err wr_clock_learn(struct wr_conn *c, uint32_t device, int64_t ahead_ns);
/* What the device is called, kept while its clock is off. */
enum wr_err wr_clock_name(struct wr_conn *c, uint32_t device, struct wr_who name);
void wr_clocks_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_clocks_load(struct wr_conn *c, struct wr_rd *rd);

/* agent.c */
uint32_t wr_agent_hash(const struct wr_conn *c, const uint8_t addr[16], bool v6);
/* The agent at t->addr[0] spoke. Returns its device's number, 0 where the event names none, and how far its clock is ahead. */
enum wr_err wr_agent_heard(struct wr_conn *c, const struct wr_told *t, uint32_t *ret_device, int64_t *ret_skew);
/* The first that may have this hash, or WR_NONE; and what hearing it will touch is asked for. */
uint32_t wr_agent_first(const struct wr_conn *c, uint32_t hash);
void wr_agent_foresee(const struct wr_conn *c, uint32_t i);
/* An event that does not tell its address was of the agent there. */
enum wr_err wr_agent_spoke(struct wr_conn *c, const uint8_t addr[16], bool v6, int64_t when);
void wr_agent_foresee_name(const struct wr_conn *c, uint32_t i);
/* Somebody calls the device at an address so, from `when` on. */
enum wr_err wr_agent_called(struct wr_conn *c, const uint8_t addr[16], bool v6, struct wr_who name, int64_t when,
                            enum wr_caller rank);
/* What it was called then; of the names file where nobody said. */
struct wr_who wr_agent_name(const struct wr_conn *c, const uint8_t addr[16], bool v6, int64_t when);
/* No event explained the entry in time: what that says of the initiator. */
enum wr_err wr_agent_unexplained(struct wr_conn *c, const struct wr_entry *e);
void wr_agents_fini(struct wr_conn *c);
void wr_agents_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_agents_load(struct wr_conn *c, struct wr_rd *rd);

/* answer.c: names that were asked for */
enum wr_err wr_answer_note(struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16], bool v6, struct wr_who name,
                           int64_t when);
struct wr_who wr_answer_find(const struct wr_conn *c, const uint8_t client[16], const uint8_t addr[16], bool v6, int64_t when);
void wr_answers_fini(struct wr_conn *c);
void wr_answers_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_answers_load(struct wr_conn *c, struct wr_rd *rd);

/* recent.c */
/* The event packed in c->buf, of the end `side`. */
enum wr_err wr_recent_note(struct wr_conn *c, const struct wr_conn_key *key, uint8_t side, int64_t when, const char *packed,
                           size_t len);
/* An event for the entry from what was told last, packed in c->buf. */
enum wr_err wr_recent_event(struct wr_conn *c, const struct wr_entry *e, uint8_t side, bool *ret_found);
void wr_recents_fini(struct wr_conn *c);
void wr_recents_save(const struct wr_conn *c, struct wr_buf *out);
enum wr_err wr_recents_load(struct wr_conn *c, struct wr_rd *rd);

/* who.c: process, account and host from flow records */
enum wr_err wr_who_take(struct wr_conn *c, struct wr_who who, uint32_t *ret_i);
void wr_who_give(struct wr_conn *c, uint32_t i);
struct wr_who wr_who_at(const struct wr_conn *c, uint32_t i);
/* Asks for where it stands, and then for what it says. */
void wr_who_foresee(const struct wr_conn *c, uint32_t i);
void wr_who_foresee_text(const struct wr_conn *c, uint32_t i);
enum wr_err wr_who_learn(struct wr_conn *c, struct wr_entry *e, uint8_t side, struct wr_who who);
bool wr_who_tells_process(const struct wr_conn *c, const struct wr_entry *e, uint8_t side);
/* The columns of a flow-only row whose local end is `side`. */
bool wr_who_fill(struct wr_conn *c, const struct wr_entry *e, uint8_t side, struct wr_batch *b, uint32_t r);
void wr_whos_fini(struct wr_whos *whos);

/* observer.c */
enum wr_err wr_observer_note(struct wr_conn *c, uint32_t point, const uint8_t addr[16]);
const uint8_t *wr_observer_find(const struct wr_conn *c, uint32_t point); /* NULL: not known */
void wr_observers_fini(struct wr_observers *observers);

/* label.c */
/* A record, or list of them ("smtp,ssl"), says what the connection carries: a mail protocol if any said so, else the
 * first. */
enum wr_err wr_label_learn(struct wr_conn *c, struct wr_entry *e, const char *text, size_t len);
const char *wr_label_text(const struct wr_conn *c, uint16_t label); /* "" for 0 */
enum wr_err wr_label_number(struct wr_conn *c, const char *name, uint16_t *ret_label); /* 0: no room for another */
void wr_labels_fini(struct wr_labels *labels);

#endif
