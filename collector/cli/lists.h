#ifndef WR_COLLECTOR_CLI_CLI_LISTS_H
#define WR_COLLECTOR_CLI_CLI_LISTS_H

#include "collector/lists/lists.h"

/* What --config and the rules' folders bring beside events, for a command that runs to its end. */
struct wr_cli_lists {
    struct wr_config config;
    struct wr_listfiles *files;
};

/* `path`: configuration, NULL: none. False after the messages were printed; wr_cli_lists_fini in any case. */
bool wr_cli_lists_init(struct wr_cli_lists *lists, const char *path, const char *const *rules, uint32_t nrules);
void wr_cli_lists_fini(struct wr_cli_lists *lists);
struct wr_refdata *wr_cli_lists_refdata(const struct wr_cli_lists *lists); /* borrowed */
/* Reads a configuration's file over `config`; prints what is wrong. */
bool wr_cli_config(struct wr_config *config, const char *path);

#endif
