/* geo_line_densify(), geo_polygon_densify(): straight lines of a flat map as edges of the globe. An
 * edge is halved on the map until the way on the globe is closer to it than the tolerance; the
 * distance is largest near 0.3 and 0.7 of the way, and is estimated from there as the S2 library's
 * tessellator does. Source: Kusto "geo_line_densify()", "geo_polygon_densify()". */
#include "rules/fn/globe.h"

enum { DENSE_MAX = 16384, DEPTH_MAX = 24 };

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

struct dense {
    struct wr_buf *json;
    double tolerance; /* as an angle */
    uint32_t n;
};

static double wrapped(double lng)
{
    return lng > 180 ? lng - 360 : lng < -180 ? lng + 360 : lng;
}

static void put(struct dense *d, const double deg[2], bool first)
{
    wr_buf_str(d->json, first ? "[" : ",[");
    wr_geo_number(d->json, wrapped(deg[0]));
    wr_buf_char(d->json, ',');
    wr_geo_number(d->json, deg[1]);
    wr_buf_char(d->json, ']');
    d->n++;
}

/* Distance between the map's point at `t` and the globe's. */
static double apart(const double a[2], const double b[2], double t)
{
    struct wr_pt p, q, on_map;
    if (!wr_pt_at(wrapped(a[0]), a[1], &p) || !wr_pt_at(wrapped(b[0]), b[1], &q) ||
        !wr_pt_at(wrapped(a[0] + t * (b[0] - a[0])), a[1] + t * (b[1] - a[1]), &on_map))
        return 0;
    double way = wr_pt_angle(p, q), sine = sin(way);
    if (!(sine > 0))
        return 0;
    struct wr_pt zero = {0, 0, 0},
                 on_globe = wr_pt_add(wr_pt_add(zero, sin((1 - t) * way) / sine, p),
                                      sin(t * way) / sine, q);
    return wr_pt_angle(on_globe, on_map);
}

/* What lies between a and b, and b. */
static void halve(struct dense *d, const double a[2], const double b[2], int depth)
{
    static const double at = 0.31215691082248312, scale = 0.83829992569888509;
    double error = fmax(apart(a, b, at), apart(a, b, 1 - at));
    if (depth < DEPTH_MAX && d->n < DENSE_MAX && error > scale * d->tolerance) {
        double middle[2] = {(a[0] + b[0]) / 2, (a[1] + b[1]) / 2};
        halve(d, a, middle, depth + 1);
        halve(d, middle, b, depth + 1);
    } else {
        put(d, b, false);
    }
}

static void path(struct dense *d, const struct wr_path *p, uint32_t npoints)
{
    wr_buf_char(d->json, '[');
    put(d, p->deg[0], true);
    for (uint32_t i = 0; i + 1 < npoints && d->n < DENSE_MAX; i++) {
        double b[2] = {p->deg[i + 1][0], p->deg[i + 1][1]}, across = b[0] - p->deg[i][0];
        b[0] += across > 180 ? -360 : across < -180 ? 360 : 0; /* the short way round */
        halve(d, p->deg[i], b, 0);
    }
    wr_buf_char(d->json, ']');
}

static void shape(struct dense *d, const struct wr_shape *s, bool multi)
{
    bool polygon = s->kind == WR_POLYGON;
    static const char *const types[2][2] = {{"LineString", "MultiLineString"},
                                            {"Polygon", "MultiPolygon"}};
    wr_buf_fmt(d->json, "{\"type\":\"%s\",\"coordinates\":%s", types[polygon][multi],
               multi ? "[" : "");
    for (uint32_t i = 0; i < s->npaths; i++) {
        bool first = i == 0 || s->path[i - 1].part != s->path[i].part;
        bool last = i + 1 == s->npaths || s->path[i + 1].part != s->path[i].part;
        wr_buf_str(d->json, i ? "," : "");
        wr_buf_str(d->json, polygon && first ? "[" : "");
        path(d, &s->path[i], s->path[i].n + polygon);
        wr_buf_str(d->json, polygon && last ? "]" : "");
    }
    wr_buf_str(d->json, multi ? "]}" : "}");
}

static void densify(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                    const struct wr_sel *sel, struct wr_vec *out, enum wr_shape_kind kind)
{
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice text = {wr_str_data(&args[0].s[row]), args[0].s[row].len}, type;
        double tolerance = call->nargs > 1 ? args[1].r[row] : 10;
        struct dense d = {.json = &json, .tolerance = tolerance / WR_EARTH_M};
        struct wr_shape s;
        if (!(tolerance >= 0.1 && tolerance <= 10000) || !wr_shape_read(ev, text, kind, &s) ||
            !wr_json_member(text, "type", 4, &type))
            continue;
        shape(&d, &s, type.p[1] == 'M');
        if (d.n < DENSE_MAX)
            wr_geo_put(ev, out, row, &json);
        wr_buf_reset(&json);
    }
    wr_buf_fini(&json);
}

KERNEL(geo_line_densify)
{
    densify(ev, call, args, sel, out, WR_LINE);
}

KERNEL(geo_polygon_densify)
{
    densify(ev, call, args, sel, out, WR_POLYGON);
}
