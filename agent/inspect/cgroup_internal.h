/*
 * Between cgroup_place.c, cgroup_mount.c and cgroup.c.
 */
#ifndef NJ_INSPECT_CGROUP_INTERNAL_H
#define NJ_INSPECT_CGROUP_INTERNAL_H

#include "agent/inspect/cgroup.h"

/* As nj_cgroup_place(); *ret_len is the length of the path up to the end of the container's own level, or the
 * pod's: what is below (crun's "container", a systemd inside) belongs to it. */
bool nj_cgroup_place_within(const char *path, struct nj_cgroup_place *ret_place, size_t *ret_len);

#endif
