/* Lists of records, and frames like those before: one record, met where it stands in a stream, and lists. The text of a
 * list differs in shape with every length, so as a whole it is hardly ever known; its records are, one by one. All of
 * them are met before the first becomes a row: a list with one that is not goes the long way, where it is read as a whole
 * or refused as a whole, and leaves the shapes of its records behind. */
#include "base/hash.h"
#include "parsers/log/log_internal.h"

enum {
    LOOKS = 16, /* records whose shapes are taken from one list, at most */
    ENVELOPE_KEYS = 4,
};

size_t wr_log_known(struct wr_log *log, const char *data, size_t len)
{
    log->known = NULL;
    if (!len || *data != '{' || log->unfinished.refused || log->unfinished.sliced)
        return 0;
    log->known_len = wr_json_known(log->json, data, len, &log->root);
    log->known = log->known_len ? data : NULL;
    return log->known_len;
}

/* ---- lists of known records ---- */

static const char *blanks(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

/* Behind `[` or `{"records":[`; NULL: no such begin. */
static const char *list_begin(const char *p, bool *ret_object)
{
    static const char records[] = "\"records\"";
    *ret_object = *p == '{';
    if (*ret_object) {
        p = blanks(p + 1);
        if (strncmp(p, records, sizeof records - 1) != 0)
            return NULL;
        p = blanks(p + sizeof records - 1);
        if (*p != ':')
            return NULL;
        p = blanks(p + 1);
    }
    return *p == '[' ? blanks(p + 1) : NULL;
}

/* Records that are met, one after the other; false: this one is not. */
struct walk {
    struct wr_json *json;
    const char *at, *end;
    bool object, over;
    struct wr_json_val record;
};

static bool next_record(struct walk *w)
{
    size_t n = *w->at == '{' ? wr_json_known(w->json, w->at, (size_t)(w->end - w->at), &w->record) : 0;
    if (!n)
        return false;
    w->at = blanks(w->at + n);
    if (*w->at == ',') {
        w->at = blanks(w->at + 1);
        return true;
    }
    if (*w->at != ']')
        return false;
    const char *p = w->object ? blanks(w->at + 1) : w->at;
    w->over = p == w->end - 1 && *p == (w->object ? '}' : ']');
    return w->over;
}

static enum wr_err batch_rows(struct frame *f, struct walk w)
{
    enum wr_err err = WR_OK;
    while (!err && !w.over)
        err = next_record(&w) ? wr_frame_element(f, &w.record) : WR_EINVAL;
    WR_ASSERT(err != WR_EINVAL); /* all were met before */
    return wr_frame_finish(f, err);
}

bool wr_frame_batch(struct frame *f, enum wr_err *ret_err)
{
    struct wr_log *log = f->log;
    struct wr_buf *text = &log->batch;
    if (f->len < 4 || (*f->data != '{' && *f->data != '[') || log->unfinished.refused || log->unfinished.sliced ||
        memchr(f->data, '[', f->len < 32 ? f->len : 32) == NULL)
        return false;
    wr_buf_reset(text);
    wr_buf_add(text, f->data, f->len);
    char *zeros = wr_buf_room(text, WR_JSON_ZEROS);
    if (!zeros)
        return false;
    memset(zeros, 0, WR_JSON_ZEROS);
    struct walk w = {.json = log->json, .end = text->data + text->len};
    w.at = list_begin(text->data, &w.object);
    if (!w.at || w.at >= w.end)
        return false;
    const struct walk begin = w;
    uint32_t n = 0;
    for (; !w.over; n++)
        if (!next_record(&w)) {
            log->unmet = n + 1;
            return false;
        }
    if (n > wr_rows_room(f->rows)) { /* once the caller made room it fits, or goes in slices */
        *ret_err = WR_EFULL;
        return wr_rows_count(f->rows) > 0;
    }
    wr_frame_plain_header(f);
    *ret_err = batch_rows(f, begin);
    return true;
}

static void teach(struct wr_log *log, const struct wr_json_val *list)
{
    struct wr_json_iter it = wr_json_begin(list);
    struct wr_buf *text = &log->batch;
    const struct wr_json_doc *doc = it.doc;
    uint32_t at[LOOKS], len[LOOKS], n = 0, mark, left = 1 + list->len / 4;
    const char *key;
    size_t key_len;
    wr_buf_reset(text);
    for (uint32_t i = 1; n < LOOKS && wr_json_iter_key(&it, &key, &key_len, &mark); i++) {
        uint32_t from = doc->mark[mark];
        if (i < log->unmet || doc->text[from] != '{')
            continue;
        at[n] = (uint32_t)text->len;
        len[n] = doc->mark[doc->link[mark].close] + 1 - from;
        wr_buf_add(text, doc->text + from, len[n++]);
    }
    char *zeros = wr_buf_room(text, WR_JSON_ZEROS);
    if (!zeros)
        return;
    memset(zeros, 0, WR_JSON_ZEROS);
    for (uint32_t i = 0; i < n && left; i++) {
        struct wr_json_val root;
        bool repaired;
        if (wr_json_known(log->json, text->data + at[i], text->len - at[i], &root) == len[i])
            continue;
        (void)wr_json_parse(log->json, text->data + at[i], len[i], &root, &repaired);
        left--;
    }
}

/* ---- lists, the long way ---- */

static enum wr_err stop_list(struct frame *f, const struct wr_json_iter *iter, bool sliced)
{
    struct unfinished *u = &f->log->unfinished;
    u->refused = !sliced;
    u->sliced = sliced;
    u->len = f->len;
    u->crc = wr_crc32c(0, f->data, f->len);
    u->iter = *iter;
    if (sliced)
        wr_frame_commit(f);
    return WR_EFULL;
}

enum wr_err wr_frame_list_rows(struct frame *f, struct wr_json_iter it)
{
    struct wr_json_val v;
    const char *key;
    size_t len;
    for (;;) {
        struct wr_json_iter before = it;
        if (!wr_json_iter_next(&it, &key, &len, &v))
            break;
        if (wr_rows_full(f->rows))
            return stop_list(f, &before, true);
        enum wr_err err = wr_frame_element(f, &v);
        if (err)
            return err;
    }
    wr_frame_commit(f);
    return WR_OK;
}

enum wr_err wr_frame_list_start(struct frame *f, const struct wr_json_val *list, bool again)
{
    struct wr_json_iter it = wr_json_begin(list);
    if (list->len > wr_rows_room(f->rows) && wr_rows_count(f->rows) && !again)
        return stop_list(f, &it, false);
    enum wr_err err = wr_frame_list_rows(f, it);
    if (!err && f->log->unmet)
        teach(f->log, list);
    return err;
}

bool wr_frame_list_of(const struct wr_json_val *root, struct wr_json_val *ret_list)
{
    *ret_list = *root;
    if (root->type == WR_JSON_ARRAY)
        return root->len > 0;
    if (root->type != WR_JSON_OBJECT || root->len > ENVELOPE_KEYS)
        return false;
    struct wr_json_iter it = wr_json_begin(root);
    const char *key;
    size_t len;
    uint32_t at;
    while (wr_json_iter_key(&it, &key, &len, &at)) {
        if (len != 7 || (memcmp(key, "records", 7) != 0 && memcmp(key, "Records", 7) != 0)) /* Azure; AWS */
            continue;
        wr_json_value_at(it.doc, at, ret_list);
        if (ret_list->type == WR_JSON_ARRAY && ret_list->len > 0)
            return true;
    }
    return false;
}
