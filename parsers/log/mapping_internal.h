#ifndef WR_PARSERS_LOG_MAPPING_INTERNAL_H
#define WR_PARSERS_LOG_MAPPING_INTERNAL_H

#include "parsers/log/mapping.h"

/* The compiled form, shared by mapping_load.c (YAML -> tables) and mapping.c (record -> row). */
enum {
    MAP_MAX = 128,     /* mappings */
    MAP_FIELDS = 1024, /* different paths that are read */
    MAP_SLOTS = 8192,  /* of the path table: fields and what leads to them, at most half of it used */
    MAP_PATH = 128,    /* bytes of a path */
    MAP_DEPTH = 8,
    MAP_LIST = 16, /* elements of a list that are looked at */
    MAP_LOOKUPS = 8, /* names of lookups */
    MAP_NO_FIELD = 0xffff
};

enum map_as {
    AS_IS,
    AS_BASENAME,
    AS_LOWER,
    AS_UPPER,
    AS_LOWER_BASENAME,
    AS_PROTOCOL,
    AS_IP,
    AS_IMAGE, /* path in `col`, name in `col2` */
    AS_USER,  /* domain in `col`, name in `col2` */
    AS_COUNT, /* elements of a list */
    AS_MAIL,  /* an address of an envelope: no <>, no parameters, domain in lower case */
    AS_SECONDS,
    AS_MILLISECONDS,
    AS_MICROSECONDS,
    AS_NANOSECONDS
};

struct map_text {
    const char *s;
    uint32_t len;
};

struct map_choice {
    struct map_text when, then;
};

/* One column: where its value comes from, and what it is made to. */
struct map_pick {
    uint16_t col, col2;
    enum map_as as;
    char until;           /* the value ends before this byte; 0: nowhere */
    int16_t take;         /* of the pieces between `split`: 0 the first, -1 the last */
    struct map_text pair; /* of `A=1,B=2` the value behind this name; s NULL: the whole */
    struct map_text split, join; /* s NULL: not */
    uint32_t nfrom;       /* fields; the first that has a value */
    const uint16_t *from;
    uint32_t nchoices;
    const struct map_choice *choices;
    struct map_text other; /* `else` and `value`; s NULL: none */
};

struct map_test {
    uint32_t nfields; /* the first that has a value */
    const uint16_t *fields;
    uint32_t nvalues; /* 0: any value */
    const struct map_text *values;
    bool patterns; /* some of them hold a `*` */
};

/* Values kept under a key, for a later record: `fields` are kept; none: they are looked up. */
struct map_lookup {
    uint16_t id; /* which lookup, from 1; 0: none */
    uint32_t nkeys, nfields;
    const uint16_t *keys, *fields;
};

struct map_one {
    const char *name;
    enum wr_table table;
    uint32_t ntests, nswaps, npicks;
    const struct map_test *tests, *swaps;
    const struct map_pick *picks;
    uint16_t tuple;
    struct map_lookup remember, recall;
};

struct map_slot {
    const char *path;
    uint32_t hash;
    uint16_t len, field;
    bool branch; /* leads to a field */
};

/* mapping_check.c: what is said of a mapping that is read and would be used, `one` at `root` of the file. */
struct wr_yaml;
struct wr_yaml_node;
void wr_map_check_others(const struct wr_mappings *m, const struct map_one *one, const struct wr_yaml *file,
                         const struct wr_yaml_node *root);
/* A constant, at `node`, that the column cannot hold. */
void wr_map_check_constant(const struct wr_coldef *col, const struct wr_yaml *file, const struct wr_yaml_node *node);
/* A path that is written as in another language, or has a part without a name. False: it is an error. */
bool wr_map_check_path(const struct wr_yaml *file, const struct wr_yaml_node *node, const char *text, size_t len);

struct wr_mappings {
    struct wr_arena *arena;
    struct map_one one[MAP_MAX];
    uint32_t n, nown; /* nown: of them come with weir */
    uint32_t nfields, nslots, nlookups;
    const char *lookup[MAP_LOOKUPS]; /* names; ids are places from 1 */
    struct map_slot slot[MAP_SLOTS];
};

/* Where the fields of a record stand: the same in every text of one shape (wr_json_doc.shape). */
enum { MAP_LAYOUTS = 8, MAP_LAYOUT_FIELDS = 64, MAP_LAYOUT_TOP = 128 };
struct map_layout {
    uint64_t shape;     /* 0: nothing is known */
    uint32_t record;    /* mark of its bracket */
    uint32_t nfields, ntop;
    uint16_t field[MAP_LAYOUT_FIELDS];
    uint32_t mark[MAP_LAYOUT_FIELDS];
    uint32_t top[MAP_LAYOUT_TOP]; /* marks of the outermost values */
    uint64_t may[MAP_MAX / 64];   /* bit of a mapping: its conditions ask for fields that are there */
    uint32_t dup_keys;
    uint16_t of[MAP_FIELDS];      /* mark of a field's last value; 0: it is not there. Shapes have few marks (shape.h) */
};

/* Which picks of a mapping fill what somebody reads: the same from record to record. */
enum { MAP_PICKS = 256 };
struct map_needed {
    bool known;
    struct wr_colset need; /* what is read of its table */
    uint64_t picks[MAP_PICKS / 64];
    uint64_t plain[MAP_PICKS / 64]; /* of them, those that take a value as it stands */
};

/* mapping.c: one thread's view of the record at hand. */
struct wr_fields {
    uint32_t now, dup_keys;
    uint32_t next;      /* mappings below it are still to be tried */
    uint32_t tables;    /* bit t: a mapping of table t took the record */
    bool xml;           /* a text of the record begins as a Windows event does */
    bool looked_up;     /* some record asked for, or left, something of another */
    uint64_t lookups_missed;
    struct wr_lookups *lookups; /* NULL: none */
    uint32_t seen[MAP_FIELDS]; /* == now: the field is in this record; see `known` */
    uint32_t mark[MAP_FIELDS]; /* where its value stands in `doc`; 0: it is in val */
    struct wr_json_val val[MAP_FIELDS];
    const struct wr_json_doc *doc;
    const uint64_t *may; /* mappings that may take the record; NULL: it is not known */
    const struct map_layout *known; /* fields that are not `seen` are in the record where this says so; NULL: they are not */
    struct map_layout layout[MAP_LAYOUTS], making;
    struct map_needed needed[MAP_MAX];
};
const struct map_slot *wr_map_path_find(const struct wr_mappings *m, const char *path, size_t len);
uint32_t wr_map_path_hash(const char *path, size_t len);
/* The value, written as text, is this text. */
bool wr_map_same(const struct wr_json_val *v, const struct map_text *t);
/* The value of a field; NULL when there is none, or one of the words that sources write for that. */
const struct wr_json_val *wr_map_value(struct wr_fields *f, uint16_t field);

/* The field's mark, when it has a value that stands in the record; 0: it has none, or one from elsewhere. */
uint32_t wr_map_mark(const struct wr_fields *f, uint16_t field);
/* Fields of elsewhere come to those of the record: these are noted before. */
void wr_map_more_fields(struct wr_fields *f);
/* The mapping says that the record's other end began the connection. */
bool wr_map_swapped(const struct map_one *one, struct wr_fields *f);

/* mapping_row.c: the event of a record that the mapping takes. WR_MAP_MISSING: a column that it must have is not there. */
enum wr_map wr_map_row(const struct map_one *one, struct wr_fields *f, struct map_needed *needed, struct wr_event *ev);

/* transform.c: a value, cut and changed as the pick says, into the event. */
void wr_map_fill(const struct map_pick *p, struct wr_fields *f, struct wr_event *ev);

/* lookup.c: bounded memory of what earlier records said; the oldest entries go first. */
void wr_map_remember(struct wr_fields *f, const struct map_lookup *lookup, struct wr_event *ev);
void wr_map_recall(struct wr_fields *f, const struct map_lookup *lookup, struct wr_event *ev);

/* The files that are built in (generated by cmake/embed_mappings.cmake). */
struct wr_map_file {
    const char *name;
    const unsigned char *text;
    size_t len;
};
extern const struct wr_map_file wr_map_files[];
extern const size_t wr_map_nfiles;

#endif
