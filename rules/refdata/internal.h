/* What refdata.c and ask.c share. */
#ifndef WR_RULES_REFDATA_INTERNAL_H
#define WR_RULES_REFDATA_INTERNAL_H

#include "rules/plan/external.h"
#include "rules/refdata/content.h"

enum { MAX_TABLES = 256 };

/* One way in which a list is read: columns and format. */
struct table {
    struct wr_external_table ext; /* first: what plans hold */
    struct list *list;
    struct wr_schema schema;
    struct wr_content_spec spec;
    struct wr_content *content;
    struct table *next;
};

struct list {
    struct wr_list_def def;
    char *file, *text; /* as loaded last; the text of addresses only, since other queries may read it otherwise */
    size_t len;
    int64_t loaded;
    bool ready;
    struct table *tables;
    struct list *next;
};

struct function {
    struct wr_saved_fn fn;
    struct function *next;
};

struct wr_refdata {
    uint32_t refs, nlists;
    struct wr_arena *arena; /* definitions, tables */
    struct wr_external lists_view;
    struct wr_functions functions_view;
    struct wr_plan_env env;
    struct list *lists, **end;
    struct function *functions;
    uint64_t version;
};

/* NULL: there is none. */
struct list *wr_ref_list(const struct wr_refdata *ref, enum wr_list_kind kind, const char *name, size_t len);
/* A table without rows; columns are copied. NULL: out of memory. */
struct table *wr_ref_table(struct wr_refdata *ref, struct list *list, const char *name, const struct wr_coldef *cols,
                           uint16_t ncols);
void wr_ref_keep(struct list *list, struct table *t);
enum wr_list_format wr_ref_format(const struct list *l, const char *file);
/* A watchlist's or own table's text. */
enum wr_err wr_ref_load_own(struct wr_refdata *ref, struct list *l, const char *file, const char *text, size_t len,
                            int64_t now, struct wr_diags *diags);
/* wr_external.find */
const struct wr_external_table *wr_ref_find(const struct wr_external *lists, const struct wr_external_request *req,
                                            struct wr_arena *arena, const char **ret_why, const char **ret_hint);
/* wr_external.table */
const char *wr_ref_table_name(const struct wr_external *lists, uint32_t n);

#endif
