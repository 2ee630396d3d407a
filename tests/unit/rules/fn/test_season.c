/* Seasons: the examples of Kusto's pages, and what holds for any series. */
#include "rules/fn/fourier.h"
#include "rules/fn/kernel.h"
#include "rules/fn/season.h"
#include "rules/rules.h"

#include <criterion/criterion.h>
#include <math.h>

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
            WR_EACH(&res.batches[b]->sel, row)
            {
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

#define TRAFFIC                                                                                    \
    "print "                                                                                       \
    "y=dynamic([80,139,87,110,68,54,50,51,53,133,86,141,97,156,94,149,95,140,77,61,50,54,47,133,"  \
    "72,152,"                                                                                      \
    "94,148,105,162,101,160,87,63,53,55,54,151,103,189,108,183,113,175,113,178,90,71,62,62,65,"    \
    "165,109,181,115,"                                                                             \
    "182,121,178,114,170]) | "

static const struct {
    const char *query, *want;
} values[] = {
    {TRAFFIC "project (p, s) = series_periods_detect(y, 0.0, 50.0, 2) | project p, "
             "round(toreal(s[0]), 2), s[1]",
     "[14,0]|0.84|0;"},
    {TRAFFIC "project (p, s) = series_periods_validate(y, 14.0, 10.0) | project p, "
             "round(toreal(s[0]), 2), s[1]",
     "[14,10]|0.84|0;"},
    {TRAFFIC "project (p, s) = series_periods_validate(y, 3.0, 31.0, real(null)) | project s",
     "[0,0,0];"},
    {"print series_seasonal(dynamic([2,5,3,4,3,2,1,2,3,4,3,2,1,2,3,4,3,2,1,2,3,4,3,2,1]))",
     "[1,2,3,4,3,2,1,2,3,4,3,2,1,2,3,4,3,2,1,2,3,4,3,2,1];"},
    {"print series_seasonal(dynamic([8,12,14,12,10,10,12,14,12,10,10,12,14,12,10,10,12,14,12,10]))",
     "[10,12,14,12,10,10,12,14,12,10,10,12,14,12,10,10,12,14,12,10];"},
    {"print series_seasonal(dynamic([1,3,5,2,4,6,1,3,5,2,4,6]))", "[0,0,0,0,0,0,0,0,0,0,0,0];"},
    {"print series_seasonal(dynamic([1,3,5,1,3,5,2,4,6]), 3)", "[1,3,5,1,3,5,1,3,5];"},
    {"print series_seasonal(dynamic([1,3,5,2,4,6,1,3,5,2,4,6]), 3)",
     "[1.5,3.5,5.5,1.5,3.5,5.5,1.5,3.5,5.5,1.5,3.5,5.5];"},
    {"print series_outliers(dynamic([30,28,5,27,31,38,29,80,25,37,30]))",
     "[0,0,-3.206896551724138,-0.1724137931034483,0,2.6666666666666665,0,16.666666666666668,-0."
     "4482758620689655,"
     "2.3333333333333335,0];"},
    {"print x=dynamic([1,2,3,10,1,2,3,10,1,2,3,10]) | project series_decompose(x, 4)",
     "[1,2,3,10,1,2,3,10,1,2,3,10]|[1,2,3,10,1,2,3,10,1,2,3,10]|[0,0,0,0,0,0,0,0,0,0,0,0]|[0,0,0,0,"
     "0,0,0,0,0,0,0,0];"},
    {"print x=dynamic([1,3,5,7,null,11]) | project (b, s, t, r) = series_decompose(x, 0, "
     "'linefit')",
     "[1,3,5,7,9,11]|[0,0,0,0,0,0]|[1,3,5,7,9,11]|[0,0,0,0,null,0];"},
    {"print x=dynamic([1,3,5,7]) | project (b, s, t, r) = series_decompose(x, 0, 'none')",
     "[0,0,0,0]|[0,0,0,0]|[0,0,0,0]|[1,3,5,7];"},
    {"print x=dynamic([1,2,1,2,1,2,0,0]) | project f = series_decompose_forecast(x, 2, 2) | "
     "project f",
     "[1,2,1,2,1,2,1,2];"},
    {"print x=dynamic([1,3,5,0,0]) | project f = series_decompose_forecast(x, 2, 0, 'linefit') | "
     "project f",
     "[1,3,5,7,9];"},
    {"print x=dynamic([0,0,0,0,0,50]) | project (f, s, b) = series_decompose_anomalies(x) | "
     "project f",
     "[0,0,0,0,0,1];"},
    {"print x=dynamic([7,7,7,7,7,7]) | project (f, s, b) = series_decompose_anomalies(x) | project "
     "f, s, b",
     "[0,0,0,0,0,0]|[0,0,0,0,0,0]|[7,7,7,7,7,7];"},
    {"print x=dynamic([9,11,10,9,-30,11,10,9,11,10]) | project (f, s, b) = "
     "series_decompose_anomalies(x, 1.5, 0) | project f",
     "[0,0,0,0,-1,0,0,0,0,0];"},
    {"print x=dynamic([9,11,10,9,-30,11,10,9,11,10]) | project (f, s, b) = "
     "series_decompose_anomalies(x, 100, 0, 'avg', 0, 'tukey') | "
     "project f",
     "[0,0,0,0,0,0,0,0,0,0];"},
    {"print series_decompose_anomalies(dynamic(null)), series_seasonal(dynamic('x'))", "|||;"},
    {"print series_decompose_anomalies(dynamic([1,2]), 1.5, 0, 'avg', 2)", "||;"},
    {"print x=dynamic([]) | project series_periods_detect(x, 4, 9, 1)", "[0]|[0];"},
};

Test(season, values_are_those_of_the_pages)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cr_expect_str_eq(ask(values[i].query), values[i].want, "%s\n%s", values[i].query,
                         said.data);
    wr_buf_fini(&said);
}

static const struct {
    const char *query, *text;
} refused[] = {
    {"print series_decompose(dynamic([1]), 7, 'line')", "the trend is 'avg', 'linefit' or 'none'"},
    {"print series_decompose_anomalies(dynamic([1]), 1.5, 7, 'avg', 0, 'normal')",
     "a method is 'ctukey' or 'tukey'"},
    {"print series_decompose_forecast(dynamic([1]))", "series_decompose_forecast"},
};

Test(season, wrong_words_are_refused)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_expect_not_null(strstr(ask(refused[i].query), refused[i].text), "%s\n%s",
                           refused[i].query, said.data);
    wr_buf_fini(&said);
}

static double noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) / 16777216.0;
}

enum { WEEK = 168, HOURS = 5 * WEEK };
static const uint32_t dips[] = {150, 200, 780}, spikes[] = {300, 400, 600};

/* The page's series: working days, a curve in each day, noise, and points that are out. */
static void weekly(double *y, double weekend, double trend, uint32_t seed)
{
    for (uint32_t t = 1; t <= HOURS; t++)
        y[t - 1] = 2 * noise(&seed) + (t / 24 % 7 >= 5 ? weekend : 15) -
                   (t % 24 / 10) * (t % 24 / 10) + trend * t;
    for (size_t i = 0; i < 3; i++) {
        y[dips[i] - 1] -= 8;
        y[spikes[i] - 1] += 8;
    }
}

Test(season, a_week_is_found_in_noise_and_in_a_trend)
{
    double y[HOURS];
    for (uint32_t seed = 1; seed <= 20; seed++)
        for (int trend = 0; trend < 2; trend++) {
            struct wr_series s = {.v = y, .n = HOURS};
            struct wr_period best;
            uint32_t n;
            weekly(y, trend ? 5 : 10, trend ? 1 / 72.0 : 0, seed);
            cr_assert_eq(wr_periods_find(&s, WR_PERIOD_MIN, HOURS, 1, &best, &n), WR_OK);
            cr_expect_eq(n, 1);
            cr_expect_eq(best.length, WEEK, "seed %u trend %d: %g", seed, trend, best.length);
            cr_expect_gt(best.score, 0.6, "seed %u trend %d: %g", seed, trend, best.score);
        }
}

/* "All the inserted outliers are detected" at 1.5. */
Test(season, points_that_are_out_stand_out_of_season_and_trend)
{
    double y[HOURS];
    for (uint32_t seed = 1; seed <= 5; seed++) {
        struct wr_buf q = {0};
        weekly(y, 5, 1 / 72.0, seed);
        wr_buf_str(&q, "print y=dynamic([");
        for (uint32_t i = 0; i < HOURS; i++)
            wr_buf_fmt(&q, "%s%.17g", i ? "," : "", y[i]);
        wr_buf_str(&q, "]) | project (f, s, b) = series_decompose_anomalies(y, 1.5, -1, 'linefit') "
                       "| project f[149], f[199], f[779], "
                       "f[299], f[399], f[599]");
        wr_buf_char(&q, '\0');
        cr_expect_str_eq(ask(q.data), "-1|-1|-1|1|1|1;", "seed %u: %s", seed, said.data);
        wr_buf_fini(&q);
    }
    wr_buf_fini(&said);
}

Test(season, noise_has_none)
{
    double y[300];
    uint32_t found = 0;
    for (uint32_t seed = 1; seed <= 50; seed++) {
        struct wr_series s = {.v = y, .n = 300};
        uint32_t state = seed * 7919, length;
        for (uint32_t i = 0; i < 300; i++)
            y[i] = noise(&state);
        cr_assert_eq(wr_season_length(&s, s.n, -1, 0.6, &length), WR_OK);
        found += length != 0;
    }
    cr_expect_eq(found, 0, "%u of 50", found);
}

/* Every length, with all its prime factors, against the definition. */
Test(season, fourier_gives_what_the_sums_give)
{
    double x[67], r[34], power[34];
    uint32_t state = 3;
    for (uint32_t n = 2; n <= 67; n++) {
        for (uint32_t i = 0; i < n; i++)
            x[i] = noise(&state) - 0.5;
        cr_assert(wr_autocovariance(x, n, n / 2, r));
        cr_assert(wr_periodogram(x, n, power));
        for (uint32_t k = 0; k <= n / 2; k++) {
            double sum = 0, re = 0, im = 0;
            for (uint32_t i = 0; i + k < n; i++)
                sum += x[i] * x[i + k];
            for (uint32_t i = 0; i < n; i++) {
                re += x[i] * cos(2 * 3.14159265358979323846 * k * i / n);
                im += x[i] * sin(2 * 3.14159265358979323846 * k * i / n);
            }
            cr_expect_float_eq(r[k], sum, 1e-12, "n %u lag %u", n, k);
            cr_expect_float_eq(power[k], re * re + im * im, 1e-10, "n %u turns %u", n, k);
        }
    }
}
