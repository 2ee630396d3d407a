#include "parsers/flow/flow.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

struct wr_flow *wr_flow_vec_push(struct wr_flow_vec *vec)
{
    if (vec->n == vec->cap) {
        if (vec->cap > UINT32_MAX / 2)
            return NULL;
        uint32_t cap = vec->cap ? vec->cap * 2 : FIRST_CAP;
        struct wr_flow *at = realloc(vec->at, (size_t)cap * sizeof *at);
        if (!at)
            return NULL;
        vec->at = at;
        vec->cap = cap;
    }
    struct wr_flow *flow = &vec->at[vec->n++];
    memset(flow, 0, sizeof *flow);
    return flow;
}

void wr_flow_vec_fini(struct wr_flow_vec *vec)
{
    free(vec->at);
    *vec = (struct wr_flow_vec){0};
}
