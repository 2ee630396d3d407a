#include "rules/fn/globe.h"

#include <stdlib.h>

bool wr_pt_at(double lng, double lat, struct wr_pt *ret)
{
    if (!(lng >= -180 && lng <= 180 && lat >= -90 && lat <= 90))
        return false;
    double a = lng * M_PI / 180, b = lat * M_PI / 180;
    *ret = (struct wr_pt){cos(b) * cos(a), cos(b) * sin(a), sin(b)};
    return true;
}

double wr_pt_lng(struct wr_pt p)
{
    return atan2(p.y, p.x) * 180 / M_PI;
}

double wr_pt_lat(struct wr_pt p)
{
    return atan2(p.z, sqrt(p.x * p.x + p.y * p.y)) * 180 / M_PI;
}

double wr_pt_closest(struct wr_pt p, struct wr_pt a, struct wr_pt b, struct wr_pt *ret)
{
    struct wr_pt n = wr_pt_unit(wr_pt_normal(a, b)), foot = wr_pt_unit(wr_pt_add(p, -wr_pt_dot(p, n), n));
    /* The foot lies between both ends: to the left of the plane through a, to the right of that through b. */
    if (wr_pt_dot(wr_pt_cross(n, a), foot) > 0 && wr_pt_dot(wr_pt_cross(n, b), foot) < 0) {
        *ret = foot;
        /* n is across a: the difference keeps the digits of close points. */
        return asin(fmin(fabs(wr_pt_dot(wr_pt_add(p, -1, a), n)), 1));
    }
    *ret = wr_pt_dot(p, a) >= wr_pt_dot(p, b) ? a : b;
    return wr_pt_angle(p, *ret);
}

bool wr_edges_cross(struct wr_pt a, struct wr_pt b, struct wr_pt c, struct wr_pt d)
{
    if (wr_pt_same(a, c) || wr_pt_same(a, d) || wr_pt_same(b, c) || wr_pt_same(b, d))
        return false; /* rounding would put the shared end on one side */
    double acb = -wr_pt_side(a, b, c), bda = wr_pt_side(a, b, d);
    if (!(acb * bda > 0))
        return false;
    return acb * -wr_pt_side(c, d, b) > 0 && acb * wr_pt_side(c, d, a) > 0;
}

struct wr_pt wr_edges_meet(struct wr_pt a, struct wr_pt b, struct wr_pt c, struct wr_pt d)
{
    struct wr_pt x =
        wr_pt_unit(wr_pt_cross(wr_pt_unit(wr_pt_normal(a, b)), wr_pt_unit(wr_pt_normal(c, d))));
    return wr_pt_dot(x, wr_pt_add(a, 1, b)) < 0 ? (struct wr_pt){-x.x, -x.y, -x.z} : x;
}

double wr_triangle(struct wr_pt a, struct wr_pt b, struct wr_pt c)
{
    /* l'Huilier: exact for small ones too. */
    double la = wr_pt_angle(b, c), lb = wr_pt_angle(c, a), lc = wr_pt_angle(a, b),
           s = (la + lb + lc) / 2;
    double t = tan(s / 2) * tan((s - la) / 2) * tan((s - lb) / 2) * tan((s - lc) / 2);
    double e = 4 * atan(sqrt(t > 0 ? t : 0));
    return wr_pt_dot(wr_pt_cross(a, b), c) < 0 ? -e : e;
}

/* An angle over its sine; 1 where it vanishes. */
static double over_sine(double angle)
{
    return angle > 0 ? angle / sin(angle) : 1;
}

/* The integral of the position over a triangle is half of the sum of a x b / sin(ab) * ab over its edges. That cancels for small ones;
 * instead the vector is found whose products with the corners are ab c / (2 sin(ab)) and so on, times the volume of abc. */
struct wr_pt wr_triangle_centroid(struct wr_pt a, struct wr_pt b, struct wr_pt c)
{
    double ra = over_sine(wr_pt_angle(b, c)), rb = over_sine(wr_pt_angle(c, a)), rc = over_sine(wr_pt_angle(a, b));
    struct wr_pt x = {a.x, b.x - a.x, c.x - a.x}, y = {a.y, b.y - a.y, c.y - a.y}, z = {a.z, b.z - a.z, c.z - a.z};
    struct wr_pt r = {ra, rb - ra, rc - ra};
    return (struct wr_pt){wr_pt_dot(wr_pt_cross(y, z), r) / 2, wr_pt_dot(wr_pt_cross(z, x), r) / 2,
                          wr_pt_dot(wr_pt_cross(x, y), r) / 2};
}

/* ---- reading ---- */

struct reader {
    struct wr_shape *shape;
    struct wr_pt *p; /* room for all points */
    double (*deg)[2];
    uint32_t room;
};

static bool read_number(struct wr_slice json, double *ret)
{
    return json.len && json.p[0] != '"' && wr_text_to_real(json.p, json.len, ret);
}

static bool read_point(struct reader *r, struct wr_slice json)
{
    struct wr_slice item;
    const char *at = NULL;
    double deg[2];
    int64_t n = wr_json_count(json);
    if (r->shape->npoints == r->room || n < 2 || n > 3) /* an altitude may follow */
        return false;
    for (int i = 0; i < 2; i++)
        if (!wr_json_next(json, &at, &item) || !read_number(item, &deg[i]))
            return false;
    uint32_t k = r->shape->npoints++;
    memcpy(r->deg[k], deg, sizeof deg);
    return wr_pt_at(deg[0], deg[1], &r->p[k]);
}

static bool read_path(struct reader *r, struct wr_slice json, uint32_t part)
{
    struct wr_shape *s = r->shape;
    struct wr_path *path = &s->path[s->npaths++];
    struct wr_slice item;
    const char *at = NULL;
    if (wr_json_count(json) < 2)
        return false;
    *path = (struct wr_path){.p = r->p + s->npoints, .deg = r->deg + s->npoints, .part = part};
    while (wr_json_next(json, &at, &item)) {
        if (!read_point(r, item))
            return false;
        /* A point that is said twice in a row is one. */
        if (path->n && s->kind == WR_LINE && wr_pt_same(path->p[path->n], path->p[path->n - 1]))
            s->npoints--;
        else
            path->n++;
    }
    for (uint32_t i = 0; i + 1 < path->n; i++)
        if (wr_pt_dot(path->p[i], path->p[i + 1]) < -1 + 1e-15)
            return false; /* no shortest way to the antipode */
    return path->n > 1;
}

static void reverse(struct wr_path *ring)
{
    for (uint32_t i = 0; i < ring->n / 2; i++) {
        struct wr_pt p = ring->p[i];
        ring->p[i] = ring->p[ring->n - 1 - i];
        ring->p[ring->n - 1 - i] = p;
    }
}

static double solid_angle(const struct wr_path *ring)
{
    double sum = 0;
    for (uint32_t i = 1; i + 1 < ring->n; i++)
        sum += wr_triangle(ring->p[0], ring->p[i], ring->p[i + 1]);
    return sum;
}

/* The smaller of the two sides is meant, whichever way the ring runs. */
static bool close_ring(struct wr_path *ring, bool hole)
{
    if (ring->n < 4 || !wr_pt_same(ring->p[0], ring->p[ring->n - 1]))
        return false;
    ring->n--;
    double angle = solid_angle(ring);
    bool left = angle >= 0 ? angle <= 2 * M_PI : angle < -2 * M_PI;
    if (left == hole)
        reverse(ring); /* `deg` stays in the order of the text */
    return angle != 0;
}

/* Middle and half of the length, to tell quickly that two edges are far apart. */
static bool far_apart(struct wr_pt a, struct wr_pt b, struct wr_pt c, struct wr_pt d)
{
    struct wr_pt ab = wr_pt_add(a, -1, b), cd = wr_pt_add(c, -1, d);
    struct wr_pt m = wr_pt_add(wr_pt_add(a, 1, b), -1,
                               wr_pt_add(c, 1, d)); /* twice the way between the chords' middles */
    double reach = sqrt(wr_pt_dot(ab, ab)) + sqrt(wr_pt_dot(cd, cd));
    return reach < 0.5 &&
           wr_pt_dot(m, m) >
               reach * reach * 1.3; /* arcs bulge, by an eighth of it at this length */
}

/* No two edges of one polygon cross, and no ring has a point twice. */
static bool is_simple(const struct wr_shape *s, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i < last; i++)
        for (uint32_t e = 0; e < s->path[i].n; e++)
            for (uint32_t k = i; k < last; k++)
                for (uint32_t f = k == i ? e + 1 : 0; f < s->path[k].n; f++) {
                    struct wr_pt a = s->path[i].p[e], b = wr_path_end(&s->path[i], e);
                    struct wr_pt c = s->path[k].p[f], d = wr_path_end(&s->path[k], f);
                    if (far_apart(a, b, c, d))
                        continue;
                    if ((k == i && wr_pt_same(a, c)) || wr_edges_cross(a, b, c, d))
                        return false;
                }
    return true;
}

static bool read_polygon(struct reader *r, struct wr_slice json, uint32_t part)
{
    struct wr_shape *s = r->shape;
    uint32_t first = s->npaths;
    struct wr_slice item;
    const char *at = NULL;
    if (wr_json_count(json) < 1)
        return false;
    while (wr_json_next(json, &at, &item))
        if (!read_path(r, item, part) ||
            !close_ring(&s->path[s->npaths - 1], s->npaths - 1 > first))
            return false;
    return is_simple(s, first, s->npaths);
}

static bool is_text(struct wr_slice json, const char *text)
{
    size_t n = strlen(text);
    return json.len == n + 2 && json.p[0] == '"' && memcmp(json.p + 1, text, n) == 0;
}

bool wr_shape_read(struct wr_eval *ev, struct wr_slice json, enum wr_shape_kind kind,
                   struct wr_shape *ret)
{
    struct reader r = {.shape = ret};
    struct wr_slice type, all, item;
    const char *at = NULL;
    size_t open = 0;
    *ret = (struct wr_shape){.kind = kind};
    if (!wr_json_member(json, "type", 4, &type) || !wr_json_member(json, "coordinates", 11, &all) ||
        wr_json_count(all) < 1)
        return false;
    bool multi = is_text(type, kind == WR_LINE ? "MultiLineString" : "MultiPolygon");
    if (!multi && !is_text(type, kind == WR_LINE ? "LineString" : "Polygon"))
        return false;
    for (size_t i = 0; i < all.len; i++)
        open += all.p[i] == '[';
    if (open > 2 * WR_SHAPE_POINTS)
        return false;
    r.room = open < WR_SHAPE_POINTS ? (uint32_t)open : WR_SHAPE_POINTS;
    r.p = wr_arena_alloc(ev->arena, (open + 1) * sizeof *r.p);
    r.deg = wr_arena_alloc(ev->arena, (open + 1) * sizeof *r.deg);
    ret->path = wr_arena_alloc(ev->arena, (open + 1) * sizeof *ret->path);
    if (!r.p || !r.deg || !ret->path) {
        ev->err = WR_ENOMEM;
        return false;
    }
    ret->nparts = multi ? 0 : 1;
    if (!multi)
        return kind == WR_LINE ? read_path(&r, all, 0) : read_polygon(&r, all, 0);
    for (; wr_json_next(all, &at, &item); ret->nparts++)
        if (!(kind == WR_LINE ? read_path(&r, item, ret->nparts)
                              : read_polygon(&r, item, ret->nparts)))
            return false;
    return true;
}

/* ---- asking ---- */

/* How often the ring runs around p, seen from there: 1 when it holds p, counter-clockwise. */
static double winding(const struct wr_path *ring, struct wr_pt p)
{
    double sum = 0;
    for (uint32_t i = 0; i < ring->n; i++) {
        struct wr_pt a = ring->p[i], b = wr_path_end(ring, i);
        sum += atan2(wr_pt_dot(p, wr_pt_normal(a, b)) / 2,
                     wr_pt_dot(a, b) - wr_pt_dot(p, a) * wr_pt_dot(p, b));
    }
    return sum / (2 * M_PI);
}

bool wr_shape_holds(const struct wr_shape *s, uint32_t but_part, struct wr_pt p)
{
    bool in = false; /* the polygon so far: within its shell and in no hole */
    for (uint32_t i = 0; i < s->npaths; i++) {
        bool first = i == 0 || s->path[i - 1].part != s->path[i].part;
        if (first && in)
            return true;
        if (s->path[i].part == but_part || (!first && !in))
            continue;
        double w = winding(&s->path[i], p);
        in = first ? w >= 0.5 : w >= -0.5;
    }
    return in;
}

double wr_shape_closest(const struct wr_shape *s, struct wr_pt p, struct wr_pt *ret)
{
    double best = 10;
    for (uint32_t i = 0; i < s->npaths; i++)
        for (uint32_t e = 0; e < wr_path_edges(s, &s->path[i]); e++) {
            struct wr_pt q;
            double angle = wr_pt_closest(p, s->path[i].p[e], wr_path_end(&s->path[i], e), &q);
            if (angle < best) {
                best = angle;
                *ret = q;
            }
        }
    return best;
}

bool wr_shapes_touch(const struct wr_shape *a, const struct wr_shape *b)
{
    for (uint32_t i = 0; i < a->npaths; i++)
        for (uint32_t e = 0; e < wr_path_edges(a, &a->path[i]); e++)
            for (uint32_t k = 0; k < b->npaths; k++)
                for (uint32_t f = 0; f < wr_path_edges(b, &b->path[k]); f++) {
                    struct wr_pt p = a->path[i].p[e], q = wr_path_end(&a->path[i], e);
                    struct wr_pt c = b->path[k].p[f], d = wr_path_end(&b->path[k], f);
                    if (far_apart(p, q, c, d))
                        continue;
                    if (wr_edges_cross(p, q, c, d) || wr_pt_same(p, c) || wr_pt_same(p, d) ||
                        wr_pt_same(q, c) || wr_pt_same(q, d))
                        return true;
                }
    return false;
}

struct along {
    double at;
    struct wr_pt p;
};

static int by_way(const void *pa, const void *pb)
{
    double a = ((const struct along *)pa)->at, b = ((const struct along *)pb)->at;
    return (a > b) - (a < b);
}

uint32_t wr_edge_cuts(const struct wr_shape *s, uint32_t but_part, struct wr_pt a, struct wr_pt b,
                      struct wr_pt *cut)
{
    enum { CUTS_MAX = WR_SHAPE_POINTS + 2 };
    struct along found[CUTS_MAX];
    uint32_t n = 0;
    found[n++] = (struct along){0, a};
    for (uint32_t i = 0; i < s->npaths; i++)
        for (uint32_t e = 0; s->path[i].part != but_part && e < wr_path_edges(s, &s->path[i]);
             e++) {
            struct wr_pt c = s->path[i].p[e], d = wr_path_end(&s->path[i], e);
            if (far_apart(a, b, c, d) || !wr_edges_cross(a, b, c, d) || n + 1 >= CUTS_MAX)
                continue;
            struct wr_pt x = wr_edges_meet(a, b, c, d);
            found[n++] = (struct along){wr_pt_angle(a, x), x};
        }
    found[n++] = (struct along){10, b};
    qsort(found, n, sizeof *found, by_way);
    for (uint32_t i = 0; i < n; i++)
        cut[i] = found[i].p;
    return n;
}

/* ---- writing ---- */

void wr_geo_number(struct wr_buf *out, double v)
{
    if (v == floor(v) && fabs(v) < 1e15)
        wr_buf_i64(out, (int64_t)v);
    else
        wr_json_real(out, v);
}

void wr_geo_point(struct wr_buf *out, struct wr_pt p)
{
    wr_buf_char(out, '[');
    wr_geo_number(out, wr_pt_lng(p));
    wr_buf_char(out, ',');
    wr_geo_number(out, wr_pt_lat(p));
    wr_buf_char(out, ']');
}

void wr_geo_put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, struct wr_buf *json)
{
    if (json->err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, json->data, json->len);
    wr_buf_reset(json);
}
