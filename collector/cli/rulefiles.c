#include "collector/cli/rulefiles.h"

#include "collector/cli/cli.h"
#include "collector/cli/infile.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_RULE_FILE = 4 << 20, MAX_DEPTH = 16 };

struct walk {
    wr_rulefile_each each;
    void *arg;
    unsigned failed;
};

static bool rule_suffix(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (!strcmp(dot, ".kql") || !strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static void one_file(struct walk *w, const char *path)
{
    struct wr_buf error = {0};
    char *text = NULL;
    size_t len = 0;
    if (wr_infile_slurp(path, MAX_RULE_FILE, &text, &len, &error)) {
        wr_cli_error("%.*s", (int)error.len, error.len ? error.data : "");
        w->failed++;
    } else {
        w->each(w->arg, path, text ? text : "", len);
    }
    wr_buf_fini(&error);
    free(text);
}

static void one_path(struct walk *w, const char *path, int depth);

static void one_entry(struct walk *w, const char *dir, const char *name, int depth)
{
    struct wr_buf path = {0};
    struct stat st;
    if (strcmp(name, "functions") == 0 || strcmp(name, "tuning") == 0)
        return; /* saved functions and watchlists, no rules */
    bool slash = *dir && dir[strlen(dir) - 1] == '/';
    wr_buf_fmt(&path, "%s%s%s", dir, slash ? "" : "/", name);
    wr_buf_char(&path, '\0');
    if (!path.err && (stat(path.data, &st) != 0 || S_ISDIR(st.st_mode) || rule_suffix(name)))
        one_path(w, path.data, depth + 1);
    wr_buf_fini(&path);
}

static void one_path(struct walk *w, const char *path, int depth)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        one_file(w, path);
        return;
    }
    struct dirent **entries = NULL;
    int n = depth > MAX_DEPTH ? (errno = ELOOP, -1) : scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        wr_cli_error("cannot read %s: %s", path, strerror(errno));
        w->failed++;
        return;
    }
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            one_entry(w, path, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
}

unsigned wr_rulefiles(const char *path, wr_rulefile_each each, void *arg)
{
    struct walk w = {each, arg, 0};
    if (strcmp(path, "-") == 0)
        one_file(&w, path);
    else
        one_path(&w, path, 0);
    return w.failed;
}
