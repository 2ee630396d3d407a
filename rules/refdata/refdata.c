/* Which lists there are, and the tables that queries read of them. */
#include "rules/refdata/internal.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    enum wr_list_format format;
} formats[] = {{"csv", WR_LIST_CSV},   {"tsv", WR_LIST_TSV}, {"psv", WR_LIST_PSV},   {"scsv", WR_LIST_SCSV},
               {"txt", WR_LIST_TXT},   {"raw", WR_LIST_RAW}, {"json", WR_LIST_JSON}, {"multijson", WR_LIST_MULTIJSON},
               {"jsonl", WR_LIST_JSON}};

bool wr_list_format_parse(const char *name, size_t len, enum wr_list_format *ret_format)
{
    struct wr_str want = wr_str_borrow(name, len);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct wr_str have = wr_str_borrow(formats[i].name, strlen(formats[i].name));
        if (!wr_str_eq_nocase(&have, &want))
            continue;
        *ret_format = formats[i].format;
        return true;
    }
    return false;
}

static enum wr_list_format by_suffix(const char *name)
{
    enum wr_list_format format = WR_LIST_CSV;
    size_t len = strcspn(name, "?");
    while (len && name[len - 1] != '.' && name[len - 1] != '/')
        len--;
    const char *suffix = name + len;
    size_t n = strcspn(suffix, "?");
    if (len && name[len - 1] == '.' && !wr_list_format_parse(suffix, n, &format))
        format = WR_LIST_CSV;
    return format == WR_LIST_JSON ? WR_LIST_MULTIJSON : format; /* takes what `json` takes, and arrays */
}

struct list *wr_ref_list(const struct wr_refdata *ref, enum wr_list_kind kind, const char *name, size_t len)
{
    for (struct list *l = ref->lists; l; l = l->next)
        if (l->def.kind == kind && strlen(l->def.name) == len && memcmp(l->def.name, name, len) == 0)
            return l;
    return NULL;
}

/* ---- rows ---- */

static const struct wr_rows *acquire(const struct wr_external_table *table)
{
    struct table *t = (struct table *)table;
    t->content->refs++;
    return &t->content->rows;
}

static void release(const struct wr_external_table *table, const struct wr_rows *rows)
{
    (void)table;
    wr_content_unref((struct wr_content *)((char *)rows - offsetof(struct wr_content, rows)));
}

struct table *wr_ref_table(struct wr_refdata *ref, struct list *list, const char *name, const struct wr_coldef *cols,
                               uint16_t ncols)
{
    struct table *t = wr_arena_alloc(ref->arena, sizeof *t);
    struct wr_coldef *own = wr_arena_alloc(ref->arena, (ncols + 1u) * sizeof *own);
    if (!t || !own)
        return NULL;
    for (uint16_t c = 0; c < ncols; c++) {
        own[c] = (struct wr_coldef){.type = cols[c].type, .store = c};
        own[c].name = wr_arena_strndup(ref->arena, cols[c].name, strlen(cols[c].name));
        if (!own[c].name)
            return NULL;
    }
    t->schema = (struct wr_schema){.name = list->def.name, .cols = own, .ncols = ncols};
    t->list = list;
    t->spec = (struct wr_content_spec){
        .schema = &t->schema, .format = list->def.format, .loaded_col = WR_NO_COL, .key_col = WR_NO_COL};
    t->ext = (struct wr_external_table){.schema = &t->schema, .acquire = acquire, .release = release};
    t->ext.name = wr_arena_strndup(ref->arena, name, strlen(name));
    return t->ext.name ? t : NULL;
}

void wr_ref_keep(struct list *list, struct table *t)
{
    t->next = list->tables;
    list->tables = t;
}

/* ---- definitions ---- */

struct wr_refdata *wr_refdata_ref(struct wr_refdata *ref)
{
    if (ref)
        ref->refs++;
    return ref;
}

void wr_refdata_unref(struct wr_refdata *ref)
{
    if (!ref || --ref->refs)
        return;
    for (struct list *l = ref->lists; l; l = l->next) {
        for (struct table *t = l->tables; t; t = t->next)
            wr_content_unref(t->content);
        free(l->file);
        free(l->text);
    }
    wr_arena_free(ref->arena);
    free(ref);
}

static const char *copy(struct wr_arena *arena, const char *text, bool *ok)
{
    const char *own = text ? wr_arena_strndup(arena, text, strlen(text)) : NULL;
    *ok = *ok && (!text || own);
    return own;
}

enum wr_err wr_refdata_define(struct wr_refdata *ref, const struct wr_list_def *def)
{
    if (wr_refdata_defined(ref, def->kind, def->name))
        return WR_OK;
    if (ref->nlists == WR_LIST_MAX_LISTS || def->ncols > WR_MAX_COLS - 8)
        return WR_ELIMIT;
    struct list *l = wr_arena_alloc(ref->arena, sizeof *l);
    struct wr_list_col *cols = wr_arena_alloc(ref->arena, (def->ncols + 1) * sizeof *cols);
    bool ok = l && cols;
    if (!ok)
        return WR_ENOMEM;
    l->def = *def;
    l->def.name = copy(ref->arena, def->name, &ok);
    l->def.key = copy(ref->arena, def->key, &ok);
    for (uint32_t i = 0; i < def->ncols; i++)
        cols[i] = (struct wr_list_col){copy(ref->arena, def->cols[i].name, &ok), def->cols[i].type};
    l->def.cols = cols;
    l->ready = def->empty;
    if (!ok)
        return WR_ENOMEM;
    *ref->end = l;
    ref->end = &l->next;
    ref->nlists++;
    return WR_OK;
}

bool wr_refdata_defined(const struct wr_refdata *ref, enum wr_list_kind kind, const char *name)
{
    return wr_ref_list(ref, kind, name, strlen(name)) != NULL;
}

/* ---- columns of watchlists and tables ---- */

/* Names in the text's first record, or those of the definition. */
struct shape {
    struct wr_coldef cols[WR_MAX_COLS];
    uint16_t n, key, loaded;
    const char *key_name;
};

static uint16_t shape_find(const struct shape *s, const char *name)
{
    for (uint16_t i = 0; i < s->n; i++)
        if (strcmp(s->cols[i].name, name) == 0)
            return i;
    return WR_NO_COL;
}

static bool shape_add(struct shape *s, const char *name, enum wr_type type)
{
    if (s->n == WR_MAX_COLS || shape_find(s, name) != WR_NO_COL)
        return false;
    s->cols[s->n] = (struct wr_coldef){.name = name, .type = type, .store = s->n};
    s->n++;
    return true;
}

static bool wrong(struct wr_diags *diags, const char *file, const char *hint, const char *why, const char *what)
{
    wr_diag_hint(diags, wr_diag_file(diags, WR_ERROR, file, 1, "%s '%s'", why, what), "%s", hint);
    return false;
}

/* Columns by the first record. */
static bool read_header(struct wr_arena *arena, enum wr_list_format format, const char *file, const char *text, size_t len,
                        struct wr_diags *diags, struct shape *s)
{
    struct wr_csv csv;
    if (format == WR_LIST_JSON || format == WR_LIST_MULTIJSON || format == WR_LIST_RAW || format == WR_LIST_TXT)
        return wrong(diags, file, "give `columns` in the configuration", "only a table with a first line names its columns, not",
                     "json or txt");
    wr_csv_init(&csv, format, text, len);
    bool ok = wr_csv_next(&csv);
    if (!ok)
        wrong(diags, file, "its first line names the columns", "the list is empty or broken:", csv.why ? csv.why : "no line");
    for (uint32_t i = 0; ok && i < csv.n; i++) {
        const char *name = wr_arena_strndup(arena, wr_csv_field(&csv, i), csv.field[i].len);
        if (name && *name && shape_find(s, name) != WR_NO_COL)
            ok = wrong(diags, file, "name each column once", "two columns are named", name);
        else if (!name || (*name && (s->n >= WR_MAX_COLS - 8 || !shape_add(s, name, WR_STRING))))
            ok = wrong(diags, file, "248 columns are read", "there are too many columns, or no memory, at", name ? name : "");
    }
    wr_csv_fini(&csv);
    return ok;
}

static bool make_shape(struct wr_arena *arena, const struct wr_list_def *def, enum wr_list_format format, const char *file,
                       const char *text, size_t len, struct wr_diags *diags, struct shape *s)
{
    s->key = s->loaded = WR_NO_COL;
    for (uint32_t i = 0; i < def->ncols; i++)
        shape_add(s, def->cols[i].name, def->cols[i].type);
    bool given = s->n != 0;
    if (!given && !(def->empty && !len) && !read_header(arena, format, file, text, len, diags, s))
        return false;
    if (def->kind == WR_LIST_TABLE) {
        uint16_t time = shape_find(s, "TimeGenerated");
        if (given && time != WR_NO_COL && s->cols[time].type == WR_DATETIME)
            s->loaded = time;
        return true;
    }
    s->key_name = def->key ? def->key : shape_find(s, "SearchKey") != WR_NO_COL || !s->n ? NULL : s->cols[0].name;
    if (def->key && shape_find(s, def->key) == WR_NO_COL)
        return wrong(diags, file, "name one of its columns as `key`", "the watchlist has no column", def->key);
    if (shape_add(s, "SearchKey", WR_STRING))
        s->key = (uint16_t)(s->n - 1);
    shape_add(s, "_DTItemId", WR_STRING);
    if (shape_add(s, "LastUpdatedTimeUTC", WR_DATETIME))
        s->loaded = (uint16_t)(s->n - 1);
    return true;
}

/* The one table of a watchlist or a user's table, made when its columns are known. */
static struct table *own_table(struct wr_refdata *ref, struct list *list, const struct shape *s)
{
    char name[320];
    bool watch = list->def.kind == WR_LIST_WATCHLIST;
    snprintf(name, sizeof name, watch ? "_GetWatchlist('%.256s')" : "%.256s", list->def.name);
    struct table *t = wr_ref_table(ref, list, name, s->cols, s->n);
    if (!t)
        return NULL;
    t->spec.loaded_col = s->loaded;
    t->spec.key_col = s->key;
    t->spec.key = s->key_name ? wr_arena_strndup(ref->arena, s->key_name, strlen(s->key_name)) : NULL;
    t->spec.expires = watch;
    return t;
}

/* Later texts must have the columns that plans were made with. */
static bool still_fits(const struct table *t, const struct shape *s, const char *file, struct wr_diags *diags)
{
    for (uint16_t c = 0; c < t->schema.ncols; c++)
        if (shape_find(s, t->schema.cols[c].name) == WR_NO_COL)
            return wrong(diags, file, "the old content stays; add the column, or reload the rules as well",
                         "the list has no longer a column", t->schema.cols[c].name);
    return true;
}

/* ---- loading ---- */

enum wr_list_format wr_ref_format(const struct list *l, const char *file)
{
    if (l->def.format)
        return l->def.format;
    return by_suffix(l->def.kind == WR_LIST_ADDRESS ? l->def.name : file);
}

/* New contents for all tables of the list, or none. */
static bool refill(struct list *l, const char *file, const char *text, size_t len, int64_t now, struct wr_diags *diags)
{
    struct wr_content *fresh[MAX_TABLES];
    uint32_t n = 0;
    bool ok = true;
    for (struct table *t = l->tables; t && ok; t = t->next) {
        t->spec.now = now;
        fresh[n] = wr_content_new(&t->spec, file, text, len, diags);
        ok = fresh[n] != NULL;
        n += ok;
    }
    uint32_t i = 0;
    for (struct table *t = l->tables; t && i < n; t = t->next, i++) {
        wr_content_unref(ok ? t->content : fresh[i]);
        if (ok)
            t->content = fresh[i];
    }
    return ok;
}

static bool keep_text(struct list *l, const char *file, const char *text, size_t len)
{
    char *name = strdup(file), *own = l->def.kind == WR_LIST_ADDRESS ? malloc(len + 1) : NULL;
    if (!name || (l->def.kind == WR_LIST_ADDRESS && !own)) {
        free(name);
        free(own);
        return false;
    }
    if (own)
        memcpy(own, text, len);
    free(l->file);
    free(l->text);
    l->file = name;
    l->text = own;
    l->len = len;
    return true;
}

enum wr_err wr_ref_load_own(struct wr_refdata *ref, struct list *l, const char *file, const char *text, size_t len,
                            int64_t now, struct wr_diags *diags)
{
    struct wr_arena *scratch = wr_arena_new(4096);
    struct shape *s = scratch ? wr_arena_alloc(scratch, sizeof *s) : NULL;
    enum wr_err err = s ? WR_OK : WR_ENOMEM;
    enum wr_list_format format = wr_ref_format(l, file);
    if (!err && !make_shape(scratch, &l->def, format, file, text, len, diags, s))
        err = WR_EINVAL;
    if (!err && l->tables && !still_fits(l->tables, s, file, diags))
        err = WR_EINVAL;
    if (!err && !l->tables) {
        struct table *t = own_table(ref, l, s);
        if (t) {
            t->spec.format = format;
            t->spec.header = format < WR_LIST_TXT;
            wr_ref_keep(l, t);
        } else {
            err = WR_ENOMEM;
        }
    }
    if (!err && !refill(l, file, text, len, now, diags)) {
        err = WR_EINVAL;
        if (l->tables && !l->tables->content)
            l->tables = NULL; /* the first text was wrong: the next one says what the columns are */
    }
    wr_arena_free(scratch);
    return err;
}

enum wr_err wr_refdata_load(struct wr_refdata *ref, enum wr_list_kind kind, const char *name, const char *file,
                            const char *text, size_t len, int64_t now, struct wr_diags *diags)
{
    struct list *l = wr_ref_list(ref, kind, name, strlen(name));
    if (!l) {
        wr_diag_file(diags, WR_ERROR, file, 0, "there is no list '%s'", name);
        return WR_EINVAL;
    }
    enum wr_err err = WR_OK;
    if (len > WR_LIST_MAX_BYTES) {
        wr_diag_hint(diags, wr_diag_file(diags, WR_ERROR, file, 0, "the file is larger than 100 MB"), "cut it");
        err = WR_EINVAL;
    } else if (kind == WR_LIST_ADDRESS) {
        err = refill(l, file, text, len, now, diags) ? WR_OK : WR_EINVAL;
    } else {
        err = wr_ref_load_own(ref, l, file, text, len, now, diags);
    }
    if (!err && !keep_text(l, file, text, len))
        err = WR_ENOMEM;
    if (err)
        return err;
    l->ready = true;
    l->loaded = now;
    ref->version++;
    return WR_OK;
}

int64_t wr_refdata_expiry(const struct wr_refdata *ref)
{
    int64_t first = INT64_MAX;
    for (const struct list *l = ref->lists; l; l = l->next)
        for (const struct table *t = l->tables; t; t = t->next)
            if (t->content && t->content->expiry < first)
                first = t->content->expiry;
    return first;
}

uint64_t wr_refdata_version(const struct wr_refdata *ref)
{
    return ref->version;
}

/* ---- functions ---- */

static const struct wr_saved_fn *find_function(const struct wr_functions *functions, const char *name)
{
    const struct wr_refdata *ref =
        (const struct wr_refdata *)((const char *)functions - offsetof(struct wr_refdata, functions_view));
    for (const struct function *f = ref->functions; f; f = f->next)
        if (strcmp(f->fn.name, name) == 0)
            return &f->fn;
    return NULL;
}

enum wr_err wr_refdata_function(struct wr_refdata *ref, const char *name, const char *file, const char *text, size_t len)
{
    if (find_function(&ref->functions_view, name))
        return WR_OK;
    struct function *f = wr_arena_alloc(ref->arena, sizeof *f);
    bool ok = f != NULL;
    if (!ok)
        return WR_ENOMEM;
    f->fn.name = copy(ref->arena, name, &ok);
    f->fn.file = copy(ref->arena, file, &ok);
    f->fn.text = wr_arena_strndup(ref->arena, text, len);
    f->fn.len = len;
    if (!ok || !f->fn.text)
        return WR_ENOMEM;
    f->next = ref->functions;
    ref->functions = f;
    return WR_OK;
}

void wr_refdata_geo(struct wr_refdata *ref, const struct wr_geo *geo)
{
    ref->env.geo = geo;
}

struct wr_refdata *wr_refdata_new(void)
{
    struct wr_refdata *ref = calloc(1, sizeof *ref);
    if (!ref || !(ref->arena = wr_arena_new(4096))) {
        free(ref);
        return NULL;
    }
    ref->refs = 1;
    ref->end = &ref->lists;
    ref->lists_view.find = wr_ref_find;
    ref->lists_view.table = wr_ref_table_name;
    ref->functions_view.find = find_function;
    ref->env.lists = &ref->lists_view;
    ref->env.functions = &ref->functions_view;
    return ref;
}

const struct wr_plan_env *wr_refdata_env(struct wr_refdata *ref)
{
    return &ref->env;
}
