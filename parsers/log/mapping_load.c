/* Mapping files -> tables. A mapping is compiled beside the others and counted in at the end, so that a
 * faulty one leaves nothing but unused paths. */
#include "base/nearest.h"
#include "base/yaml.h"
#include "parsers/log/mapping_internal.h"

#include <stdlib.h>

struct load {
    struct wr_mappings *m;
    const struct wr_yaml *file;
    bool nomem;
};

static void *room(struct load *l, size_t n, size_t size)
{
    void *p = wr_arena_alloc(l->m->arena, n ? n * size : 1);
    l->nomem |= !p;
    return p;
}

static struct map_text keep(struct load *l, const struct wr_yaml_node *node)
{
    struct map_text t = {wr_arena_strndup(l->m->arena, node->text, node->len), (uint32_t)node->len};
    l->nomem |= !t.s;
    return t;
}

/* ---- paths ---- */

static struct map_slot *slot_add(struct load *l, const char *path, size_t len)
{
    struct wr_mappings *m = l->m;
    struct map_slot *s = (struct map_slot *)wr_map_path_find(m, path, len);
    if (s || m->nslots == MAP_SLOTS / 2)
        return s;
    uint32_t hash = wr_map_path_hash(path, len), i = hash % MAP_SLOTS;
    while (m->slot[i].path)
        i = (i + 1) % MAP_SLOTS;
    const char *copy = wr_arena_strndup(m->arena, path, len);
    if (!copy) {
        l->nomem = true;
        return NULL;
    }
    m->slot[i] = (struct map_slot){copy, hash, (uint16_t)len, MAP_NO_FIELD, false};
    m->nslots++;
    return &m->slot[i];
}

/* The number of a path, MAP_NO_FIELD after a message. */
static uint16_t field(struct load *l, const struct wr_yaml_node *node)
{
    if (node->kind != WR_YAML_SCALAR || node->len == 0 || node->len >= MAP_PATH) {
        wr_yaml_diag(l->file, node, WR_ERROR, "a path is expected here: 1 to %d bytes", MAP_PATH - 1);
        return MAP_NO_FIELD;
    }
    struct map_slot *s = NULL;
    for (size_t i = 1; i <= node->len; i++) {
        if (i < node->len && node->text[i] != '.')
            continue;
        s = slot_add(l, node->text, i);
        if (!s)
            break;
        s->branch |= i < node->len;
    }
    if (s && s->field == MAP_NO_FIELD && l->m->nfields < MAP_FIELDS)
        s->field = (uint16_t)l->m->nfields++;
    if (!s || s->field == MAP_NO_FIELD) {
        wr_yaml_diag(l->file, node, WR_ERROR, "all mappings together read more than %d paths", MAP_FIELDS);
        return MAP_NO_FIELD;
    }
    return s->field;
}

/* ---- when, swap ---- */

static void one_test(struct load *l, const struct wr_yaml_pair *pair, struct map_test *t)
{
    const struct wr_yaml_node *v = pair->value;
    uint32_t n = v->kind == WR_YAML_SEQUENCE ? v->n : 1;
    t->field = field(l, pair->key);
    if (v->kind == WR_YAML_SCALAR && v->len == 1 && *v->text == '*')
        return;
    struct map_text *values = room(l, n, sizeof *values);
    for (uint32_t i = 0; values && i < n; i++) {
        const struct wr_yaml_node *item = v->kind == WR_YAML_SEQUENCE ? v->items[i] : v;
        if (item->kind == WR_YAML_SCALAR)
            values[i] = keep(l, item);
        else
            wr_yaml_diag(l->file, item, WR_ERROR, "a value, a list of values or \"*\" is expected here");
    }
    if (n == 0)
        wr_yaml_diag(l->file, v, WR_ERROR, "a list without values never holds");
    t->values = values;
    t->nvalues = n;
}

static const struct map_test *tests(struct load *l, const struct wr_yaml_node *root, const char *key,
                                    uint32_t *ret_n)
{
    const struct wr_yaml_node *map = NULL;
    if (!wr_yaml_map(l->file, root, key, &map) || !map)
        return NULL;
    struct map_test *t = room(l, map->n, sizeof *t);
    for (uint32_t i = 0; t && i < map->n; i++)
        one_test(l, &map->pairs[i], &t[i]);
    *ret_n = map->n;
    return t;
}

/* ---- columns ---- */

static const char *const as_names[] = {
    "is",   "basename", "lower",   "lower-basename", "protocol",     "ip",
    "path", "user",     "seconds", "milliseconds",   "microseconds", "nanoseconds"};
enum { NAS = sizeof as_names / sizeof *as_names };
static const char *const known_columns[] = {"Image", "User"}; /* each stands for two columns */

static void hint(struct load *l, struct wr_diag *d, const struct wr_nearest *near)
{
    if (near->best)
        wr_diag_hint(l->file->diags, d, "did you mean '%.*s'?", (int)near->best_len, near->best);
}

static void column(struct load *l, const struct wr_yaml_node *key, struct map_pick *p)
{
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    if (strcmp(key->text, "Image") == 0) {
        p->col = WR_DNE_InitiatingProcessFolderPath;
        p->as = AS_IMAGE;
        return;
    }
    if (strcmp(key->text, "User") == 0) {
        p->col = WR_DNE_InitiatingProcessAccountName;
        p->as = AS_USER;
        return;
    }
    uint16_t col = wr_schema_find(schema, key->text, key->len);
    if (col != WR_NO_COL) {
        p->col = schema->cols[col].store;
        if (p->col == WR_DNE_LocalIP || p->col == WR_DNE_RemoteIP)
            p->as = AS_IP;
        else if (p->col == WR_DNE_Protocol)
            p->as = AS_PROTOCOL;
        return;
    }
    struct wr_nearest near = wr_nearest_to(key->text, key->len);
    for (size_t i = 0; i < sizeof known_columns / sizeof *known_columns; i++)
        wr_nearest_try(&near, known_columns[i], strlen(known_columns[i]));
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (!schema->cols[c].hidden)
            wr_nearest_try(&near, schema->cols[c].name, strlen(schema->cols[c].name));
    hint(l, wr_yaml_diag(l->file, key, WR_ERROR, "DeviceNetworkEvents has no column '%s'", key->text), &near);
}

static void paths(struct load *l, const struct wr_yaml_node *node, struct map_pick *p)
{
    uint32_t n = node->kind == WR_YAML_SEQUENCE ? node->n : 1;
    uint16_t *from = room(l, n, sizeof *from);
    for (uint32_t i = 0; from && i < n; i++)
        from[i] = field(l, node->kind == WR_YAML_SEQUENCE ? node->items[i] : node);
    p->from = from;
    p->nfrom = n;
}

static void transform(struct load *l, const struct wr_yaml_node *node, struct map_pick *p)
{
    struct wr_nearest near = wr_nearest_to(node->text ? node->text : "", node->len);
    for (int i = 0; node->text && i < NAS; i++) {
        if (strcmp(as_names[i], node->text) == 0) {
            p->as = (enum map_as)i;
            bool fits = i != AS_IP || p->col == WR_DNE_LocalIP || p->col == WR_DNE_RemoteIP;
            if (!fits)
                wr_yaml_diag(l->file, node, WR_ERROR, "only LocalIP and RemoteIP are of the kind 'ip'");
            return;
        }
        wr_nearest_try(&near, as_names[i], strlen(as_names[i]));
    }
    hint(l, wr_yaml_diag(l->file, node, WR_ERROR, "there is no transform '%s'", node->text ? node->text : ""),
         &near);
}

static void choices(struct load *l, const struct wr_yaml_node *map, struct map_pick *p)
{
    struct map_choice *c = room(l, map->n, sizeof *c);
    for (uint32_t i = 0; c && i < map->n; i++) {
        c[i].when = keep(l, map->pairs[i].key);
        if (map->pairs[i].value->kind == WR_YAML_SCALAR)
            c[i].then = keep(l, map->pairs[i].value);
        else
            wr_yaml_diag(l->file, map->pairs[i].value, WR_ERROR, "a value is expected here");
    }
    p->choices = c;
    p->nchoices = map->n;
}

/* `{from: PATH, as: TRANSFORM, until: C, map: {A: B}, else: TEXT}` or `{value: TEXT}`. */
static void rich(struct load *l, const struct wr_yaml_node *v, struct map_pick *p)
{
    static const char *const known[] = {"from", "as", "until", "map", "else", "value", NULL};
    (void)wr_yaml_only(l->file, v, known, WR_ERROR);
    const struct wr_yaml_node *from = wr_yaml_get(v, "from"), *as = wr_yaml_get(v, "as");
    const struct wr_yaml_node *map = NULL, *constant = wr_yaml_get(v, from ? "else" : "value");
    const char *until = NULL;
    if (from)
        paths(l, from, p);
    if (as)
        transform(l, as, p);
    if (wr_yaml_str(l->file, v, "until", &until) && until) {
        p->until = until[0];
        if (strlen(until) != 1 || until[0] < 0)
            wr_yaml_diag(l->file, wr_yaml_get(v, "until"), WR_ERROR, "`until` is one ASCII character");
    }
    if (wr_yaml_map(l->file, v, "map", &map) && map)
        choices(l, map, p);
    if (constant && constant->kind == WR_YAML_SCALAR)
        p->other = keep(l, constant);
    if (!from && !p->other.s)
        wr_yaml_diag(l->file, v, WR_ERROR, "a column needs `from` (a path) or `value` (a constant)");
}

static void columns(struct load *l, const struct wr_yaml_node *root, struct map_one *one)
{
    const struct wr_yaml_node *map = NULL;
    if (!wr_yaml_map(l->file, root, "columns", &map) || !map)
        return;
    struct map_pick *p = room(l, map->n, sizeof *p);
    for (uint32_t i = 0; p && i < map->n; i++) {
        const struct wr_yaml_node *v = map->pairs[i].value;
        column(l, map->pairs[i].key, &p[i]);
        if (v->kind == WR_YAML_MAPPING)
            rich(l, v, &p[i]);
        else
            paths(l, v, &p[i]);
    }
    one->picks = p;
    one->npicks = p ? map->n : 0;
}

static bool fills(const struct map_one *one, uint16_t col)
{
    for (uint32_t i = 0; i < one->npicks; i++)
        if (one->picks[i].col == col)
            return true;
    return false;
}

/* What no row can do without. */
static void check(struct load *l, const struct wr_yaml_node *root, const struct map_one *one)
{
    const struct wr_yaml_node *at = wr_yaml_get(root, "columns");
    if (!one->name || !*one->name)
        wr_yaml_diag(l->file, root, WR_ERROR, "a mapping needs `name`");
    if (!one->ntests)
        wr_yaml_diag(l->file, root, WR_ERROR, "a mapping needs `when`: how its records are told from others");
    at = at ? at : root;
    if (!fills(one, WR_DNE_Timestamp))
        wr_yaml_diag(l->file, at, WR_ERROR, "no column Timestamp: a row needs a time");
    if (!fills(one, WR_DNE_ActionType))
        wr_yaml_diag(l->file, at, WR_ERROR, "no column ActionType: `{value: ConnectionSuccess}` if all are");
    if (!fills(one, WR_DNE_RemoteIP) && one->tuple == MAP_NO_FIELD)
        wr_yaml_diag(l->file, at, WR_ERROR, "no column RemoteIP, and no `tuple` to take it from");
}

static void mapping(struct load *l, const struct wr_yaml_node *root)
{
    static const char *const known[] = {"name", "when", "columns", "tuple", "swap", NULL};
    struct map_one one = {.tuple = MAP_NO_FIELD};
    uint32_t errors = l->file->diags->nerrors;
    if (root->kind != WR_YAML_MAPPING) {
        wr_yaml_diag(l->file, root, WR_ERROR, "a mapping of `name`, `when` and `columns` is expected");
        return;
    }
    (void)wr_yaml_only(l->file, root, known, WR_ERROR);
    const char *name = NULL;
    if (wr_yaml_str(l->file, root, "name", &name) && name)
        one.name = wr_arena_strndup(l->m->arena, name, strlen(name));
    one.tests = tests(l, root, "when", &one.ntests);
    one.swaps = tests(l, root, "swap", &one.nswaps);
    const struct wr_yaml_node *tuple = wr_yaml_get(root, "tuple");
    if (tuple)
        one.tuple = field(l, tuple);
    columns(l, root, &one);
    check(l, root, &one);
    if (l->m->n == MAP_MAX)
        wr_yaml_diag(l->file, root, WR_ERROR, "more than %d mappings", MAP_MAX);
    if (!l->nomem && l->file->diags->nerrors == errors)
        l->m->one[l->m->n++] = one;
}

enum wr_err wr_mappings_add(struct wr_mappings *mappings, const char *name, const char *text, size_t len,
                            struct wr_diags *diags)
{
    uint32_t errors = diags->nerrors;
    struct wr_yaml *file = wr_yaml_new(name, text, len, diags);
    if (!file)
        return WR_EINVAL;
    struct load l = {.m = mappings, .file = file};
    for (uint32_t i = 0; i < file->ndocs; i++)
        mapping(&l, file->docs[i]);
    wr_yaml_free(file);
    if (l.nomem)
        return WR_ENOMEM;
    return diags->nerrors > errors ? WR_EINVAL : WR_OK;
}

uint32_t wr_mappings_count(const struct wr_mappings *mappings)
{
    return mappings->n;
}

struct wr_mappings *wr_mappings_new(void)
{
    struct wr_diags diags;
    struct wr_mappings *m = calloc(1, sizeof *m);
    if (!m || !wr_diags_init(&diags)) {
        free(m);
        return NULL;
    }
    m->arena = wr_arena_new(16384);
    enum wr_err err = m->arena ? WR_OK : WR_ENOMEM;
    for (size_t i = 0; !err && i < wr_map_nfiles; i++)
        err = wr_mappings_add(m, wr_map_files[i].name, (const char *)wr_map_files[i].text,
                              wr_map_files[i].len, &diags);
    WR_ASSERT(err != WR_EINVAL || diags.nerrors == 0); /* ours are right: a test reads them */
    wr_diags_fini(&diags);
    if (!err)
        return m;
    wr_mappings_free(m);
    return NULL;
}

void wr_mappings_free(struct wr_mappings *mappings)
{
    if (!mappings)
        return;
    wr_arena_free(mappings->arena);
    free(mappings);
}
