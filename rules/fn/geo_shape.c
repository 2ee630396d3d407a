/* geo_*(): distances, angles, lines and polygons on the globe. Null for what is no point or no
 * shape. Source: Kusto "Geospatial functions"; the sphere and the shortest edges are said on those
 * pages. */
#include "rules/fn/globe.h"

#include <stdio.h>

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

/* The shape that was read last: constants are read once a batch. */
struct last {
    const char *text;
    uint32_t len;
    bool ok;
    struct wr_shape shape;
};

static const struct wr_shape *shape_at(struct wr_eval *ev, const struct wr_vec *vec, uint32_t row,
                                       enum wr_shape_kind kind, struct last *last)
{
    const char *text = wr_str_data(&vec->s[row]);
    uint32_t len = vec->s[row].len;
    if (!last->text || last->len != len ||
        (last->text != text && memcmp(last->text, text, len) != 0))
        last->ok = wr_shape_read(ev, (struct wr_slice){text, len}, kind, &last->shape);
    last->text = text;
    last->len = len;
    return last->ok ? &last->shape : NULL;
}

static bool point_at(const struct wr_vec *args, uint32_t row, struct wr_pt *ret)
{
    return wr_pt_at(args[0].r[row], args[1].r[row], ret);
}

static void open_geometry(struct wr_buf *json, const char *type)
{
    wr_buf_fmt(json, "{\"type\":\"%s\",\"coordinates\":", type);
}

static void put_point(struct wr_eval *ev, struct wr_vec *out, uint32_t row, struct wr_pt p,
                      struct wr_buf *json)
{
    open_geometry(json, "Point");
    wr_geo_point(json, p);
    wr_buf_char(json, '}');
    wr_geo_put(ev, out, row, json);
}

/* ---- points ---- */

KERNEL(geo_distance_2points)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    {
        struct wr_pt a, b;
        if (point_at(&args[0], row, &a) && point_at(&args[2], row, &b))
            wr_put_r(out, row, wr_pt_angle(a, b) * WR_EARTH_M);
    }
}

/* From the way a-b to the way a-c, clockwise. */
static bool turn(struct wr_pt a, struct wr_pt b, struct wr_pt c, double *ret)
{
    struct wr_pt n = wr_pt_normal(a, b), m = wr_pt_normal(a, c);
    if (wr_pt_dot(n, n) < 1e-28 || wr_pt_dot(m, m) < 1e-28)
        return false; /* the same point or the one across */
    double angle = wr_pt_angle(wr_pt_unit(n), wr_pt_unit(m));
    *ret = wr_pt_dot(wr_pt_cross(n, m), a) > 0 ? 2 * M_PI - angle : angle;
    return true;
}

KERNEL(geo_angle)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    {
        struct wr_pt a, b, c;
        double angle;
        if (point_at(&args[0], row, &a) && point_at(&args[2], row, &b) &&
            point_at(&args[4], row, &c) && turn(b, a, c, &angle))
            wr_put_r(out, row, angle);
    }
}

KERNEL(geo_azimuth)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    {
        struct wr_pt a, b, north = {0, 0, 1};
        double angle;
        if (point_at(&args[0], row, &a) && point_at(&args[2], row, &b) && turn(a, north, b, &angle))
            wr_put_r(out, row, angle);
    }
}

KERNEL(geo_point_in_circle)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    {
        struct wr_pt p, center;
        double radius = args[4].r[row];
        if (point_at(&args[0], row, &p) && point_at(&args[2], row, &center) && radius >= 0 &&
            isfinite(radius))
            wr_put_i(out, row, wr_pt_angle(p, center) * WR_EARTH_M <= radius);
    }
}

/* ---- a point and a shape ---- */

static void distance(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                     struct wr_vec *out, enum wr_shape_kind kind)
{
    struct last last = {0};
    WR_EACH(sel, row)
    {
        struct wr_pt p, q;
        const struct wr_shape *s =
            point_at(args, row, &p) ? shape_at(ev, &args[2], row, kind, &last) : NULL;
        if (!s)
            continue;
        bool in = kind == WR_POLYGON && wr_shape_holds(s, UINT32_MAX, p);
        wr_put_r(out, row, in ? 0 : wr_shape_closest(s, p, &q) * WR_EARTH_M);
    }
}

KERNEL(geo_distance_point_to_line)
{
    (void)call;
    distance(ev, args, sel, out, WR_LINE);
}

KERNEL(geo_distance_point_to_polygon)
{
    (void)call;
    distance(ev, args, sel, out, WR_POLYGON);
}

static void closest(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                    struct wr_vec *out, enum wr_shape_kind kind)
{
    struct last last = {0};
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct wr_pt p, q;
        const struct wr_shape *s =
            point_at(args, row, &p) ? shape_at(ev, &args[2], row, kind, &last) : NULL;
        if (!s)
            continue;
        q = p;
        if (kind == WR_LINE || !wr_shape_holds(s, UINT32_MAX, p))
            (void)wr_shape_closest(s, p, &q);
        put_point(ev, out, row, q, &json);
    }
    wr_buf_fini(&json);
}

KERNEL(geo_closest_point_on_line)
{
    (void)call;
    closest(ev, args, sel, out, WR_LINE);
}

KERNEL(geo_closest_point_on_polygon)
{
    (void)call;
    closest(ev, args, sel, out, WR_POLYGON);
}

KERNEL(geo_point_in_polygon)
{
    (void)call;
    struct last last = {0};
    WR_EACH(sel, row)
    {
        struct wr_pt p;
        const struct wr_shape *s =
            point_at(args, row, &p) ? shape_at(ev, &args[2], row, WR_POLYGON, &last) : NULL;
        if (s)
            wr_put_i(out, row, wr_shape_holds(s, UINT32_MAX, p));
    }
}

/* ---- lines ---- */

static double length_of(const struct wr_shape *s)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->npaths; i++)
        for (uint32_t e = 0; e < wr_path_edges(s, &s->path[i]); e++)
            sum += wr_pt_angle(s->path[i].p[e], wr_path_end(&s->path[i], e));
    return sum;
}

KERNEL(geo_line_length)
{
    (void)call;
    struct last last = {0};
    WR_EACH(sel, row)
    {
        const struct wr_shape *s = shape_at(ev, &args[0], row, WR_LINE, &last);
        if (s)
            wr_put_r(out, row, length_of(s) * WR_EARTH_M);
    }
}

KERNEL(geo_line_centroid)
{
    (void)call;
    struct last last = {0};
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        const struct wr_shape *s = shape_at(ev, &args[0], row, WR_LINE, &last);
        struct wr_pt sum = {0, 0, 0};
        for (uint32_t i = 0; s && i < s->npaths; i++)
            for (uint32_t e = 0; e + 1 < s->path[i].n; e++) {
                /* The integral over an arc of angle t: 2 sin(t/2) in the direction of its middle.
                 */
                struct wr_pt a = s->path[i].p[e], b = s->path[i].p[e + 1], d = wr_pt_add(a, -1, b),
                             m = wr_pt_add(a, 1, b);
                sum = wr_pt_add(sum, sqrt(wr_pt_dot(d, d)), wr_pt_unit(m));
            }
        if (s && wr_pt_dot(sum, sum) > 0)
            put_point(ev, out, row, wr_pt_unit(sum), &json);
    }
    wr_buf_fini(&json);
}

/* The point that is `way` away from a, in the direction of b. */
static struct wr_pt onward(struct wr_pt a, struct wr_pt b, double way)
{
    struct wr_pt n = wr_pt_unit(wr_pt_normal(a, b)), tangent = wr_pt_cross(n, a);
    struct wr_pt zero = {0, 0, 0};
    return wr_pt_unit(wr_pt_add(wr_pt_add(zero, cos(way), a), sin(way), tangent));
}

KERNEL(geo_line_interpolate_point)
{
    (void)call;
    struct last last = {0};
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        const struct wr_shape *s = shape_at(ev, &args[0], row, WR_LINE, &last);
        double fraction = args[1].r[row];
        if (!s || s->npaths > 1 || !(fraction >= 0 && fraction <= 1))
            continue;
        const struct wr_path *line = &s->path[0];
        double left = fraction * length_of(s);
        struct wr_pt p = line->p[line->n - 1];
        for (uint32_t e = 0; e + 1 < line->n; e++) {
            double edge = wr_pt_angle(line->p[e], line->p[e + 1]);
            if (left < edge) {
                p = onward(line->p[e], line->p[e + 1], left);
                break;
            }
            left -= edge;
        }
        put_point(ev, out, row, p, &json);
    }
    wr_buf_fini(&json);
}

/* geo_line_locate_point(line, lng, lat): which part of the way the closest point is at. */
KERNEL(geo_line_locate_point)
{
    (void)call;
    struct last last = {0};
    WR_EACH(sel, row)
    {
        struct wr_pt p;
        const struct wr_shape *s =
            point_at(&args[1], row, &p) ? shape_at(ev, &args[0], row, WR_LINE, &last) : NULL;
        if (!s || s->npaths > 1)
            continue;
        const struct wr_path *line = &s->path[0];
        double best = 10, at = 0, way = 0;
        for (uint32_t e = 0; e + 1 < line->n; e++) {
            struct wr_pt q;
            double angle = wr_pt_closest(p, line->p[e], line->p[e + 1], &q);
            if (angle < best) {
                best = angle;
                at = way + wr_pt_angle(line->p[e], q);
            }
            way += wr_pt_angle(line->p[e], line->p[e + 1]);
        }
        wr_put_r(out, row, fmin(at / way, 1));
    }
}

/* ---- two shapes ---- */

static void touch(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                  struct wr_vec *out, const enum wr_shape_kind kind[2])
{
    struct last last[2] = {{0}, {0}};
    WR_EACH(sel, row)
    {
        const struct wr_shape *a = shape_at(ev, &args[0], row, kind[0], &last[0]);
        const struct wr_shape *b = shape_at(ev, &args[1], row, kind[1], &last[1]);
        if (!a || !b)
            continue;
        bool yes = wr_shapes_touch(a, b);
        for (uint32_t i = 0; !yes && kind[1] == WR_POLYGON && i < a->npaths; i++)
            yes = wr_shape_holds(b, UINT32_MAX, a->path[i].p[0]);
        for (uint32_t i = 0; !yes && kind[0] == WR_POLYGON && i < b->npaths; i++)
            yes = wr_shape_holds(a, UINT32_MAX, b->path[i].p[0]);
        wr_put_i(out, row, yes);
    }
}

KERNEL(geo_intersects_2lines)
{
    (void)call;
    touch(ev, args, sel, out, (const enum wr_shape_kind[]){WR_LINE, WR_LINE});
}

KERNEL(geo_intersects_2polygons)
{
    (void)call;
    touch(ev, args, sel, out, (const enum wr_shape_kind[]){WR_POLYGON, WR_POLYGON});
}

KERNEL(geo_intersects_line_with_polygon)
{
    (void)call;
    touch(ev, args, sel, out, (const enum wr_shape_kind[]){WR_LINE, WR_POLYGON});
}

/* ---- area and its kin ---- */

/* An edge of another part that runs between the same two points. */
static bool shared(const struct wr_shape *s, uint32_t part, struct wr_pt a, struct wr_pt b,
                   bool *ret_same_way, uint32_t *ret_part)
{
    for (uint32_t i = 0; i < s->npaths; i++)
        for (uint32_t e = 0; s->path[i].part != part && e < s->path[i].n; e++) {
            struct wr_pt c = s->path[i].p[e], d = wr_path_end(&s->path[i], e);
            *ret_same_way = wr_pt_same(a, c) && wr_pt_same(b, d);
            *ret_part = s->path[i].part;
            if (*ret_same_way || (wr_pt_same(a, d) && wr_pt_same(b, c)))
                return true;
        }
    return false;
}

struct sums {
    double angle, length;
    struct wr_pt centroid, from;
};

static void add_edge(struct sums *sums, struct wr_pt a, struct wr_pt b)
{
    sums->length += wr_pt_angle(a, b);
    sums->angle += wr_triangle(sums->from, a, b);
    sums->centroid = wr_pt_add(sums->centroid, 1, wr_triangle_centroid(sums->from, a, b));
}

/* Sums over the boundary of the union: of each edge what lies in no other part. False when they
 * cross too often: each piece is held against all of the shape. */
static bool sum_up(struct wr_eval *ev, const struct wr_shape *s, struct sums *sums)
{
    enum { PIECES_MAX = 2048 };
    uint32_t pieces = 0;
    *sums = (struct sums){.from = s->path[0].p[0]};
    struct wr_pt *cut =
        s->nparts > 1 ? wr_arena_alloc(ev->arena, (WR_SHAPE_POINTS + 4) * sizeof *cut) : NULL;
    if (s->nparts > 1 && !cut) {
        ev->err = WR_ENOMEM;
        return false;
    }
    for (uint32_t i = 0; i < s->npaths; i++)
        for (uint32_t e = 0; e < s->path[i].n; e++) {
            struct wr_pt a = s->path[i].p[e], b = wr_path_end(&s->path[i], e);
            uint32_t part = s->path[i].part, other = 0;
            bool same_way;
            if (s->nparts == 1) {
                add_edge(sums, a, b);
                continue;
            }
            if (shared(s, part, a, b, &same_way, &other)) {
                if (same_way && part < other)
                    add_edge(sums, a, b);
                continue;
            }
            uint32_t n = wr_edge_cuts(s, part, a, b, cut);
            for (uint32_t k = 0; k + 1 < n; k++) {
                struct wr_pt middle = wr_pt_unit(wr_pt_add(cut[k], 1, cut[k + 1]));
                if (++pieces > PIECES_MAX)
                    return false;
                if (!wr_shape_holds(s, part, middle))
                    add_edge(sums, cut[k], cut[k + 1]);
            }
        }
    return true;
}

KERNEL(geo_polygon_area)
{
    (void)call;
    struct last last = {0};
    struct sums sums;
    WR_EACH(sel, row)
    {
        const struct wr_shape *s = shape_at(ev, &args[0], row, WR_POLYGON, &last);
        if (s && sum_up(ev, s, &sums))
            wr_put_r(out, row, fabs(sums.angle) * WR_EARTH_M * WR_EARTH_M);
    }
}

KERNEL(geo_polygon_perimeter)
{
    (void)call;
    struct last last = {0};
    struct sums sums;
    WR_EACH(sel, row)
    {
        const struct wr_shape *s = shape_at(ev, &args[0], row, WR_POLYGON, &last);
        if (s && sum_up(ev, s, &sums))
            wr_put_r(out, row, sums.length * WR_EARTH_M);
    }
}

KERNEL(geo_polygon_centroid)
{
    (void)call;
    struct last last = {0};
    struct wr_buf json = {0};
    struct sums sums;
    WR_EACH(sel, row)
    {
        const struct wr_shape *s = shape_at(ev, &args[0], row, WR_POLYGON, &last);
        if (s && sum_up(ev, s, &sums) && wr_pt_dot(sums.centroid, sums.centroid) > 0)
            put_point(ev, out, row, wr_pt_unit(sums.centroid), &json);
    }
    wr_buf_fini(&json);
}

/* ---- intersections of lines ---- */

/* Prints what was found: nothing, one, or several of a kind. */
static void put_found(struct wr_eval *ev, struct wr_vec *out, uint32_t row, const char *kind,
                      uint32_t n, struct wr_buf *json)
{
    struct wr_buf all = {0};
    if (n == 0) {
        wr_buf_str(&all, "{\"type\":\"GeometryCollection\",\"geometries\":[]}");
    } else {
        char type[32];
        snprintf(type, sizeof type, "%s%s", n > 1 ? "Multi" : "", kind);
        open_geometry(&all, type);
        wr_buf_str(&all, n > 1 ? "[" : "");
        wr_buf_add(&all, json->data, json->len);
        wr_buf_str(&all, n > 1 ? "]}" : "}");
    }
    if (json->err)
        ev->err = WR_ENOMEM;
    wr_geo_put(ev, out, row, &all);
    wr_buf_fini(&all);
    wr_buf_reset(json);
}

enum { FOUND_MAX = 4096 };

/* Crossings of two lines, each once; the number of them, or -1 where they run together and more
 * than points is shared. */
static int crossings(const struct wr_shape *a, const struct wr_shape *b, struct wr_pt *found, struct wr_buf *json)
{
    int n = 0;
    for (uint32_t i = 0; i < a->npaths; i++)
        for (uint32_t e = 0; e + 1 < a->path[i].n; e++)
            for (uint32_t k = 0; k < b->npaths; k++)
                for (uint32_t f = 0; f + 1 < b->path[k].n; f++) {
                    struct wr_pt p = a->path[i].p[e], q = a->path[i].p[e + 1], c = b->path[k].p[f],
                                 d = b->path[k].p[f + 1];
                    bool pc = wr_pt_same(p, c), pd = wr_pt_same(p, d), qc = wr_pt_same(q, c),
                         qd = wr_pt_same(q, d);
                    bool cross = wr_edges_cross(p, q, c, d);
                    if ((pc && qd) || (pd && qc) || n == FOUND_MAX)
                        return -1;
                    if (!cross && !pc && !pd && !qc && !qd)
                        continue;
                    struct wr_pt x = cross ? wr_edges_meet(p, q, c, d) : pc || pd ? p : q;
                    bool known = false;
                    for (int m = 0; m < n && !known; m++)
                        known = wr_pt_same(found[m], x);
                    if (known)
                        continue;
                    wr_buf_str(json, n ? "," : "");
                    wr_geo_point(json, x);
                    found[n++] = x;
                }
    return n;
}

KERNEL(geo_intersection_2lines)
{
    (void)call;
    struct last last[2] = {{0}, {0}};
    struct wr_buf json = {0};
    struct wr_pt *found = wr_arena_alloc(ev->arena, FOUND_MAX * sizeof *found);
    if (!found)
        ev->err = WR_ENOMEM;
    WR_EACH(sel, row)
    {
        const struct wr_shape *a = shape_at(ev, &args[0], row, WR_LINE, &last[0]);
        const struct wr_shape *b = shape_at(ev, &args[1], row, WR_LINE, &last[1]);
        wr_buf_reset(&json);
        int n = a && b && found ? crossings(a, b, found, &json) : -1;
        if (n >= 0)
            put_found(ev, out, row, "Point", (uint32_t)n, &json);
    }
    wr_buf_fini(&json);
}

/* One line's pieces within the polygon; the number of lines that `json` has then. */
static uint32_t inside(const struct wr_path *line, const struct wr_shape *polygon,
                       struct wr_pt *cut, uint32_t n, struct wr_buf *json)
{
    bool open = false;
    for (uint32_t e = 0; e + 1 < line->n; e++) {
        uint32_t cuts = wr_edge_cuts(polygon, UINT32_MAX, line->p[e], line->p[e + 1], cut);
        for (uint32_t k = 0; k + 1 < cuts; k++) {
            bool in =
                wr_shape_holds(polygon, UINT32_MAX, wr_pt_unit(wr_pt_add(cut[k], 1, cut[k + 1])));
            if (in && !open) {
                wr_buf_str(json, n ? ",[" : "[");
                wr_geo_point(json, cut[k]);
                n++;
            }
            if (in) {
                wr_buf_char(json, ',');
                wr_geo_point(json, cut[k + 1]);
            } else if (open) {
                wr_buf_char(json, ']');
            }
            open = in;
        }
    }
    if (open)
        wr_buf_char(json, ']');
    return n;
}

KERNEL(geo_intersection_line_with_polygon)
{
    (void)call;
    struct last last[2] = {{0}, {0}};
    struct wr_buf json = {0};
    struct wr_pt *cut = wr_arena_alloc(ev->arena, (WR_SHAPE_POINTS + 4) * sizeof *cut);
    WR_EACH(sel, row)
    {
        const struct wr_shape *line = shape_at(ev, &args[0], row, WR_LINE, &last[0]);
        const struct wr_shape *polygon = shape_at(ev, &args[1], row, WR_POLYGON, &last[1]);
        uint32_t n = 0;
        if (!line || !polygon || !cut)
            continue;
        wr_buf_reset(&json);
        for (uint32_t i = 0; i < line->npaths; i++)
            n = inside(&line->path[i], polygon, cut, n, &json);
        put_found(ev, out, row, "LineString", n, &json);
    }
    if (!cut)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&json);
}
