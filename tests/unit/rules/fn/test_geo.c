/* The globe: what the documentation's examples leave open. Kusto's figures are in tests/data/kql.
 */
#include "tests/unit/rules/exec/expect.h"

#include <stdio.h>

#define SQUARE                                                                                     \
    "dynamic({'type':'Polygon','coordinates':[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[4,6],["  \
    "6,6],[6,4],[4,4]]]})"
#define BOTH                                                                                       \
    "dynamic({'type':'MultiPolygon','coordinates':[[[[0,0],[10,0],[10,10],[0,10],[0,0]]],[[[10,0]" \
    ",[20,0],[20,10],[10,10],[10,0]]]]})"

Test(geo, an_octant_is_an_eighth_of_the_globe)
{
    /* 4 pi r^2 / 8 and three quarters of a great circle, r = 6371010 m */
    expect("let octant = dynamic({'type':'Polygon','coordinates':[[[0,0],[90,0],[0,90],[0,0]]]}); "
           "print area = round(geo_polygon_area(octant) / 1e6, 3), around = "
           "round(geo_polygon_perimeter(octant), 3), "
           "c = round(todouble(geo_polygon_centroid(octant).coordinates[1]), 9)",
           "area|around|c;63758259.14|30022677.318|35.264389683");
}

Test(geo, a_ring_means_its_smaller_side_whichever_way_it_runs)
{
    expect(
        "let a = dynamic({'type':'Polygon','coordinates':[[[0,0],[10,0],[10,10],[0,10],[0,0]]]}); "
        "let b = dynamic({'type':'Polygon','coordinates':[[[0,0],[0,10],[10,10],[10,0],[0,0]]]}); "
        "print geo_point_in_polygon(5, 5, a), geo_point_in_polygon(5, 5, b), "
        "geo_point_in_polygon(-175, -5, a), "
        "geo_point_in_polygon(15, 5, b), abs(geo_polygon_area(a) - geo_polygon_area(b)) < 1",
        "print_0|print_1|print_2|print_3|print_4;True|True|False|False|True");
}

Test(geo, holes_are_outside)
{
    expect("print geo_point_in_polygon(5, 5, " SQUARE "), geo_point_in_polygon(2, 2, " SQUARE "), "
           "round(geo_distance_point_to_polygon(5, 5, " SQUARE
           ")) > 100000, geo_distance_point_to_polygon(2, 2, " SQUARE ")",
           "print_0|print_1|print_2|print_3;False|True|True|0.0");
}

Test(geo, a_multipolygon_is_measured_as_the_union)
{
    expect("let one = "
           "dynamic({'type':'Polygon','coordinates':[[[0,0],[10,0],[10,10],[0,10],[0,0]]]}); "
           "let next = "
           "dynamic({'type':'Polygon','coordinates':[[[10,0],[20,0],[20,10],[10,10],[10,0]]]}); "
           "let twice = "
           "dynamic({'type':'MultiPolygon','coordinates':[[[[0,0],[10,0],[10,10],[0,10],[0,0]]],[[["
           "2,2],[3,2],[3,3],[2,2]]]]}); "
           "print abs(geo_polygon_area(" BOTH
           ") - geo_polygon_area(one) - geo_polygon_area(next)) < 1, "
           "round(geo_polygon_perimeter(one) + geo_polygon_perimeter(next) - "
           "geo_polygon_perimeter(" BOTH ")), "
           "abs(geo_polygon_area(twice) - geo_polygon_area(one)) < 1",
           "print_0|print_1|print_2;True|2223902.0|True");
}

Test(geo, what_is_no_shape_has_no_result)
{
    static const char *const bad[] = {
        "{}",
        "{'type':'Polygon'}",
        "{'type':'Polygon','coordinates':[[[0,0],[1,0],[1,1]]]}",                 /* open */
        "{'type':'Polygon','coordinates':[[[0,0],[10,10],[10,0],[0,10],[0,0]]]}", /* crosses itself
                                                                                   */
        "{'type':'Polygon','coordinates':[[[0,0],[1,0],[0,0],[1,1],[0,0]]]}", /* a point twice */
        "{'type':'Polygon','coordinates':[[[0,0],[200,0],[1,1],[0,0]]]}",
        "{'type':'Polygon','coordinates':[[['0',0],[1,0],[1,1],[0,0]]]}",
        "{'type':'Polygon','coordinates':[[[0,0],[180,0],[1,1],[0,0]]]}", /* no shortest way */
        "{'type':'LineString','coordinates':[[0,0],[1,1]]}",
        "{'type':'Polygon','coordinates':[]}",
        "{'type':'Polygon','coordinates':[[]]}",
        "{'type':'Polygon','coordinates':{}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char query[512];
        snprintf(query, sizeof query,
                 "print geo_point_in_polygon(0.5, 0.2, dynamic(%s)), geo_polygon_area(dynamic(%s))",
                 bad[i], bad[i]);
        expect(query, "print_0|print_1;null|null");
    }
}

Test(geo, more_points_than_are_read_have_no_result)
{
    expect("let n = 1025; let line = bag_pack('type', 'LineString', 'coordinates', "
           "toscalar(range i from 1 to 1025 step 1 | project p = pack_array(i / 10.0, 1) | "
           "summarize make_list(pack_array(p)))); "
           "print isnull(geo_line_length(line))",
           "print_0;True");
}

Test(geo, angles_are_clockwise)
{
    expect("print round(degrees(geo_azimuth(0, 0, 1, 0))), round(degrees(geo_azimuth(0, 0, -1, "
           "0))), round(degrees(geo_azimuth(0, 0, 0, 1))), "
           "geo_azimuth(5, 5, 5, 5), geo_azimuth(0, 0, 180, 0), round(degrees(geo_angle(0, 1, 0, "
           "0, -1, 0)))",
           "print_0|print_1|print_2|print_3|print_4|print_5;90.0|270.0|0.0|null|null|270.0");
}

Test(geo, lines_end_at_their_ends)
{
    expect("let line = dynamic({'type':'LineString','coordinates':[[0,0],[0,0],[10,0],[20,0]]}); "
           "print geo_line_interpolate_point(line, 0), geo_line_interpolate_point(line, 1), "
           "geo_line_interpolate_point(line, 1.1), "
           "geo_line_locate_point(line, -5, 1), geo_line_locate_point(line, 25, 0), "
           "round(geo_line_locate_point(line, 5, 3), 9)",
           "print_0|print_1|print_2|print_3|print_4|print_5;{\"type\":\"Point\",\"coordinates\":[0,"
           "0]}|{\"type\":\"Point\",\"coordinates\":[20,0]}|"
           "null|0.0|1.0|0.25");
}

Test(geo, lines_meet_in_points_once)
{
    expect(
        "let a = dynamic({'type':'LineString','coordinates':[[-1,0],[0,0],[1,0]]}); "
        "print geo_intersection_2lines(a, "
        "dynamic({'type':'LineString','coordinates':[[0,-1],[0,0],[0,1]]})), "
        "geo_intersection_2lines(a, "
        "dynamic({'type':'LineString','coordinates':[[-0.5,-1],[-0.5,1],[0.5,1],[0.5,-1]]})), "
        "geo_intersection_2lines(a, dynamic({'type':'LineString','coordinates':[[0,5],[1,5]]})), "
        "geo_intersection_2lines(a, a)",
        "print_0|print_1|print_2|print_3;{\"type\":\"Point\",\"coordinates\":[0,0]}|{\"type\":"
        "\"MultiPoint\",\"coordinates\":[[-0.5000000000000001,0],[0.5000000000000001,0]]}|"
        "{\"type\":\"GeometryCollection\",\"geometries\":[]}|null");
}

Test(geo, polygons_that_hold_each_other_intersect)
{
    expect("let inner = dynamic({'type':'Polygon','coordinates':[[[1,1],[2,1],[2,2],[1,1]]]}); "
           "let hole = "
           "dynamic({'type':'Polygon','coordinates':[[[4.5,4.5],[5,4.5],[5,5],[4.5,4.5]]]}); "
           "print geo_intersects_2polygons(" SQUARE
           ", inner), geo_intersects_2polygons(inner, " SQUARE "), geo_intersects_2polygons(" SQUARE
           ", hole), "
           "geo_intersects_line_with_polygon(dynamic({'type':'LineString','coordinates':[[1,1],[2,"
           "1]]}), " SQUARE ")",
           "print_0|print_1|print_2|print_3;True|True|False|True");
}

Test(geo, well_known_text)
{
    expect("print geo_from_wkt('multipoint ((1 2), (3 4.5))'), "
           "geo_from_wkt('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,-1 1e2))'), "
           "geo_from_wkt('POINT (1 2) x'), geo_from_wkt('POINT (1)'), "
           "geo_from_wkt(strcat(strrep('GEOMETRYCOLLECTION(', 20), 'POINT(1 2)', strrep(')', 20)))",
           "print_0|print_1|print_2|print_3|print_4;{\"type\":\"MultiPoint\",\"coordinates\":[[1,2]"
           ",[3,4.5]]}|"
           "{\"type\":\"GeometryCollection\",\"geometries\":[{\"type\":\"Point\",\"coordinates\":["
           "1,2]},{\"type\":\"LineString\",\"coordinates\":[[0,0],[-1,100]]}]}|"
           "null|null|null");
}

Test(geo, cells_come_back)
{
    expect("range i from 0 to 400 step 1 | extend lng = i * 0.8973 - 180, lat = i * 0.4471 - 89.7 "
           "| extend s2 = geo_point_to_s2cell(lng, lat, i % 31), gh = geo_point_to_geohash(lng, "
           "lat, 1 + i % 18) "
           "| extend c = geo_s2cell_to_central_point(s2), g = geo_geohash_to_central_point(gh) "
           "| where geo_point_to_s2cell(todouble(c.coordinates[0]), todouble(c.coordinates[1]), i "
           "% 31) != s2 "
           "or geo_point_to_geohash(todouble(g.coordinates[0]), todouble(g.coordinates[1]), 1 + i "
           "% 18) != gh "
           "or (i % 31 > 0 and array_length(geo_s2cell_neighbors(s2)) < 7) | count",
           "Count;0");
    expect("print geo_point_to_s2cell(0, 0, 0), geo_point_to_s2cell(0, 0, 31), "
           "geo_point_to_geohash(0, 0, 0), geo_point_to_geohash(180, 90, 1), "
           "geo_s2cell_to_central_point('g'), geo_s2cell_to_central_point('0'), "
           "geo_geohash_to_polygon('a'), geo_point_to_s2cell(-73.9, 40.7)",
           "print_0|print_1|print_2|print_3|print_4|print_5|print_6|print_7;1|||z|null|null|null|"
           "89c25c4");
}
