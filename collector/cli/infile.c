#include "collector/cli/infile.h"

#include "base/str.h"
#include "base/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SNIFF_BYTES = 4096, READ_STEP = 256 * 1024, PROTO_UDP = 17 };

static enum wr_err cannot_read(const char *name, int err, struct wr_buf *error)
{
    wr_buf_fmt(error, "cannot read %s: %s", name, strerror(err));
    return err == ENOENT ? WR_ENOENT : err == ENOMEM ? WR_ENOMEM : WR_EIO;
}

static bool is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

static const char *name_of(const char *path)
{
    return is_stdin(path) ? "standard input" : path;
}

/* Reads to the end of what cannot be mapped. */
static enum wr_err read_all(int fd, const char *name, size_t max, char **ret_data, size_t *ret_len,
                            struct wr_buf *error)
{
    struct wr_buf buf = {0};
    for (;;) {
        char *room = wr_buf_room(&buf, READ_STEP);
        ssize_t n = room ? read(fd, room, READ_STEP) : -1;
        if (n < 0 && room && errno == EINTR)
            continue;
        if (n < 0) {
            int err = room ? errno : ENOMEM;
            wr_buf_fini(&buf);
            return cannot_read(name, err, error);
        }
        if (n == 0)
            break;
        buf.len += (size_t)n;
        if (buf.len > max) {
            wr_buf_fini(&buf);
            wr_buf_fmt(error, "%s has more than %zu MiB: split it, or give it as a file", name, max >> 20);
            return WR_ELIMIT;
        }
    }
    *ret_data = buf.data;
    *ret_len = buf.len;
    return WR_OK;
}

static int open_path(const char *path, struct stat *st)
{
    int fd = is_stdin(path) ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, st) == 0 && !S_ISDIR(st->st_mode))
        return fd;
    int err = S_ISDIR(st->st_mode) ? EISDIR : errno;
    close(fd);
    errno = err;
    return -1;
}

enum wr_err wr_infile_slurp(const char *path, size_t max, char **ret_data, size_t *ret_len,
                            struct wr_buf *error)
{
    struct stat st = {0};
    int fd = open_path(path, &st);
    if (fd < 0)
        return cannot_read(name_of(path), errno, error);
    enum wr_err err = read_all(fd, name_of(path), max, ret_data, ret_len, error);
    close(fd);
    return err;
}

static enum wr_err load(struct wr_infile *in, const char *path, struct wr_buf *error)
{
    struct stat st = {0};
    int fd = open_path(path, &st);
    if (fd < 0)
        return cannot_read(in->name, errno, error);
    bool regular = S_ISREG(st.st_mode);
    struct timespec when = st.st_mtim;
    if (!regular)
        clock_gettime(CLOCK_REALTIME, &when);
    in->mtime_ns = (int64_t)when.tv_sec * 1000000000 + when.tv_nsec;
    enum wr_err err = WR_OK;
    if (regular && st.st_size > 0 && lseek(fd, 0, SEEK_CUR) == 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            err = cannot_read(in->name, errno, error);
        } else {
            in->data = p;
            in->len = (size_t)st.st_size;
            in->mapped = true;
        }
    } else {
        char *data = NULL;
        err = read_all(fd, in->name, WR_INFILE_MAX_PIPE, &data, &in->len, error);
        in->owned = data;
        in->data = in->owned;
    }
    close(fd);
    return err;
}

/* Text has no NUL byte, and next to no control characters. */
static bool looks_like_text(const uint8_t *data, size_t len)
{
    size_t controls = 0;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == 0)
            return false;
        controls += (data[i] < 0x20 && !strchr("\t\r\n\f\x1b", data[i])) || data[i] == 0x7f;
    }
    return controls * 10 <= len;
}

static enum wr_err unknown_kind(const uint8_t *data, size_t len, struct wr_buf *error)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *what;
    } known[] = {
        {"\x1f\x8b", 2, "compressed with gzip: give `zcat FILE |` and - as the file"},
        {"\x28\xb5\x2f\xfd", 4, "compressed with zstd: give `zstdcat FILE |` and - as the file"},
        {"\xfd"
         "7zXZ",
         5, "compressed with xz: give `xzcat FILE |` and - as the file"},
        {"BZh", 3, "compressed with bzip2: give `bzcat FILE |` and - as the file"},
        {"\xff\xfe", 2, "UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8`"},
        {"\xfe\xff", 2, "UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8`"},
        {"\x0c\xa5", 2, "a file of nfcapd: weir reads what exporters send; capture that with tcpdump"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (len >= known[i].n && memcmp(data, known[i].magic, known[i].n) == 0) {
            wr_buf_str(error, known[i].what);
            return WR_EUNSUPPORTED;
        }
    wr_buf_str(error, "not a capture, IPFIX file or text: first bytes");
    for (size_t i = 0; i < len && i < 8; i++)
        wr_buf_fmt(error, " %02x", data[i]);
    return WR_EUNSUPPORTED;
}

enum wr_err wr_infile_sniff(const uint8_t *data, size_t len, enum wr_infile_kind *ret_kind,
                            struct wr_buf *error)
{
    struct wr_capture capture;
    if (len && wr_capture_open(&capture, data, len) == WR_OK) {
        *ret_kind = wr_capture_has_exports(&capture) ? WR_INFILE_EXPORTS : WR_INFILE_TRAFFIC;
        return WR_OK;
    }
    uint64_t version = len >= 4 ? wr_be(data, 2) : 0;
    uint64_t second = len >= 4 ? wr_be(data + 2, 2) : 0;
    bool compressed = len >= 3 && memcmp(data, "BZh", 3) == 0; /* its first bytes are letters */
    if (version == 10 && second >= 16 && second != len)
        *ret_kind = WR_INFILE_IPFIX;
    else if (((version == 5 || version == 7) && len >= 24) || (version == 9 && len >= 20) ||
             (version == 10 && second >= 16) || (version == 1 && len >= 16 + 52) ||
             (version == 0 && second == 5 && len >= 28)) /* the last is sFlow */
        *ret_kind = WR_INFILE_MESSAGE;
    else if (!compressed && looks_like_text(data, len < SNIFF_BYTES ? len : SNIFF_BYTES) &&
             !(len >= 2 && (version == 0xfffe || version == 0xfeff)))
        *ret_kind = WR_INFILE_TEXT;
    else
        return unknown_kind(data, len, error);
    return WR_OK;
}

enum wr_err wr_infile_open(struct wr_infile *input, const char *path, uint64_t session, struct wr_buf *error)
{
    *input = (struct wr_infile){.name = name_of(path), .session = session};
    enum wr_err err = load(input, path, error);
    if (!err) {
        size_t start = error->len;
        wr_buf_fmt(error, "%s: ", input->name);
        err = wr_infile_sniff(input->data, input->len, &input->kind, error);
        if (!err)
            error->len = start;
    }
    if (!err && (input->kind == WR_INFILE_EXPORTS || input->kind == WR_INFILE_TRAFFIC))
        err = wr_capture_open(&input->capture, input->data, input->len);
    if (!err && input->len >= 3 && memcmp(input->data, "\xef\xbb\xbf", 3) == 0)
        input->at = 3; /* a byte order mark is no part of the first line */
    if (err)
        wr_infile_close(input);
    return err;
}

void wr_infile_close(struct wr_infile *input)
{
    if (input->mapped)
        munmap((void *)input->data, input->len);
    free(input->owned);
    wr_buf_fini(&input->damage);
    *input = (struct wr_infile){0};
}

/* True when the payload is a NetFlow, IPFIX or sFlow message by its header. */
static bool is_flow_export(const struct wr_packet *p)
{
    if (p->payload_len < 16)
        return false;
    uint64_t version = wr_be(p->payload, 2), n = wr_be(p->payload + 2, 2);
    switch (version) {
    case 0: /* sFlow: a 32-bit version, then IPv4 or IPv6 */
        return n == 5 && p->payload_len >= 28 && (p->payload[7] == 1 || p->payload[7] == 2);
    case 1:
        return n >= 1 && n <= 24 && p->payload_len >= 16 + 52 * n;
    case 7:
        return n >= 1 && n <= 28 && p->payload_len >= 24 + 52 * n;
    case 5:
        return n >= 1 && n <= 30 && p->payload_len >= 24 + 48 * n;
    case 9:
        return n >= 1 && p->payload_len >= 24;
    case 10:
        return n == p->payload_len;
    default:
        return false;
    }
}

static bool is_log_line(const struct wr_packet *p)
{
    const uint8_t *t = p->payload;
    size_t n = p->payload_len;
    if (n >= 5 && t[0] == '<' && t[1] >= '0' && t[1] <= '9')
        return memchr(t, '>', n < 6 ? n : 6) != NULL;
    return (n >= 2 && t[0] == '{' && (t[1] == '"' || t[1] == ' ')) || (n >= 5 && memcmp(t, "@cee:", 5) == 0);
}

static bool is_port(const struct wr_packet *p, const uint16_t *ports, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->dport == ports[i])
            return true;
    return false;
}

static void unit_peer(const struct wr_packet *p, struct wr_unit *unit)
{
    unit->peer.port = p->sport;
    if (p->v6) {
        memcpy(unit->peer.addr, p->src, 16);
    } else {
        unit->peer.addr[10] = unit->peer.addr[11] = 0xff;
        memcpy(unit->peer.addr + 12, p->src, 4);
    }
    inet_ntop(p->v6 ? AF_INET6 : AF_INET, p->src, unit->host, sizeof unit->host);
}

/* By content first; a port that collectors listen on makes broken messages count as such. */
static bool next_export(struct wr_infile *in, struct wr_unit *unit)
{
    static const uint16_t flow_ports[] = {2055, 4739, 9995, 9996}, log_ports[] = {514, 5514};
    struct wr_packet p;
    while (wr_capture_next(&in->capture, &p)) {
        bool udp = p.proto == PROTO_UDP && p.payload_len > 0;
        bool flow = udp && (is_flow_export(&p) || is_port(&p, flow_ports, 4));
        bool line = udp && !flow && (is_log_line(&p) || is_port(&p, log_ports, 2));
        if (!flow && !line) {
            in->skipped++;
            continue;
        }
        *unit = (struct wr_unit){.kind = flow ? WR_UNIT_MESSAGE : WR_UNIT_LINE,
                                 .time_ns = p.time_ns,
                                 .data = p.payload,
                                 .len = p.payload_len};
        unit_peer(&p, unit);
        return true;
    }
    return false;
}

static bool next_packet(struct wr_infile *in, struct wr_unit *unit)
{
    *unit = (struct wr_unit){.kind = WR_UNIT_PACKET};
    if (!wr_capture_next(&in->capture, &unit->packet))
        return false;
    unit->time_ns = unit->packet.time_ns;
    return true;
}

static void message_unit(const struct wr_infile *in, size_t len, uint64_t session, struct wr_unit *unit)
{
    *unit = (struct wr_unit){
        .kind = WR_UNIT_MESSAGE, .data = in->data + in->at, .len = len, .peer.session = session};
    uint64_t version = wr_be(unit->data, 2);
    size_t time_at = version == 10 ? 4 : version ? 8 : len; /* export time in the header, seconds; sFlow: none */
    unit->peer.addr[10] = unit->peer.addr[11] = 0xff; /* 0.0.0.0: the file does not say who sent it */
    unit->time_ns = len >= time_at + 4 ? (int64_t)wr_be(unit->data + time_at, 4) * 1000000000 : in->mtime_ns;
}

static bool next_ipfix(struct wr_infile *in, struct wr_unit *unit)
{
    size_t left = in->len - in->at;
    if (!left)
        return false;
    int32_t n = wr_flow_frame(in->data + in->at, left);
    if (n <= 0 || (size_t)n > left) {
        wr_buf_fmt(&in->damage,
                   n < 0 ? "no IPFIX message at byte %zu: the rest was not read"
                         : "the file ends inside the message at byte %zu",
                   in->at);
        in->at = in->len;
        return false;
    }
    message_unit(in, (size_t)n, in->session, unit);
    in->at += (size_t)n;
    return true;
}

static bool next_message(struct wr_infile *in, struct wr_unit *unit)
{
    if (in->at == in->len)
        return false;
    message_unit(in, in->len, 0, unit);
    in->at = in->len;
    return true;
}

static bool next_line(struct wr_infile *in, struct wr_unit *unit)
{
    const char *frame = NULL;
    size_t len = 0;
    while (in->at < in->len && !frame) {
        size_t n = wr_framing_next(&in->framing, (const char *)in->data + in->at, in->len - in->at, true,
                                   &frame, &len);
        if (!n)
            in->at = in->len; /* nothing more can come */
        in->at += n;
    }
    if (!frame)
        return false;
    *unit = (struct wr_unit){
        .kind = WR_UNIT_LINE, .data = (const uint8_t *)frame, .len = len, .time_ns = in->mtime_ns};
    return true;
}

bool wr_infile_next(struct wr_infile *input, struct wr_unit *ret_unit)
{
    bool more = false;
    switch (input->kind) {
    case WR_INFILE_EXPORTS:
        more = next_export(input, ret_unit);
        break;
    case WR_INFILE_TRAFFIC:
        more = next_packet(input, ret_unit);
        break;
    case WR_INFILE_IPFIX:
        more = next_ipfix(input, ret_unit);
        break;
    case WR_INFILE_MESSAGE:
        more = next_message(input, ret_unit);
        break;
    case WR_INFILE_TEXT:
        more = next_line(input, ret_unit);
        break;
    }
    input->units += more;
    return more;
}
