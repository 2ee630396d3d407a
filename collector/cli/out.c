#include "collector/cli/out.h"

#include "base/diag.h"
#include "collector/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SPILL_BYTES = 64 * 1024 };

void wr_out_init(struct wr_out *out, int fd)
{
    *out = (struct wr_out){.fd = fd};
}

bool wr_out_flush(struct wr_out *out)
{
    if (out->buf.err && !out->closed) {
        out->failed = ENOMEM;
        out->closed = true;
    }
    const char *at = out->buf.data;
    size_t left = out->buf.len;
    while (!out->closed && left) {
        ssize_t n = write(out->fd, at, left);
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            out->closed = true;
            out->failed = errno == EPIPE ? 0 : errno;
        }
    }
    wr_buf_reset(&out->buf);
    return !out->closed;
}

bool wr_out_spill(struct wr_out *out)
{
    if (out->buf.len >= SPILL_BYTES || out->buf.err)
        return wr_out_flush(out);
    return !out->closed;
}

int wr_out_fini(struct wr_out *out, int code)
{
    wr_out_flush(out);
    wr_buf_fini(&out->buf);
    if (out->failed) {
        wr_cli_error("cannot write the output: %s", strerror(out->failed));
        return WR_EXIT_FOUND;
    }
    return code;
}

void wr_cli_error(const char *fmt, ...)
{
    struct wr_buf text = {0}, line = {0};
    va_list ap;
    va_start(ap, fmt);
    wr_buf_vfmt(&text, fmt, ap);
    va_end(ap);
    wr_buf_str(&line, "weir: ");
    if (!text.err)
        wr_buf_printable(&line, text.data, text.len);
    wr_buf_char(&line, '\n');
    if (!line.err)
        fwrite(line.data, 1, line.len, stderr);
    wr_buf_fini(&text);
    wr_buf_fini(&line);
}

void wr_cli_diags(const struct wr_diags *diags)
{
    struct wr_buf text = {0};
    if (!diags->nerrors)
        return;
    wr_diags_print(diags, &text);
    if (text.len)
        fwrite(text.data, 1, text.len, stderr);
    wr_buf_fini(&text);
}
