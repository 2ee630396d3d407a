/* A list's text as rows of typed columns. A value that its column's type cannot hold is null, as in Kusto's ingestion; a
 * text that is not of its format is refused whole. */
#include "rules/refdata/content.h"

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/kql/token.h"

#include <stdlib.h>

struct reader {
    const struct wr_content_spec *spec;
    const char *file;
    struct wr_diags *diags;
    struct wr_content *content;
    struct wr_batch *batch; /* being filled; the last of content->rows */
    struct wr_buf text;
    bool failed;
};

static void complain(struct reader *r, uint32_t line, const char *why, const char *remedy)
{
    struct wr_diag *d = wr_diag_file(r->diags, WR_ERROR, r->file, line, "%s", why);
    wr_diag_hint(r->diags, d, "%s", remedy);
    r->failed = true;
}

/* ---- cells ---- */

static bool bool_of(const char *p, size_t len, int64_t *ret)
{
    struct wr_str s = wr_str_borrow(p, len);
    const struct wr_str yes = WR_STR_LIT("true"), no = WR_STR_LIT("false");
    *ret = wr_str_eq_nocase(&s, &yes) || (len == 1 && *p == '1');
    return *ret || wr_str_eq_nocase(&s, &no) || (len == 1 && *p == '0');
}

static bool int_cell(enum wr_type type, const char *p, size_t len, int64_t *ret)
{
    switch (type) {
    case WR_BOOL:
        return bool_of(p, len, ret);
    case WR_INT:
        return wr_text_to_long(p, len, ret) && *ret >= INT32_MIN && *ret <= INT32_MAX;
    case WR_LONG:
        return wr_text_to_long(p, len, ret);
    case WR_DATETIME:
        return wr_kql_datetime(p, len, ret);
    default:
        return wr_text_to_timespan(p, len, ret);
    }
}

static bool dynamic_cell(struct reader *r, uint16_t col, uint32_t row, const char *p, size_t len)
{
    wr_buf_reset(&r->text);
    if (!wr_json_compact(p, len, &r->text)) {
        wr_buf_reset(&r->text);
        wr_json_str(&r->text, p, len); /* not JSON: the text itself */
    }
    if (r->text.err)
        return false;
    if (r->text.len == 4 && memcmp(r->text.data, "null", 4) == 0)
        return true;
    return wr_batch_set_str(r->batch, col, row, r->text.data, r->text.len);
}

/* A text becomes the column's value; nothing is null, except for strings. */
static bool put_text(struct reader *r, uint16_t col, uint32_t row, const char *p, size_t len)
{
    enum wr_type type = r->spec->schema->cols[col].type;
    struct wr_value v;
    const char *why;
    double real;
    int64_t i;
    if (type == WR_STRING)
        return wr_batch_set_str(r->batch, col, row, p, len);
    while (len && (*p == ' ' || *p == '\t')) {
        p++;
        len--;
    }
    while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
        len--;
    if (!len)
        return true;
    if (type == WR_DYNAMIC)
        return dynamic_cell(r, col, row, p, len);
    if (type == WR_REAL) {
        if (wr_text_to_real(p, len, &real))
            wr_batch_set_real(r->batch, col, row, real);
        return true;
    }
    if (type == WR_GUID || type == WR_DECIMAL) {
        struct wr_arena *scratch = wr_arena_new(256);
        bool ok = scratch != NULL;
        if (ok && wr_kql_typed_literal(type, p, len, scratch, &v, &why) && !v.null)
            ok = wr_batch_set_str(r->batch, col, row, wr_str_data(&v.s), v.s.len);
        wr_arena_free(scratch);
        return ok;
    }
    if (int_cell(type, p, len, &i))
        wr_batch_set_i64(r->batch, col, row, i);
    return true;
}

static bool put_json(struct reader *r, uint16_t col, uint32_t row, struct wr_slice value)
{
    if (r->spec->schema->cols[col].type == WR_DYNAMIC)
        return dynamic_cell(r, col, row, value.p, value.len);
    struct wr_buf text = {0};
    wr_json_to_text(value.p, value.len, &text);
    bool ok = !text.err && put_text(r, col, row, text.data ? text.data : "", text.len);
    wr_buf_fini(&text);
    return ok;
}

/* ---- rows ---- */

/* The batch to put a row into; NULL after an error. */
static struct wr_batch *room(struct reader *r)
{
    struct wr_rows *rows = &r->content->rows;
    if (rows->nrows == WR_LIST_MAX_ROWS) {
        complain(r, 0, "the list has more than 1,000,000 rows", "cut it, or put what belongs together into one row");
        return NULL;
    }
    if (r->batch && r->batch->nrows < r->batch->cap)
        return r->batch;
    if (rows->nbatches == rows->cap) {
        uint32_t cap = rows->cap ? 2 * rows->cap : 4;
        struct wr_batch **list = realloc(rows->batch, cap * sizeof(struct wr_batch *));
        if (list) {
            rows->batch = list;
            rows->cap = cap;
        }
    }
    if (rows->nbatches < rows->cap)
        r->batch = wr_batch_new(rows->schema, &rows->wanted, rows->batch_rows);
    else
        r->batch = NULL;
    if (!r->batch) {
        complain(r, 0, wr_strerror(WR_ENOMEM), "give weir more memory");
        return NULL;
    }
    rows->batch[rows->nbatches++] = r->batch;
    return r->batch;
}

/* False: the row is past its time. */
static bool in_time(struct reader *r, uint32_t line, const char *p, size_t len)
{
    int64_t until;
    if (!len)
        return true;
    if (!wr_kql_datetime(p, len, &until)) {
        complain(r, line, "the column Expires holds what is no date", "write 2027-01-31, or nothing");
        return true;
    }
    if (until <= r->spec->now) {
        r->content->expired++;
        return false;
    }
    if (until < r->content->expiry)
        r->content->expiry = until;
    return true;
}

static void loaded(struct reader *r, uint32_t row)
{
    if (r->spec->loaded_col != WR_NO_COL)
        wr_batch_set_i64(r->batch, r->spec->loaded_col, row, r->spec->now);
}

/* ---- delimited ---- */

struct columns {
    uint16_t of[WR_MAX_COLS]; /* column of each field */
    uint32_t n, key, expires;  /* fields; UINT32_MAX: none */
};

static void map_fields(struct reader *r, const struct wr_csv *csv, struct columns *ret)
{
    ret->key = ret->expires = UINT32_MAX;
    ret->n = csv->n;
    for (uint32_t i = 0; i < csv->n; i++) {
        const char *name = wr_csv_field(csv, i);
        size_t len = csv->field[i].len;
        ret->of[i] = wr_schema_find(r->spec->schema, name, len);
        if (r->spec->key && strlen(r->spec->key) == len && memcmp(r->spec->key, name, len) == 0)
            ret->key = i;
        if (r->spec->expires && len == 7 && memcmp(name, "Expires", 7) == 0)
            ret->expires = i;
    }
}

static void record(struct reader *r, const struct wr_csv *csv, const struct columns *columns, uint32_t line)
{
    uint32_t n = csv->n < columns->n ? csv->n : columns->n;
    if (columns->expires < n &&
        !in_time(r, line, wr_csv_field(csv, columns->expires), csv->field[columns->expires].len))
        return;
    if (r->failed || !room(r))
        return;
    uint32_t row = wr_batch_row(r->batch);
    bool ok = true;
    loaded(r, row);
    for (uint32_t i = 0; i < n && ok; i++) {
        if (columns->of[i] != WR_NO_COL)
            ok = put_text(r, columns->of[i], row, wr_csv_field(csv, i), csv->field[i].len);
        if (ok && i == columns->key && r->spec->key_col != WR_NO_COL)
            ok = put_text(r, r->spec->key_col, row, wr_csv_field(csv, i), csv->field[i].len);
    }
    r->content->rows.nrows++;
    if (!ok)
        complain(r, line, wr_strerror(WR_ENOMEM), "give weir more memory");
}

static void read_delimited(struct reader *r, const char *text, size_t len)
{
    struct wr_csv csv;
    struct columns *columns = calloc(1, sizeof *columns);
    if (!columns) {
        complain(r, 0, wr_strerror(WR_ENOMEM), "give weir more memory");
        return;
    }
    wr_csv_init(&csv, r->spec->format, text, len);
    columns->key = columns->expires = UINT32_MAX;
    columns->n = r->spec->schema->ncols;
    for (uint16_t c = 0; c < r->spec->schema->ncols; c++)
        columns->of[c] = c;
    bool first = true;
    for (uint32_t line = 1; !r->failed && wr_csv_next(&csv); line = csv.line) {
        if (first && r->spec->header)
            map_fields(r, &csv, columns);
        else if (!first || !r->spec->skip_first)
            record(r, &csv, columns, line);
        first = false;
    }
    if (csv.why && !r->failed)
        complain(r, csv.line, csv.why, "the old content stays; correct the line");
    wr_csv_fini(&csv);
    free(columns);
}

/* ---- JSON ---- */

static uint32_t line_of(const char *text, const char *at)
{
    uint32_t line = 1;
    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    return line;
}

static void object(struct reader *r, struct wr_slice bag, const char *text)
{
    const struct wr_schema *schema = r->spec->schema;
    if (!bag.len || bag.p[0] != '{') {
        complain(r, line_of(text, bag.p), "a record is an object: { ... }", "give one object a line, or an array of them");
        return;
    }
    if (!room(r))
        return;
    uint32_t row = wr_batch_row(r->batch);
    bool ok = true;
    loaded(r, row);
    for (uint16_t c = 0; c < schema->ncols && ok; c++) {
        struct wr_slice value;
        if (wr_json_member(bag, schema->cols[c].name, strlen(schema->cols[c].name), &value))
            ok = put_json(r, c, row, value);
    }
    r->content->rows.nrows++;
    if (!ok)
        complain(r, 0, wr_strerror(WR_ENOMEM), "give weir more memory");
}

static void read_json(struct reader *r, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n' || *p == ','))
            p++;
        if (p == end || r->failed)
            return;
        const char *stop = wr_json_end(p, end, 0);
        if (!stop) {
            complain(r, line_of(text, p), "this is not JSON", "the old content stays; correct the line");
            return;
        }
        struct wr_slice value = {p, (size_t)(stop - p)}, item;
        const char *at = NULL;
        if (*p == '[' && r->spec->format == WR_LIST_MULTIJSON)
            while (!r->failed && wr_json_next(value, &at, &item))
                object(r, item, text);
        else
            object(r, value, text);
        p = stop;
    }
}

static void read_raw(struct reader *r, const char *text, size_t len)
{
    if (!len || !room(r))
        return;
    uint32_t row = wr_batch_row(r->batch);
    r->content->rows.nrows++;
    if (!wr_utf8_valid(text, len))
        complain(r, 0, "this is not UTF-8", "the old content stays; convert the file");
    else if (r->spec->schema->ncols && !put_text(r, 0, row, text, len))
        complain(r, 0, wr_strerror(WR_ENOMEM), "give weir more memory");
}

struct wr_content *wr_content_new(const struct wr_content_spec *spec, const char *file, const char *text, size_t len,
                                  struct wr_diags *diags)
{
    struct reader r = {.spec = spec, .file = file, .diags = diags, .content = calloc(1, sizeof *r.content)};
    if (!r.content) {
        wr_diag_file(diags, WR_ERROR, file, 0, "%s", wr_strerror(WR_ENOMEM));
        return NULL;
    }
    r.content->refs = 1;
    r.content->expiry = INT64_MAX;
    wr_rows_init(&r.content->rows, spec->schema, WR_BATCH_ROWS);
    if (len > WR_LIST_MAX_BYTES)
        complain(&r, 0, "the file is larger than 100 MB", "cut it");
    else if (spec->format == WR_LIST_JSON || spec->format == WR_LIST_MULTIJSON)
        read_json(&r, text, len);
    else if (spec->format == WR_LIST_RAW)
        read_raw(&r, text, len);
    else
        read_delimited(&r, text, len);
    wr_buf_fini(&r.text);
    wr_rows_seal(&r.content->rows);
    if (!r.failed)
        return r.content;
    wr_content_unref(r.content);
    return NULL;
}

void wr_content_unref(struct wr_content *content)
{
    if (!content || --content->refs)
        return;
    wr_rows_fini(&content->rows);
    free(content);
}
