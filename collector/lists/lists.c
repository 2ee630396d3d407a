#include "collector/lists/lists.h"

#include "base/ticks.h"
#include "collector/io/io.h"
#include "collector/lists/geo.h"
#include "parsers/conn/hostnames.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { MAX_FUNCTION = 64 << 10 };

/* What tells that a file is another than it was. */
struct stamp {
    int64_t mtime_ns, size;
    uint64_t inode;
};

struct file {
    enum wr_list_kind kind;
    char *name, *path;
    struct stamp seen;
    struct file *next;
};

struct wr_listfiles {
    struct wr_refdata *ref;
    struct wr_geofile *geo;
    struct file *files, **end;
    struct wr_hostnames *names;
    char *names_path; /* NULL: none */
    struct stamp names_seen;
};

static int64_t now_ticks(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return wr_ticks_of_unix_ns((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static struct stamp stamp_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct stamp){0};
    return (struct stamp){(int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec, st.st_size, st.st_ino};
}

static bool same_stamp(struct stamp a, struct stamp b)
{
    return a.mtime_ns == b.mtime_ns && a.size == b.size && a.inode == b.inode;
}

static void unread(struct wr_diags *diags, const char *path, int error)
{
    struct wr_diag *d = wr_diag_file(diags, WR_ERROR, path, 0, "cannot read the list: %s", strerror(error));
    wr_diag_hint(diags, d, "correct the path or its rights");
}

static bool read_file(struct wr_listfiles *files, const struct file *f, struct wr_diags *diags)
{
    char *text;
    size_t len;
    int rc = wr_io_read_file(wr_io_real(), f->path, WR_LIST_MAX_BYTES, &text, &len);
    if (rc) {
        unread(diags, f->path, -rc);
        return false;
    }
    enum wr_err err = wr_refdata_load(files->ref, f->kind, f->name, f->path, text, len, now_ticks(), diags);
    free(text);
    if (err && err != WR_EINVAL) /* what is wrong in the file is in the messages */
        wr_diag_file(diags, WR_ERROR, f->path, 0, "%s", wr_strerror(err));
    return !err;
}

/* ---- what there is ---- */

static bool nomem(struct wr_diags *diags, const char *path, enum wr_err err)
{
    wr_diag_file(diags, WR_ERROR, path, 0, "%s", wr_strerror(err));
    return false;
}

/* Makes the list known and reads it; one that is known already is left. */
static bool add(struct wr_listfiles *files, const struct wr_list_def *def, const char *path, struct wr_diags *diags)
{
    if (wr_refdata_defined(files->ref, def->kind, def->name))
        return true;
    enum wr_err err = wr_refdata_define(files->ref, def);
    if (err)
        return nomem(diags, path ? path : def->name, err);
    if (!path)
        return true;
    struct file *f = calloc(1, sizeof *f);
    if (!f)
        return nomem(diags, path, WR_ENOMEM);
    f->kind = def->kind;
    f->name = strdup(def->name);
    f->path = strdup(path);
    *files->end = f;
    files->end = &f->next;
    if (!f->name || !f->path)
        return nomem(diags, path, WR_ENOMEM);
    f->seen = stamp_of(path);
    return read_file(files, f, diags);
}

static bool add_function(struct wr_listfiles *files, const char *name, const char *path, struct wr_diags *diags)
{
    char *text;
    size_t len;
    int rc = wr_io_read_file(wr_io_real(), path, MAX_FUNCTION, &text, &len);
    if (rc) {
        unread(diags, path, -rc);
        return false;
    }
    enum wr_err err = wr_refdata_function(files->ref, name, path, text, len);
    free(text);
    return err ? nomem(diags, path, err) : true;
}

/* Every NAME.suffix of a folder that may not be there. */
static bool add_folder(struct wr_listfiles *files, const char *dir, const char *suffix, bool optional, struct wr_diags *diags)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, alphasort);
    bool ok = n >= 0 || (optional && (errno == ENOENT || errno == ENOTDIR));
    if (!ok)
        unread(diags, dir, errno);
    for (int i = 0; i < n; i++) {
        char *name = entries[i]->d_name, *dot = strrchr(name, '.');
        struct wr_buf path = {0};
        if (*name != '.' && dot && strcmp(dot, suffix) == 0) {
            wr_buf_fmt(&path, "%s/%s", dir, name);
            wr_buf_char(&path, '\0');
            *dot = '\0';
            struct wr_list_def def = {.kind = WR_LIST_WATCHLIST, .name = name};
            if (path.err)
                ok = nomem(diags, dir, WR_ENOMEM);
            else if (strcmp(suffix, ".kql") == 0)
                ok = add_function(files, name, path.data, diags) && ok;
            else
                ok = add(files, &def, path.data, diags) && ok;
        }
        wr_buf_fini(&path);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* The folders beside rules: in a directory of them, or where a file of them lies. */
static bool add_beside(struct wr_listfiles *files, const char *rules, struct wr_diags *diags)
{
    static const char *const folders[][2] = {{"tuning", ".csv"}, {"functions", ".kql"}};
    struct stat st;
    size_t len = strlen(rules);
    bool ok = true;
    if (stat(rules, &st) == 0 && !S_ISDIR(st.st_mode)) {
        const char *slash = strrchr(rules, '/');
        len = slash ? (size_t)(slash - rules) : 0;
    }
    for (int i = 0; i < 2; i++) {
        char dir[4096];
        int n = len ? snprintf(dir, sizeof dir, "%.*s/%s", (int)len, rules, folders[i][0])
                    : snprintf(dir, sizeof dir, "%s%s", *rules == '/' ? "/" : "", folders[i][0]);
        if (n > 0 && (size_t)n < sizeof dir)
            ok = add_folder(files, dir, folders[i][1], true, diags) && ok;
    }
    return ok;
}

/* Reverse names of devices. On failure the old ones stay. */
static bool read_names(struct wr_listfiles *files, struct wr_diags *diags)
{
    char *text;
    size_t len;
    uint32_t line;
    files->names_seen = stamp_of(files->names_path);
    int rc = wr_io_read_file(wr_io_real(), files->names_path, WR_LIST_MAX_BYTES, &text, &len);
    if (rc) {
        unread(diags, files->names_path, -rc);
        return false;
    }
    enum wr_err err = wr_hostnames_read(files->names, text, len, &line);
    free(text);
    if (err == WR_EINVAL) {
        struct wr_diag *d = wr_diag_file(diags, WR_ERROR, files->names_path, line, "this line is no address and name");
        wr_diag_hint(diags, d, "as in /etc/hosts: 10.0.0.5 ws1.corp.example");
    } else if (err) {
        wr_diag_file(diags, WR_ERROR, files->names_path, line, "%s", wr_strerror(err));
    }
    return !err;
}

static bool add_names(struct wr_listfiles *files, const char *path, struct wr_diags *diags)
{
    files->names = wr_hostnames_new();
    files->names_path = strdup(path);
    if (!files->names || !files->names_path)
        return nomem(diags, path, WR_ENOMEM);
    return read_names(files, diags);
}

static bool add_configured(struct wr_listfiles *files, const struct wr_config *config, struct wr_diags *diags)
{
    bool ok = true;
    for (const struct wr_list_config *l = config->lists; l; l = l->next)
        ok = add(files, &l->def, l->file, diags) && ok;
    for (uint32_t i = 0; i < config->nfunctions; i++)
        ok = add_folder(files, config->functions[i], ".kql", false, diags) && ok;
    if (config->names)
        ok = add_names(files, config->names, diags) && ok;
    if (config->geo) {
        files->geo = wr_geofile_new(config->geo, diags);
        ok = ok && files->geo;
        if (files->geo)
            wr_refdata_geo(files->ref, wr_geofile_geo(files->geo));
    }
    return ok;
}

struct wr_listfiles *wr_listfiles_new(const struct wr_config *config, const char *const *rules, uint32_t nrules,
                                      struct wr_diags *diags)
{
    struct wr_listfiles *files = calloc(1, sizeof *files);
    if (!files || !(files->ref = wr_refdata_new())) {
        free(files);
        (void)nomem(diags, "lists", WR_ENOMEM);
        return NULL;
    }
    files->end = &files->files;
    bool ok = !config || add_configured(files, config, diags);
    for (uint32_t i = 0; i < nrules; i++)
        ok = add_beside(files, rules[i], diags) && ok;
    const char *library = wr_config_library();
    if (library)
        ok = add_beside(files, library, diags) && ok;
    if (ok)
        return files;
    wr_listfiles_free(files);
    return NULL;
}

void wr_listfiles_free(struct wr_listfiles *files)
{
    if (!files)
        return;
    for (struct file *f = files->files, *next; f; f = next) {
        next = f->next;
        free(f->name);
        free(f->path);
        free(f);
    }
    wr_refdata_unref(files->ref); /* rule sets hold it too; whoever lets the last one go does so before the geo file */
    wr_geofile_free(files->geo);
    wr_hostnames_free(files->names);
    free(files->names_path);
    free(files);
}

const struct wr_hostnames *wr_listfiles_names(const struct wr_listfiles *files)
{
    return files->names;
}

struct wr_refdata *wr_listfiles_refdata(const struct wr_listfiles *files)
{
    return files->ref;
}

bool wr_listfiles_check(struct wr_listfiles *files, struct wr_diags *diags)
{
    uint64_t before = wr_refdata_version(files->ref);
    bool expired = wr_refdata_expiry(files->ref) <= now_ticks();
    bool geo = files->geo && wr_geofile_check(files->geo, diags);
    bool names = files->names && !same_stamp(stamp_of(files->names_path), files->names_seen) && read_names(files, diags);
    for (struct file *f = files->files; f; f = f->next) {
        struct stamp now = stamp_of(f->path);
        if (same_stamp(now, f->seen) && !(expired && f->kind == WR_LIST_WATCHLIST))
            continue;
        f->seen = now;
        (void)read_file(files, f, diags); /* told, and the old content stays */
    }
    return geo || names || wr_refdata_version(files->ref) != before;
}
