#include "collector/cli/lists.h"

#include "collector/cli/cli.h"
#include "collector/io/io.h"

#include <stdlib.h>
#include <string.h>

bool wr_cli_config(struct wr_config *config, const char *path)
{
    char *text;
    size_t len;
    int rc = wr_io_read_file(wr_io_real(), path, 1 << 20, &text, &len);
    if (rc != 0) {
        wr_cli_error("cannot read the configuration %s: %s", path, strerror(-rc));
        return false;
    }
    struct wr_diags diags;
    enum wr_err err = wr_diags_init(&diags) ? WR_OK : WR_ENOMEM;
    if (!err)
        err = wr_config_load(config, path, text, len, &diags);
    free(text);
    wr_cli_diags(&diags);
    wr_diags_fini(&diags);
    return !err;
}

bool wr_cli_lists_init(struct wr_cli_lists *lists, const char *path, const char *const *rules, uint32_t nrules)
{
    struct wr_diags diags;
    *lists = (struct wr_cli_lists){0};
    if (!wr_config_init(&lists->config) || !wr_diags_init(&diags)) {
        wr_cli_error("%s", wr_strerror(WR_ENOMEM));
        return false;
    }
    if (!path || wr_cli_config(&lists->config, path))
        lists->files = wr_listfiles_new(&lists->config, rules, nrules, &diags);
    wr_cli_diags(&diags);
    wr_diags_fini(&diags);
    return lists->files != NULL;
}

void wr_cli_lists_fini(struct wr_cli_lists *lists)
{
    wr_listfiles_free(lists->files);
    if (lists->config.arena)
        wr_config_fini(&lists->config);
}

struct wr_refdata *wr_cli_lists_refdata(const struct wr_cli_lists *lists)
{
    return wr_listfiles_refdata(lists->files);
}
