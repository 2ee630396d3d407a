#include "collector/cli/args.h"

#include "base/ticks.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>

static const struct wr_opt opts[] = {
    {"format", "WORD", "how to print", 'f'},
    {"all-updates", NULL, "every version\nof an alert", 256},
    {"batch-rows", "N", "rows", 257},
    {0},
};
static const struct wr_args_spec spec = {"query", "[OPTION]... QUERY", "Runs a query.", opts, "  weir query x"};

static int first(struct wr_args *args, int argc, const char *const *argv)
{
    wr_args_init(args, &spec, argc, (char **)argv);
    return wr_args_next(args);
}

Test(args, options_come_before_and_after_operands)
{
    const char *argv[] = {"query", "-f", "csv", "print 1", "--batch-rows=3", NULL};
    struct wr_args args;
    cr_assert_eq(first(&args, 5, argv), 'f');
    cr_assert_str_eq(args.value, "csv");
    cr_assert_eq(wr_args_next(&args), 257);
    uint32_t n;
    cr_assert(wr_args_number(&args, 1, 10, &n));
    cr_assert_eq(n, 3);
    cr_assert_eq(wr_args_next(&args), WR_ARGS_END);
    cr_assert_str_eq(argv[wr_args_operands(&args)], "print 1");
}

static void mistake(const char *option, const char *expected)
{
    const char *argv[] = {"query", option, NULL};
    struct wr_args args;
    cr_redirect_stderr();
    cr_assert_eq(first(&args, 2, argv), WR_ARGS_STOP, "%s", option);
    cr_assert_eq(args.code, 2);
    fflush(stderr);
    cr_assert_stderr_eq_str(expected);
}

Test(args, unknown_option_names_the_near_one)
{
    mistake("--fromat=csv",
            "weir: query: there is no option --fromat; did you mean --format? (see weir query --help)\n");
}

Test(args, unknown_option_far_from_all)
{
    mistake("--colour", "weir: query: there is no option --colour (see weir query --help)\n");
}

Test(args, unknown_letter)
{
    mistake("-z", "weir: query: there is no option -z (see weir query --help)\n");
}

Test(args, argument_where_none_is_taken)
{
    mistake("--all-updates=1", "weir: query: --all-updates takes no argument (see weir query --help)\n");
}

Test(args, missing_argument)
{
    mistake("--format", "weir: query: --format needs an argument (see weir query --help)\n");
}

Test(args, values_out_of_range_are_refused)
{
    static const char *const bad[] = {"0", "11", "-1", "", "3x", "99999999999999999999"};
    cr_redirect_stderr();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wr_args args = {.spec = &spec, .value = bad[i], .opt = &opts[2]};
        uint32_t n;
        cr_assert_not(wr_args_number(&args, 1, 10, &n), "%s", bad[i]);
    }
    struct wr_args args = {.spec = &spec, .value = "yesterday", .opt = &opts[0]};
    int64_t t;
    cr_assert_not(wr_args_time(&args, &t));
    static const char *const words[] = {"json", "csv", NULL};
    int word;
    cr_assert_not(wr_args_choice(&args, words, &word));
}

Test(args, help_lists_every_option)
{
    struct wr_buf out = {0};
    wr_args_help(&spec, &out);
    wr_buf_char(&out, '\0');
    cr_assert_str_eq(out.data, "Usage: weir query [OPTION]... QUERY\n\nRuns a query.\n\nOptions:\n"
                               "  -f, --format WORD       how to print\n"
                               "      --all-updates       every version\n"
                               "                          of an alert\n"
                               "      --batch-rows N      rows\n"
                               "  -h, --help              this text\n"
                               "\nExamples:\n  weir query x\n");
    wr_buf_fini(&out);
}
