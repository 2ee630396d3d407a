#include "base/diag.h"

#include "base/str.h"

#include <string.h>

enum { MAX_DIAGS = 100 };

/* Stands in when there is no room for another message. */
static _Thread_local struct wr_diag spill;

bool wr_diags_init(struct wr_diags *diags)
{
    *diags = (struct wr_diags){.arena = wr_arena_new(4096)};
    diags->end = &diags->first;
    return diags->arena != NULL;
}

void wr_diags_fini(struct wr_diags *diags)
{
    wr_arena_free(diags->arena);
    *diags = (struct wr_diags){0};
}

const struct wr_source *wr_diags_source(struct wr_diags *diags, const struct wr_source *source)
{
    struct wr_source *copy = wr_arena_alloc(diags->arena, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *source;
    copy->name = wr_arena_strndup(diags->arena, source->name, strlen(source->name));
    copy->text = wr_arena_strndup(diags->arena, source->text, source->len);
    return copy->name && copy->text ? copy : NULL;
}

static const char *arena_vfmt(struct wr_arena *arena, const char *fmt, va_list ap)
{
    struct wr_buf buf = {0};
    wr_buf_vfmt(&buf, fmt, ap);
    const char *text = buf.err ? NULL : wr_arena_strndup(arena, buf.data, buf.len);
    wr_buf_fini(&buf);
    return text ? text : "(out of memory)";
}

static struct wr_diag *diag_push(struct wr_diags *diags, enum wr_severity severity)
{
    uint32_t before = diags->nerrors + diags->nwarnings;
    diags->nerrors += severity == WR_ERROR;
    diags->nwarnings += severity == WR_WARNING;
    struct wr_diag *d = before < MAX_DIAGS ? wr_arena_alloc(diags->arena, sizeof *d) : NULL;
    if (!d) {
        diags->ndropped++;
        spill = (struct wr_diag){.severity = severity};
        return &spill;
    }
    d->severity = severity;
    *diags->end = d;
    diags->end = &d->next;
    return d;
}

static struct wr_diag *said_before(const struct wr_diags *diags, const struct wr_diag *say)
{
    for (struct wr_diag *d = diags->first; d; d = d->next)
        if (d->severity == say->severity && d->span.at == say->span.at && d->span.len == say->span.len && d->source &&
            d->source->line0 == say->source->line0 && strcmp(d->file, say->file) == 0 && strcmp(d->text, say->text) == 0)
            return d;
    return NULL;
}

struct wr_diag *wr_diag_add(struct wr_diags *diags, enum wr_severity severity,
                            const struct wr_source *source, struct wr_span span, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vfmt(diags->arena, fmt, ap);
    va_end(ap);
    struct wr_diag said = {.severity = severity, .source = source, .file = source->name, .span = span, .text = text};
    struct wr_diag *d = said_before(diags, &said);
    if (d) {
        diags->nerrors += severity == WR_ERROR;
        diags->nrepeated += severity == WR_ERROR;
        return d;
    }
    d = diag_push(diags, severity);
    said.next = d->next;
    *d = said;
    return d;
}

struct wr_diag *wr_diag_file(struct wr_diags *diags, enum wr_severity severity, const char *file,
                             uint32_t line, const char *fmt, ...)
{
    struct wr_diag *d = diag_push(diags, severity);
    d->file = wr_arena_strndup(diags->arena, file, strlen(file));
    d->span.at = line;
    va_list ap;
    va_start(ap, fmt);
    d->text = arena_vfmt(diags->arena, fmt, ap);
    va_end(ap);
    return d;
}

void wr_diag_hint(struct wr_diags *diags, struct wr_diag *diag, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    diag->hint = arena_vfmt(diags->arena, fmt, ap);
    va_end(ap);
}

static uint32_t code_points(const char *text, size_t len)
{
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static size_t line_start(const struct wr_source *s, size_t at)
{
    while (at > 0 && s->text[at - 1] != '\n')
        at--;
    return at;
}

void wr_source_locate(const struct wr_source *source, uint32_t at, uint32_t *ret_line, uint32_t *ret_col)
{
    size_t a = at < source->len ? at : source->len;
    uint32_t line = source->line0 ? source->line0 : 1;
    for (size_t i = 0; i < a; i++)
        line += source->text[i] == '\n';
    size_t start = line_start(source, a);
    *ret_line = line;
    *ret_col = code_points(source->text + start, a - start) + 1 + source->indent;
}

static const char *severity_name(enum wr_severity s)
{
    return s == WR_ERROR ? "error" : s == WR_WARNING ? "warning" : "note";
}

/* The line of source text and a caret line under it. */
static void print_excerpt(const struct wr_diag *d, struct wr_buf *out)
{
    const struct wr_source *s = d->source;
    size_t at = d->span.at < s->len ? d->span.at : s->len;
    size_t start = line_start(s, at), end = at;
    while (end < s->len && s->text[end] != '\n' && s->text[end] != '\r')
        end++;
    size_t from = start;
    while (from < at && (s->text[from] == ' ' || s->text[from] == '\t'))
        from++;
    wr_buf_str(out, "    ");
    wr_buf_printable(out, s->text + from, end - from);
    wr_buf_str(out, "\n    ");
    uint32_t pad = code_points(s->text + from, at - from);
    for (uint32_t i = 0; i < pad; i++)
        wr_buf_char(out, ' ');
    wr_buf_char(out, '^');
    size_t stop = at + d->span.len < end ? at + d->span.len : end;
    uint32_t width = stop > at ? code_points(s->text + at, stop - at) : 1;
    for (uint32_t i = 1; i < width; i++)
        wr_buf_char(out, '~');
}

void wr_diag_print(const struct wr_diag *diag, struct wr_buf *out)
{
    wr_buf_str(out, diag->file ? diag->file : "weir");
    if (diag->source) {
        uint32_t line, col;
        wr_source_locate(diag->source, diag->span.at, &line, &col);
        wr_buf_fmt(out, ":%u:%u", line, col);
    } else if (diag->span.at) {
        wr_buf_fmt(out, ":%u", diag->span.at);
    }
    wr_buf_fmt(out, ": %s: ", severity_name(diag->severity));
    wr_buf_printable(out, diag->text, strlen(diag->text));
    wr_buf_char(out, '\n');
    if (diag->source)
        print_excerpt(diag, out);
    if (diag->hint) {
        wr_buf_str(out, diag->source ? " " : "    ");
        wr_buf_printable(out, diag->hint, strlen(diag->hint));
    }
    if (diag->page)
        wr_buf_fmt(out, "%s(see %s)", diag->source || diag->hint ? " " : "    ", diag->page);
    if (diag->source || diag->hint || diag->page)
        wr_buf_char(out, '\n');
}

void wr_diags_print(const struct wr_diags *diags, struct wr_buf *out)
{
    for (const struct wr_diag *d = diags->first; d; d = d->next)
        wr_diag_print(d, out);
    if (diags->ndropped)
        wr_buf_fmt(out, "%u more message%s left out: mend these first\n", diags->ndropped, diags->ndropped == 1 ? " is" : "s are");
}

void wr_diags_json(const struct wr_diags *diags, struct wr_buf *out)
{
    wr_buf_char(out, '[');
    for (const struct wr_diag *d = diags->first; d; d = d->next) {
        uint32_t line = d->span.at, col = 0;
        if (d->source)
            wr_source_locate(d->source, d->span.at, &line, &col);
        wr_buf_str(out, d == diags->first ? "{" : ",{");
        wr_json_key(out, "file");
        wr_json_cstr(out, d->file ? d->file : "");
        wr_json_key(out, "line");
        wr_buf_i64(out, line);
        wr_json_key(out, "column");
        wr_buf_i64(out, col);
        wr_json_key(out, "severity");
        wr_json_cstr(out, severity_name(d->severity));
        wr_json_key(out, "message");
        wr_json_cstr(out, d->text);
        if (d->hint) {
            wr_json_key(out, "hint");
            wr_json_cstr(out, d->hint);
        }
        if (d->page) {
            wr_json_key(out, "page");
            wr_json_cstr(out, d->page);
        }
        wr_buf_char(out, '}');
    }
    wr_buf_str(out, "]\n");
}
