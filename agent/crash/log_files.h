/*
 * Where the kubelet keeps a container's log, and reading its end through rotation. Blocking; any thread.
 */
#ifndef NJ_CRASH_LOG_FILES_H
#define NJ_CRASH_LOG_FILES_H

#include "agent/crash/log.h"

enum { NJ_LOG_PATH_MAX = 1024 };

/* LOG_DIR/NAMESPACE_POD_UID/CONTAINER/N.log. -EINVAL for a name that could leave the directory,
 * -ENAMETOOLONG. */
int nj_log_path(const struct nj_log_source *source, char *ret_path, size_t size);

/* Appends the last `window` bytes of the log: of the open file `fd` (-1: it is gone), and before them, as far
 * as room is left, of its rotated predecessors, newest first, gzip'ed ones too. *ret_cut tells that there was
 * more. -ENOENT when there is nothing at all. */
int nj_log_read_end(const struct nj_log_source *source, int fd, size_t window, struct nj_buf *out,
                    bool *ret_cut, struct nj_err *err);

#endif
