/* Records of delimited text (RFC 4180; tabs, bars and semicolons as well; whole lines). */
#include "rules/refdata/content.h"

#include <string.h>

void wr_csv_init(struct wr_csv *csv, enum wr_list_format format, const char *text, size_t len)
{
    *csv = (struct wr_csv){.at = text, .end = text + len, .delimiter = ',', .line = 1};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        csv->at += 3;
    csv->quotes = format == WR_LIST_CSV || format == WR_LIST_SCSV;
    csv->whole_line = format == WR_LIST_TXT;
    if (format == WR_LIST_TSV)
        csv->delimiter = '\t';
    else if (format == WR_LIST_PSV)
        csv->delimiter = '|';
    else if (format == WR_LIST_SCSV)
        csv->delimiter = ';';
}

void wr_csv_fini(struct wr_csv *csv)
{
    wr_buf_fini(&csv->text);
}

static void skip_empty(struct wr_csv *csv)
{
    while (csv->at < csv->end && (*csv->at == '\n' || *csv->at == '\r')) {
        csv->line += *csv->at == '\n';
        csv->at++;
    }
}

/* "..." with "" for a quote; false: it does not end. */
static bool quoted(struct wr_csv *csv)
{
    for (csv->at++; csv->at < csv->end; csv->at++) {
        if (*csv->at == '"') {
            if (csv->at + 1 == csv->end || csv->at[1] != '"') {
                csv->at++;
                return true;
            }
            csv->at++;
        }
        csv->line += *csv->at == '\n';
        wr_buf_char(&csv->text, *csv->at);
        if (csv->text.len > WR_LIST_MAX_RECORD)
            break;
    }
    csv->why = csv->at < csv->end ? "a record is longer than 1 MiB" : "a quote is opened and never closed";
    return false;
}

static bool plain(const struct wr_csv *csv)
{
    char c = *csv->at;
    return c != '\n' && (csv->whole_line || c != csv->delimiter) &&
           !(c == '\r' && (csv->at + 1 == csv->end || csv->at[1] == '\n'));
}

static bool field(struct wr_csv *csv)
{
    size_t from = csv->text.len;
    if (csv->n == WR_MAX_COLS) {
        csv->why = "a record has more than 256 fields";
        return false;
    }
    if (csv->quotes && csv->at < csv->end && *csv->at == '"' && !quoted(csv))
        return false;
    const char *start = csv->at;
    while (csv->at < csv->end && plain(csv))
        csv->at++;
    if (csv->text.len + (size_t)(csv->at - start) > WR_LIST_MAX_RECORD) {
        csv->why = "a record is longer than 1 MiB";
        return false;
    }
    wr_buf_add(&csv->text, start, (size_t)(csv->at - start));
    csv->field[csv->n].at = from;
    csv->field[csv->n++].len = csv->text.len - from;
    return true;
}

bool wr_csv_next(struct wr_csv *csv)
{
    skip_empty(csv);
    if (csv->at == csv->end || csv->why)
        return false;
    wr_buf_reset(&csv->text);
    wr_buf_char(&csv->text, '\0'); /* so that there is memory, even for empty fields */
    csv->n = 0;
    uint32_t line = csv->line;
    while (field(csv)) {
        if (csv->at < csv->end && !csv->whole_line && *csv->at == csv->delimiter) {
            csv->at++;
            continue;
        }
        if (!csv->text.err && !wr_utf8_valid(csv->text.data, csv->text.len))
            csv->why = "this is not UTF-8";
        else if (memchr(csv->text.data + 1, '\0', csv->text.len - 1))
            csv->why = "a NUL byte stands in a record";
        break;
    }
    if (csv->text.err)
        csv->why = wr_strerror(csv->text.err);
    if (csv->why)
        csv->line = line; /* where the broken record begins */
    return !csv->why;
}
