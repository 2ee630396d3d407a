#ifndef WR_PARSERS_CONN_FORESEE_H
#define WR_PARSERS_CONN_FORESEE_H

#include "parsers/conn/table.h"

/* foresee.c: memory that a group will touch. Of events first the places in the indexes, then step
 * by step, with work between. */
enum { WR_TOLD_STEPS = 3 };
struct wr_foreseen {
    uint32_t entry[WR_FORESEEN], agent[WR_FORESEEN];
    uint32_t n, step;
};
void wr_foresee_told(const struct wr_conn *c, const struct wr_told *told, uint32_t n);
void wr_foresee_told_step(const struct wr_conn *c, const struct wr_told *told,
                          struct wr_foreseen *f);
void wr_foresee_records(const struct wr_conn *c, const struct wr_record *rec, uint32_t n);

#endif
