#ifndef WR_COLLECTOR_CLI_INFILE_H
#define WR_COLLECTOR_CLI_INFILE_H

#include "base/buf.h"
#include "parsers/capture/capture.h"
#include "parsers/flow/decoder.h"
#include "parsers/log/log.h"

/* A file, or standard input, and what is in it. The kind is found by content, never by name.
 *
 *   exports   pcap, pcapng with NetFlow, IPFIX or syslog in UDP     units: messages, lines
 *   traffic   pcap, pcapng of anything else                         units: packets, to be metered
 *   ipfix     IPFIX messages back to back (RFC 5655)                units: messages
 *   message   one NetFlow or IPFIX message, as a datagram holds it  unit: a message
 *   text      JSON lines, syslog lines, octet-counted syslog        units: lines
 *
 * Files are mapped; standard input and pipes are read into memory, at most WR_INFILE_MAX_PIPE bytes. Units
 * point into that memory: valid until wr_infile_close. */
enum wr_infile_kind {
    WR_INFILE_EXPORTS,
    WR_INFILE_TRAFFIC,
    WR_INFILE_IPFIX,
    WR_INFILE_MESSAGE,
    WR_INFILE_TEXT
};

#define WR_INFILE_MAX_PIPE ((size_t)1 << 30)

enum wr_unit_kind { WR_UNIT_PACKET, WR_UNIT_MESSAGE, WR_UNIT_LINE };

struct wr_unit {
    enum wr_unit_kind kind;
    int64_t time_ns;     /* packet or export time; of a line in a text file: the file's modification time */
    const uint8_t *data; /* message or line */
    size_t len;
    struct wr_flow_peer peer; /* message: who sent it */
    char host[46];            /* line: address of the sender as text, "" in a text file */
    struct wr_packet packet;  /* WR_UNIT_PACKET */
};

struct wr_infile {
    const char *name; /* borrowed: the path, "standard input" for "-" */
    enum wr_infile_kind kind;
    const uint8_t *data;
    size_t len, at;
    bool mapped;
    void *owned; /* when it is not mapped */
    int64_t mtime_ns;
    uint64_t session; /* templates of an IPFIX file are its own */
    struct wr_capture capture;
    struct wr_framing framing;
    uint64_t units, skipped; /* skipped: packets of a capture with exports that are none */
    struct wr_buf damage;    /* text: what ended the reading before the end of the file; empty = nothing */
};

/* Opens and recognises it. On failure adds one line of text to `error`: what, and what to do. `session` is a
 * number above 0 that no other input of the run has. */
enum wr_err wr_infile_open(struct wr_infile *input, const char *path, uint64_t session,
                           struct wr_buf *error) WR_MUST_CHECK;
void wr_infile_close(struct wr_infile *input);
/* Next unit; false at the end. */
bool wr_infile_next(struct wr_infile *input, struct wr_unit *ret_unit);

/* Kind of `len` bytes, with the reason in `error` when there is none. */
enum wr_err wr_infile_sniff(const uint8_t *data, size_t len, enum wr_infile_kind *ret_kind,
                            struct wr_buf *error) WR_MUST_CHECK;

/* Reads a whole file, or standard input for "-", of at most `max` bytes. The caller frees *ret_data. */
enum wr_err wr_infile_slurp(const char *path, size_t max, char **ret_data, size_t *ret_len,
                            struct wr_buf *error) WR_MUST_CHECK;

#endif
