#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_BYTES = 4 << 20, MAX_NODES = 65536, MAX_DEPTH = 32, MAX_KEYS = 1024, MAX_DOCS = 256 };

struct frame {
    struct wr_yaml_node *node;
    uint32_t first; /* its children start here in `open` */
};

/* Nodes wait in `open` until their collection ends and takes them into one array. */
struct build {
    struct wr_yaml *file;
    const char *text;
    size_t len;
    struct frame stack[MAX_DEPTH];
    uint32_t depth;
    struct wr_yaml_node **open;
    uint32_t nopen, cap, nnodes;
    const struct wr_yaml_node *docs[MAX_DOCS];
    size_t chars, byte; /* where the walk from libyaml's character numbers to byte offsets stands */
};

struct wr_diag *wr_yaml_diag(const struct wr_yaml *file, const struct wr_yaml_node *node,
                             enum wr_severity severity, const char *fmt, ...)
{
    struct wr_buf buf = {0};
    va_list ap;
    va_start(ap, fmt);
    wr_buf_vfmt(&buf, fmt, ap);
    va_end(ap);
    struct wr_diag *d = wr_diag_add(file->diags, severity, file->source, node->span, "%.*s",
                                    (int)buf.len, buf.data ? buf.data : "");
    wr_buf_fini(&buf);
    return d;
}

static bool fail_at(struct build *b, size_t at, const char *text)
{
    wr_diag_add(b->file->diags, WR_ERROR, b->file->source, (struct wr_span){(uint32_t)at, 1}, "%s",
                text);
    return false;
}

static bool is_cont(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Byte offset of libyaml's character number `index`. Events come almost in order, so the walk is
 * short. */
static size_t byte_of(struct build *b, size_t index)
{
    while (b->chars < index && b->byte < b->len) {
        do
            b->byte++;
        while (b->byte < b->len && is_cont(b->text[b->byte]));
        b->chars++;
    }
    while (b->chars > index && b->byte > 0) {
        do
            b->byte--;
        while (b->byte > 0 && is_cont(b->text[b->byte]));
        b->chars--;
    }
    return b->byte;
}

static struct wr_yaml_node *node_new(struct build *b, enum wr_yaml_kind kind,
                                     const yaml_event_t *ev)
{
    size_t at = byte_of(b, ev->start_mark.index);
    if (++b->nnodes > MAX_NODES) {
        fail_at(b, at, "the file has too many values (65,536 are read)");
        return NULL;
    }
    if (b->nopen == b->cap) {
        uint32_t cap = b->cap ? 2 * b->cap : 64;
        struct wr_yaml_node **open = realloc(b->open, cap * sizeof *open);
        if (!open)
            return NULL;
        b->open = open;
        b->cap = cap;
    }
    struct wr_yaml_node *node = wr_arena_alloc(b->file->arena, sizeof *node);
    if (!node)
        return NULL;
    node->kind = kind;
    node->line = (uint32_t)ev->start_mark.line + 1;
    node->col = (uint32_t)ev->start_mark.column + 1;
    node->span = (struct wr_span){(uint32_t)at, 1};
    b->open[b->nopen++] = node;
    return node;
}

static uint32_t leading_blanks(const char *text, size_t len)
{
    uint32_t n = 0;
    while (n < len && text[n] == ' ')
        n++;
    return n;
}

/* Where a block scalar's lines stand in the file: from the first line of the file below `|` that is
 * not blank, less the blanks that the value itself begins with there. */
static void locate_block(struct build *b, struct wr_yaml_node *node)
{
    const char *raw = b->text + node->span.at, *raw_end = b->text + b->len;
    const char *at = node->text, *end = node->text + node->len;
    node->text_line = node->line + 1;
    raw = memchr(raw, '\n', (size_t)(raw_end - raw));
    while (raw && ++raw < raw_end && at < end && *at == '\n') {
        at++;
        raw = memchr(raw, '\n', (size_t)(raw_end - raw));
    }
    if (!raw || raw >= raw_end || at >= end)
        return;
    uint32_t in_file = leading_blanks(raw, (size_t)(raw_end - raw));
    uint32_t in_value = leading_blanks(at, (size_t)(end - at));
    node->text_indent = in_file > in_value ? in_file - in_value : 0;
}

static bool add_scalar(struct build *b, const yaml_event_t *ev)
{
    struct wr_yaml_node *node = node_new(b, WR_YAML_SCALAR, ev);
    if (!node)
        return false;
    const char *value = (const char *)ev->data.scalar.value;
    node->len = ev->data.scalar.length;
    if (memchr(value, 0, node->len))
        return fail_at(b, node->span.at, "a text with a NUL byte");
    node->text = wr_arena_strndup(b->file->arena, value, node->len);
    if (!node->text)
        return false;
    yaml_scalar_style_t style = ev->data.scalar.style;
    node->plain = style == YAML_PLAIN_SCALAR_STYLE;
    node->text_line = node->line;
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE) {
        locate_block(b, node);
        return true;
    }
    node->text_indent = node->col - 1 + !node->plain;
    size_t end = byte_of(b, ev->end_mark.index);
    node->span.len = (uint32_t)(end > node->span.at ? end - node->span.at : 1);
    return true;
}

static bool refuse_anchor(struct build *b, const yaml_event_t *ev, const yaml_char_t *anchor)
{
    if (anchor)
        return fail_at(b, byte_of(b, ev->start_mark.index), "anchors and aliases are not read");
    return true;
}

static bool open_collection(struct build *b, enum wr_yaml_kind kind, const yaml_event_t *ev)
{
    struct wr_yaml_node *node = node_new(b, kind, ev);
    if (!node)
        return false;
    if (b->depth == MAX_DEPTH)
        return fail_at(b, node->span.at, "values are nested too deeply (32 levels are read)");
    b->stack[b->depth++] = (struct frame){node, b->nopen};
    return true;
}

static bool close_sequence(struct build *b, struct frame f)
{
    f.node->n = b->nopen - f.first;
    const struct wr_yaml_node **items = wr_arena_alloc(b->file->arena, f.node->n * sizeof *items);
    if (!items && f.node->n)
        return false;
    for (uint32_t i = 0; i < f.node->n; i++)
        items[i] = b->open[f.first + i];
    f.node->items = items;
    return true;
}

static bool key_is_new(struct build *b, const struct wr_yaml_pair *pairs, uint32_t n,
                       const struct wr_yaml_node *key)
{
    if (key->kind != WR_YAML_SCALAR)
        return fail_at(b, key->span.at, "a key must be a plain text");
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(pairs[i].key->text, key->text) == 0) {
            wr_yaml_diag(b->file, key, WR_ERROR, "key '%s' is given twice (first on line %u)",
                         key->text, pairs[i].key->line);
            return false;
        }
    return true;
}

static bool close_mapping(struct build *b, struct frame f)
{
    uint32_t n = (b->nopen - f.first) / 2;
    if (n > MAX_KEYS)
        return fail_at(b, f.node->span.at, "a mapping with too many keys (1,024 are read)");
    struct wr_yaml_pair *pairs = wr_arena_alloc(b->file->arena, n * sizeof *pairs);
    if (!pairs && n)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        pairs[i] = (struct wr_yaml_pair){b->open[f.first + 2 * i], b->open[f.first + 2 * i + 1]};
        if (!key_is_new(b, pairs, i, pairs[i].key))
            return false;
    }
    f.node->pairs = pairs;
    f.node->n = n;
    return true;
}

static bool close_collection(struct build *b)
{
    struct frame f = b->stack[--b->depth];
    if (!(f.node->kind == WR_YAML_SEQUENCE ? close_sequence(b, f) : close_mapping(b, f)))
        return false;
    b->nopen = f.first;
    return true;
}

static bool end_document(struct build *b)
{
    if (b->nopen && !wr_yaml_is_null(b->open[0])) {
        if (b->file->ndocs == MAX_DOCS)
            return fail_at(b, b->open[0]->span.at, "too many documents in one file (256 are read)");
        b->docs[b->file->ndocs++] = b->open[0];
    }
    b->nopen = 0;
    return true;
}

static bool take_event(struct build *b, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return refuse_anchor(b, ev, ev->data.scalar.anchor) && add_scalar(b, ev);
    case YAML_SEQUENCE_START_EVENT:
        return refuse_anchor(b, ev, ev->data.sequence_start.anchor) &&
               open_collection(b, WR_YAML_SEQUENCE, ev);
    case YAML_MAPPING_START_EVENT:
        return refuse_anchor(b, ev, ev->data.mapping_start.anchor) &&
               open_collection(b, WR_YAML_MAPPING, ev);
    case YAML_ALIAS_EVENT:
        return refuse_anchor(b, ev, ev->data.alias.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(b);
    case YAML_DOCUMENT_END_EVENT:
        return end_document(b);
    default:
        return true;
    }
}

static void syntax_error(struct build *b, const yaml_parser_t *p)
{
    /* A reader error (bad UTF-8, a control character) has a byte offset, the others a mark. */
    size_t at =
        p->error == YAML_READER_ERROR ? p->problem_offset : byte_of(b, p->problem_mark.index);
    struct wr_diag *d = wr_diag_add(b->file->diags, WR_ERROR, b->file->source,
                                    (struct wr_span){(uint32_t)(at < b->len ? at : b->len), 1},
                                    "not YAML: %s", p->problem ? p->problem : "it cannot be read");
    if (p->context)
        wr_diag_hint(b->file->diags, d, "%s that starts on line %zu", p->context,
                     p->context_mark.line + 1);
}

static bool parse_events(struct build *b, yaml_parser_t *p)
{
    for (bool end = false; !end;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(p, &ev)) {
            syntax_error(b, p);
            return false;
        }
        end = ev.type == YAML_STREAM_END_EVENT;
        bool ok = take_event(b, &ev);
        yaml_event_delete(&ev);
        if (!ok)
            return false;
    }
    return true;
}

static bool build_tree(struct build *b)
{
    yaml_parser_t p;
    if (!yaml_parser_initialize(&p))
        return false;
    yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p, (const unsigned char *)b->text, b->len);
    bool ok = parse_events(b, &p);
    yaml_parser_delete(&p);
    if (!ok)
        return false;
    size_t bytes = b->file->ndocs * sizeof *b->docs;
    const struct wr_yaml_node **docs = wr_arena_alloc(b->file->arena, bytes);
    if (!docs && bytes)
        return false;
    if (bytes)
        memcpy(docs, b->docs, bytes);
    b->file->docs = docs;
    return true;
}

struct wr_yaml *wr_yaml_new(const char *name, const char *text, size_t len, struct wr_diags *diags)
{
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    if (len > MAX_BYTES) {
        wr_diag_file(diags, WR_ERROR, name, 0, "the file is larger than 4 MiB");
        return NULL;
    }
    struct wr_source src = {.name = name, .text = text, .len = len, .line0 = 1};
    struct wr_arena *arena = wr_arena_new(16384);
    struct wr_yaml *file = arena ? wr_arena_alloc(arena, sizeof *file) : NULL;
    struct build *b = calloc(1, sizeof *b);
    bool ok = false;
    uint32_t errors = diags->nerrors;
    if (file && b) {
        *file = (struct wr_yaml){
            .arena = arena, .diags = diags, .source = wr_diags_source(diags, &src)};
        b->file = file;
        b->text = file->source ? file->source->text : "";
        b->len = len;
        ok = file->source && build_tree(b);
        free(b->open);
    }
    free(b);
    if (ok)
        return file;
    if (diags->nerrors == errors)
        wr_diag_file(diags, WR_ERROR, name, 0, "%s", wr_strerror(WR_ENOMEM));
    wr_arena_free(arena);
    return NULL;
}

void wr_yaml_free(struct wr_yaml *file)
{
    if (file)
        wr_arena_free(file->arena);
}
