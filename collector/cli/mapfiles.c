#include "collector/cli/mapfiles.h"

#include "collector/cli/cli.h"
#include "collector/cli/rulefiles.h"

#include <string.h>

struct load {
    struct wr_mappings *mappings;
    struct wr_diags diags;
    unsigned failed;
};

static void add_file(void *arg, const char *path, const char *text, size_t len)
{
    struct load *l = arg;
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".kql") == 0)
        return;
    uint32_t before = l->diags.nerrors;
    enum wr_err err = wr_mappings_add(l->mappings, path, text, len, &l->diags);
    if (err && l->diags.nerrors == before)
        wr_cli_error("%s: %s", path, wr_strerror(err));
    l->failed += err != WR_OK;
}

bool wr_mapfiles_add(struct wr_mapfiles *files, const char *path)
{
    if (files->n == WR_MAPFILES_MAX) {
        wr_cli_error("--mappings: more than %d paths", WR_MAPFILES_MAX);
        return false;
    }
    files->paths[files->n++] = path;
    return true;
}

struct wr_mappings *wr_mapfiles_load(const char *const *paths, uint32_t n)
{
    struct load l = {.mappings = wr_mappings_new()};
    if (!l.mappings || !wr_diags_init(&l.diags)) {
        wr_mappings_free(l.mappings);
        wr_cli_error("%s", wr_strerror(WR_ENOMEM));
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++)
        l.failed += wr_rulefiles(paths[i], add_file, &l);
    wr_cli_diags(&l.diags);
    wr_diags_fini(&l.diags);
    if (!l.failed)
        return l.mappings;
    wr_mappings_free(l.mappings);
    return NULL;
}
