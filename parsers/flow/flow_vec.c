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

void wr_flow_vec_reset(struct wr_flow_vec *vec)
{
    vec->n = 0;
    if (vec->mail.err)
        wr_buf_fini(&vec->mail);
    else
        wr_buf_reset(&vec->mail);
    if (vec->who.err)
        wr_buf_fini(&vec->who);
    else
        wr_buf_reset(&vec->who);
}

struct wr_who wr_flow_who(const struct wr_flow_vec *vec, const struct wr_flow *flow)
{
    if (!flow->who || flow->who > vec->who.len)
        return (struct wr_who){0};
    struct wr_rd rd = wr_rd_init(vec->who.data + flow->who - 1, vec->who.len - flow->who + 1);
    struct wr_who who;
    who.at = wr_rd_blob(&rd, &who.len);
    return rd.err ? (struct wr_who){0} : who;
}

void wr_flow_vec_fini(struct wr_flow_vec *vec)
{
    wr_buf_fini(&vec->mail);
    wr_buf_fini(&vec->who);
    free(vec->at);
    *vec = (struct wr_flow_vec){0};
}
