#ifndef WR_COLLECTOR_CLI_CLI_H
#define WR_COLLECTOR_CLI_CLI_H

/* What the subcommands of `weir` share. Each wr_cmd_* gets the arguments after the subcommand's own name in
 * argv[0] and returns the process' exit code. */
enum {
    WR_EXIT_OK = 0,
    WR_EXIT_FOUND = 1, /* errors in the input, or input and output failed */
    WR_EXIT_USAGE = 2  /* the command line is wrong: nothing was done */
};

int wr_cmd_check(int argc, char **argv);
int wr_cmd_explain(int argc, char **argv);
int wr_cmd_replay(int argc, char **argv);
int wr_cmd_query(int argc, char **argv);
int wr_cmd_decode(int argc, char **argv);
int wr_cmd_alerts(int argc, char **argv);
int wr_cmd_exporters(int argc, char **argv);
int wr_cmd_probe(int argc, char **argv);
int wr_cmd_tables(int argc, char **argv);

/* Finds the subcommand and runs it; `weir`, `weir --help`, `weir help CMD`, `weir --version`. */
int wr_cli_main(int argc, char **argv);

/* One line on standard error: "weir: " and the text, controls escaped (it may quote file names and input). */
void wr_cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints the messages about a text on standard error when an error is among them; warnings alone are shown by
 * `weir check`. */
struct wr_diags;
void wr_cli_diags(const struct wr_diags *diags);

#endif
