#include "agent/inspect/expose.h"

#include "agent/inspect/expose_internal.h"

int nj_expose(const struct nj_expose *what, struct nj_buf *out)
{
    nj_expose_containers(what, out);
    nj_expose_node(what, out);
    return nj_buf_check(out);
}
