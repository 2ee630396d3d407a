#ifndef WR_PARSERS_CAPTURE_PACKET_H
#define WR_PARSERS_CAPTURE_PACKET_H

#include "parsers/capture/capture.h"

enum wr_frame { WR_FRAME_IP, WR_FRAME_SKIP, WR_FRAME_BROKEN };

/* One frame of link type `link`: `len` bytes captured of `wire_len` on the wire. Fills all of
 * *ret_packet but the time when the answer is WR_FRAME_IP; SKIP: not IP, or a fragment after the
 * first. */
enum wr_frame wr_packet_decode(uint32_t link, const uint8_t *frame, size_t len, size_t wire_len,
                               struct wr_packet *ret_packet);

#endif
