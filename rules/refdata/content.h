/* A list's text as rows. Private to rules/refdata. */
#ifndef WR_RULES_REFDATA_CONTENT_H
#define WR_RULES_REFDATA_CONTENT_H

#include "rules/exec/rows.h"
#include "rules/refdata/refdata.h"

/* How to read a text. */
struct wr_content_spec {
    const struct wr_schema *schema;
    enum wr_list_format format; /* not AUTO */
    bool header;                /* the first record names the columns; else they come in the schema's order */
    bool skip_first;            /* ignoreFirstRecord */
    int64_t now;
    uint16_t loaded_col; /* gets `now` where the text has no such column; WR_NO_COL: none */
    uint16_t key_col;    /* a copy of the value of `key`; WR_NO_COL: none */
    const char *key;
    bool expires; /* rows whose column Expires is past are left out */
};

struct wr_content {
    uint32_t refs;
    struct wr_rows rows; /* sealed */
    int64_t expiry;      /* the next row to expire; INT64_MAX */
    uint32_t expired;    /* rows left out */
};

/* NULL with errors in `diags`. */
struct wr_content *wr_content_new(const struct wr_content_spec *spec, const char *file, const char *text, size_t len,
                                  struct wr_diags *diags);
void wr_content_unref(struct wr_content *content);

/* ---- records ---- */

/* A cursor over delimited text. */
struct wr_csv {
    const char *at, *end;
    char delimiter;
    bool quotes;      /* fields may stand in "..." (RFC 4180) */
    bool whole_line;  /* txt: no fields */
    uint32_t line;    /* where the next record begins, from 1 */
    const char *why;  /* not NULL: the record that was read last is broken */
    struct wr_buf text; /* what the fields of the last record point into */
    struct {
        size_t at, len;
    } field[WR_MAX_COLS];
    uint32_t n;
};
void wr_csv_init(struct wr_csv *csv, enum wr_list_format format, const char *text, size_t len);
/* The next record's fields; lines without anything are skipped. False at the end, or with `why`. */
bool wr_csv_next(struct wr_csv *csv);
void wr_csv_fini(struct wr_csv *csv);
static inline const char *wr_csv_field(const struct wr_csv *csv, uint32_t i)
{
    return csv->text.data + csv->field[i].at;
}

#endif
