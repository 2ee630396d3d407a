#include "collector/ops/prom_merge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct line {
    uint32_t family;
    bool comment;
    const char *text;
    size_t len; /* of the series' name and labels, or of the whole comment */
    uint64_t value;
};

static int by_series(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->family != y->family)
        return x->family < y->family ? -1 : 1;
    if (x->comment != y->comment)
        return x->comment ? -1 : 1;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, n);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static size_t count_lines(const struct wr_buf *texts, size_t n)
{
    size_t lines = 0;
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < texts[t].len; i++)
            lines += texts[t].data[i] == '\n';
    return lines;
}

static size_t split(const struct wr_buf *text, struct line *lines)
{
    size_t n = 0;
    uint32_t family = 0;
    const char *at = text->data, *end = text->data + text->len;
    while (at < end) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        if (!eol)
            break;
        struct line line = {.text = at, .len = (size_t)(eol - at), .comment = *at == '#'};
        if (eol - at > 7 && memcmp(at, "# HELP ", 7) == 0)
            family++;
        line.family = family;
        const char *blank = line.comment ? NULL : memrchr(at, ' ', (size_t)(eol - at));
        if (blank) {
            line.len = (size_t)(blank - at);
            line.value = strtoull(blank + 1, NULL, 10);
        }
        if (line.len)
            lines[n++] = line;
        at = eol + 1;
    }
    return n;
}

void wr_prom_merge(const struct wr_buf *texts, size_t n, struct wr_buf *out)
{
    struct line *lines = calloc(count_lines(texts, n) + 1, sizeof *lines);
    size_t nlines = 0;
    if (!lines) {
        out->err = WR_ENOMEM;
        return;
    }
    for (size_t t = 0; t < n; t++)
        nlines += split(&texts[t], lines + nlines);
    qsort(lines, nlines, sizeof *lines, by_series);
    for (size_t i = 0; i < nlines;) {
        uint64_t sum = 0;
        size_t same = i;
        while (same < nlines && by_series(&lines[i], &lines[same]) == 0)
            sum += lines[same++].value;
        wr_buf_add(out, lines[i].text, lines[i].len);
        if (!lines[i].comment)
            wr_buf_fmt(out, " %" PRIu64, sum);
        wr_buf_char(out, '\n');
        i = same;
    }
    free(lines);
}
