#ifndef WR_COLLECTOR_CLI_ARGS_H
#define WR_COLLECTOR_CLI_ARGS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Options of one subcommand: one table makes the parser and the help text. */
struct wr_opt {
    const char *name; /* long name, without the dashes; NULL ends the table */
    const char *arg;  /* name of its argument in the help; NULL takes none */
    const char *help; /* may have several lines */
    int key;          /* what wr_args_next returns: a letter is the short option too, others are >= 256 */
};

struct wr_args_spec {
    const char *name;  /* "query" */
    const char *usage; /* after "Usage: weir query " */
    const char *about; /* what it does: the help's first paragraph */
    const struct wr_opt *opts;
    const char *examples; /* the help's end */
};

enum {
    WR_ARGS_END = -1, /* no option left: the operands are argv[optind..argc) */
    WR_ARGS_STOP = -2 /* help was printed, or the mistake: return wr_args.code */
};

struct wr_args {
    const struct wr_args_spec *spec;
    int argc;
    char **argv;
    int code;          /* exit code after WR_ARGS_STOP */
    const char *value; /* of the option just returned; NULL when it takes none */
    const struct wr_opt *opt;
};

void wr_args_init(struct wr_args *args, const struct wr_args_spec *spec, int argc, char **argv);
/* Next option's key. -h and --help print the help; an unknown option is named with the nearest one that there
 * is. */
int wr_args_next(struct wr_args *args);
/* First operand in argv; the operands are in order behind it. */
int wr_args_operands(const struct wr_args *args);

/* A mistake in the command line, told on standard error with where to find help; returns WR_EXIT_USAGE. */
int wr_args_mistake(const struct wr_args_spec *spec, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Values of options; on false the mistake has been told. */
bool wr_args_number(const struct wr_args *args, uint32_t min, uint32_t max, uint32_t *ret);
bool wr_args_time(const struct wr_args *args, int64_t *ret_ticks);
/* Index in a NULL-terminated list of words. */
bool wr_args_choice(const struct wr_args *args, const char *const *words, int *ret);

void wr_args_help(const struct wr_args_spec *spec, struct wr_buf *out);

/* The word of the NULL-terminated list that `word` is most likely a slip of; NULL when none is near. */
const char *wr_args_near(const char *word, const char *const *words);

#endif
