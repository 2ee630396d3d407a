#include "collector/cli/args.h"

#include "base/ticks.h"
#include "collector/cli/cli.h"
#include "collector/cli/out.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_OPTS = 24, MAX_WORD = 40, HELP_COLUMN = 26, KEY_HELP = 'h' };

void wr_args_init(struct wr_args *args, const struct wr_args_spec *spec, int argc, char **argv)
{
    *args = (struct wr_args){.spec = spec, .argc = argc, .argv = argv};
    optind = 0; /* glibc: start afresh, with permutation */
    opterr = 0;
}

int wr_args_operands(const struct wr_args *args)
{
    return optind ? optind : args->argc;
}

/* The tables that getopt_long wants; `shorts` begins with ':' so that a missing argument is told apart. */
static void getopt_tables(const struct wr_opt *opts, struct option *longs, char *shorts)
{
    size_t n = 0, s = 0;
    shorts[s++] = ':';
    for (const struct wr_opt *o = opts; o->name && n < MAX_OPTS; o++) {
        longs[n++] = (struct option){o->name, o->arg ? required_argument : no_argument, NULL, o->key};
        if (o->key < 256) {
            shorts[s++] = (char)o->key;
            if (o->arg)
                shorts[s++] = ':';
        }
    }
    longs[n++] = (struct option){"help", no_argument, NULL, KEY_HELP};
    longs[n] = (struct option){0};
    shorts[s++] = 'h';
    shorts[s] = '\0';
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edits (insert, delete, replace, swap of neighbours) between two short words. */
static size_t distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b), d[MAX_WORD + 1][MAX_WORD + 1];
    if (na > MAX_WORD || nb > MAX_WORD)
        return MAX_WORD;
    for (size_t i = 0; i <= na; i++)
        for (size_t j = 0; j <= nb; j++) {
            if (!i || !j) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[na][nb];
}

const char *wr_args_near(const char *word, const char *const *words)
{
    const char *best = NULL;
    size_t n = strlen(word), limit = n < 4 ? 1 : n < 8 ? 2 : 3;
    for (; *words; words++) {
        size_t d = n >= 3 && strncmp(*words, word, n) == 0 ? 1 : distance(word, *words);
        if (d <= limit) {
            limit = d ? d - 1 : 0; /* only a nearer one replaces it */
            best = *words;
        }
    }
    return best;
}

int wr_args_mistake(const struct wr_args_spec *spec, const char *fmt, ...)
{
    struct wr_buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    wr_buf_vfmt(&text, fmt, ap);
    va_end(ap);
    wr_cli_error("%s: %.*s (see weir %s --help)", spec->name, (int)text.len, text.data ? text.data : "",
                 spec->name);
    wr_buf_fini(&text);
    return WR_EXIT_USAGE;
}

static int unknown_option(struct wr_args *args)
{
    const char *names[MAX_OPTS + 2] = {0};
    size_t n = 0;
    for (const struct wr_opt *o = args->spec->opts; o->name && n < MAX_OPTS; o++)
        names[n++] = o->name;
    names[n] = "help";
    bool known = optopt == KEY_HELP;
    for (const struct wr_opt *o = args->spec->opts; o->name; o++)
        known |= o->key == optopt;
    const char *given = args->argv[optind - 1];
    char word[MAX_WORD + 1] = {0};
    size_t skip = strspn(given, "-"), len = strcspn(given + skip, "=");
    if (optopt) {
        args->code = known ? wr_args_mistake(args->spec, "%.*s takes no argument", (int)(skip + len), given)
                           : wr_args_mistake(args->spec, "there is no option -%c", optopt);
        return WR_ARGS_STOP;
    }
    if (len < sizeof word)
        memcpy(word, given + skip, len);
    const char *near = word[0] ? wr_args_near(word, names) : NULL;
    args->code = wr_args_mistake(args->spec, "there is no option %.*s%s%s%s", (int)(skip + len), given,
                                 near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
    return WR_ARGS_STOP;
}

int wr_args_next(struct wr_args *args)
{
    struct option longs[MAX_OPTS + 2];
    char shorts[2 * MAX_OPTS + 3];
    getopt_tables(args->spec->opts, longs, shorts);
    optarg = NULL;
    int key = getopt_long(args->argc, args->argv, shorts, longs, NULL);
    if (key == -1)
        return WR_ARGS_END;
    if (key == KEY_HELP) {
        struct wr_out out;
        wr_out_init(&out, STDOUT_FILENO);
        wr_args_help(args->spec, &out.buf);
        args->code = wr_out_fini(&out, WR_EXIT_OK);
        return WR_ARGS_STOP;
    }
    if (key == '?')
        return unknown_option(args);
    if (key == ':') {
        args->code = wr_args_mistake(args->spec, "%s needs an argument", args->argv[optind - 1]);
        return WR_ARGS_STOP;
    }
    args->value = optarg;
    for (args->opt = args->spec->opts; args->opt->name && args->opt->key != key; args->opt++)
        ;
    return key;
}

bool wr_args_number(const struct wr_args *args, uint32_t min, uint32_t max, uint32_t *ret)
{
    char *end;
    unsigned long long v = strtoull(args->value, &end, 10);
    if (*end || end == args->value || args->value[0] == '-' || v < min || v > max) {
        wr_args_mistake(args->spec, "--%s takes a number from %u to %u, not '%s'", args->opt->name, min, max,
                        args->value);
        return false;
    }
    *ret = (uint32_t)v;
    return true;
}

bool wr_args_time(const struct wr_args *args, int64_t *ret_ticks)
{
    if (wr_ticks_parse_iso(args->value, strlen(args->value), ret_ticks))
        return true;
    wr_args_mistake(args->spec,
                    "--%s takes a time such as 2026-01-05T08:00:00Z (UTC unless it has a zone), not '%s'",
                    args->opt->name, args->value);
    return false;
}

bool wr_args_choice(const struct wr_args *args, const char *const *words, int *ret)
{
    struct wr_buf all = {0};
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], args->value) == 0) {
            wr_buf_fini(&all);
            *ret = i;
            return true;
        }
        wr_buf_fmt(&all, "%s%s", i ? ", " : "", words[i]);
    }
    wr_buf_char(&all, '\0');
    wr_args_mistake(args->spec, "--%s is one of %s, not '%s'", args->opt->name, all.err ? "" : all.data,
                    args->value);
    wr_buf_fini(&all);
    return false;
}

static void help_option(const struct wr_opt *o, struct wr_buf *out)
{
    size_t start = out->len;
    if (o->key < 256)
        wr_buf_fmt(out, "  -%c, --%s", o->key, o->name);
    else
        wr_buf_fmt(out, "      --%s", o->name);
    if (o->arg)
        wr_buf_fmt(out, " %s", o->arg);
    for (const char *line = o->help; *line;) {
        size_t n = strcspn(line, "\n");
        size_t used = out->len - start;
        int pad = used + 2 <= HELP_COLUMN ? (int)(HELP_COLUMN - used) : HELP_COLUMN;
        if (used + 2 > HELP_COLUMN)
            wr_buf_char(out, '\n');
        wr_buf_fmt(out, "%*s%.*s\n", pad, "", (int)n, line);
        line += n + (line[n] == '\n');
        start = out->len;
    }
}

void wr_args_help(const struct wr_args_spec *spec, struct wr_buf *out)
{
    static const struct wr_opt help = {"help", NULL, "this text", KEY_HELP};
    wr_buf_fmt(out, "Usage: weir %s %s\n\n%s\n\nOptions:\n", spec->name, spec->usage, spec->about);
    for (const struct wr_opt *o = spec->opts; o->name; o++)
        help_option(o, out);
    help_option(&help, out);
    if (spec->examples)
        wr_buf_fmt(out, "\nExamples:\n%s\n", spec->examples);
}
