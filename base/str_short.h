#ifndef WR_BASE_STR_SHORT_H
#define WR_BASE_STR_SHORT_H

#include "base/str.h"

/* wr_str_borrow() for at most 12 bytes that lie in at least 12 which may be read: two words instead of a copy by length. */
static inline struct wr_str wr_str_short(const char *text, size_t len)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    struct wr_str s = {.len = (uint32_t)len};
    uint64_t head;
    uint32_t tail;
    memcpy(&head, text, sizeof head);
    memcpy(&tail, text + 8, sizeof tail);
    if (len < 8)
        head &= (UINT64_C(1) << (8 * len)) - 1;
    if (len <= 8)
        tail = 0;
    else if (len < 12)
        tail &= (UINT32_C(1) << (8 * (len - 8))) - 1;
    memcpy(s.inl, &head, sizeof head);
    memcpy(s.inl + 8, &tail, sizeof tail);
    return s;
#else
    return wr_str_borrow(text, len);
#endif
}

#endif
