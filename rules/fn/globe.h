/* Points, lines and polygons on the globe, a sphere of 6,371,010 m whose edges are the shortest
 * ones. Shapes are GeoJSON (RFC 7946) and read whole before anything is computed; at most
 * WR_SHAPE_POINTS coordinates. Private to rules/fn. */
#ifndef WR_RULES_FN_GLOBE_H
#define WR_RULES_FN_GLOBE_H

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <math.h>

#define WR_EARTH_M 6371010.0

enum { WR_SHAPE_POINTS = 1024 };

/* A unit vector: x to 0 N 0 E, z to the north pole. */
struct wr_pt {
    double x, y, z;
};

static inline struct wr_pt wr_pt_cross(struct wr_pt a, struct wr_pt b)
{
    return (struct wr_pt){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static inline double wr_pt_dot(struct wr_pt a, struct wr_pt b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct wr_pt wr_pt_add(struct wr_pt a, double f, struct wr_pt b)
{
    return (struct wr_pt){a.x + f * b.x, a.y + f * b.y, a.z + f * b.z};
}

static inline bool wr_pt_same(struct wr_pt a, struct wr_pt b)
{
    return a.x == b.x && a.y == b.y && a.z == b.z;
}

/* The sign and direction of a x b also where both are close: (a + b) x (b - a) is twice that. */
static inline struct wr_pt wr_pt_normal(struct wr_pt a, struct wr_pt b)
{
    return wr_pt_cross(wr_pt_add(a, 1, b), wr_pt_add(b, -1, a));
}

static inline struct wr_pt wr_pt_unit(struct wr_pt a)
{
    double n = sqrt(wr_pt_dot(a, a));
    return n > 0 ? (struct wr_pt){a.x / n, a.y / n, a.z / n} : a;
}

static inline double wr_pt_angle(struct wr_pt a, struct wr_pt b)
{
    struct wr_pt n = wr_pt_cross(a, b);
    return atan2(sqrt(wr_pt_dot(n, n)), wr_pt_dot(a, b));
}

/* Positive when c lies to the left of the way from a to b. */
static inline double wr_pt_side(struct wr_pt a, struct wr_pt b, struct wr_pt c)
{
    return wr_pt_dot(wr_pt_normal(a, b), c);
}

/* False for what is no longitude and latitude in degrees. */
bool wr_pt_at(double lng, double lat, struct wr_pt *ret);
double wr_pt_lng(struct wr_pt p);
double wr_pt_lat(struct wr_pt p);
/* The point of edge ab that is closest to p; the angle to it. */
double wr_pt_closest(struct wr_pt p, struct wr_pt a, struct wr_pt b, struct wr_pt *ret);
/* Edges ab and cd cross within both; ends that touch do not count. */
bool wr_edges_cross(struct wr_pt a, struct wr_pt b, struct wr_pt c, struct wr_pt d);
/* Where they do. */
struct wr_pt wr_edges_meet(struct wr_pt a, struct wr_pt b, struct wr_pt c, struct wr_pt d);

enum wr_shape_kind { WR_LINE, WR_POLYGON };

/* A path of points; a ring of a polygon is closed (the first point is not repeated), shells run
 * counter-clockwise, holes clockwise. */
struct wr_path {
    struct wr_pt *p;
    double (*deg)[2]; /* longitude and latitude as they came */
    uint32_t n, part; /* of which line or polygon */
};

struct wr_shape {
    enum wr_shape_kind kind;
    struct wr_path *path;
    uint32_t npaths, nparts, npoints;
};

/* Reads LineString and MultiLineString, or Polygon and MultiPolygon; in the run's arena. False for
 * what is none: too few or equal points, coordinates out of range, edges that cross, too many
 * points. */
bool wr_shape_read(struct wr_eval *ev, struct wr_slice json, enum wr_shape_kind kind,
                   struct wr_shape *ret);

/* An edge of a path: from point i to the next one. */
static inline uint32_t wr_path_edges(const struct wr_shape *s, const struct wr_path *path)
{
    return s->kind == WR_POLYGON ? path->n : path->n - 1;
}

static inline struct wr_pt wr_path_end(const struct wr_path *path, uint32_t edge)
{
    return path->p[edge + 1 < path->n ? edge + 1 : 0];
}

/* Within one of the polygons, holes left out; polygon `but_part` is not asked (UINT32_MAX: all
 * are). */
bool wr_shape_holds(const struct wr_shape *s, uint32_t but_part, struct wr_pt p);
/* Closest point of the lines or of the boundary; the angle to it. */
double wr_shape_closest(const struct wr_shape *s, struct wr_pt p, struct wr_pt *ret);
/* True when edges cross or points are shared. */
bool wr_shapes_touch(const struct wr_shape *a, const struct wr_shape *b);

/* The signed solid angle of a triangle: positive when it runs counter-clockwise. */
double wr_triangle(struct wr_pt a, struct wr_pt b, struct wr_pt c);
/* Its centroid times that angle. */
struct wr_pt wr_triangle_centroid(struct wr_pt a, struct wr_pt b, struct wr_pt c);

/* The parts of an edge between its crossings with the boundary of `s`, in order: points into `cut`
 * (room for npoints + 2 of `s`). */
uint32_t wr_edge_cuts(const struct wr_shape *s, uint32_t but_part, struct wr_pt a, struct wr_pt b,
                      struct wr_pt *cut);

/* JSON of coordinates. Whole numbers without a point, as they are read. */
void wr_geo_number(struct wr_buf *out, double v);
void wr_geo_point(struct wr_buf *out, struct wr_pt p);
void wr_geo_put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, struct wr_buf *json);

#endif
