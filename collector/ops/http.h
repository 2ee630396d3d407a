/* A small HTTP/1.1 server for /metrics and /healthz: GET and HEAD, one request a connection, no body is read.
 *
 * Bounds     64 connections (the next one is closed at once), 8 KiB of request head, 5 s from connect to the
 *            end of the request, 10 s for the reply. What breaks a bound or the syntax gets 400, 404, 405 or
 *            431, or is closed.
 * Lifetime   made on a loop that outlives it; wr_http_close, then the loop must run until its callbacks are
 *            done.
 * Threads    the loop's. */
#ifndef WR_COLLECTOR_OPS_HTTP_H
#define WR_COLLECTOR_OPS_HTTP_H

#include "base/buf.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <uv.h>

struct wr_http;

/* Fills `body` for `path` (without its query) and sets the content type (static); returns the status. */
typedef int (*wr_http_handler)(void *arg, const char *path, struct wr_buf *body, const char **ret_type);

struct wr_http_stats {
    uint64_t requests, bad_requests, refused, timeouts;
};

/* Listens. On failure NULL and *ret_errno is a libuv error. */
struct wr_http *wr_http_new(uv_loop_t *loop, const struct sockaddr *addr, wr_http_handler handler, void *arg,
                            int *ret_errno);
uint16_t wr_http_port(const struct wr_http *http);
struct wr_http_stats wr_http_stats(const struct wr_http *http);
/* Closes everything; frees itself when the loop has done so. */
void wr_http_close(struct wr_http *http);

/* The request line and head in `head` (ends after the blank line): 0 and the path, or the status to refuse
 * with. */
int wr_http_parse(const char *head, size_t len, char *ret_path, size_t path_cap, bool *ret_is_head);

#endif
