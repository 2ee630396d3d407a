/* Mapping files -> tables. A mapping is compiled beside the others and counted in at the end, so that a
 * faulty one leaves nothing but unused paths. */
#include "base/nearest.h"
#include "base/yaml.h"
#include "parsers/log/mapping_internal.h"

#include <stdlib.h>

struct load {
    struct wr_mappings *m;
    const struct wr_yaml *file;
    const struct wr_schema *schema; /* of the mapping at hand */
    enum wr_table table;
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

/* The number of the path text[0..len) that stands at `node`, MAP_NO_FIELD after a message. */
static uint16_t field_at(struct load *l, const struct wr_yaml_node *node, const char *text, size_t len)
{
    if (len == 0 || len >= MAP_PATH) {
        wr_yaml_diag(l->file, node, WR_ERROR, "a path is expected here: 1 to %d bytes", MAP_PATH - 1);
        return MAP_NO_FIELD;
    }
    if (!wr_map_check_path(l->file, node, text, len))
        return MAP_NO_FIELD;
    struct map_slot *s = NULL;
    for (size_t i = 1; i <= len; i++) {
        if (i < len && text[i] != '.')
            continue;
        s = slot_add(l, text, i);
        if (!s)
            break;
        s->branch |= i < len;
    }
    if (s && s->field == MAP_NO_FIELD && l->m->nfields < MAP_FIELDS)
        s->field = (uint16_t)l->m->nfields++;
    if (!s || s->field == MAP_NO_FIELD) {
        wr_yaml_diag(l->file, node, WR_ERROR, "all mappings together read more than %d paths", MAP_FIELDS);
        return MAP_NO_FIELD;
    }
    return s->field;
}

static uint16_t field(struct load *l, const struct wr_yaml_node *node)
{
    return field_at(l, node, node->text, node->kind == WR_YAML_SCALAR ? node->len : 0);
}

/* A list of paths, or one. */
static const uint16_t *fields(struct load *l, const struct wr_yaml_node *node, uint32_t *ret_n)
{
    uint32_t n = node->kind == WR_YAML_SEQUENCE ? node->n : 1;
    uint16_t *list = room(l, n, sizeof *list);
    for (uint32_t i = 0; list && i < n; i++)
        list[i] = field(l, node->kind == WR_YAML_SEQUENCE ? node->items[i] : node);
    *ret_n = list ? n : 0;
    return list;
}

/* ---- when, swap ---- */

/* `a.b|c`: the first of them that has a value. */
static void test_fields(struct load *l, const struct wr_yaml_node *key, struct map_test *t)
{
    uint32_t n = 1;
    for (size_t i = 0; i < key->len; i++)
        n += key->text[i] == '|';
    uint16_t *list = room(l, n, sizeof *list);
    const char *at = key->text, *end = key->text + key->len;
    for (uint32_t i = 0; list && i < n; i++) {
        const char *bar = memchr(at, '|', (size_t)(end - at));
        list[i] = field_at(l, key, at, (size_t)((bar ? bar : end) - at));
        at = bar ? bar + 1 : end;
    }
    t->fields = list;
    t->nfields = list ? n : 0;
}

static void one_test(struct load *l, const struct wr_yaml_pair *pair, struct map_test *t)
{
    const struct wr_yaml_node *v = pair->value;
    uint32_t n = v->kind == WR_YAML_SEQUENCE ? v->n : 1;
    test_fields(l, pair->key, t);
    if (v->kind == WR_YAML_SCALAR && v->len == 1 && *v->text == '*')
        return;
    struct map_text *values = room(l, n, sizeof *values);
    for (uint32_t i = 0; values && i < n; i++) {
        const struct wr_yaml_node *item = v->kind == WR_YAML_SEQUENCE ? v->items[i] : v;
        if (item->kind == WR_YAML_SCALAR) {
            values[i] = keep(l, item);
            t->patterns |= memchr(item->text, '*', item->len) != NULL;
        } else
        {
            wr_yaml_diag(l->file, item, WR_ERROR, "a value, a list of values or \"*\" is expected here");
        }
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
    "is",   "basename", "lower", "upper", "lower-basename", "protocol",     "ip",           "path",
    "user", "count",    "mail",  "seconds", "milliseconds",   "microseconds", "nanoseconds"};
enum { NAS = sizeof as_names / sizeof *as_names };

/* Names that stand for two columns of their table, or for what only the connection's session shows. */
static const struct {
    enum wr_table table;
    const char *name;
    enum map_as as;
    uint16_t col, col2;
} pairs[] = {
    {WR_TABLE_DEVICE_NETWORK_EVENTS, "Image", AS_IMAGE, WR_DNE_InitiatingProcessFolderPath,
     WR_DNE_InitiatingProcessFileName},
    {WR_TABLE_DEVICE_NETWORK_EVENTS, "User", AS_USER, WR_DNE_InitiatingProcessAccountDomain,
     WR_DNE_InitiatingProcessAccountName},
    {WR_TABLE_DEVICE_NETWORK_EVENTS, "Application", AS_IS, WR_DNE__Application, WR_NO_COL},
    {WR_TABLE_DEVICE_PROCESS_EVENTS, "Image", AS_IMAGE, WR_DPE_FolderPath, WR_DPE_FileName},
    {WR_TABLE_DEVICE_PROCESS_EVENTS, "User", AS_USER, WR_DPE_AccountDomain, WR_DPE_AccountName},
    {WR_TABLE_DEVICE_PROCESS_EVENTS, "InitiatingImage", AS_IMAGE, WR_DPE_InitiatingProcessFolderPath,
     WR_DPE_InitiatingProcessFileName},
    {WR_TABLE_DEVICE_PROCESS_EVENTS, "InitiatingUser", AS_USER, WR_DPE_InitiatingProcessAccountDomain,
     WR_DPE_InitiatingProcessAccountName},
};
enum { NPAIRS = sizeof pairs / sizeof *pairs };

static void hint(struct load *l, struct wr_diag *d, const struct wr_nearest *near)
{
    if (near->best)
        wr_diag_hint(l->file->diags, d, "did you mean '%.*s'?", (int)near->best_len, near->best);
}

/* Columns that hold an address take it in its shortest form without being told. */
static bool is_address(const struct wr_coldef *col)
{
    static const char *const ends[] = {"IpAddr", "SrcIp", "DstIp"};
    size_t len = strlen(col->name);
    for (size_t i = 0; col->type == WR_STRING && i < sizeof ends / sizeof *ends; i++)
        if (len >= strlen(ends[i]) && strcmp(col->name + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

static void column(struct load *l, const struct wr_yaml_node *key, struct map_pick *p)
{
    const struct wr_schema *schema = l->schema;
    bool connection = l->table == WR_TABLE_DEVICE_NETWORK_EVENTS;
    p->col2 = WR_NO_COL;
    for (size_t i = 0; i < NPAIRS; i++)
        if (pairs[i].table == l->table && strcmp(key->text, pairs[i].name) == 0) {
            p->col = pairs[i].col;
            p->col2 = pairs[i].col2;
            p->as = pairs[i].as;
            return;
        }
    uint16_t col = wr_schema_find(schema, key->text, key->len);
    if (col != WR_NO_COL) {
        p->col = schema->cols[col].store;
        if (connection && (p->col == WR_DNE_LocalIP || p->col == WR_DNE_RemoteIP)) {
            p->as = AS_IP;
            p->col2 = p->col == WR_DNE_LocalIP ? WR_DNE_LocalIPType : WR_DNE_RemoteIPType;
        } else if (connection && p->col == WR_DNE_Protocol) {
            p->as = AS_PROTOCOL;
        } else if (!connection && is_address(&schema->cols[p->col])) {
            p->as = AS_IP;
        }
        return;
    }
    struct wr_nearest near = wr_nearest_to(key->text, key->len);
    for (size_t i = 0; i < NPAIRS; i++)
        if (pairs[i].table == l->table)
            wr_nearest_try(&near, pairs[i].name, strlen(pairs[i].name));
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (!schema->cols[c].hidden)
            wr_nearest_try(&near, schema->cols[c].name, strlen(schema->cols[c].name));
    hint(l, wr_yaml_diag(l->file, key, WR_ERROR, "%s has no column '%s'", schema->name, key->text),
         &near);
}

static void paths(struct load *l, const struct wr_yaml_node *node, struct map_pick *p)
{
    p->from = fields(l, node, &p->nfrom);
}

/* Transforms that write two columns, or change what a column is, belong to those columns. */
static bool as_fits(const struct load *l, const struct map_pick *p, enum map_as as)
{
    if (as == AS_IMAGE || as == AS_USER)
        return p->as == as;
    enum wr_type type = l->schema->cols[p->col].type;
    if (as == AS_IS)
        return true;
    if (as == AS_COUNT)
        return type == WR_INT || type == WR_LONG || type == WR_REAL;
    return as >= AS_SECONDS ? type == WR_DATETIME : type == WR_STRING;
}

static void transform(struct load *l, const struct wr_yaml_node *node, struct map_pick *p)
{
    struct wr_nearest near = wr_nearest_to(node->text ? node->text : "", node->len);
    for (int i = 0; node->text && i < NAS; i++) {
        if (strcmp(as_names[i], node->text) == 0) {
            if (!as_fits(l, p, (enum map_as)i))
                wr_yaml_diag(l->file, node, WR_ERROR, "'%s' does not fit %s, which is of type %s", as_names[i],
                             l->schema->cols[p->col].name, wr_type_name(l->schema->cols[p->col].type));
            else
                p->as = (enum map_as)i;
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
        if (map->pairs[i].value->kind == WR_YAML_SCALAR) {
            c[i].then = keep(l, map->pairs[i].value);
            wr_map_check_constant(&l->schema->cols[p->col], l->file, map->pairs[i].value);
        } else
            wr_yaml_diag(l->file, map->pairs[i].value, WR_ERROR, "a value is expected here");
    }
    p->choices = c;
    p->nchoices = map->n;
}

static void text_of(struct load *l, const struct wr_yaml_node *map, const char *key, bool empty_too,
                    struct map_text *ret)
{
    const struct wr_yaml_node *node = wr_yaml_get(map, key);
    if (!node)
        return;
    if (node->kind == WR_YAML_SCALAR && (node->len || empty_too))
        *ret = keep(l, node);
    else
        wr_yaml_diag(l->file, node, WR_ERROR, "`%s` is a text", key);
}

/* What cuts a value: `pair: NAME`, `until: C`, `split: TEXT` with `take: N`, `join: TEXT`. */
static void cuts(struct load *l, const struct wr_yaml_node *v, struct map_pick *p)
{
    const char *until = NULL;
    int64_t take = 0;
    if (wr_yaml_str(l->file, v, "until", &until) && until) {
        p->until = until[0];
        if (strlen(until) != 1 || until[0] < 0)
            wr_yaml_diag(l->file, wr_yaml_get(v, "until"), WR_ERROR, "`until` is one ASCII character");
    }
    text_of(l, v, "pair", false, &p->pair);
    text_of(l, v, "split", false, &p->split);
    text_of(l, v, "join", true, &p->join);
    if (wr_yaml_int(l->file, v, "take", -1, 255, &take))
        p->take = (int16_t)take;
    if (wr_yaml_get(v, "take") && !p->split.s)
        wr_yaml_diag(l->file, wr_yaml_get(v, "take"), WR_ERROR, "`take` needs `split`: what stands between");
}

/* `{from: PATH, as: TRANSFORM, until: C, map: {A: B}, else: TEXT}` or `{value: TEXT}`. */
static void rich(struct load *l, const struct wr_yaml_node *v, struct map_pick *p)
{
    static const char *const known[] = {"from",  "as",   "until", "pair", "split", "take",
                                        "join", "map", "else",  "value", NULL};
    (void)wr_yaml_only(l->file, v, known, WR_ERROR);
    const struct wr_yaml_node *from = wr_yaml_get(v, "from"), *as = wr_yaml_get(v, "as");
    const struct wr_yaml_node *map = NULL, *constant = wr_yaml_get(v, from ? "else" : "value");
    const struct wr_yaml_node *idle = wr_yaml_get(v, from ? "value" : "else");
    if (from)
        paths(l, from, p);
    if (as)
        transform(l, as, p);
    cuts(l, v, p);
    if (wr_yaml_map(l->file, v, "map", &map) && map)
        choices(l, map, p);
    if (idle)
        wr_yaml_diag(l->file, idle, WR_ERROR, from ? "`value` is for a column without `from`; `else` stands where there is none of `from`"
                                                   : "`else` is for a column with `from`; a constant is `value`");
    if (constant && constant->kind == WR_YAML_SCALAR) {
        p->other = keep(l, constant);
        if (!as)
            wr_map_check_constant(&l->schema->cols[p->col], l->file, constant);
    } else if (constant) {
        wr_yaml_diag(l->file, constant, WR_ERROR, "`%s` is a text", from ? "else" : "value");
        return;
    }
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
        p[i].col = WR_NO_COL;
        column(l, map->pairs[i].key, &p[i]);
        if (p[i].col == WR_NO_COL)
            continue;
        for (uint32_t k = 0; k < i; k++)
            if (p[k].col == p[i].col)
                wr_yaml_diag(l->file, map->pairs[i].key, WR_ERROR, "%s is filled twice: by `%s` on line %u, too",
                             l->schema->cols[p[i].col].name, map->pairs[k].key->text, map->pairs[k].key->line);
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
    if (!fills(one, WR_TIME_COL))
        wr_yaml_diag(l->file, at, WR_ERROR, "no column %s: a row needs a time", l->schema->cols[WR_TIME_COL].name);
    if (l->table != WR_TABLE_DEVICE_NETWORK_EVENTS)
        return;
    if (!fills(one, WR_DNE_ActionType))
        wr_yaml_diag(l->file, at, WR_ERROR, "no column ActionType: `{value: ConnectionSuccess}` if all are");
    if (!fills(one, WR_DNE_RemoteIP) && one->tuple == MAP_NO_FIELD)
        wr_yaml_diag(l->file, at, WR_ERROR, "no column RemoteIP, and no `tuple` to take it from");
}

/* Tables that lines become rows of; the others are made from flows. */
static bool is_log_table(enum wr_table t)
{
    return t != WR_TABLE_FLOW_ORPHANS && t != WR_TABLE_FLOWS && t != WR_TABLE_SYSLOG;
}

static void table_of(struct load *l, const struct wr_yaml_node *root)
{
    const char *name = NULL;
    l->table = WR_TABLE_DEVICE_NETWORK_EVENTS;
    if (wr_yaml_str(l->file, root, "table", &name) && name &&
        !(wr_table_find(name, strlen(name), &l->table) && is_log_table(l->table))) {
        struct wr_nearest near = wr_nearest_to(name, strlen(name));
        for (int t = 0; t < WR_NTABLES; t++)
            if (is_log_table((enum wr_table)t))
                wr_nearest_try(&near, wr_schema_of((enum wr_table)t)->name, strlen(wr_schema_of((enum wr_table)t)->name));
        hint(l, wr_yaml_diag(l->file, wr_yaml_get(root, "table"), WR_ERROR,
                             "a mapping cannot fill a table '%s'", name), &near);
        l->table = WR_TABLE_DEVICE_NETWORK_EVENTS;
    }
    l->schema = wr_schema_of(l->table);
    for (const char *const *only = (const char *const[]){"tuple", "swap", NULL}; *only; only++)
        if (wr_yaml_get(root, *only) && l->table != WR_TABLE_DEVICE_NETWORK_EVENTS)
            wr_yaml_diag(l->file, wr_yaml_get(root, *only), WR_ERROR, "`%s` is for DeviceNetworkEvents", *only);
}

/* `{lookup: NAME, key: [PATH..], fields: [PATH..]}`; recall has no fields. */
static void lookup(struct load *l, const struct wr_yaml_node *root, const char *key, struct map_lookup *ret)
{
    static const char *const remember[] = {"lookup", "key", "fields", NULL}, *const recall[] = {"lookup", "key", NULL};
    const struct wr_yaml_node *map = NULL;
    bool keeps = strcmp(key, "remember") == 0;
    if (!wr_yaml_map(l->file, root, key, &map) || !map)
        return;
    (void)wr_yaml_only(l->file, map, keeps ? remember : recall, WR_ERROR);
    const struct wr_yaml_node *k = wr_yaml_get(map, "key"), *f = wr_yaml_get(map, "fields");
    const char *name = NULL;
    if (!wr_yaml_str(l->file, map, "lookup", &name) || !name || !k || (keeps && !f)) {
        wr_yaml_diag(l->file, map, WR_ERROR, "`%s` needs `lookup` (a name), `key`%s", key, keeps ? " and `fields`" : "");
        return;
    }
    ret->keys = fields(l, k, &ret->nkeys);
    if (keeps)
        ret->fields = fields(l, f, &ret->nfields);
    while (ret->id < l->m->nlookups && strcmp(l->m->lookup[ret->id], name) != 0)
        ret->id++;
    if (ret->id == MAP_LOOKUPS)
        wr_yaml_diag(l->file, map, WR_ERROR, "more than %d lookups", MAP_LOOKUPS);
    else if (ret->id == l->m->nlookups) {
        l->m->lookup[ret->id] = wr_arena_strndup(l->m->arena, name, strlen(name));
        l->nomem |= !l->m->lookup[ret->id];
        l->m->nlookups++;
    }
    ret->id++;
}

static void mapping(struct load *l, const struct wr_yaml_node *root)
{
    static const char *const known[] = {"name", "table",    "when",   "columns", "tuple",
                                        "swap", "remember", "recall", NULL};
    struct map_one one = {.tuple = MAP_NO_FIELD};
    uint32_t errors = l->file->diags->nerrors;
    if (root->kind != WR_YAML_MAPPING) {
        wr_yaml_diag(l->file, root, WR_ERROR, "a mapping of `name`, `when` and `columns` is expected");
        return;
    }
    (void)wr_yaml_only(l->file, root, known, WR_ERROR);
    table_of(l, root);
    one.table = l->table;
    const char *name = NULL;
    if (wr_yaml_str(l->file, root, "name", &name) && name)
        one.name = wr_arena_strndup(l->m->arena, name, strlen(name));
    one.tests = tests(l, root, "when", &one.ntests);
    one.swaps = tests(l, root, "swap", &one.nswaps);
    const struct wr_yaml_node *tuple = wr_yaml_get(root, "tuple");
    if (tuple)
        one.tuple = field(l, tuple);
    lookup(l, root, "remember", &one.remember);
    lookup(l, root, "recall", &one.recall);
    columns(l, root, &one);
    check(l, root, &one);
    if (l->m->n == MAP_MAX)
        wr_yaml_diag(l->file, root, WR_ERROR, "more than %d mappings", MAP_MAX);
    if (!l->nomem && l->file->diags->nerrors == errors && l->m->nown)
        wr_map_check_others(l->m, &one, l->file, root);
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
    m->nown = m->n;
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
