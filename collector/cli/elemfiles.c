#include "collector/cli/elemfiles.h"

#include "collector/cli/cli.h"
#include "collector/cli/rulefiles.h"

struct load {
    struct wr_model *model;
    unsigned failed;
};

static void add_file(void *arg, const char *path, const char *text, size_t len)
{
    struct load *l = arg;
    struct wr_buf error = {0};
    enum wr_err err = wr_model_add(l->model, text, len, &error);
    if (err)
        wr_cli_error("%s: no elements that can be used: %.*s", path, (int)error.len, error.len ? error.data : "");
    l->failed += err != WR_OK;
    wr_buf_fini(&error);
}

bool wr_elemfiles_add(struct wr_elemfiles *files, const char *path)
{
    if (files->n == WR_ELEMFILES_MAX) {
        wr_cli_error("--elements: more than %d files", WR_ELEMFILES_MAX);
        return false;
    }
    files->paths[files->n++] = path;
    return true;
}

struct wr_model *wr_elemfiles_load(const char *const *paths, uint32_t n)
{
    struct load l = {.model = wr_model_new()};
    if (!l.model) {
        wr_cli_error("%s", wr_strerror(WR_ENOMEM));
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++)
        l.failed += wr_rulefiles(paths[i], add_file, &l);
    if (!l.failed)
        return l.model;
    wr_model_free(l.model);
    return NULL;
}
