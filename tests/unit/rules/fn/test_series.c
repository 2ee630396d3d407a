/* Series, XML, plugins: a query's result as text. */
#include "rules/fn/kernel.h"
#include "rules/rules.h"

#include <criterion/criterion.h>

static struct wr_buf said;

static const char *ask(const char *query)
{
    struct wr_diags diags;
    struct wr_result res;
    cr_assert(wr_diags_init(&diags));
    wr_buf_reset(&said);
    struct wr_query *q = wr_query_new("q", query, strlen(query), 2, &diags);
    if (!q || wr_query_run(q, 0, &diags, &res) != WR_OK) {
        wr_diags_print(&diags, &said);
    } else {
        for (uint32_t b = 0; b < res.nbatches; b++)
            WR_EACH (&res.batches[b]->sel, row) {
                for (uint16_t c = 0; c < res.schema->ncols; c++) {
                    wr_buf_str(&said, c ? "|" : "");
                    wr_text_at(&res.batches[b]->col[c], row, &said);
                }
                wr_buf_char(&said, ';');
            }
    }
    wr_query_free(q);
    wr_diags_fini(&diags);
    wr_buf_char(&said, '\0');
    return said.data;
}

static const struct {
    const char *query, *want;
} values[] = {
    {"print series_add(dynamic([1,2,null]), dynamic([10,20.5,3]))", "[11,22.5,null];"},
    {"print series_subtract(dynamic([5,6]), 2), series_multiply(3, dynamic([1,2])), series_divide(dynamic([1,1]), dynamic([2,0]))",
     "[3,4]|[3,6]|[0.5,null];"},
    {"print series_pow(dynamic([2,3]), 2), series_less(dynamic([1,5]), dynamic([2,2])), series_greater_equals(dynamic([1,2]), 2)",
     "[4,9]|[true,false]|[false,true];"},
    {"print series_equals(dynamic([1,2]), dynamic([1])), series_add(1, 2), series_add('x', dynamic([1]))", "[true,null]||;"},
    {"print series_abs(dynamic([-1,2])), series_sign(dynamic([-4,0,9])), series_floor(dynamic([1.5])), series_ceiling(dynamic([1.5]))",
     "[1,2]|[-1,0,1]|[1]|[2];"},
    {"print series_fill_forward(dynamic([null,1,null,2,null])), series_fill_backward(dynamic([null,1,null,2,null]))",
     "[null,1,1,2,2]|[1,1,2,2,null];"},
    {"print series_fill_forward(dynamic([0,1,0]), 0), series_fill_const(dynamic([null,1]), 7)", "[null,1,1]|[7,1];"},
    {"print series_fill_linear(dynamic([null,1,null,3,null])), series_fill_linear(dynamic([null,1,null,3]), real(null), false)",
     "[1,1,2,3,3]|[null,1,2,3];"},
    {"print series_fill_linear(dynamic([null,null]), real(null), true, 5)", "[5,5];"},
    {"print series_fir(dynamic([1,2,3]), dynamic([1,1])), series_fir(dynamic([1,2,3]), dynamic([1,-1]), false)",
     "[0.5,1.5,2.5]|[1,1,1];"},
    {"print series_iir(dynamic([1,1,1]), dynamic([1]), dynamic([1,-1]))", "[1,2,3];"},
    {"print series_dot_product(dynamic([1,2]), dynamic([3,4])), series_sum(dynamic([1,2.5])), series_product(dynamic([2,3])), "
     "series_magnitude(dynamic([3,4]))",
     "11.0|3.5|6.0|5.0;"},
    {"print series_cosine_similarity(dynamic([1,0]), dynamic([1,0])), series_pearson_correlation(dynamic([1,2,3]), dynamic([2,4,6]))",
     "1.0|1.0;"},
    {"print x = dynamic([1,3,2]) | project series_stats(x)", "1.0|0|3.0|1|2.0|1.0|1.0;"},
    {"print x = dynamic([1,null]) | project (a, b) = series_stats(x, true)", "1.0|0|1.0|0|1.0|0.0|0.0;"},
    {"print x = dynamic([1,null]) | project (a) = series_stats(x) | project a", ";"},
    {"print series_stats_dynamic(dynamic([1,3])).max_idx", "1;"},
    {"print x = dynamic([1,3,5,7]) | extend (r, slope) = series_fit_line(x) | project r, slope, series_fit_line_x_line_fit",
     "1.0|2.0|[1,3,5,7];"},
    {"print series_outliers(dynamic([1,2,3,4,100]), 'tukey'), series_outliers(dynamic([]))", "[-0.5,0,0,0,48]|;"},
    {"print parse_xml('<?xml version=\"1.0\"?><!-- c --><a x=\"1 &lt; 2\"><b>t&#65;</b><b/> <c><![CDATA[<q>]]></c></a>')",
     "{\"a\":{\"@x\":\"1 < 2\",\"b\":[\"tA\",null],\"c\":\"<q>\"}};"},
    {"print parse_xml('<a k=\"v\"> text </a>'), parse_xml('<a/>')", "{\"a\":{\"@k\":\"v\",\"#text\":\"text\"}}|{\"a\":null};"},
    {"print parse_xml('<a>'), parse_xml('<a></b>'), parse_xml('a'), parse_xml('<a/><b/>'), parse_xml('<!DOCTYPE a><a/>')", "||||;"},
    {"print make_string(75, 117, dynamic([115, 116]), 111), make_string(-1), make_string(55296)", "Kusto||;"},
    {"print unicode_codepoints_from_string('aé€😀')", "[97,233,8364,128512];"},
    {"print parse_command_line('a  \"b c\" d\\\\\\\"e \"x\"\"y\"', 'windows')", "[\"a\",\"b c\",\"d\\\"e\",\"x\\\"y\"];"},
    {"print has_any_index('this is an example', dynamic(['thi', 'IS'])), has_any_index('x', dynamic([]))", "1|-1;"},
    {"print ipv4_range_to_cidr_list('0.0.0.0', '255.255.255.255'), ipv4_range_to_cidr_list('1.1.1.1', '1.1.1.2')",
     "[\"0.0.0.0/0\"]|[\"1.1.1.1/32\",\"1.1.1.2/32\"];"},
    {"print a = 1, b = 'x' | extend p = pack_all(), q = bag_pack_columns(b)", "1|x|{\"a\":1,\"b\":\"x\"}|{\"b\":\"x\"};"},
    {"print x = parse_json('{\"a\":[{\"#t\":\"q\"}]}') | project x.a.[0].['#t'], x.['a'][0]", "q|{\"#t\":\"q\"};"},
    {"print array_sort_asc(dynamic([3,1,2]), dynamic(['c','a','b']))[1], array_sort_desc(dynamic([1,2]), dynamic([1]))[0]", "[\"a\",\"b\",\"c\"]|[2,1];"},
    {"print arraylength(dynamic([1])), parsejson('[2]'), True, FALSE", "1|[2]|True|False;"},
    {"print d = pack_array(datetime(2026-01-02), 1h) | mv-expand t = d to typeof(datetime)", "[\"2026-01-02T00:00:00.0000000Z\",\"01:00:00\"]|2026-01-02T00:00:00.0000000Z;"
     "[\"2026-01-02T00:00:00.0000000Z\",\"01:00:00\"]|;"},
    {"datatable(d: dynamic)[dynamic({'a': 1, 'b': 'x'}), dynamic({'a': 2.5})] | evaluate bag_unpack(d)", "1.0|x;2.5|;"},
    {"datatable(d: dynamic, k: long)[dynamic({'a': 1}), 7] | evaluate bag_unpack(d, 'p_')", "7|1;"},
    {"datatable(d: dynamic, a: long)[dynamic({'a': 1}), 7] | evaluate bag_unpack(d, columnsConflict='replace_source')", "1;"},
    {"datatable(d: dynamic, a: long)[dynamic({'a': 1}), 7] | evaluate bag_unpack(d, columnsConflict='keep_source')", "7;"},
    {"datatable(d: dynamic)[dynamic({'a': 1, 'b': 2})] | evaluate bag_unpack(d, ignoredProperties=dynamic(['b']))", "1;"},
    {"datatable(h: string, a: string, n: long)['x', 'deny', 1, 'y', 'allow', 2, 'x', 'deny', 3] | evaluate pivot(a, sum(n)) | sort by h asc",
     "x|0|4;y|2|0;"},
    {"datatable(h: string, a: string)['x', 'deny', 'y', 'allow', 'x', 'deny'] | evaluate pivot(a) : (h: string, deny: long) | sort by h asc",
     "x|2;y|0;"},
    {"datatable(h: string, a: string, k: long)['x', 'p', 1, 'x', 'q', 2] | evaluate pivot(a, count(), h)", "x|1|1;"},
    {"let N = datatable(n: string, w: string)['10.0.0.0/8', 'wide', '10.1.0.0/16', 'near', 'x', 'no'];"
     "datatable(ip: string)['10.1.2.3', '10.9.9.9', '192.0.2.1', ''] | evaluate ipv4_lookup(N, ip, n)",
     "10.1.2.3|10.1.0.0/16|near;10.9.9.9|10.0.0.0/8|wide;"},
    {"let N = datatable(n: string, k: long)['10.0.0.0/8', 1, '10.1.0.0/16', 2];"
     "datatable(ip: string, k: long)['10.1.2.3', 1, '10.1.2.3', 3] | evaluate ipv4_lookup(N, ip, n, k, return_unmatched = true)",
     "10.1.2.3|1|10.0.0.0/8|1;10.1.2.3|3||;"},
};

Test(series, values_are_those_of_the_pages)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_expect_str_eq(ask(values[i].query), values[i].want, "%s\n%s", values[i].query, said.data);
    wr_buf_fini(&said);
}

static const struct {
    const char *query, *text;
} refused[] = {
    {"print series_fit_2lines(dynamic([1]))", "function 'series_fit_2lines' is refused: where Kusto breaks"},
    {"print geo_point_to_h3cell(1, 2)", "is refused: cells of six corners"},
    {"Syslog | extend d = parse_json(SyslogMessage) | evaluate bag_unpack(d)", "bag_unpack must be told its columns here"},
    {"Syslog | evaluate pivot(HostName)", "pivot must be told its columns here"},
    {"print a = 1 | evaluate pivot(a, percentile(a, 5))", "pivot does not take the aggregate 'percentile'"},
    {"datatable(d: dynamic, a: long)[dynamic({'a': 1}), 7] | evaluate bag_unpack(d)", "has a column 'a' already"},
    {"datatable(ip: string)['x'] | evaluate ipv4_lookup(Syslog, ip, HostName)", "ipv4_lookup needs a list: this reads events"},
    {"datatable(ip: string)['x'] | evaluate ipv4_lookup((print n = 'x'), io, n)", "ipv4_lookup takes a column's name here"},
    {"print x = 1 | extend series_stats()", "takes an array"},
};

Test(series, what_cannot_be_done_is_said)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_expect(strstr(ask(refused[i].query), refused[i].text), "%s\n%s", refused[i].query, said.data);
    wr_buf_fini(&said);
}
