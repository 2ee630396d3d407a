/* What a mapping says that can be read and cannot be meant: constants of another type, paths of another language, mappings that
 * get no record. */
#include "base/yaml.h"
#include "parsers/log/mapping_internal.h"

#include <math.h>
#include <stdlib.h>

static bool is_real(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    return *text && !*end && isfinite(v);
}

void wr_map_check_constant(const struct wr_coldef *col, const struct wr_yaml *file, const struct wr_yaml_node *node)
{
    struct wr_json_val v = {.type = WR_JSON_STR, .len = (uint32_t)node->len, .s = node->text};
    int64_t n = 0;
    bool ok = true, number = wr_val_i64(&v, &n);
    if (col->type == WR_INT)
        ok = number && n >= INT32_MIN && n <= INT32_MAX;
    else if (col->type == WR_LONG || col->type == WR_BOOL)
        ok = number;
    else if (col->type == WR_REAL)
        ok = is_real(node->text);
    else if (col->type == WR_DATETIME)
        ok = wr_val_time(&v, &n);
    if (!ok)
        wr_yaml_diag(file, node, WR_ERROR, "%s is of type %s, which '%s' is not", col->name, wr_type_name(col->type), node->text);
}

bool wr_map_check_path(const struct wr_yaml *file, const struct wr_yaml_node *node, const char *text, size_t len)
{
    bool empty = text[0] == '.' || text[len - 1] == '.';
    for (size_t i = 1; i < len; i++)
        empty |= text[i] == '.' && text[i - 1] == '.';
    if (empty) {
        wr_yaml_diag(file, node, WR_ERROR, "'%.*s' is no path: a key stands before, between and behind its points", (int)len, text);
        return false;
    }
    const char *bracket = memchr(text, '[', len), *slash = memchr(text, '/', len);
    if ((len > 2 && !memcmp(text, "$.", 2)) || (bracket && bracket > text) || slash == text)
        wr_yaml_diag(file, node, WR_WARNING, "keys of a path are written with points between, elements of a list by number: `args.0.saddr`");
    return true;
}

/* `a` is the same as one of t's values, or matches one that ends in a star. */
static bool holds(const struct map_text *a, const struct map_test *t)
{
    for (uint32_t i = 0; i < t->nvalues; i++) {
        const struct map_text *b = &t->values[i];
        const char *star = memchr(b->s, '*', b->len);
        size_t head = star ? (size_t)(star - b->s) : b->len;
        if (star && head + 1 != b->len)
            continue;
        if (a->len >= head && (star || a->len == head) && !memcmp(a->s, b->s, head))
            return true;
    }
    return false;
}

/* Whatever passes `narrow` passes `wide`. */
static bool implies(const struct map_test *narrow, const struct map_test *wide)
{
    if (narrow->nfields != wide->nfields || memcmp(narrow->fields, wide->fields, wide->nfields * sizeof *wide->fields) != 0)
        return false;
    for (uint32_t i = 0; wide->nvalues && i < narrow->nvalues; i++)
        if (!holds(&narrow->values[i], wide))
            return false;
    return !wide->nvalues || narrow->nvalues;
}

static bool takes_all_of(const struct map_one *first, const struct map_one *later)
{
    for (uint32_t i = 0; i < first->ntests; i++) {
        uint32_t k = 0;
        while (k < later->ntests && !implies(&later->tests[k], &first->tests[i]))
            k++;
        if (k == later->ntests)
            return false;
    }
    return true;
}

void wr_map_check_others(const struct wr_mappings *m, const struct map_one *one, const struct wr_yaml *file,
                         const struct wr_yaml_node *root)
{
    for (uint32_t i = m->nown; i < m->n; i++) {
        const struct map_one *before = &m->one[i];
        if (before->table != one->table)
            continue;
        const struct wr_yaml_node *at = wr_yaml_get(root, "when");
        if (takes_all_of(one, before))
            wr_yaml_diag(file, at, WR_WARNING, "mapping '%s' gets no record: '%s', which stands behind it and so is tried first, takes "
                         "all that it would; put '%s' above '%s', or say more here", before->name, one->name, one->name, before->name);
        else if (strcmp(before->name, one->name) == 0)
            wr_yaml_diag(file, wr_yaml_get(root, "name"), WR_WARNING, "another mapping to %s is called '%s', too: `weir probe` cannot tell them apart",
                         wr_schema_of(one->table)->name, one->name);
    }
}
