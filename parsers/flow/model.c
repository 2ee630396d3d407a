/* The only file that touches libfixbuf: its information model holds IANA's elements, the vendors' and the
 * user's. No message and no template of a stranger ever reaches the library, so nothing in it can grow after
 * start. */
#include "parsers/flow/model.h"

#include <fixbuf/public.h>
#include <stddef.h>

struct wr_model {
    fbInfoModel_t *info;
};

struct wr_model *wr_model_new(void)
{
    struct wr_model *model = g_new0(struct wr_model, 1);
    model->info = fbInfoModelAlloc();
    for (size_t i = 0; i < wr_element_nfiles; i++)
        /* tests/unit/parsers/flow/test_model.c reads each of them alone */
        (void)fbInfoModelReadXMLData(model->info, wr_element_files[i].text, (gssize)wr_element_files[i].len, NULL);
    return model;
}

/* The first element of `fresh` that is another thing than the model's; NULL. */
static const fbInfoElement_t *conflict(const struct wr_model *model, fbInfoModel_t *fresh)
{
    fbInfoModelIter_t iter;
    const fbInfoElement_t *ie, *there;
    fbInfoModelIterInit(&iter, fresh);
    while ((ie = fbInfoModelIterNext(&iter))) {
        if (ie->ent == WR_PEN_REVERSE) /* the library's own, from the forward ones */
            continue;
        there = fbInfoModelGetElementByID(model->info, ie->num, ie->ent);
        if (there && (there->type != ie->type || there->len != ie->len))
            return ie;
    }
    return NULL;
}

enum wr_err wr_model_add(struct wr_model *model, const char *xml, size_t len, struct wr_buf *error)
{
    fbInfoModel_t *fresh = fbInfoModelAlloc();
    GError *why = NULL;
    enum wr_err err = WR_OK;
    const fbInfoElement_t *bad = NULL;
    if (len > G_MAXSSIZE || !fbInfoModelReadXMLData(fresh, xml, (gssize)len, &why)) {
        wr_buf_str(error, why ? why->message : "it cannot be read");
        err = WR_EINVAL;
    } else if ((bad = conflict(model, fresh))) {
        wr_buf_fmt(error, "element %u/%u (%s) is known, and of another type", (unsigned)bad->ent, (unsigned)bad->num,
                   bad->ref.name);
        err = WR_EINVAL;
    } else if (!fbInfoModelReadXMLData(model->info, xml, (gssize)len, &why)) {
        wr_buf_str(error, why ? why->message : "it cannot be read"); /* it could a moment ago: no memory */
        err = WR_ENOMEM;
    }
    g_clear_error(&why);
    fbInfoModelFree(fresh);
    return err;
}

void wr_model_free(struct wr_model *model)
{
    if (!model)
        return;
    fbInfoModelFree(model->info);
    g_free(model);
}

static enum wr_ie_type type_of(uint8_t type)
{
    switch (type) {
    case FB_UINT_8:
    case FB_UINT_16:
    case FB_UINT_32:
    case FB_UINT_64:
        return WR_IE_UNSIGNED;
    case FB_INT_8:
    case FB_INT_16:
    case FB_INT_32:
    case FB_INT_64:
        return WR_IE_SIGNED;
    case FB_FLOAT_32:
    case FB_FLOAT_64:
        return WR_IE_FLOAT;
    case FB_BOOL:
        return WR_IE_BOOL;
    case FB_MAC_ADDR:
        return WR_IE_MAC;
    case FB_STRING:
        return WR_IE_STRING;
    case FB_DT_SEC:
        return WR_IE_SECONDS;
    case FB_DT_MILSEC:
        return WR_IE_MILLISECONDS;
    case FB_DT_MICROSEC:
        return WR_IE_MICROSECONDS;
    case FB_DT_NANOSEC:
        return WR_IE_NANOSECONDS;
    case FB_IP4_ADDR:
        return WR_IE_IP4;
    case FB_IP6_ADDR:
        return WR_IE_IP6;
    case FB_BASIC_LIST:
        return WR_IE_BASIC_LIST;
    case FB_SUB_TMPL_LIST:
        return WR_IE_TEMPLATE_LIST;
    case FB_SUB_TMPL_MULTI_LIST:
        return WR_IE_MULTI_LIST;
    default:
        return WR_IE_OCTETS;
    }
}

static struct wr_ie scope_element(uint16_t id)
{
    static const char *const names[] = {"scopeSystem", "scopeInterface", "scopeLineCard", "scopeCache",
                                        "scopeTemplate"};
    if (id < 1 || id > 5)
        return (struct wr_ie){.len = WR_VARLEN, .type = WR_IE_OCTETS};
    return (struct wr_ie){.name = names[id - 1], .len = 8, .type = WR_IE_UNSIGNED};
}

struct wr_ie wr_model_find(const struct wr_model *model, uint32_t pen, uint16_t id)
{
    if (pen == WR_PEN_V9_SCOPE)
        return scope_element(id);
    const fbInfoElement_t *ie = fbInfoModelGetElementByID(model->info, id, pen);
    if (!ie)
        return (struct wr_ie){.len = WR_VARLEN, .type = WR_IE_OCTETS};
    return (struct wr_ie){.name = ie->ref.name, .len = ie->len, .type = (uint8_t)type_of(ie->type)};
}

bool wr_ie_len_legal(const struct wr_ie *ie, uint16_t len)
{
    switch ((enum wr_ie_type)ie->type) {
    case WR_IE_UNSIGNED:
    case WR_IE_SIGNED: /* 8 for all: exporters send 8 octets for counters that the registry has as 4 */
        return len >= 1 && len <= 8;
    case WR_IE_FLOAT:
        return len == ie->len || len == 4;
    case WR_IE_BOOL:
    case WR_IE_MAC:
    case WR_IE_SECONDS:
    case WR_IE_MILLISECONDS:
    case WR_IE_MICROSECONDS:
    case WR_IE_NANOSECONDS:
    case WR_IE_IP4:
    case WR_IE_IP6:
        return len == ie->len;
    default:
        return true;
    }
}
