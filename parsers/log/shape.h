#ifndef WR_PARSERS_LOG_SHAPE_H
#define WR_PARSERS_LOG_SHAPE_H

#include "parsers/log/json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What parsed texts looked like. Events of one sender are the same bytes but for their values:
 *
 *     {"ts":1764000000.5,"uid":"C1","rcode":3}
 *     ------            -------    ---------  -      pieces: the bytes before, between and behind
 * scalars
 *
 * A text that has the pieces of a valid one, with a well-formed scalar between each two, is valid,
 * and its marks stand where theirs do: it needs no look for its structure, no walk and no links. A
 * few shapes are kept; a new one takes the place of that which was not met for the longest time.
 * Tried are the shape of the text before, then those that share with it what was seen of the text:
 * each byte is compared about once, however many shapes there are. One thread. */
enum {
    WR_SHAPES = 16,
    WR_SHAPE_MARKS = 512,
    WR_SHAPE_BYTES = 4096,
    WR_SHAPE_PIECES = WR_SHAPE_MARKS / 2 + 1
};

struct wr_shape_piece {
    uint16_t at, len; /* in `bytes` */
    uint16_t mark,
        nmarks; /* its first mark and how many there are, that of the scalar behind it included */
};

struct wr_shape {
    uint64_t id, used; /* no two shapes have the same id; 0: nothing is kept here */
    uint32_t n, npieces;
    uint16_t common[WR_SHAPES]; /* with each of the others: equal pieces from the begin */
    struct wr_json_link link[WR_SHAPE_MARKS];
    struct wr_shape_piece piece[WR_SHAPE_PIECES];
    uint32_t offset[WR_SHAPE_MARKS + 4]; /* of each mark from the begin of its piece */
    char bytes[WR_SHAPE_BYTES + 16];
};

struct wr_shapes {
    struct wr_shape at[WR_SHAPES];
    uint64_t clock;
    uint32_t last; /* the shape met last */
};

/* What was seen of a text on the way. */
struct wr_shape_text {
    size_t len; /* where it ends */
    bool high;     /* bytes above 0x7f may stand in strings: the text is to be checked for UTF-8 */
    bool repaired; /* half a surrogate pair was written over, as wr_json_parse tells */
    bool tagged;   /* as in wr_json_doc */
};

/* The kept shape that the text has, its marks (of which two more than there are, at its end) and
 * the bits of strings with escapes. NULL: none. WR_JSON_ZEROS stand behind the text; there is room
 * for WR_SHAPE_MARKS + 4 marks. `whole`: it ends at `len`. Else it may end before, and is not
 * written to: one with half a surrogate pair has no shape. */
const struct wr_shape *wr_shapes_match(struct wr_shapes *shapes, char *text, size_t len, bool whole,
                                       uint32_t *mark, uint64_t *escaped,
                                       struct wr_shape_text *ret);
/* Keeps the shape of a valid text; NULL when it is too large, no object or array, or has escapes in
 * its keys. */
const struct wr_shape *wr_shapes_keep(struct wr_shapes *shapes, const char *text,
                                      const uint32_t *mark, uint32_t n,
                                      const struct wr_json_link *link);

/* json.cc. Behind the escape that begins at `at`, writing over half a surrogate pair; behind a
 * number; NULL: malformed. */
char *wr_json_escape_end(char *at, const char *end, bool *repaired);
const char *wr_json_number_end(const char *at);

#ifdef __cplusplus
}
#endif

#endif
