#ifndef WR_BASE_DIAG_H
#define WR_BASE_DIAG_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdint.h>

/* A message about a text that a person wrote: a query, a rule file, a configuration. Data until it is
 * printed, so that `weir check --format json` and tests see the same. */
enum wr_severity { WR_ERROR, WR_WARNING, WR_NOTE };

/* Byte range in one source text. */
struct wr_span {
    uint32_t at;
    uint32_t len;
};

/* A text with its name. `text` and `name` are borrowed and outlive every diagnostic about them.
 * `line0` is the number of the first line in the file (1 for a whole file; a query inside a YAML file
 * starts further down) and `indent` the columns that were cut from every line after the first. */
struct wr_source {
    const char *name;
    const char *text;
    size_t len;
    uint32_t line0;
    uint32_t indent;
};

struct wr_diag {
    enum wr_severity severity;
    const struct wr_source *source; /* NULL: about the file as a whole, then `file` says which */
    const char *file;
    struct wr_span span;
    const char *text; /* arena of the list */
    const char *hint; /* what to do; NULL when there is nothing to say */
    const char *page; /* docs page, e.g. "docs/kql.md#join"; NULL */
    struct wr_diag *next;
};

struct wr_diags {
    struct wr_arena *arena;
    struct wr_diag *first;
    struct wr_diag **end;
    uint32_t nerrors, nwarnings;
    uint32_t nrepeated; /* of nerrors: said before at the same place in the same words, and listed once */
    uint32_t ndropped;  /* not listed: there were too many */
};

/* The list is empty and owns an arena; false when out of memory. */
bool wr_diags_init(struct wr_diags *diags) WR_MUST_CHECK;
void wr_diags_fini(struct wr_diags *diags);

/* A copy of `source` with its name and text that lives as long as the list: for texts that go away before the messages
 * about them are printed. NULL when out of memory. */
const struct wr_source *wr_diags_source(struct wr_diags *diags, const struct wr_source *source);

/* Adds a message; its text is formatted into the list's arena. Returns it, so that the caller can set
 * hint and page; never NULL (out of memory drops the message but counts it). Keeps at most 100. What was said before
 * at the same place (a let that stands at several) is listed and, unless it is an error, counted once. */
struct wr_diag *wr_diag_add(struct wr_diags *diags, enum wr_severity severity,
                            const struct wr_source *source, struct wr_span span, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void wr_diag_hint(struct wr_diags *diags, struct wr_diag *diag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Stops the collecting of errors on a whole file: no source text. */
struct wr_diag *wr_diag_file(struct wr_diags *diags, enum wr_severity severity, const char *file,
                             uint32_t line, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Line and column (both from 1, columns in code points) of a byte offset. */
void wr_source_locate(const struct wr_source *source, uint32_t at, uint32_t *ret_line, uint32_t *ret_col);

/*   rules/mail.kql:23:79: error: no column 'AcountName' in this summarize's input
 *       by DeviceName, RemotePort, Protocol, AcountName
 *                                            ^~~~~~~~~~ did you mean 'AccountName'? */
void wr_diag_print(const struct wr_diag *diag, struct wr_buf *out);
void wr_diags_print(const struct wr_diags *diags, struct wr_buf *out);
/* [{"file":..,"line":..,"column":..,"severity":..,"message":..,"hint":..,"page":..}] */
void wr_diags_json(const struct wr_diags *diags, struct wr_buf *out);

#endif
