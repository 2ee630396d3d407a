#ifndef WR_PARSERS_FLOW_MODEL_H
#define WR_PARSERS_FLOW_MODEL_H

#include "parsers/flow/elements.h"

#include <stdbool.h>
#include <stdint.h>

/* The information model as this folder reads it. */
/* Abstract data types of RFC 7011 6.1 and RFC 6313, integers by sign only (sizes may be reduced). */
enum wr_ie_type {
    WR_IE_OCTETS,
    WR_IE_UNSIGNED,
    WR_IE_SIGNED,
    WR_IE_FLOAT,
    WR_IE_BOOL,
    WR_IE_MAC,
    WR_IE_STRING,
    WR_IE_SECONDS,
    WR_IE_MILLISECONDS,
    WR_IE_MICROSECONDS,
    WR_IE_NANOSECONDS,
    WR_IE_IP4,
    WR_IE_IP6,
    WR_IE_BASIC_LIST,
    WR_IE_TEMPLATE_LIST,
    WR_IE_MULTI_LIST
};

/* Element spaces that have no enterprise number on the wire. */
#define WR_PEN_REVERSE UINT32_C(29305)       /* RFC 5103 */
#define WR_PEN_V9_SCOPE UINT32_C(0xfffffffe) /* v9 scope types 1..5 (RFC 3954 6.1): not elements */
#define WR_PEN_V9 UINT32_C(0xffffffff)       /* v9 field types >= 32768, less 32768 */

enum { WR_VARLEN = 65535 };

struct wr_ie {
    const char *name; /* the model's; NULL when it does not know the element */
    uint16_t len;     /* full length, WR_VARLEN for strings, octets, lists */
    uint8_t type;     /* enum wr_ie_type; octets when not known */
};

/* The vendors' files, built in. */
struct wr_element_file {
    const char *text;
    size_t len;
};
extern const struct wr_element_file wr_element_files[];
extern const size_t wr_element_nfiles;

struct wr_ie wr_model_find(const struct wr_model *model, uint32_t pen, uint16_t id);
/* RFC 7011 6.2: integers may be shorter, float64 4 octets, nothing else; `len` may be WR_VARLEN. */
bool wr_ie_len_legal(const struct wr_ie *ie, uint16_t len);

#endif
