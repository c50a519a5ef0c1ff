/*
 * A crashed container's last words, from the files the kubelet keeps.
 *
 * Files: LOG_DIR/NAMESPACE_POD_UID/CONTAINER/N.log, N being the number of the instance; rotated predecessors
 * beside it as N.log.YYYYMMDD-HHMMSS, older ones with .gz. A line is "TIME STREAM P|F MESSAGE" (CRI); pieces
 * marked P belong to one line until an F of the same stream; a last line without an F is complete as far as
 * it goes.
 *
 * The result is text in the order of the file: one line an entry, its stream's name left out for stdout and
 * put in front as "[stderr] " for stderr; bytes that are no UTF-8 replaced by U+FFFD; NULs and other control
 * characters but tab made visible; secrets hidden. It is the end of the log: at most max_lines and max_bytes;
 * a single line longer than that keeps its end. Blocking: for the worker.
 */
#ifndef NJ_CRASH_LOG_H
#define NJ_CRASH_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/redact.h"

/* Which instance's log. Strings are borrowed. */
struct nj_log_source {
    const char *log_dir;
    const char *namespace, *pod, *directory_uid; /* the uid, or a static pod's config hash */
    const char *container;
    int32_t attempt;
    int64_t started_ns, finished_ns; /* of the instance; 0: unknown */
};

/* Files that are open already, so that the kubelet's removal cannot win. */
struct nj_log_files {
    int fd; /* of N.log; -1: it was not there */
};

struct nj_log_limits {
    uint32_t max_lines;
    size_t max_bytes;
};

struct nj_log_result {
    struct nj_buf text; /* the caller calls nj_buf_done() */
    uint32_t lines;
    bool cut;            /* there was more before it */
    bool other_instance; /* the file's times show that it is not this instance's log: text is empty */
    int64_t redacted;    /* secrets hidden */
};

/* Opens without following symlinks out of LOG_DIR's pods; quick enough for the loop. 0 or -ENOENT etc. with
 * fd -1. Names that could leave the directory ('/', "..") are refused with -EINVAL. */
int nj_log_open(const struct nj_log_source *source, struct nj_log_files *ret_files);
void nj_log_close(struct nj_log_files *files);

/* The highest number that a log of the container has, whatever `source->attempt`; -ENOENT etc. Blocking. */
int32_t nj_log_newest(const struct nj_log_source *source);

/* Reads the end of the open file backwards, and rotated predecessors as far as they are needed. 0, -ENOENT
 * when there is no file at all, or another errno with a text. */
int nj_log_capture(const struct nj_log_source *source, const struct nj_log_files *files,
                   const struct nj_log_limits *limits, const struct nj_redactor *redactor,
                   struct nj_log_result *ret_result, struct nj_err *err);

/* The same from bytes in memory: what `pods/log?timestamps=true` answered is not CRI but "TIME MESSAGE"
 * lines. */
int nj_log_from_api(const char *text, size_t len, const struct nj_log_source *source,
                    const struct nj_log_limits *limits, const struct nj_redactor *redactor,
                    struct nj_log_result *ret_result, struct nj_err *err);

/* One CRI line without its newline: for the reader above and its fuzzer. -EBADMSG when it is none. */
struct nj_cri_line {
    int64_t time_ns;
    bool is_stderr;
    bool partial; /* P */
    const char *message;
    size_t message_len;
};
int nj_cri_parse(const char *line, size_t len, struct nj_cri_line *ret_line);

#endif
