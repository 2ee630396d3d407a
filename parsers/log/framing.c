/* Framing of a syslog stream. Senders mix octet counting, lines and JSON on one port, so the form is decided
 * at every frame start (RFC 6587 section 3.4 leaves it to the receiver). A count is believed only when a
 * message starts behind it and, where the byte behind the frame has come already, a frame may start there.
 * When it has not come, the frame is delivered all the same: a message must not wait for the next one. */
#include "parsers/log/log.h"

#include <string.h>

enum { MAX_FRAME = 1024 * 1024, COUNT_DIGITS = 7, WRONG_LIMIT = 3, WRONG_WINDOW = 64 };

/* The unconsumed bytes, and the frame that was found in them. */
struct input {
    const char *data;
    size_t len;
    bool eof;
    const char *frame;
    size_t frame_len;
};

static bool filler(char c)
{
    return c == '\n' || c == '\r' || c == '\0' || c == ' ';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t limit_of(const struct wr_framing *f)
{
    return f->max_frame ? f->max_frame : MAX_FRAME;
}

/* Position of the line's end (LF or NUL) at or after `from`, or len. */
static size_t line_end(const char *data, size_t from, size_t len)
{
    const char *lf = memchr(data + from, '\n', len - from);
    size_t end = lf ? (size_t)(lf - data) : len;
    const char *nul = memchr(data + from, '\0', end - from);
    return nul ? (size_t)(nul - data) : end;
}

/* One frame of `len` bytes at data[at], `consumed` in all, goes out. */
static size_t deliver(struct wr_framing *f, struct input *in, size_t consumed, size_t at, size_t len)
{
    f->scanned = 0;
    f->not_json = false;
    f->span = (struct wr_json_span){0};
    f->stats.bytes += consumed;
    f->stats.frame_bytes += len;
    f->stats.framing_bytes += consumed - len;
    if (++f->frames_seen == WRONG_WINDOW) {
        f->frames_seen = 0;
        f->wrong_counts = 0;
    }
    in->frame = in->data + at;
    in->frame_len = len;
    return consumed;
}

static size_t skip_rest(struct wr_framing *f, const char *data, size_t len)
{
    size_t n;
    if (f->skip == SIZE_MAX) {
        n = line_end(data, 0, len);
        if (n < len)
            f->skip = 0; /* the line's end itself is filler */
    } else {
        n = f->skip < len ? f->skip : len;
        f->skip -= n;
    }
    f->stats.bytes += n;
    f->stats.skipped_bytes += n;
    return n;
}

enum look { LOOK_NO, LOOK_YES, LOOK_MORE };

static enum look looks_like(const char *data, size_t len, const char *word)
{
    size_t n = strlen(word);
    if (len >= n)
        return memcmp(data, word, n) ? LOOK_NO : LOOK_YES;
    return memcmp(data, word, len) ? LOOK_NO : LOOK_MORE;
}

/* Does a message start at data[0]? */
static enum look message_start(const char *data, size_t len)
{
    static const char *const starts[] = {"<", "{", "[", "CEF:", "LEEF:", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        enum look look = looks_like(data, len, starts[i]);
        if (look != LOOK_NO)
            return look;
    }
    return LOOK_NO;
}

/* `MSG-LEN SP` before a message: its value and the bytes it takes. */
static enum look count_at(const char *data, size_t len, size_t *ret_count, size_t *ret_head)
{
    size_t i = 0, count = 0;
    while (i < len && i <= COUNT_DIGITS && digit(data[i]))
        count = count * 10 + (size_t)(data[i++] - '0');
    if (i == 0 || i > COUNT_DIGITS || data[0] == '0')
        return i == len && i == 0 ? LOOK_MORE : LOOK_NO;
    if (i == len)
        return LOOK_MORE;
    if (data[i] != ' ')
        return LOOK_NO;
    *ret_count = count;
    *ret_head = i + 1;
    return message_start(data + i + 1, len - i - 1);
}

/* A text line; `head` bytes of it are a count that nobody believes. */
static size_t text_frame(struct wr_framing *f, struct input *in, size_t head)
{
    const char *data = in->data;
    size_t len = in->len, max = limit_of(f);
    size_t look = len - head < max ? len : head + max;
    size_t end = line_end(data, f->scanned > head ? f->scanned : head, look);
    if (end == look && look - head == max) {
        f->stats.oversize_frames++;
        f->stats.framed_line++;
        f->skip = SIZE_MAX;
        return deliver(f, in, end, head, max);
    }
    if (end == len && !in->eof) {
        f->scanned = len;
        return 0;
    }
    size_t n = end - head;
    if (n && data[head + n - 1] == '\r')
        n--;
    f->stats.framed_line++;
    return deliver(f, in, end < len ? end + 1 : end, head, n);
}

/* `<13>`: senders of lines and senders of counts share a stream behind a relay. */
static enum look pri_at(const char *data, size_t len)
{
    size_t i = 1;
    if (len == 0 || data[0] != '<')
        return len ? LOOK_NO : LOOK_MORE;
    while (i < len && i < 4 && digit(data[i]))
        i++;
    if (i == len)
        return LOOK_MORE;
    return i > 1 && data[i] == '>' ? LOOK_YES : LOOK_NO;
}

static size_t octet_frame(struct wr_framing *f, struct input *in, size_t head, size_t count)
{
    const char *data = in->data;
    size_t max = limit_of(f), have = in->len - head;
    if (count >= max && have >= max) {
        f->stats.oversize_frames++;
        f->stats.framed_octet++;
        f->skip = count - max;
        return deliver(f, in, head + max, head, max);
    }
    if (have < count && !in->eof)
        return 0;
    enum look line = have > count ? pri_at(data + head + count, have - count) : LOOK_YES;
    if (line == LOOK_MORE && !in->eof)
        return 0;
    if (line == LOOK_NO && !digit(data[head + count]) && !filler(data[head + count])) {
        f->stats.octet_count_wrong++;
        if (++f->wrong_counts >= WRONG_LIMIT)
            f->text_only = true;
        f->not_json = true; /* until this line is out */
        return text_frame(f, in, head);
    }
    if (have < count)
        f->stats.truncated_frames++;
    f->stats.framed_octet++;
    size_t n = have < count ? have : count;
    return deliver(f, in, head + n, head, n);
}

/* A line that holds one value, as most do; 0: look byte by byte. */
static size_t json_line(struct wr_framing *f, struct input *in, size_t look)
{
    size_t n = f->log ? wr_log_known(f->log, in->data, look) : 0, end;
    if (!n)
        n = wr_json_span_line(in->data, look);
    end = n;
    while (end < look && in->data[end] == '\r')
        end++;
    if (!n || end == look || in->data[end] != '\n' || end - n > 1)
        return 0;
    f->stats.framed_json++;
    return deliver(f, in, n, 0, n);
}

/* SIZE_MAX: it is no JSON after all. */
static size_t json_frame(struct wr_framing *f, struct input *in)
{
    size_t max = limit_of(f), look = in->len < max ? in->len : max;
    size_t line = f->scanned ? 0 : json_line(f, in, look);
    if (line)
        return line;
    enum wr_json_span_result r = wr_json_span_feed(&f->span, in->data, look, &f->scanned);
    if (r == WR_SPAN_MORE && look == max) {
        f->stats.oversize_frames++;
        f->stats.framed_json++;
        f->skip = SIZE_MAX;
        return deliver(f, in, max, 0, max);
    }
    if (r == WR_SPAN_MORE && !in->eof)
        return 0;
    if (r != WR_SPAN_END || f->scanned >= max)
        return SIZE_MAX;
    f->stats.framed_json++;
    return deliver(f, in, f->scanned, 0, f->scanned);
}

static size_t next_frame(struct wr_framing *f, struct input *in)
{
    size_t n = f->skip ? skip_rest(f, in->data, in->len) : 0;
    if (n)
        return n;
    while (n < in->len && filler(in->data[n]))
        n++;
    if (n) {
        f->stats.bytes += n;
        f->stats.filler_bytes += n;
        return n;
    }
    size_t count = 0, head = 0;
    enum look look = f->no_counts ? LOOK_NO : count_at(in->data, in->len, &count, &head);
    if (look == LOOK_MORE && !in->eof)
        return 0;
    if (look == LOOK_YES && (f->text_only || f->not_json))
        return text_frame(f, in, head);
    if (look == LOOK_YES)
        return octet_frame(f, in, head, count);
    if ((*in->data == '{' || *in->data == '[') && !f->not_json) {
        n = json_frame(f, in);
        if (n != SIZE_MAX)
            return n;
        f->not_json = true;
        f->scanned = 0;
    }
    return text_frame(f, in, 0);
}

size_t wr_framing_next(struct wr_framing *f, const char *data, size_t len, bool eof, const char **ret_frame,
                       size_t *ret_len)
{
    struct input in = {.data = data, .len = len, .eof = eof};
    size_t consumed = len ? next_frame(f, &in) : 0;
    *ret_frame = in.frame;
    *ret_len = in.frame_len;
    return consumed;
}

/* End of a JSON value at data[from] behind which nothing or another message stands; len: there is none. */
static size_t datagram_json(const char *data, size_t len, size_t from)
{
    struct wr_json_span span = {0};
    size_t end = from, line = from + wr_json_span_line(data + from, len - from), rest = line;
    while (rest < len && filler(data[rest]))
        rest++;
    if (line > from && rest == len)
        return line;
    if ((data[from] != '{' && data[from] != '[') || wr_json_span_feed(&span, data, len, &end) != WR_SPAN_END)
        return len;
    size_t next = end;
    while (next < len && filler(data[next]))
        next++;
    return next == len || data[next] == '{' || data[next] == '[' || data[next] == '<' ? end : len;
}

bool wr_datagram_next(const char *data, size_t len, size_t *pos, const char **ret_frame, size_t *ret_len)
{
    while (*pos < len && filler(data[*pos]))
        (*pos)++;
    if (*pos >= len)
        return false;
    size_t end = *pos, stop = datagram_json(data, len, *pos);
    while (end < stop &&
           !(data[end] == '\n' && end + 2 < len && data[end + 1] == '<' && digit(data[end + 2])))
        end++;
    *ret_frame = data + *pos;
    *ret_len = end - *pos;
    *pos = end;
    return true;
}
