/* Template records: specifiers checked on the wire, then parsed into fields. RFC 7011 3.4, RFC 3954 5.2, 6.1.
 */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

/* How a template record's head reads, after its id. */
struct head {
    uint32_t nfields, nscope, size; /* size: octets of the head */
    bool bad_scope;
};

static bool read_head(uint16_t version, bool options, const uint8_t *p, size_t left, struct head *h)
{
    size_t need = options ? 4 : 2;
    *h = (struct head){.size = (uint32_t)need};
    if (left < need)
        return false;
    if (version == WR_FLOW_V9 && options) { /* octets of scope and option specifiers, 4 each */
        uint32_t scope = (uint32_t)wr_be(p, 2), option = (uint32_t)wr_be(p + 2, 2);
        h->bad_scope = scope % 4 || option % 4 || !scope;
        h->nscope = scope / 4;
        h->nfields = h->nscope + option / 4;
        return true;
    }
    h->nfields = (uint32_t)wr_be(p, 2);
    if (options) {
        h->nscope = (uint32_t)wr_be(p + 2, 2);
        h->bad_scope = h->nscope == 0 || h->nscope > h->nfields;
    }
    return true;
}

uint32_t wr_spec_check(uint16_t version, bool options, const uint8_t *p, size_t left,
                       enum wr_flow_reject *ret_why)
{
    struct head h;
    *ret_why = WR_FLOW_REJECT_template_fields;
    if (!read_head(version, options, p, left, &h))
        return 0;
    size_t at = h.size;
    uint32_t min = 0;
    for (uint32_t i = 0; i < h.nfields; i++) {
        if (left - at < 4)
            return 0;
        bool enterprise = version == WR_FLOW_IPFIX && p[at] & 0x80;
        uint32_t len = (uint32_t)wr_be(p + at + 2, 2);
        at += 4;
        if (enterprise) {
            if (left - at < 4)
                return 0;
            at += 4;
        }
        min += len == WR_VARLEN ? 1 : len; /* at most 16,384 fields: no overflow */
    }
    if (h.nfields > WR_FLOW_MAX_FIELDS || min > WR_FLOW_MAX_RECORD)
        return (uint32_t)at;
    if (h.bad_scope)
        *ret_why = WR_FLOW_REJECT_scope_count;
    else if (min == 0)
        *ret_why = WR_FLOW_REJECT_template_empty;
    else
        *ret_why = WR_FLOW_NREJECTS;
    return (uint32_t)at;
}

/* v9 has no enterprise numbers: Cisco's are moved up by 32768, nProbe's by 57472. What v9 itself defines there
 * (model/netflow9.xml) comes first. */
static void name_v9_number(const struct wr_model *model, struct wr_field *f)
{
    enum { NPROBE_BASE = 57472 - 32768 };
    if (wr_model_find(model, WR_PEN_V9, f->id).name)
        return;
    if (f->id >= NPROBE_BASE && wr_model_find(model, 35632, (uint16_t)(f->id - NPROBE_BASE)).name) {
        f->pen = 35632;
        f->id = (uint16_t)(f->id - NPROBE_BASE);
    } else if (wr_model_find(model, 9, f->id).name) {
        f->pen = 9;
    }
}

static void read_field(const struct wr_model *model, uint16_t version, bool scope, const uint8_t **p,
                       struct wr_field *f)
{
    uint16_t id = (uint16_t)wr_be(*p, 2);
    f->len = (uint16_t)wr_be(*p + 2, 2);
    f->scope = scope;
    *p += 4;
    if (version == WR_FLOW_IPFIX) {
        f->id = id & 0x7fff;
        if (id & 0x8000) {
            f->pen = (uint32_t)wr_be(*p, 4);
            *p += 4;
        }
    } else if (scope) {
        f->pen = WR_PEN_V9_SCOPE;
        f->id = id;
    } else {
        f->pen = id & 0x8000 ? WR_PEN_V9 : 0;
        f->id = id & 0x7fff;
    }
    if (f->pen == WR_PEN_V9)
        name_v9_number(model, f);
    /* IPFIX scopes are elements like any other; v9's are not (RFC 3954 6.1). */
    f->ie = wr_model_find(model, f->pen, f->id);
    f->legal = f->len == 0 || f->len == WR_VARLEN || wr_ie_len_legal(&f->ie, f->len);
    if (version == WR_FLOW_IPFIX)
        f->scope = false;
}

/* Chains the fields of one element. Hashed, since a hostile template has 1,024 fields. */
static void link_repeats(struct wr_tmpl *t)
{
    uint16_t last[2 * WR_FLOW_MAX_FIELDS]; /* 1 + the newest field of an element */
    uint32_t slots = 16;
    while (slots < 2u * t->nfields)
        slots *= 2;
    memset(last, 0, slots * sizeof *last);
    for (uint32_t i = 0; i < t->nfields; i++) {
        struct wr_field *f = &t->fields[i];
        uint32_t at = ((f->pen * UINT32_C(2654435761)) ^ (f->id * UINT32_C(40503))) & (slots - 1);
        while (last[at]) {
            struct wr_field *before = &t->fields[last[at] - 1];
            if (before->id == f->id && before->pen == f->pen) {
                before->same = (uint16_t)i;
                f->repeat = true;
                break;
            }
            at = (at + 1) & (slots - 1);
        }
        last[at] = (uint16_t)(i + 1);
    }
}

struct wr_tmpl *wr_tmpl_new(const struct wr_model *model, uint16_t version, uint16_t id, bool options,
                            const uint8_t *spec, uint32_t spec_len)
{
    struct head h;
    if (!read_head(version, options, spec, spec_len, &h))
        return NULL;
    size_t fields = h.nfields * sizeof(struct wr_field);
    size_t size = sizeof(struct wr_tmpl) + fields + spec_len;
    struct wr_tmpl *t = calloc(1, size);
    if (!t)
        return NULL;
    *t = (struct wr_tmpl){.id = id,
                          .options = options,
                          .nfields = (uint16_t)h.nfields,
                          .nscope = (uint16_t)h.nscope,
                          .spec_len = spec_len};
    t->fields = (struct wr_field *)(void *)(t + 1);
    t->spec = (uint8_t *)(t + 1) + fields;
    memcpy(t->spec, spec, spec_len);
    const uint8_t *p = t->spec + h.size;
    for (uint32_t i = 0; i < h.nfields; i++) {
        read_field(model, version, i < h.nscope, &p, &t->fields[i]);
        t->min_len += t->fields[i].len == WR_VARLEN ? 1 : t->fields[i].len;
    }
    link_repeats(t);
    t->plan = wr_plan_compile(t);
    if (!t->plan || !wr_who_compile(t)) {
        wr_tmpl_free(t);
        return NULL;
    }
    wr_nat_compile(t);
    if (!t->plan->is_flow && !t->plan->is_nat)
        wr_names_compile(t);
    t->may_mail = wr_mail_may(t);
    const bool flows = !t->may_mail && !options && !t->nteach;
    t->settled = flows && t->plan->stride;
    t->quick = flows && t->plan->by_ports;
    t->look = t->plan->look;
    for (uint32_t i = 0; options && i < t->nfields; i++) /* privateEnterpriseNumber among them: RFC 5610 3.9 */
        t->explains |= t->fields[i].pen == 0 && t->fields[i].id == 346;
    t->bytes = size + 2u * t->nwho * sizeof *t->who + sizeof *t->plan + (h.nfields + 26u) * (sizeof(struct wr_step) + 2); /* upper bound */
    return t;
}

void wr_tmpl_free(struct wr_tmpl *tmpl)
{
    if (!tmpl)
        return;
    free(tmpl->plan);
    free(tmpl->who);
    free(tmpl);
}
