#include "base/schema.h"
#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/out.h"

#include <string.h>
#include <unistd.h>

static const struct wr_opt options[] = {{0}};

static const struct wr_args_spec spec = {
    "tables",
    "[NAME]...",
    "Lists the tables that rules and queries can read, or the columns of the named ones: name\n"
    "and type, what an alias stands for, and which columns Microsoft's table does not have\n"
    "(weir's own).",
    options,
    "  weir tables\n"
    "  weir tables DeviceNetworkEvents | grep own",
};

static void list(struct wr_buf *out)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *s = wr_schema_of((enum wr_table)t);
        unsigned own = 0, all = 0;
        for (uint16_t c = 0; c < s->ncols; c++) {
            all += !s->cols[c].hidden;
            own += !s->cols[c].hidden && s->cols[c].own;
        }
        wr_buf_fmt(out, "%-20s %3u columns, %u weir's own\n", s->name, all, own);
    }
}

static void columns(struct wr_buf *out, const struct wr_schema *s)
{
    wr_buf_fmt(out, "%s\n", s->name);
    for (uint16_t c = 0; c < s->ncols; c++) {
        const struct wr_coldef *col = &s->cols[c];
        if (col->hidden)
            continue;
        bool alias = col->store != c;
        const char *type = wr_type_name(col->type);
        if (!alias && !col->own)
            wr_buf_fmt(out, "  %-45s %s\n", col->name, type);
        else
            wr_buf_fmt(out, "  %-45s %-9s %s%s%s%s\n", col->name, type, col->own ? "own" : "",
                       alias && col->own ? ", " : "", alias ? "is " : "",
                       alias ? s->cols[col->store].name : "");
    }
}

static int unknown(const char *word)
{
    const char *names[WR_NTABLES + 1] = {0};
    for (int t = 0; t < WR_NTABLES; t++)
        names[t] = wr_schema_of((enum wr_table)t)->name;
    const char *near = wr_args_near(word, names);
    wr_cli_error("there is no table '%s'%s%s%s", word, near ? "; did you mean '" : "", near ? near : "",
                 near ? "'?" : "");
    return WR_EXIT_FOUND;
}

int wr_cmd_tables(int argc, char **argv)
{
    struct wr_args args;
    wr_args_init(&args, &spec, argc, argv);
    if (wr_args_next(&args) == WR_ARGS_STOP)
        return args.code;
    int at = wr_args_operands(&args), code = WR_EXIT_OK;
    struct wr_out out;
    wr_out_init(&out, STDOUT_FILENO);
    if (at == argc)
        list(&out.buf);
    for (; at < argc; at++) {
        enum wr_table table;
        if (wr_table_find(argv[at], strlen(argv[at]), &table))
            columns(&out.buf, wr_schema_of(table));
        else
            code = unknown(argv[at]);
    }
    return wr_out_fini(&out, code);
}
