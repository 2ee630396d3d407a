/* What queries ask for: externaldata, _GetWatchlist, tables by name. */
#include "rules/refdata/internal.h"

#include "base/nearest.h"

#include <stdio.h>
#include <strings.h>

static const struct wr_external_table *refuse(struct wr_arena *arena, const char **ret_why, const char **ret_hint,
                                              const char *hint, const char *why, const char *what)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%.200s '%.280s'", why, what);
    *ret_why = wr_arena_strndup(arena, text, n > 0 ? (size_t)n : 0);
    *ret_hint = hint;
    return NULL;
}

static bool text_arg(const struct wr_external_request *req, uint32_t i, char out[1024])
{
    if (i >= req->nargs || req->args[i].type != WR_STRING || req->args[i].s.len >= 1024)
        return false;
    memcpy(out, wr_str_data(&req->args[i].s), req->args[i].s.len);
    out[req->args[i].s.len] = '\0';
    return true;
}

static const struct wr_external_table *of_own(struct wr_refdata *ref, struct list *l)
{
    if (l->ready && !l->tables) { /* `missing: empty` */
        struct wr_diags unused;
        enum wr_err err = wr_diags_init(&unused) ? wr_ref_load_own(ref, l, "", "", 0, 0, &unused) : WR_ENOMEM;
        wr_diags_fini(&unused);
        if (err)
            return NULL;
    }
    return l->tables ? &l->tables->ext : NULL;
}

static const struct wr_external_table *watchlist(struct wr_refdata *ref, const struct wr_external_request *req,
                                                 struct wr_arena *arena, const char **ret_why, const char **ret_hint)
{
    char alias[1024];
    if (!text_arg(req, 0, alias))
        return refuse(arena, ret_why, ret_hint, "write _GetWatchlist('alias')", "this takes an alias:", req->function);
    struct list *l = wr_ref_list(ref, WR_LIST_WATCHLIST, alias, strlen(alias));
    const struct wr_external_table *table = l ? of_own(ref, l) : NULL;
    if (table)
        return table;
    struct wr_nearest near = wr_nearest_to(alias, strlen(alias));
    for (l = ref->lists; l; l = l->next)
        if (l->def.kind == WR_LIST_WATCHLIST)
            wr_nearest_try(&near, l->def.name, strlen(l->def.name));
    char hint[640];
    if (near.best)
        snprintf(hint, sizeof hint, "did you mean '%.256s'?", near.best);
    else
        snprintf(hint, sizeof hint, "put %.256s.csv into the folder `tuning` beside the rules, or name its file in the configuration", alias);
    return refuse(arena, ret_why, ret_hint, wr_arena_strndup(arena, hint, strlen(hint)), "there is no watchlist", alias);
}

/* Format and first line of an externaldata; false when it says something else. */
static bool properties(const struct wr_external_request *req, struct wr_content_spec *spec, struct wr_arena *arena,
                       const char **ret_why, const char **ret_hint)
{
    for (uint32_t i = 0; i < req->nwith; i++) {
        const struct wr_external_property *p = &req->with[i];
        if (strcasecmp(p->name, "ignoreFirstRecord") == 0) {
            struct wr_str yes = WR_STR_LIT("true");
            spec->skip_first = p->value.type == WR_STRING ? wr_str_eq_nocase(&p->value.s, &yes) : p->value.i != 0;
        } else if (strcasecmp(p->name, "format") == 0 && p->value.type == WR_STRING) {
            if (!wr_list_format_parse(wr_str_data(&p->value.s), p->value.s.len, &spec->format)) {
                char name[64];
                snprintf(name, sizeof name, "%.*s", (int)(p->value.s.len < 40 ? p->value.s.len : 40), wr_str_data(&p->value.s));
                refuse(arena, ret_why, ret_hint, "csv, tsv, psv, scsv, txt, raw, json and multijson are read",
                       "externaldata does not read the format", name);
                return false;
            }
        } else if (strcasecmp(p->name, "zipPattern") != 0) { /* which file of an archive: here it is a file already */
            refuse(arena, ret_why, ret_hint, "format and ignoreFirstRecord are read", "externaldata has no property", p->name);
            return false;
        }
    }
    return true;
}

static bool same_table(const struct table *t, const struct wr_external_request *req, const struct wr_content_spec *spec)
{
    bool same = t->spec.format == spec->format && t->spec.skip_first == spec->skip_first && t->schema.ncols == req->ncols;
    for (uint16_t c = 0; same && c < t->schema.ncols; c++)
        same = t->schema.cols[c].type == req->cols[c].type && strcmp(t->schema.cols[c].name, req->cols[c].name.text) == 0;
    return same;
}

/* The list of an address: exact, or without what follows `?` (keys that expire). Blanks at its ends are not of it. */
static struct list *find_address(const struct wr_refdata *ref, char *address)
{
    size_t n = strlen(address);
    while (n && address[n - 1] == ' ')
        address[--n] = '\0';
    address += strspn(address, " ");
    struct list *l = wr_ref_list(ref, WR_LIST_ADDRESS, address, strlen(address));
    return l ? l : wr_ref_list(ref, WR_LIST_ADDRESS, address, strcspn(address, "?;"));
}

static const struct wr_external_table *address(struct wr_refdata *ref, const struct wr_external_request *req,
                                               struct wr_arena *arena, const char **ret_why, const char **ret_hint)
{
    char text[1024];
    if (req->nargs != 1 || !text_arg(req, 0, text))
        return refuse(arena, ret_why, ret_hint, "read several with union", "externaldata takes one address here, not",
                      req->nargs ? "more" : "none");
    struct list *l = find_address(ref, text);
    if (!l || !l->ready)
        return refuse(arena, ret_why, ret_hint,
                      "weir fetches nothing: name the address and a local file under `lists: externaldata:` in the configuration",
                      "externaldata reads an address that is mapped to no file:", text);
    struct wr_content_spec spec = {.format = wr_ref_format(l, l->file ? l->file : "")};
    struct wr_coldef cols[WR_MAX_COLS];
    uint32_t n = 0;
    if (!properties(req, &spec, arena, ret_why, ret_hint))
        return NULL;
    for (struct table *t = l->tables; t; t = t->next, n++)
        if (same_table(t, req, &spec))
            return &t->ext;
    if (n == MAX_TABLES || req->ncols > WR_MAX_COLS)
        return refuse(arena, ret_why, ret_hint, "use the same columns", "too many queries read it in other ways:", text);
    for (uint32_t c = 0; c < req->ncols; c++)
        cols[c] = (struct wr_coldef){.name = req->cols[c].name.text, .type = req->cols[c].type};
    char name[1200];
    snprintf(name, sizeof name, "externaldata '%s' format %d%s", text, (int)spec.format, spec.skip_first ? " without the first record" : "");
    struct table *t = wr_ref_table(ref, l, name, cols, (uint16_t)req->ncols);
    if (!t)
        return NULL;
    t->spec.format = spec.format;
    t->spec.skip_first = spec.skip_first;
    struct wr_diags diags;
    if (wr_diags_init(&diags))
        t->content = wr_content_new(&t->spec, l->file ? l->file : text, l->text ? l->text : "", l->len, &diags);
    if (!t->content) {
        struct wr_buf why = {0};
        wr_diags_print(&diags, &why);
        refuse(arena, ret_why, ret_hint, "correct the file", "the list cannot be read:",
               why.err || !why.len ? wr_strerror(WR_ENOMEM) : (wr_buf_char(&why, '\0'), why.data));
        wr_buf_fini(&why);
    }
    wr_diags_fini(&diags);
    if (!t->content)
        return NULL;
    wr_ref_keep(l, t);
    return &t->ext;
}

const struct wr_external_table *wr_ref_find(const struct wr_external *lists, const struct wr_external_request *req,
                                            struct wr_arena *arena, const char **ret_why, const char **ret_hint)
{
    struct wr_refdata *ref = (struct wr_refdata *)((char *)lists - offsetof(struct wr_refdata, lists_view));
    *ret_why = *ret_hint = NULL;
    if (strcmp(req->function, "externaldata") == 0)
        return address(ref, req, arena, ret_why, ret_hint);
    if (strcmp(req->function, "_GetWatchlist") == 0)
        return watchlist(ref, req, arena, ret_why, ret_hint);
    struct list *l = req->nargs ? NULL : wr_ref_list(ref, WR_LIST_TABLE, req->function, strlen(req->function));
    return l ? of_own(ref, l) : NULL;
}

const char *wr_ref_table_name(const struct wr_external *lists, uint32_t n)
{
    const struct wr_refdata *ref = (struct wr_refdata *)((char *)lists - offsetof(struct wr_refdata, lists_view));
    for (const struct list *l = ref->lists; l; l = l->next)
        if (l->def.kind == WR_LIST_TABLE && n-- == 0)
            return l->def.name;
    return NULL;
}
