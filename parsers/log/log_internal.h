#ifndef WR_PARSERS_LOG_LOG_INTERNAL_H
#define WR_PARSERS_LOG_LOG_INTERNAL_H

#include "parsers/log/audit.h"
#include "parsers/log/cef.h"
#include "parsers/log/log.h"

/* Shared by log.c, log_audit.c and log_batch.c. */

/* A frame that did not go out whole: known again by its length and checksum. */
struct unfinished {
    bool refused; /* nothing of it is out; the caller was asked to take its rows */
    bool sliced;  /* `iter` is where the list goes on, in the document that `json` still holds */
    size_t len;
    uint32_t crc;
    struct wr_json_iter iter;
};

struct wr_log {
    struct wr_log_opts opts;
    struct wr_log_stats stats;
    struct wr_maps maps;
    struct wr_cef_names cef;
    const struct wr_mappings *mappings;
    struct wr_mappings *own_mappings; /* when none were given */
    struct wr_lookups *own_lookups;   /* the same */
    struct wr_fields *fields;
    const char *layout; /* of the last record */
    uint64_t lookups_missed;
    struct wr_filter filter[WR_NTABLES];
    struct wr_json *json;
    struct wr_audit *audit; /* made with the first line of an audit daemon */
    struct wr_arena *scratch;
    struct wr_buf repaired, batch; /* batch: the text of a list, zeros behind it */
    uint32_t unmet;                /* of the frame's list, 1 + the first record of no known shape; 0: there is none */
    struct unfinished unfinished;
    const char *known; /* the frame that comes next, when it is parsed already: `root` */
    size_t known_len;
    struct wr_json_val root;
    struct wr_event ev;
};

struct frame {
    struct wr_log *log;
    struct wr_log_stats n;
    const char *data;
    size_t len;
    const char *peer;
    int64_t now; /* ticks */
    struct wr_header header;
    bool bad_time; /* of the header */
    struct wr_rows *rows;
};

/* log.c: a row of Syslog, `error` says why no mapping took it, "" for plain text; rows by the data
 * files of what the fields hold, at most one a table (NONE, MISSING: no row); counts what the frame
 * counted unless `err`. */
enum wr_err wr_frame_text(struct frame *f, const char *text, size_t len, const char *error);
enum wr_err wr_frame_rows(struct frame *f, enum wr_map *ret_map);
enum wr_err wr_frame_finish(struct frame *f, enum wr_err err);

/* log.c: what the frame counted is the log's; rows of one record of a list, counted; a frame that begins with JSON has no
 * header. */
void wr_frame_commit(const struct frame *f);
enum wr_err wr_frame_element(struct frame *f, const struct wr_json_val *record);
void wr_frame_plain_header(struct frame *f);

/* log_batch.c: rows of a list whose records all are like ones before: true, and *ret_err as wr_log_frame says. */
bool wr_frame_batch(struct frame *f, enum wr_err *ret_err);
/* The array itself, or `{"records":[..]}` of an Event Hub. */
bool wr_frame_list_of(const struct wr_json_val *root, struct wr_json_val *ret_list);
/* A list goes out whole, after the caller made room for it once; only what can never fit goes in slices. Keeps the shapes of
 * its records, from the first that was not met on; its document is gone then. */
enum wr_err wr_frame_list_start(struct frame *f, const struct wr_json_val *list, bool again);
enum wr_err wr_frame_list_rows(struct frame *f, struct wr_json_iter it); /* the rest of it */

/* log_audit.c: is the frame's message a line of the audit daemon (then it is the whole message)?
 * Its rows. */
bool wr_frame_audit_at(struct frame *f, struct wr_audit_record *ret);
enum wr_err wr_frame_audit(struct frame *f, const struct wr_audit_record *record);

#endif
