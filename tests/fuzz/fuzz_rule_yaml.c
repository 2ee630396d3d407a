/* Any bytes as a rule file, YAML or KQL: loaded, or refused with an error. */
#include "rules/rules.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *name = size && data[0] == '/' ? "f.kql" : "f.yaml";
    struct wr_diags diags;
    struct wr_ruleset *set = wr_ruleset_new();
    if (!set || !wr_diags_init(&diags)) {
        wr_ruleset_unref(set);
        return 0;
    }
    struct wr_buf out = {0};
    enum wr_err err = wr_ruleset_add(set, name, (const char *)data, size, &diags);
    WR_ASSERT(err == WR_OK || diags.nerrors);
    /* A refusal that forgot to say why ends up as "out of memory". */
    for (const struct wr_diag *d = diags.first; d; d = d->next)
        WR_ASSERT(strcmp(d->text, wr_strerror(WR_ENOMEM)) != 0);
    wr_ruleset_explain(set, &out);
    wr_diags_print(&diags, &out);
    wr_diags_json(&diags, &out);
    wr_buf_fini(&out);
    wr_diags_fini(&diags);
    wr_ruleset_unref(set);
    return 0;
}
