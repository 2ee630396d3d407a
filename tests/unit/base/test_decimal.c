/* Decimals: against vectors of another implementation (Python's decimal, 34 digits), and against
 * 128-bit integers. */
#include "base/decimal.h"

#include <criterion/criterion.h>
#include <string.h>

static struct wr_dec dec(const char *text)
{
    struct wr_dec d;
    cr_assert(wr_dec_parse(text, strlen(text), &d), "%s", text);
    return d;
}

static const struct {
    char op;
    const char *a, *b, *want;
} vectors[] = {
    {'+', "6273699979281617404318486959613957e-36", "923e3", "923000.006273699979281617404318487"},
    {'+', "-196e-34", "9e-36", "-1.9591E-32"},
    {'+', "7e-34", "738", "738"},
    {'+', "-1", "714", "713"},
    {'+', "-95166231254377912e-36", "755e-5", "0.007549999999999999904833768745622088"},
    {'+', "-8e36", "5e-5", "-8E+36"},
    {'+', "20120270222053978e3", "5013800988836977495345465906494436",
     "5013800988836997615615687960472436"},
    {'-', "4e-1", "8e-34", "0.3999999999999999999999999999999992"},
    {'-', "7536605954207302848531578918236943e-1", "-22558803648027629e-5",
     "753660595420730284853383479860174.6"},
    {'-', "2397673363178340729091375324131684e-1", "1e-34", "239767336317834072909137532413168.4"},
    {'-', "-798e3", "-849e-36", "-7.98E+5"},
    {'-', "9975700678438446747284903892508013e-36", "-4e-1", "0.409975700678438446747284903892508"},
    {'-', "-1e-1", "-57407473677486932e-36", "-0.09999999999999999994259252632251307"},
    {'-', "-2", "-115e3", "114998"},
    {'*', "6023270488152682918141741593890727e-36", "4227609096364339341472852100369418e-1",
     "2546403310557715694470626308280.782"},
    {'*', "-842e-1", "803e-34", "-6.76126E-30"},
    {'*', "-7", "-9e-5", "0.00063"},
    {'*', "6400769402453431284997675000398865e-1", "3e-1", "192023082073602938549930250011966"},
    {'*', "5e-1", "-866", "-433"},
    {'*', "-1483851178258839615049403821834714e-1", "-194e-5",
     "287867128582214885319584341435.9345"},
    {'*', "8610947023126530032975481887890932e36", "704",
     "6.062106704281077143214739249075216E+72"},
    {'/', "-4237952082199542998544621265727226", "8", "-529744010274942874818077658215903.2"},
    {'/', "20846523605313610e-34", "3e-36", "694884120177120333.3333333333333333"},
    {'/', "22239245260475557e36", "-7e-36", "-3.177035037210793857142857142857143E+87"},
    {'/', "-7877370933364009353956917000766248e-34", "-2", "0.3938685466682004676978458500383124"},
    {'/', "5e-34", "7032962659552765200832608170875621e-34",
     "7.10937942093091702516231290411017E-34"},
    {'/', "9e-36", "-22643548783301841e-34", "-3.974641998977174640884855448288354E-18"},
    {'/', "8e-36", "-4821016717587241071828361004586697e-5",
     "-1.659401007844613863337546785661119E-64"},
};

Test(decimal, results_are_those_of_another_implementation)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct wr_dec a = dec(vectors[i].a), b = dec(vectors[i].b), want = dec(vectors[i].want),
                      got = {0};
        bool ok = vectors[i].op == '+'   ? wr_dec_add(&a, &b, &got)
                  : vectors[i].op == '-' ? wr_dec_sub(&a, &b, &got)
                  : vectors[i].op == '*' ? wr_dec_mul(&a, &b, &got)
                                         : wr_dec_div(&a, &b, &got);
        cr_expect(ok && wr_dec_cmp(&got, &want) == 0, "%s %c %s", vectors[i].a, vectors[i].op,
                  vectors[i].b);
    }
}

static const struct {
    const char *text, *want; /* NULL: no number */
} texts[] = {
    {"1", "1"},
    {"-0", "0"},
    {"1.50", "1.5"},
    {"100", "100"},
    {"1e3", "1000"},
    {".5", "0.5"},
    {"5.", "5"},
    {"+2", "2"},
    {"0.000000000000000000000000001", "1E-27"},
    {"1E+50", "1E+50"},
    {"-12345e-3", "-12.345"},
    {"0.00001", "0.00001"},
    {"12345678901234567890123456789012345", "12345678901234567890123456789012340"},
    {"12345678901234567890123456789012355", "12345678901234567890123456789012360"},
    {"99999999999999999999999999999999999", "100000000000000000000000000000000000"},
    {"123456789.0123456789012345678901234567", "123456789.0123456789012345678901235"},
    {"1e-7000", "0"},
    {"1e7000", NULL},
    {"", NULL},
    {"-", NULL},
    {"1e", NULL},
    {"1.2.3", NULL},
    {"1 ", NULL},
    {"NaN", NULL},
    {"0x1", NULL},
    {"1e999999999999999999", NULL},
};

Test(decimal, texts_are_read_and_written_in_one_form)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct wr_dec d;
        char out[WR_DEC_TEXT + 1];
        bool ok = wr_dec_parse(texts[i].text, strlen(texts[i].text), &d);
        cr_assert_eq(ok, texts[i].want != NULL, "%s", texts[i].text);
        if (!ok)
            continue;
        out[wr_dec_text(&d, out)] = '\0';
        cr_expect_str_eq(out, texts[i].want, "%s", texts[i].text);
        struct wr_dec again = dec(out);
        cr_expect_eq(wr_dec_cmp(&d, &again), 0, "%s", out);
    }
}

static uint64_t state = 9;

static int64_t roll(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    int64_t v = (int64_t)(state >> 8) - (INT64_C(1) << 55);
    return v >> (state % 50);
}

/* Sums, products and remainders of whole numbers are exact. */
Test(decimal, whole_numbers_are_exact)
{
    for (int i = 0; i < 20000; i++) {
        int64_t x = roll(), y = roll();
        struct wr_dec a = wr_dec_from_i64(x), b = wr_dec_from_i64(y), got, back;
        cr_assert(wr_dec_add(&a, &b, &got));
        struct wr_dec want = wr_dec_from_i64(x + y);
        cr_assert_eq(wr_dec_cmp(&got, &want), 0);
        cr_assert_eq(wr_dec_cmp(&a, &b), (x > y) - (x < y));
        cr_assert(wr_dec_mul(&a, &b, &got));
        if (y) {
            cr_assert(wr_dec_div(&got, &b, &back));
            cr_assert_eq(wr_dec_cmp(&back, &a), 0);
            int64_t rest = x % y, size = y < 0 ? -y : y;
            want = wr_dec_from_i64(rest < 0 ? rest + size : rest);
            cr_assert(wr_dec_mod(&a, &b, &got));
            cr_assert_eq(wr_dec_cmp(&got, &want), 0, "%lld %% %lld", (long long)x, (long long)y);
        } else {
            cr_assert_not(wr_dec_div(&a, &b, &back) || wr_dec_mod(&a, &b, &back));
        }
    }
}

Test(decimal, a_half_is_rounded_away_from_zero)
{
    static const struct {
        const char *v;
        int32_t places;
        const char *want;
    } t[] = {{"1.005", 2, "1.01"}, {"-2.5", 0, "-3"}, {"1234", -2, "1200"}, {"0.4", 0, "0"},
             {"9.99", 1, "10"},    {"7", 5, "7"},     {"1", -3, "0"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct wr_dec v = dec(t[i].v), want = dec(t[i].want), got;
        cr_assert(wr_dec_round(&v, t[i].places, &got));
        cr_expect_eq(wr_dec_cmp(&got, &want), 0, "%s", t[i].v);
    }
}
