/* A type as last argument: extract(re, group, text, typeof(long)), percentile_tdigest(d, 95, typeof(long)). */
#include "rules/plan/bind.h"

#include <string.h>

bool wr_takes_type(const struct wr_kql_ex *call)
{
    bool takes = strncmp(call->name.text, "extract", 7) == 0 || strcmp(call->name.text, "percentile_tdigest") == 0;
    return takes && call->nargs && call->args[call->nargs - 1]->kind == WR_KQL_TYPEOF;
}

struct wr_ex *wr_bind_typed(struct wr_binder *b, const struct wr_kql_ex *call)
{
    const struct wr_kql_ex *type = call->args[call->nargs - 1];
    struct wr_kql_ex plain = *call;
    enum wr_type to;
    if (!type->name.text || !wr_type_parse(type->name.text, type->name.len, &to)) {
        wr_bind_error(b, type->span, "a type is needed here: typeof(long), typeof(string), ...");
        return NULL;
    }
    plain.nargs--;
    struct wr_ex *ex = wr_bind_ex(b, &plain);
    return ex ? wr_ex_convert(b, ex, to) : NULL;
}
