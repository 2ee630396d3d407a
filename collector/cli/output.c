#include "collector/cli/output.h"

#include "base/alert.h"

#include <stdlib.h>
#include <string.h>

const char *const wr_format_names[] = {"json", "jsonl", "csv", "table", NULL};

/* A result column's value; a column that another name stands for reads that one's. */
static struct wr_alert_cell cell_at(const struct wr_batch *batch, uint16_t col, uint32_t row)
{
    const struct wr_coldef *def = &batch->schema->cols[col];
    const struct wr_vec *v = &batch->col[def->store];
    struct wr_alert_cell cell = {.name = def->name, .type = def->type, .null = true};
    if (!wr_vec_valid(v, row) || (!v->i && !v->r && !v->s))
        return cell;
    cell.null = false;
    if (v->s)
        cell.s = v->s[row];
    else if (v->r)
        cell.r = v->r[row];
    else
        cell.i = v->i[row];
    return cell;
}

/* The cell's text without quotes; "" for null. */
static void cell_text(const struct wr_alert_cell *cell, struct wr_buf *out)
{
    if (cell->null)
        return;
    if (wr_type_is_str(cell->type)) {
        wr_buf_add(out, wr_str_data(&cell->s), cell->s.len);
        return;
    }
    size_t start = out->len;
    wr_cell_json(cell, out);
    if (out->err || out->len < start + 2 || out->data[start] != '"')
        return;
    memmove(out->data + start, out->data + start + 1, out->len - start - 2);
    out->len -= 2;
}

static void json_row(const struct wr_batch *batch, uint32_t row, bool named, struct wr_buf *out)
{
    const struct wr_schema *schema = batch->schema;
    wr_buf_char(out, named ? '{' : '[');
    for (uint16_t c = 0; c < schema->ncols; c++) {
        if (named)
            wr_json_key(out, schema->cols[c].name);
        else if (c)
            wr_buf_char(out, ',');
        struct wr_alert_cell cell = cell_at(batch, c, row);
        wr_cell_json(&cell, out);
    }
    wr_buf_char(out, named ? '}' : ']');
}

static void json_head(const struct wr_schema *schema, struct wr_buf *out)
{
    wr_buf_str(out, "{\"columns\":[");
    for (uint16_t c = 0; c < schema->ncols; c++) {
        wr_buf_str(out, c ? ",{" : "{");
        wr_json_key(out, "name");
        wr_json_cstr(out, schema->cols[c].name);
        wr_json_key(out, "type");
        wr_json_cstr(out, wr_type_name(schema->cols[c].type));
        wr_buf_char(out, '}');
    }
    wr_buf_str(out, "],\"rows\":[");
}

/* Calls write_row for every selected row; stops when nobody reads on. */
static void each_row(const struct wr_result *result, struct wr_out *out,
                     void (*write_row)(const struct wr_batch *, uint32_t, uint64_t, struct wr_buf *))
{
    uint64_t n = 0;
    for (uint32_t b = 0; b < result->nbatches; b++) {
        const struct wr_batch *batch = result->batches[b];
        for (uint32_t i = 0; i < batch->sel.n; i++) {
            write_row(batch, batch->sel.row[i], n++, &out->buf);
            if (!wr_out_spill(out))
                return;
        }
    }
}

static void row_json(const struct wr_batch *batch, uint32_t row, uint64_t n, struct wr_buf *out)
{
    wr_buf_str(out, n ? ",\n" : "\n");
    json_row(batch, row, false, out);
}

static void row_jsonl(const struct wr_batch *batch, uint32_t row, uint64_t n, struct wr_buf *out)
{
    (void)n;
    json_row(batch, row, true, out);
    wr_buf_char(out, '\n');
}

/* Adds the bytes from `start` on as a CSV field: quoted in place where RFC 4180 section 2 asks for it. */
static void csv_quote(struct wr_buf *out, size_t start)
{
    size_t len = out->len - start, quotes = 0;
    bool needed = false;
    for (size_t i = start; i < out->len; i++) {
        quotes += out->data[i] == '"';
        needed |= strchr("\",\r\n", out->data[i]) && out->data[i];
    }
    if (!needed || !wr_buf_room(out, quotes + 2))
        return;
    char *from = out->data + start + len, *to = from + quotes + 2;
    *--to = '"';
    while (from > out->data + start) {
        char c = *--from;
        *--to = c;
        if (c == '"')
            *--to = '"';
    }
    *--to = '"';
    out->len += quotes + 2;
}

static void row_csv(const struct wr_batch *batch, uint32_t row, uint64_t n, struct wr_buf *out)
{
    (void)n;
    for (uint16_t c = 0; c < batch->schema->ncols; c++) {
        if (c)
            wr_buf_char(out, ',');
        size_t start = out->len;
        struct wr_alert_cell cell = cell_at(batch, c, row);
        cell_text(&cell, out);
        if (!out->err)
            csv_quote(out, start);
    }
    wr_buf_str(out, "\r\n");
}

static void csv_head(const struct wr_schema *schema, struct wr_buf *out)
{
    for (uint16_t c = 0; c < schema->ncols; c++) {
        if (c)
            wr_buf_char(out, ',');
        size_t start = out->len;
        wr_buf_str(out, schema->cols[c].name);
        if (!out->err)
            csv_quote(out, start);
    }
    wr_buf_str(out, "\r\n");
}

/* Text of all cells of a table, one after the other; at[i]..at[i + 1] is cell i, row by row, the header
 * first. */
struct grid {
    struct wr_buf text;
    size_t *at;
    size_t ncells;
    uint32_t *width;
    uint16_t ncols;
};

static uint32_t code_points(const char *text, size_t len)
{
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* wr_buf_printable keeps line ends: in a table they are shown. */
static void grid_cell(struct grid *g, const char *text, size_t len)
{
    while (len) {
        const char *nl = memchr(text, '\n', len);
        size_t n = nl ? (size_t)(nl - text) : len;
        wr_buf_printable(&g->text, text, n);
        if (nl)
            wr_buf_str(&g->text, "\\x0a");
        n += nl != NULL;
        text += n;
        len -= n;
    }
    if (g->text.err)
        return;
    uint16_t col = (uint16_t)(g->ncells % g->ncols);
    size_t start = g->at[g->ncells];
    uint32_t width = g->text.len > start ? code_points(g->text.data + start, g->text.len - start) : 0;
    if (width > g->width[col])
        g->width[col] = width;
    g->at[++g->ncells] = g->text.len;
}

static void grid_fill(struct grid *g, const struct wr_result *result)
{
    struct wr_buf text = {0};
    for (uint16_t c = 0; c < g->ncols; c++)
        grid_cell(g, result->schema->cols[c].name, strlen(result->schema->cols[c].name));
    for (uint32_t b = 0; b < result->nbatches; b++) {
        const struct wr_batch *batch = result->batches[b];
        for (uint32_t i = 0; i < batch->sel.n && !g->text.err; i++)
            for (uint16_t c = 0; c < g->ncols; c++) {
                wr_buf_reset(&text);
                struct wr_alert_cell cell = cell_at(batch, c, batch->sel.row[i]);
                cell_text(&cell, &text);
                grid_cell(g, text.data, text.err ? 0 : text.len);
                if (text.err)
                    g->text.err = text.err;
            }
    }
    wr_buf_fini(&text);
}

static bool type_numeric(enum wr_type type)
{
    return type == WR_INT || type == WR_LONG || type == WR_REAL || type == WR_DECIMAL;
}

static void grid_pad(struct wr_buf *out, char c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wr_buf_char(out, c);
}

static void grid_row(const struct grid *g, const struct wr_schema *schema, size_t row, struct wr_buf *out)
{
    for (uint16_t c = 0; c < g->ncols; c++) {
        size_t cell = row * g->ncols + c, len = g->at[cell + 1] - g->at[cell];
        const char *text = len ? g->text.data + g->at[cell] : "";
        size_t pad = g->width[c] - code_points(text, len);
        bool right = type_numeric(schema->cols[c].type), last = c + 1 == g->ncols;
        if (right)
            grid_pad(out, ' ', pad);
        wr_buf_add(out, text, len);
        if (!right && !last)
            grid_pad(out, ' ', pad);
        wr_buf_str(out, last ? "\n" : "  ");
    }
}

static enum wr_err output_table(const struct wr_result *result, struct wr_out *out)
{
    struct grid g = {.ncols = result->schema->ncols};
    size_t rows = 1; /* the header */
    for (uint32_t b = 0; b < result->nbatches; b++)
        rows += result->batches[b]->sel.n;
    g.at = calloc(rows * g.ncols + 1, sizeof *g.at);
    g.width = calloc(g.ncols + 1u, sizeof *g.width);
    enum wr_err err = g.at && g.width ? WR_OK : WR_ENOMEM;
    if (!err && g.ncols) {
        grid_fill(&g, result);
        err = g.text.err;
    }
    if (!err && g.ncols) {
        grid_row(&g, result->schema, 0, &out->buf);
        for (uint16_t c = 0; c < g.ncols; c++) {
            grid_pad(&out->buf, '-', g.width[c]);
            wr_buf_str(&out->buf, c + 1 == g.ncols ? "\n" : "  ");
        }
        for (size_t r = 1; r < rows && wr_out_spill(out); r++)
            grid_row(&g, result->schema, r, &out->buf);
    }
    wr_buf_fini(&g.text);
    free(g.at);
    free(g.width);
    return err;
}

enum wr_err wr_output_result(const struct wr_result *result, enum wr_format format, struct wr_out *out)
{
    switch (format) {
    case WR_FORMAT_JSON:
        json_head(result->schema, &out->buf);
        each_row(result, out, row_json);
        wr_buf_str(&out->buf, "]}\n");
        break;
    case WR_FORMAT_JSONL:
        each_row(result, out, row_jsonl);
        break;
    case WR_FORMAT_CSV:
        csv_head(result->schema, &out->buf);
        each_row(result, out, row_csv);
        break;
    case WR_FORMAT_TABLE:
        return output_table(result, out);
    }
    return out->buf.err;
}
