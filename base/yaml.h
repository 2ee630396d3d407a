/* YAML files that people write: the configuration and Sentinel rule files. libyaml's events become
 * a small immutable tree whose nodes know their place, so that every message can point at the line.
 *
 * Bounds  4 MiB of text, 65,536 nodes, depth 32, 1,024 keys a mapping, 256 documents. Anchors,
 * aliases and tags other than the core ones are refused: rule files have none and they are how YAML
 * bombs are built. Source  YAML 1.1 as libyaml 0.2 reads it. */
#ifndef WR_BASE_YAML_H
#define WR_BASE_YAML_H

#include "base/diag.h"

#include <stdbool.h>

enum wr_yaml_kind { WR_YAML_SCALAR, WR_YAML_SEQUENCE, WR_YAML_MAPPING };

struct wr_yaml_node;

struct wr_yaml_pair {
    const struct wr_yaml_node *key; /* a scalar */
    const struct wr_yaml_node *value;
};

struct wr_yaml_node {
    enum wr_yaml_kind kind;
    bool plain;         /* scalar without quotes: may stand for null, a number or a truth value */
    uint32_t line, col; /* from 1 */
    struct wr_span
        span;         /* in the file's source: the scalar, or the first character of a collection */
    const char *text; /* scalar: NUL-terminated, no NUL inside, blanks at both ends of plain ones
                         cut; else NULL */
    size_t len;
    uint32_t
        text_line; /* scalar: the file's line on which `text` begins (a block's is below its `|`) */
    uint32_t text_indent; /* scalar: columns cut from each of its lines: wr_source.indent */
    uint32_t n;           /* items or pairs */
    const struct wr_yaml_node *const *items;
    const struct wr_yaml_pair *pairs; /* keys are unique */
};

struct wr_yaml {
    struct wr_arena *arena; /* owns the nodes; `source` belongs to `diags` */
    struct wr_diags *diags; /* borrowed: where the getters below complain; outlives the file */
    const struct wr_source *source;
    const struct wr_yaml_node *const
        *docs; /* root of each document; an empty document is left out */
    uint32_t ndocs;
};

/* Reads a file's text (UTF-8, with or without BOM). Owned; NULL with errors in `diags`. Name and
 * text are copied. */
struct wr_yaml *wr_yaml_new(const char *name, const char *text, size_t len, struct wr_diags *diags);
void wr_yaml_free(struct wr_yaml *file);

/* Value of a key; NULL when it is missing or `map` is NULL or no mapping. A value that is there but
 * empty, `~` or `null` is a node for which wr_yaml_is_null holds. */
const struct wr_yaml_node *wr_yaml_get(const struct wr_yaml_node *map, const char *key);
bool wr_yaml_is_null(const struct wr_yaml_node *node);
/* Text of a key's value where any is asked for; "" when it is missing, null or no scalar. */
const char *wr_yaml_text(const struct wr_yaml_node *map, const char *key);

/* Typed reading of one key. Each returns false after adding an error to file->diags; a missing or
 * null key is no error and leaves *ret as it was, so set the default before. Strings are borrowed
 * until wr_yaml_free. */
bool wr_yaml_str(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 const char **ret);
bool wr_yaml_bool(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                  bool *ret);
bool wr_yaml_int(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 int64_t min, int64_t max, int64_t *ret);
/* Bytes: `512 MiB`, `64k`, `1048576`; units b k kb kib m mb mib g gb gib, any case, all powers of
 * 1024. */
bool wr_yaml_bytes(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                   uint64_t min, uint64_t max, uint64_t *ret);
/* Ticks of 100 ns: `30s`, `5m`, `1h`, `14d`, `250ms`, [d.]hh:mm:ss, or ISO 8601 (`P1DT2H`). A bare number is refused: it
 * has no unit. */
bool wr_yaml_ticks(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                   int64_t min, int64_t max, int64_t *ret);
/* A mapping or a sequence under `key`; *ret is NULL when the key is missing or null. */
bool wr_yaml_map(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 const struct wr_yaml_node **ret);
bool wr_yaml_seq(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 const struct wr_yaml_node **ret);

/* The same reading of a timespan, for other texts. */
bool wr_ticks_parse_span(const char *text, size_t len, int64_t *ret_ticks);

/* Complains about every key of `map` that is not in `known` (NULL-terminated), with the nearest
 * known one as hint. Returns false when there was one and `severity` is WR_ERROR. */
bool wr_yaml_only(const struct wr_yaml *file, const struct wr_yaml_node *map,
                  const char *const *known, enum wr_severity severity);

/* Adds a message at a node; set hint and page on the result as with wr_diag_add. */
struct wr_diag *wr_yaml_diag(const struct wr_yaml *file, const struct wr_yaml_node *node,
                             enum wr_severity severity, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
