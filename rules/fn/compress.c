/* gzip and zlib in base64. What comes out of a text that a stranger sent is bounded: a few
 * kilobytes can stand for gigabytes. Source: Kusto "gzip_decompress_from_base64_string()" and its
 * kin; RFC 1950, RFC 1952. */
#include "rules/fn/code.h"
#include "rules/fn/kernel.h"

#include <zlib.h>

enum { UNPACKED_MAX = 64 * 1024, GZIP = 16 };

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

/* Exactly one stream, whole and checked; false for anything else and for what is larger than the
 * bound. */
static bool inflate_one(const struct wr_buf *packed, int format, struct wr_buf *out)
{
    z_stream z = {.next_in = (Bytef *)packed->data, .avail_in = (uInt)packed->len};
    wr_buf_reset(out);
    if (!packed->len || inflateInit2(&z, format + MAX_WBITS) != Z_OK)
        return false;
    int rc = Z_OK;
    while (rc == Z_OK) {
        char block[8192];
        z.next_out = (Bytef *)block;
        z.avail_out = sizeof block;
        rc = inflate(&z, Z_NO_FLUSH);
        size_t n = sizeof block - z.avail_out;
        if (n > UNPACKED_MAX - out->len)
            rc = Z_BUF_ERROR;
        else
            wr_buf_add(out, block, n);
    }
    bool ok = rc == Z_STREAM_END && !z.avail_in && !out->err;
    inflateEnd(&z);
    return ok;
}

static void unpack(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                   struct wr_vec *out, int format)
{
    struct wr_buf packed = {0}, text = {0};
    WR_EACH(sel, row)
    if (wr_base64_decode(&args[0].s[row], &packed) && inflate_one(&packed, format, &text) &&
        text.len && wr_utf8_valid(text.data, text.len))
        wr_put_text(ev, out, row, text.data, text.len);
    if (packed.err || text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&packed);
    wr_buf_fini(&text);
}

KERNEL(gzip_decompress)
{
    (void)call;
    unpack(ev, args, sel, out, GZIP);
}

KERNEL(zlib_decompress)
{
    (void)call;
    unpack(ev, args, sel, out, 0);
}

static void pack(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                 struct wr_vec *out, int format)
{
    struct wr_buf packed = {0}, text = {0};
    WR_EACH(sel, row)
    {
        z_stream z = {.next_in = (Bytef *)wr_str_data(&args[0].s[row]),
                      .avail_in = args[0].s[row].len};
        if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, format + MAX_WBITS, 8,
                         Z_DEFAULT_STRATEGY) != Z_OK) {
            ev->err = WR_ENOMEM;
            break;
        }
        size_t most = deflateBound(&z, args[0].s[row].len);
        wr_buf_reset(&packed);
        z.next_out = (Bytef *)wr_buf_room(&packed, most);
        z.avail_out = (uInt)most;
        bool ok = z.next_out && deflate(&z, Z_FINISH) == Z_STREAM_END;
        size_t n = most - z.avail_out;
        deflateEnd(&z);
        wr_buf_reset(&text);
        if (ok)
            wr_base64_encode(packed.data, n, &text);
        if (ok && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (packed.err || text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&packed);
    wr_buf_fini(&text);
}

KERNEL(gzip_compress)
{
    (void)call;
    pack(ev, args, sel, out, GZIP);
}

KERNEL(zlib_compress)
{
    (void)call;
    pack(ev, args, sel, out, 0);
}
