/* geo_from_wkt(): well-known text as GeoJSON. Source: Kusto "geo_from_wkt()"; OGC 06-103r4,
 * "Well-known Text Representation". */
#include "rules/fn/globe.h"

enum { COLLECTIONS_MAX = 8 };

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

struct wkt {
    const char *p, *end;
    struct wr_buf *json;
};

static void blanks(struct wkt *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
        w->p++;
}

static bool take(struct wkt *w, char c)
{
    blanks(w);
    bool yes = w->p < w->end && *w->p == c;
    w->p += yes;
    return yes;
}

static bool number(struct wkt *w)
{
    double v;
    blanks(w);
    const char *from = w->p;
    while (w->p < w->end && (wr_is_alnum(*w->p) || *w->p == '.' || *w->p == '-' || *w->p == '+'))
        w->p++;
    if (!wr_text_to_real(from, (size_t)(w->p - from), &v) || !isfinite(v))
        return false;
    wr_geo_number(w->json, v);
    return true;
}

/* x y */
static bool coordinates(struct wkt *w)
{
    wr_buf_char(w->json, '[');
    bool ok = number(w);
    wr_buf_char(w->json, ',');
    ok = ok && number(w);
    wr_buf_char(w->json, ']');
    return ok;
}

/* (item, item, ...), of lists that nest `depth` deep; 0: the items are points. A point of a
 * MULTIPOINT may have its own brackets. */
static bool list(struct wkt *w, int depth, bool brackets)
{
    if (!take(w, '('))
        return false;
    wr_buf_char(w->json, '[');
    for (bool first = true; first || take(w, ','); first = false) {
        wr_buf_str(w->json, first ? "" : ",");
        bool own = brackets && take(w, '(');
        if (depth ? !list(w, depth - 1, false) : !coordinates(w))
            return false;
        if (own && !take(w, ')'))
            return false;
    }
    wr_buf_char(w->json, ']');
    return take(w, ')');
}

static bool geometry(struct wkt *w, int depth);

static bool collection(struct wkt *w, int depth)
{
    if (depth == COLLECTIONS_MAX || !take(w, '('))
        return false;
    wr_buf_str(w->json, "{\"type\":\"GeometryCollection\",\"geometries\":[");
    for (bool first = true; first || take(w, ','); first = false) {
        wr_buf_str(w->json, first ? "" : ",");
        if (!geometry(w, depth + 1))
            return false;
    }
    wr_buf_str(w->json, "]}");
    return take(w, ')');
}

static bool geometry(struct wkt *w, int depth)
{
    static const struct {
        const char *word, *type;
        int depth;
    } kinds[] = {{"POINT", "Point", -1},
                 {"LINESTRING", "LineString", 0},
                 {"POLYGON", "Polygon", 1},
                 {"MULTIPOINT", "MultiPoint", 0},
                 {"MULTILINESTRING", "MultiLineString", 1},
                 {"MULTIPOLYGON", "MultiPolygon", 2}};
    blanks(w);
    const char *from = w->p;
    while (w->p < w->end && wr_is_alnum(*w->p))
        w->p++;
    size_t len = (size_t)(w->p - from);
    if (len == 18 && strncasecmp(from, "GEOMETRYCOLLECTION", len) == 0)
        return collection(w, depth);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].word) != len || strncasecmp(kinds[i].word, from, len) != 0)
            continue;
        wr_buf_fmt(w->json, "{\"type\":\"%s\",\"coordinates\":", kinds[i].type);
        bool ok = kinds[i].depth < 0 ? take(w, '(') && coordinates(w) && take(w, ')')
                                     : list(w, kinds[i].depth, i == 3);
        wr_buf_char(w->json, '}');
        return ok;
    }
    return false;
}

KERNEL(geo_from_wkt)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH(sel, row)
    {
        const char *text = wr_str_data(&args[0].s[row]);
        struct wkt w = {text, text + args[0].s[row].len, &json};
        bool ok = geometry(&w, 0);
        blanks(&w);
        if (ok && w.p == w.end)
            wr_geo_put(ev, out, row, &json);
        wr_buf_reset(&json);
    }
    wr_buf_fini(&json);
}
