/* What connections carry, by name, each name once. A session that turns to TLS after STARTTLS is
 * "tls" for the exporter that looked late, so a mail protocol beats any other label. */
#include "parsers/conn/table.h"

#include <stdlib.h>
#include <string.h>

static const char *const mail[] = {"smtp", "smtps", "submission",  "submissions", "lmtp",
                                   "imap", "imap4", "imaps",       "pop",         "pops",
                                   "pop3", "pop3s", "secure-smtp", "secure-imap", "secure-pop3"};

/* What classifiers write when they do not know. */
static bool is_none(const char *name)
{
    return strcmp(name, "failed") == 0 || strcmp(name, "unknown") == 0;
}

static bool is_mail(const char *name)
{
    for (size_t i = 0; i < sizeof mail / sizeof *mail; i++)
        if (strcmp(mail[i], name) == 0)
            return true;
    return false;
}

static const struct wr_hash_key label_key = {0x776569722d6c6162, 0x656c2d6e616d6573};

const char *wr_label_text(const struct wr_conn *c, uint16_t label)
{
    return label ? c->labels.at[label - 1] : "";
}

enum wr_err wr_label_number(struct wr_conn *c, const char *name, uint16_t *ret_label)
{
    struct wr_labels *l = &c->labels;
    uint32_t hash = (uint32_t)wr_hash(&label_key, name, strlen(name)), pos = hash, i;
    *ret_label = 0;
    while ((i = wr_index_next(&l->index, hash, &pos)) != WR_NONE)
        if (strcmp(l->at[i], name) == 0) {
            *ret_label = (uint16_t)(i + 1);
            return WR_OK;
        }
    if (l->n == WR_LABELS_MAX)
        return WR_OK;
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 16;
        char(*at)[WR_LABEL_TEXT] = realloc(l->at, cap * sizeof *at);
        if (!at)
            return WR_ENOMEM;
        l->at = at;
        l->cap = cap;
    }
    if (!wr_index_put(&l->index, hash, l->n))
        return WR_ENOMEM;
    memset(l->at[l->n], 0, WR_LABEL_TEXT);
    memcpy(l->at[l->n], name, strlen(name));
    *ret_label = (uint16_t)++l->n;
    return WR_OK;
}

/* The next name of the list in lower case; false at its end. One that is too long for a name is
 * cut. */
static bool next_name(const char **text, const char *end, char ret_name[WR_LABEL_TEXT])
{
    size_t n = 0;
    const char *at = *text;
    while (at < end && (*at == ',' || *at == ' '))
        at++;
    for (; at < end && *at != ',' && *at; at++)
        if (n < WR_LABEL_TEXT - 1)
            ret_name[n++] = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    ret_name[n] = '\0';
    *text = at;
    return n > 0;
}

enum wr_err wr_label_learn(struct wr_conn *c, struct wr_entry *e, const char *text, size_t len)
{
    const char *end = text + len;
    char name[WR_LABEL_TEXT];
    while (next_name(&text, end, name)) {
        if (is_none(name) || *name == '-') /* Zeek: a protocol that it took back */
            continue;
        if (e->label && (!is_mail(name) || is_mail(wr_label_text(c, e->label))))
            continue;
        uint16_t label;
        enum wr_err err = wr_label_number(c, name, &label);
        if (err)
            return err;
        e->label = label ? label : e->label;
    }
    return WR_OK;
}

void wr_labels_fini(struct wr_labels *labels)
{
    free(labels->at);
    free(labels->index.slot);
    *labels = (struct wr_labels){0};
}
