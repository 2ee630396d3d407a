/* The only file that touches libfixbuf: its information model holds IANA's elements and ours. No message and
 * no template of a stranger ever reaches the library, so nothing in it can grow after start. */
#include "parsers/flow/model.h"

#include <fixbuf/public.h>
#include <stddef.h>

struct wr_model {
    fbInfoModel_t *info;
};

#define UNSIGNED8 FB_UINT_8, 1
#define UNSIGNED16 FB_UINT_16, 2
#define UNSIGNED32 FB_UINT_32, 4
#define UNSIGNED64 FB_UINT_64, 8
#define SIGNED8 FB_INT_8, 1
#define STRING FB_STRING, FB_IE_VARLEN
#define OCTETARRAY FB_OCTET_ARRAY, FB_IE_VARLEN
#define IPV4ADDRESS FB_IP4_ADDR, 4
#define IPV6ADDRESS FB_IP6_ADDR, 16
#define SUBTEMPLATELIST FB_SUB_TMPL_LIST, FB_IE_VARLEN
#define BASICLIST FB_BASIC_LIST, FB_IE_VARLEN

struct vendor {
    uint32_t pen;
    uint16_t id;
    const char *name;
    uint8_t type;
    uint16_t len;
};

static const struct vendor vendors[] = {
#define IE(pen, id, name, type) {pen, id, name, type},
#include "parsers/flow/elements.def"
#undef IE
};

struct wr_model *wr_model_new(void)
{
    struct wr_model *model = g_new0(struct wr_model, 1);
    model->info = fbInfoModelAlloc();
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++) {
        const struct vendor *v = &vendors[i];
        fbInfoElement_t ie = {.ent = v->pen, .num = v->id, .len = v->len, .type = v->type};
        ie.ref.name = v->name;
        if (!fbInfoModelGetElementByID(model->info, v->id, v->pen))
            fbInfoModelAddElement(model->info, &ie);
    }
    return model;
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
