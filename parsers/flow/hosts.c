/* Endpoints by their device ids (Cisco NVM's UDID): what one decoder was told names the flows that another one reads. */
#include "parsers/flow/state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct wr_flow_hosts {
    pthread_rwlock_t lock;
    struct wr_names names;
    size_t used, memory_bytes;
};

struct wr_flow_hosts *wr_flow_hosts_new(size_t memory_bytes)
{
    struct wr_flow_hosts *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    if (pthread_rwlock_init(&h->lock, NULL) != 0) {
        free(h);
        return NULL;
    }
    h->memory_bytes = memory_bytes;
    h->names.hash_key = wr_hash_key_random();
    h->names.max = WR_FLOW_HOSTS;
    h->names.max_bytes = memory_bytes < WR_FLOW_HOSTS_BYTES ? memory_bytes : WR_FLOW_HOSTS_BYTES;
    return h;
}

void wr_flow_hosts_free(struct wr_flow_hosts *hosts)
{
    if (!hosts)
        return;
    wr_names_fini(&hosts->names, &hosts->used);
    pthread_rwlock_destroy(&hosts->lock);
    free(hosts);
}

bool wr_flow_hosts_put(struct wr_flow_hosts *hosts, const struct wr_name_key *key, const char *text, size_t len, int64_t now_ns)
{
    struct wr_budget budget = {.used = &hosts->used, .limit = hosts->memory_bytes};
    pthread_rwlock_wrlock(&hosts->lock);
    bool ok = wr_names_put(&hosts->names, key, text, len, now_ns, &budget);
    pthread_rwlock_unlock(&hosts->lock);
    return ok;
}

size_t wr_flow_hosts_find(struct wr_flow_hosts *hosts, const struct wr_name_key *key, int64_t since_ns, char ret_text[WR_NAME_MAX_TEXT])
{
    size_t len = 0;
    pthread_rwlock_rdlock(&hosts->lock);
    const struct wr_name *name = wr_names_find(&hosts->names, key);
    if (name && name->told_ns >= since_ns) {
        len = name->text_len;
        memcpy(ret_text, wr_name_text(name), len);
    }
    pthread_rwlock_unlock(&hosts->lock);
    return len;
}

void wr_flow_hosts_items(struct wr_flow_hosts *hosts, struct wr_buf *out)
{
    static const uint8_t nobody[16];
    pthread_rwlock_rdlock(&hosts->lock);
    wr_names_items(&hosts->names, nobody, out);
    pthread_rwlock_unlock(&hosts->lock);
}
