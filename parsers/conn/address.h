#ifndef WR_PARSERS_CONN_ADDRESS_H
#define WR_PARSERS_CONN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WR_ADDRESS_TEXT = 46 };

/* Text of an address (network order; IPv4 in the first 4 bytes), NUL-terminated. IPv6 as RFC 5952. Returns its length.
 */
size_t wr_address_text(const uint8_t addr[16], bool v6, char ret_text[WR_ADDRESS_TEXT]);
/* The same of an IPv4 address as a number, not terminated: at most 15 octets, and the rest of the 16 zero. */
size_t wr_address_v4_text(uint32_t addr, char ret_text[16]);
/* Reads one; IPv4-mapped IPv6 becomes IPv4, a zone (%eth0) is cut. False when it is none. */
bool wr_address_parse(const char *text, size_t len, uint8_t ret_addr[16], bool *ret_v6);
/* Defender's LocalIPType and RemoteIPType: Public, Private, Loopback, Reserved, Broadcast, Teredo,
 * FourToSixMapping. Documentation ranges count as public. Static text. */
const char *wr_address_type(const uint8_t addr[16], bool v6);
/* "Tcp", "Udp", "Icmp", ... or the number, written to `number`. */
const char *wr_protocol_text(uint8_t proto, char number[8]);
/* The number for a name (any case) or a number; 0 and false when unknown. */
bool wr_protocol_parse(const char *text, size_t len, uint8_t *ret_proto);

#endif
