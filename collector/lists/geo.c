#include "collector/lists/geo.h"

#include <errno.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct wr_geofile {
    struct wr_geo geo; /* first */
    char *path;
    MMDB_s db;
    bool open;
    int64_t mtime_ns, size;
};

static void text_at(MMDB_entry_s *entry, const char **ret, uint32_t *ret_len, const char *const *path)
{
    MMDB_entry_data_s data;
    if (MMDB_aget_value(entry, &data, path) == MMDB_SUCCESS && data.has_data && data.type == MMDB_DATA_TYPE_UTF8_STRING) {
        *ret = data.utf8_string;
        *ret_len = data.data_size;
    }
}

static bool real_at(MMDB_entry_s *entry, double *ret, const char *const *path)
{
    MMDB_entry_data_s data;
    if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data || data.type != MMDB_DATA_TYPE_DOUBLE)
        return false;
    *ret = data.double_value;
    return true;
}

static bool find(const struct wr_geo *geo, int family, const uint8_t *addr, struct wr_geo_info *ret)
{
    const struct wr_geofile *f = (const struct wr_geofile *)geo;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    int error = MMDB_SUCCESS;
    *ret = (struct wr_geo_info){0};
    if (!f->open || (family == 6 && f->db.metadata.ip_version == 4))
        return false;
    memcpy(&v4.sin_addr, addr, sizeof v4.sin_addr);
    if (family == 6)
        memcpy(&v6.sin6_addr, addr, sizeof v6.sin6_addr);
    const struct sockaddr *sa = family == 6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&f->db, sa, &error);
    if (error != MMDB_SUCCESS || !found.found_entry)
        return false;
    MMDB_entry_s *e = &found.entry;
    text_at(e, &ret->country, &ret->country_len, (const char *const[]){"country", "names", "en", NULL});
    text_at(e, &ret->state, &ret->state_len, (const char *const[]){"subdivisions", "0", "names", "en", NULL});
    text_at(e, &ret->city, &ret->city_len, (const char *const[]){"city", "names", "en", NULL});
    ret->has_place = real_at(e, &ret->latitude, (const char *const[]){"location", "latitude", NULL}) &&
                     real_at(e, &ret->longitude, (const char *const[]){"location", "longitude", NULL});
    return true;
}

static void stamp(struct wr_geofile *f, int64_t *mtime_ns, int64_t *size)
{
    struct stat st = {0};
    bool there = stat(f->path, &st) == 0;
    *mtime_ns = there ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
    *size = there ? st.st_size : -1;
}

static bool open_db(struct wr_geofile *f, struct wr_diags *diags)
{
    MMDB_s db;
    stamp(f, &f->mtime_ns, &f->size);
    int rc = MMDB_open(f->path, MMDB_MODE_MMAP, &db);
    if (rc != MMDB_SUCCESS) {
        struct wr_diag *d = wr_diag_file(diags, WR_ERROR, f->path, 0, "cannot open the geo database: %s",
                                         rc == MMDB_IO_ERROR ? strerror(errno) : MMDB_strerror(rc));
        wr_diag_hint(diags, d, "give a MaxMind-format file (.mmdb) with countries or cities; replace it by renaming, not in place");
        return false;
    }
    if (f->open)
        MMDB_close(&f->db);
    f->db = db;
    f->open = true;
    return true;
}

struct wr_geofile *wr_geofile_new(const char *path, struct wr_diags *diags)
{
    struct wr_geofile *f = calloc(1, sizeof *f);
    if (f)
        f->path = strdup(path);
    if (!f || !f->path)
        wr_diag_file(diags, WR_ERROR, path, 0, "%s", wr_strerror(WR_ENOMEM));
    else if (open_db(f, diags)) {
        f->geo.find = find;
        return f;
    }
    wr_geofile_free(f);
    return NULL;
}

void wr_geofile_free(struct wr_geofile *file)
{
    if (!file)
        return;
    if (file->open)
        MMDB_close(&file->db);
    free(file->path);
    free(file);
}

const struct wr_geo *wr_geofile_geo(const struct wr_geofile *file)
{
    return &file->geo;
}

bool wr_geofile_check(struct wr_geofile *file, struct wr_diags *diags)
{
    int64_t mtime_ns, size;
    stamp(file, &mtime_ns, &size);
    return (mtime_ns != file->mtime_ns || size != file->size) && open_db(file, diags);
}
