#ifndef WR_PARSERS_LOG_SHAPE_H
#define WR_PARSERS_LOG_SHAPE_H

#include "parsers/log/json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What parsed texts looked like. Events of one sender have the same keys at the same places, and
 * differ in their values: such a text has the grammar, the links and the columns of the one before,
 * once its keys, commas and brackets are seen to be the same. A few shapes are kept, each in the
 * place that its number of marks says; a new one takes the place of the old. One thread. */
enum { WR_SHAPES = 8, WR_SHAPE_MARKS = 512, WR_SHAPE_NAMES = 4096 };

struct wr_shape_key {
    uint16_t mark, len; /* of its first quote; bytes from there to the colon */
    uint32_t at;        /* in `names` */
};

struct wr_shape {
    uint64_t id; /* no two shapes have the same; 0: nothing is kept here */
    uint32_t n;
    uint32_t nkeys, nsigns, nvalues;
    struct wr_json_link link[WR_SHAPE_MARKS];
    struct wr_shape_key key[WR_SHAPE_MARKS / 4 + 1];
    uint16_t sign[WR_SHAPE_MARKS];  /* marks of commas and brackets */
    char is[WR_SHAPE_MARKS];        /* which each of them is */
    uint16_t value[WR_SHAPE_MARKS]; /* marks of scalars */
    char names[WR_SHAPE_NAMES];
};

struct wr_shapes {
    struct wr_shape at[WR_SHAPES];
};

/* The kept shape that the text has, but for whether its scalars are well-formed: `value` says where
 * they stand. NULL: none. */
const struct wr_shape *wr_shapes_find(const struct wr_shapes *shapes, const char *text,
                                      const uint32_t *mark, uint32_t n);
/* Keeps the shape of a valid text; NULL when it is too large. */
const struct wr_shape *wr_shapes_keep(struct wr_shapes *shapes, const char *text,
                                      const uint32_t *mark, uint32_t n,
                                      const struct wr_json_link *link);

#ifdef __cplusplus
}
#endif

#endif
