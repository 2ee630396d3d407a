/* parse, parse-where, parse-kv. */
#ifndef WR_RULES_EXEC_PARSE_H
#define WR_RULES_EXEC_PARSE_H

#include "rules/exec/eval.h"
#include "rules/plan/parse.h"

/* Adds the columns of a WR_OP_PARSE to `chunk`; parse-where narrows its selection. ev->err. */
void wr_parse_apply(struct wr_eval *ev, const struct wr_op *op, struct wr_chunk *chunk);
/* One value out of a text, trimmed, as a cell; false when it has none in the vector's type. */
bool wr_parse_cell(struct wr_eval *ev, const char *text, size_t len, struct wr_vec *out, uint32_t row);
/* Values of the keys in `text`: found[i] for column i; a value's text is in the run's arena or in `text`. */
void wr_parse_pairs(struct wr_eval *ev, const struct wr_parse *spec, const char *text, size_t len,
                    struct wr_str *found, bool *has);

#endif
