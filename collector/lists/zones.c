#include "collector/lists/zones.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 64 * 1024, DEPTH_MAX = 3 };

static void read_file(const char *path, const char *name, wr_zone_take *take, void *ctx)
{
    static const char magic[] = "TZif";
    uint8_t bytes[FILE_MAX];
    FILE *f = fopen(path, "rbe");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
        fclose(f);
    if (n > sizeof magic && n < sizeof bytes && memcmp(bytes, magic, 4) == 0)
        take(ctx, name, bytes, n);
}

/* `name` is what stands behind the root: "Europe/Berlin". Leap-second and duplicate trees are no
 * names of zones. */
static void walk(const char *root, const char *name, int depth, wr_zone_take *take, void *ctx)
{
    char path[512], inner[256];
    snprintf(path, sizeof path, "%s%s%s", root, *name ? "/" : "", name);
    DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        if (e->d_name[0] == '.' ||
            (!*name && (strcmp(e->d_name, "posix") == 0 || strcmp(e->d_name, "right") == 0)))
            continue;
        int n = snprintf(inner, sizeof inner, "%s%s%s", name, *name ? "/" : "", e->d_name);
        int m = snprintf(path, sizeof path, "%s/%s", root, inner);
        if (n >= (int)sizeof inner || m >= (int)sizeof path || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            walk(root, inner, depth + 1, take, ctx);
        else if (S_ISREG(st.st_mode))
            read_file(path, inner, take, ctx);
    }
    if (dir)
        closedir(dir);
}

void wr_system_zones(wr_zone_take *take, void *ctx)
{
    walk("/usr/share/zoneinfo", "", 0, take, ctx);
}
