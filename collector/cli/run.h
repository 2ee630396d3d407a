#ifndef WR_COLLECTOR_CLI_RUN_H
#define WR_COLLECTOR_CLI_RUN_H

/* `weir run`: the daemon. argv[0] is "run". Returns the exit status: 0 clean stop, 1 cannot start or run, 2 usage. */
int wr_cmd_run(int argc, char **argv);

#endif
