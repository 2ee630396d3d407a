#ifndef WR_PARSERS_FLOW_ELEMENTS_H
#define WR_PARSERS_FLOW_ELEMENTS_H

#include "base/buf.h"

/* The information model: what an element is called, its type and length. IANA's registry and the reverse elements
 * (RFC 5103) come from libfixbuf; vendors' from the XML files in parsers/flow/model/, which are built in; users add files of
 * their own in the same form: IANA's XML with cert:enterpriseId (docs/exporters.md).
 *
 * Lifetime   must outlive the decoders that use it; does not change once the first one does.
 * Threads    reading, from any. */
struct wr_model;

struct wr_model *wr_model_new(void); /* owned */
void wr_model_free(struct wr_model *model);
/* Adds the elements of a file's text. WR_EINVAL and a reason in `error`: it is no such XML, or gives another type to
 * an element that is there; then nothing was added. */
enum wr_err wr_model_add(struct wr_model *model, const char *xml, size_t len, struct wr_buf *error) WR_MUST_CHECK;

#endif
