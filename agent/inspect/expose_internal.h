/*
 * The parts of a page of metrics. Private to agent/inspect.
 */
#ifndef NJ_INSPECT_EXPOSE_INTERNAL_H
#define NJ_INSPECT_EXPOSE_INTERNAL_H

#include "agent/inspect/expose.h"

void nj_expose_containers(const struct nj_expose *what, struct nj_buf *out);
void nj_expose_node(const struct nj_expose *what, struct nj_buf *out);

#endif
