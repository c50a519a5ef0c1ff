/*
 * A log as any container may write it: read as CRI lines and as the API's lines, with small limits. Whatever
 * comes out is valid UTF-8 within the limits.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/crash/log.h"
#include "common/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct nj_log_result *result, const struct nj_log_limits *limits)
{
    assert(result->text.len <= limits->max_bytes);
    assert(result->lines <= limits->max_lines);
    assert(nj_utf8_valid(nj_buf_str(&result->text), result->text.len));
    assert(strlen(nj_buf_str(&result->text)) == result->text.len);
    nj_buf_done(&result->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nj_redactor *redactor = NULL;
    if (nj_redactor_new(true, NULL, 0, &redactor, NULL) < 0)
        return 0;
    struct nj_log_limits limits = {.max_lines = 7, .max_bytes = 300};
    struct nj_log_source source = {
        .log_dir = "/nonexistent", .namespace = "n", .pod = "p", .directory_uid = "u", .container = "c"};
    struct nj_log_files files = {.fd = memfd_create("log", MFD_CLOEXEC)};
    struct nj_log_result result;
    if (files.fd >= 0 && write(files.fd, data, size) == (ssize_t)size &&
        nj_log_capture(&source, &files, &limits, redactor, &result, NULL) == 0)
        check(&result, &limits);
    nj_log_close(&files);
    if (nj_log_from_api((const char *)data, size, &source, &limits, redactor, &result, NULL) == 0)
        check(&result, &limits);
    nj_redactor_free(redactor);
    return 0;
}
