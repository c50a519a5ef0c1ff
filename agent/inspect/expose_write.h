/*
 * Writing samples, fast: a scrape of a full node has tens of thousands of lines. Private to agent/inspect.
 */
#ifndef NJ_INSPECT_EXPOSE_WRITE_H
#define NJ_INSPECT_EXPOSE_WRITE_H

#include "agent/inspect/figures.h"
#include "common/base/buf.h"

/* How a figure becomes a sample's value. */
enum nj_expose_unit {
    NJ_EXPOSE_NUMBER,
    NJ_EXPOSE_NS,     /* to seconds */
    NJ_EXPOSE_US,     /* to seconds */
    NJ_EXPOSE_MILLIS, /* thousandths */
};

struct nj_expose_family {
    const char *name, *type, *help;
    bool headed; /* HELP and TYPE are written before its first sample */
};

/* One sample; NJ_UNKNOWN writes nothing. Each of `labels` and `more` is "" or the inside of the braces. */
void nj_expose_sample(struct nj_expose_family *family, const char *labels, const char *more, uint64_t value,
                      enum nj_expose_unit unit, struct nj_buf *out);
/* Likewise of a ratio or a value with a sign; not finite: nothing. */
void nj_expose_double(struct nj_expose_family *family, const char *labels, const char *more, double value,
                      struct nj_buf *out);

/* Appends `name="value"`, escaped, after a comma where there is something before; nothing for a value that is
 * "". */
void nj_expose_label(struct nj_buf *labels, const char *name, const char *value);

/* The sockets of a network namespace, by protocol and state. */
void nj_expose_sockets(struct nj_expose_family *family, const char *labels,
                       const struct nj_socket_figures *sockets, struct nj_buf *out);

#endif
