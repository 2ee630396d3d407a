/* Cells of the globe: geohash and S2. A geohash halves longitude and latitude in turn, five bits a
 * letter. S2 puts a cube around the globe; each face is quartered up to 30 times, and the quarters
 * are numbered along a Hilbert curve: 3 bits of face, 2 bits a level, then a 1; the token is that
 * number in hex without the zeros behind. Source: Kusto "geo_point_to_geohash()",
 * "geo_point_to_s2cell()" and their kin; Niemeyer's geohash; the S2 library's documentation of
 * cells ("S2 Cells", "Earth cube"). */
#include "rules/fn/globe.h"

#include <stdio.h>

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

static void put_center(struct wr_eval *ev, struct wr_vec *out, uint32_t row, double lng, double lat,
                       struct wr_buf *json)
{
    wr_buf_str(json, "{\"type\":\"Point\",\"coordinates\":[");
    wr_geo_number(json, lng);
    wr_buf_char(json, ',');
    wr_geo_number(json, lat);
    wr_buf_str(json, "]}");
    wr_geo_put(ev, out, row, json);
}

/* A ring through four corners. */
static void put_corners(struct wr_eval *ev, struct wr_vec *out, uint32_t row, double corner[4][2],
                        struct wr_buf *json)
{
    wr_buf_str(json, "{\"type\":\"Polygon\",\"coordinates\":[[");
    for (int i = 0; i < 5; i++) {
        wr_buf_str(json, i ? ",[" : "[");
        wr_geo_number(json, corner[i % 4][0]);
        wr_buf_char(json, ',');
        wr_geo_number(json, corner[i % 4][1]);
        wr_buf_char(json, ']');
    }
    wr_buf_str(json, "]]}");
    wr_geo_put(ev, out, row, json);
}

/* ---- geohash ---- */

enum { GEOHASH_MAX = 18 };
static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";

/* Column and row of a cell, each of its number of bits. */
struct hash_cell {
    uint64_t x, y;
    int xbits, ybits;
};

static void bits_of(int len, struct hash_cell *c)
{
    c->xbits = (5 * len + 1) / 2;
    c->ybits = 5 * len / 2;
}

static size_t hash_text(const struct hash_cell *c, char out[GEOHASH_MAX + 1])
{
    int n = c->xbits + c->ybits, x = c->xbits, y = c->ybits, v = 0;
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        v = v << 1 | (int)((i % 2 ? c->y >> --y : c->x >> --x) & 1);
        if (i % 5 == 4) {
            out[len++] = letters[v];
            v = 0;
        }
    }
    return len;
}

static bool hash_read(const struct wr_str *s, struct hash_cell *c)
{
    const char *p = wr_str_data(s);
    *c = (struct hash_cell){0};
    if (s->len < 1 || s->len > GEOHASH_MAX)
        return false;
    for (uint32_t i = 0; i < s->len; i++) {
        const char *at = memchr(letters, wr_ascii_lower(p[i]), 32);
        if (!at)
            return false;
        for (int bit = 4; bit >= 0; bit--) {
            uint64_t b = (uint64_t)((at - letters) >> bit & 1);
            if ((i * 5 + 4 - (uint32_t)bit) % 2)
                c->y = c->y << 1 | b;
            else
                c->x = c->x << 1 | b;
        }
    }
    bits_of((int)s->len, c);
    return true;
}

static double hash_lng(const struct hash_cell *c, double x)
{
    return x * 360 / (double)(UINT64_C(1) << c->xbits) - 180;
}

static double hash_lat(const struct hash_cell *c, double y)
{
    return y * 180 / (double)(UINT64_C(1) << c->ybits) - 90;
}

static uint64_t place(double part, int bits)
{
    double n = (double)(UINT64_C(1) << bits), v = floor(part * n);
    return v >= n ? (UINT64_C(1) << bits) - 1 : (uint64_t)v;
}

KERNEL(geo_point_to_geohash)
{
    WR_EACH(sel, row)
    {
        struct wr_pt p;
        struct hash_cell c;
        char text[GEOHASH_MAX + 1];
        int64_t len = call->nargs > 2 ? args[2].i[row] : 5;
        if (len < 1 || len > GEOHASH_MAX || !wr_pt_at(args[0].r[row], args[1].r[row], &p))
            continue;
        bits_of((int)len, &c);
        c.x = place((args[0].r[row] + 180) / 360, c.xbits);
        c.y = place((args[1].r[row] + 90) / 180, c.ybits);
        wr_put_text(ev, out, row, text, hash_text(&c, text));
    }
}

KERNEL(geo_geohash_to_central_point)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct hash_cell c;
        if (hash_read(&args[0].s[row], &c))
            put_center(ev, out, row, hash_lng(&c, (double)c.x + 0.5),
                       hash_lat(&c, (double)c.y + 0.5), &json);
    }
    wr_buf_fini(&json);
}

KERNEL(geo_geohash_to_polygon)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct hash_cell c;
        if (!hash_read(&args[0].s[row], &c))
            continue;
        double w = hash_lng(&c, (double)c.x), e = hash_lng(&c, (double)c.x + 1),
               s = hash_lat(&c, (double)c.y), n = hash_lat(&c, (double)c.y + 1),
               corner[4][2] = {{w, s}, {e, s}, {e, n}, {w, n}};
        put_corners(ev, out, row, corner, &json);
    }
    wr_buf_fini(&json);
}

/* Around the date line; none beyond a pole. */
KERNEL(geo_geohash_neighbors)
{
    (void)call;
    static const int step[8][2] = {{-1, 0},  {0, -1}, {1, 0}, {0, 1},
                                   {-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct hash_cell c;
        char text[GEOHASH_MAX + 1];
        if (!hash_read(&args[0].s[row], &c))
            continue;
        wr_buf_char(&json, '[');
        for (int i = 0; i < 8; i++) {
            struct hash_cell d = c;
            d.x = (c.x + (uint64_t)step[i][0]) & ((UINT64_C(1) << c.xbits) - 1);
            d.y = c.y + (uint64_t)step[i][1];
            if (d.y >> c.ybits)
                continue;
            wr_buf_str(&json, json.len > 1 ? "," : "");
            wr_json_str(&json, text, hash_text(&d, text));
        }
        wr_buf_char(&json, ']');
        wr_geo_put(ev, out, row, &json);
    }
    wr_buf_fini(&json);
}

/* ---- S2 ---- */

enum { S2_LEVELS = 30, S2_SIZE = 1 << S2_LEVELS, SWAP = 1, INVERT = 2 };

/* By orientation: place on the curve of a quarter (2 i + j), quarter of a place; how the
 * orientation changes with the place. */
static const uint8_t place_of[4][4] = {{0, 1, 3, 2}, {0, 3, 1, 2}, {2, 3, 1, 0}, {2, 1, 3, 0}};
static const uint8_t quarter_of[4][4] = {{0, 1, 3, 2}, {0, 2, 3, 1}, {3, 2, 0, 1}, {3, 1, 0, 2}};
static const uint8_t turned[4] = {SWAP, 0, 0, INVERT | SWAP};

/* A cell of a face: its lower corner in units of 2^-30, and its level. */
struct s2_cell {
    int face, i, j, level;
};

/* 0..1 along a face's edge to -1..1 on the cube: quadratic, so that cells are of about equal size.
 */
static double st_to_uv(double s)
{
    return s >= 0.5 ? (4 * s * s - 1) / 3 : (1 - 4 * (1 - s) * (1 - s)) / 3;
}

static double uv_to_st(double u)
{
    return u >= 0 ? 0.5 * sqrt(1 + 3 * u) : 1 - 0.5 * sqrt(1 - 3 * u);
}

static struct wr_pt face_point(int face, double u, double v)
{
    switch (face) {
    case 0:
        return (struct wr_pt){1, u, v};
    case 1:
        return (struct wr_pt){-u, 1, v};
    case 2:
        return (struct wr_pt){-u, -v, 1};
    case 3:
        return (struct wr_pt){-1, -v, -u};
    case 4:
        return (struct wr_pt){v, -1, -u};
    default:
        return (struct wr_pt){v, u, -1};
    }
}

static int face_of(struct wr_pt p, double *ret_u, double *ret_v)
{
    double x = fabs(p.x), y = fabs(p.y), z = fabs(p.z);
    int face = x > y ? (x > z ? 0 : 2) : y > z ? 1 : 2;
    double main = face == 0 ? p.x : face == 1 ? p.y : p.z;
    face += main < 0 ? 3 : 0;
    const double u[6] = {p.y, -p.x, -p.x, p.z, p.z, -p.y}, v[6] = {p.z, p.z, -p.y, p.y, -p.x, -p.x};
    *ret_u = u[face] / main;
    *ret_v = v[face] / main;
    return face;
}

static int st_to_ij(double s)
{
    double v = floor(s * S2_SIZE);
    return v < 0 ? 0 : v > S2_SIZE - 1 ? S2_SIZE - 1 : (int)v;
}

static struct s2_cell s2_of(struct wr_pt p, int level)
{
    double u, v;
    struct s2_cell c = {.face = face_of(p, &u, &v), .level = level};
    int mask = -(1 << (S2_LEVELS - level));
    c.i = st_to_ij(uv_to_st(u)) & mask;
    c.j = st_to_ij(uv_to_st(v)) & mask;
    return c;
}

static size_t s2_token(const struct s2_cell *c, char out[17])
{
    uint64_t id = (uint64_t)c->face;
    int turn = c->face & SWAP;
    for (int k = S2_LEVELS - 1; k >= S2_LEVELS - c->level; k--) {
        int at = place_of[turn][(c->i >> k & 1) << 1 | (c->j >> k & 1)];
        id = id << 2 | (uint64_t)at;
        turn ^= turned[at];
    }
    id = (id << 1 | 1) << (2 * (S2_LEVELS - c->level));
    size_t n = (size_t)snprintf(out, 17, "%016llx", (unsigned long long)id);
    while (n > 1 && out[n - 1] == '0')
        n--;
    return n;
}

static bool s2_read(const struct wr_str *s, struct s2_cell *c)
{
    const char *p = wr_str_data(s);
    uint64_t id = 0;
    if (s->len < 1 || s->len > 16)
        return false;
    for (uint32_t i = 0; i < 16; i++) {
        char l = i < s->len ? wr_ascii_lower(p[i]) : '0';
        if (!((l >= '0' && l <= '9') || (l >= 'a' && l <= 'f')))
            return false;
        id = id << 4 | (uint64_t)(l <= '9' ? l - '0' : l - 'a' + 10);
    }
    int low = id ? __builtin_ctzll(id) : 1;
    *c = (struct s2_cell){.face = (int)(id >> 61), .level = S2_LEVELS - low / 2};
    if (low % 2 || c->face > 5 || c->level < 0)
        return false;
    int turn = c->face & SWAP;
    for (int k = S2_LEVELS - 1; k >= S2_LEVELS - c->level; k--) {
        int at = (int)(id >> (2 * k + 1) & 3), quarter = quarter_of[turn][at];
        c->i |= (quarter >> 1) << k;
        c->j |= (quarter & 1) << k;
        turn ^= turned[at];
    }
    return true;
}

static struct wr_pt s2_point(const struct s2_cell *c, double di, double dj)
{
    double size = (double)(1 << (S2_LEVELS - c->level));
    return wr_pt_unit(face_point(c->face, st_to_uv((c->i + di * size) / S2_SIZE),
                                 st_to_uv((c->j + dj * size) / S2_SIZE)));
}

KERNEL(geo_point_to_s2cell)
{
    WR_EACH(sel, row)
    {
        struct wr_pt p;
        char token[17];
        int64_t level = call->nargs > 2 ? args[2].i[row] : 11;
        if (level < 0 || level > S2_LEVELS || !wr_pt_at(args[0].r[row], args[1].r[row], &p))
            continue;
        struct s2_cell c = s2_of(p, (int)level);
        wr_put_text(ev, out, row, token, s2_token(&c, token));
    }
}

KERNEL(geo_s2cell_to_central_point)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct s2_cell c;
        if (!s2_read(&args[0].s[row], &c))
            continue;
        struct wr_pt p = s2_point(&c, 0.5, 0.5);
        put_center(ev, out, row, wr_pt_lng(p), wr_pt_lat(p), &json);
    }
    wr_buf_fini(&json);
}

KERNEL(geo_s2cell_to_polygon)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct s2_cell c;
        double corner[4][2];
        if (!s2_read(&args[0].s[row], &c))
            continue;
        for (int k = 0; k < 4; k++) {
            struct wr_pt p = s2_point(&c, k == 1 || k == 2, k > 1);
            corner[k][0] = wr_pt_lng(p);
            corner[k][1] = wr_pt_lat(p);
        }
        put_corners(ev, out, row, corner, &json);
    }
    wr_buf_fini(&json);
}

/* The cell that is `di`, `dj` cells away; over the edge of the face on the next one. */
static struct s2_cell s2_beside(const struct s2_cell *c, int di, int dj)
{
    int64_t size = INT64_C(1) << (S2_LEVELS - c->level), i = c->i + di * size, j = c->j + dj * size;
    if (i >= 0 && j >= 0 && i < S2_SIZE && j < S2_SIZE)
        return (struct s2_cell){c->face, (int)i, (int)j, c->level};
    /* Linear instead of quadratic: the point only has to be just beyond the edge. */
    i = i < 0 ? -1 : i >= S2_SIZE ? S2_SIZE : i;
    j = j < 0 ? -1 : j >= S2_SIZE ? S2_SIZE : j;
    double u = (double)(2 * (i - S2_SIZE / 2) + 1) / S2_SIZE,
           v = (double)(2 * (j - S2_SIZE / 2) + 1) / S2_SIZE;
    int face = face_of(face_point(c->face, u, v), &u, &v), mask = -(int)size;
    return (struct s2_cell){face, st_to_ij((u + 1) / 2) & mask, st_to_ij((v + 1) / 2) & mask,
                            c->level};
}

/* Each neighbor once: three cells meet at a corner of the cube. */
KERNEL(geo_s2cell_neighbors)
{
    (void)call;
    static const int step[8][2] = {{-1, -1}, {1, -1}, {0, -1}, {0, 1},
                                   {-1, 0},  {1, 0},  {-1, 1}, {1, 1}};
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct s2_cell c;
        char token[8][17];
        size_t len[8];
        int n = 0;
        if (!s2_read(&args[0].s[row], &c))
            continue;
        wr_buf_char(&json, '[');
        for (int i = 0; i < 8; i++) {
            struct s2_cell d = s2_beside(&c, step[i][0], step[i][1]);
            len[n] = s2_token(&d, token[n]);
            bool known = false;
            for (int k = 0; k < n && !known; k++)
                known = len[k] == len[n] && memcmp(token[k], token[n], len[n]) == 0;
            if (known)
                continue;
            wr_buf_str(&json, n ? "," : "");
            wr_json_str(&json, token[n], len[n]);
            n++;
        }
        wr_buf_char(&json, ']');
        wr_geo_put(ev, out, row, &json);
    }
    wr_buf_fini(&json);
}
