#include "agent/crash/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/crash/log_files.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    LOG_STREAMS = 2,
    LOG_LINE_OVERHEAD = 64,       /* time, stream and tag before each message in the file */
    LOG_WINDOW_SLACK = 64 * 1024, /* so that a line's beginning is seldom outside of what is read */
    LOG_TIME_TOLERANCE_S = 2,     /* status times are whole seconds */
};

static const char STDERR_MARK[] = "[stderr] ";

int nj_cri_parse(const char *line, size_t len, struct nj_cri_line *ret_line)
{
    const char *end = line + len;
    const char *time_end = memchr(line, ' ', len);
    if (time_end == NULL)
        return -EBADMSG;
    struct nj_cri_line parsed = {0};
    if (nj_time_parse(line, (size_t)(time_end - line), &parsed.time_ns) < 0)
        return -EBADMSG;
    const char *stream = time_end + 1;
    if (end - stream < 7)
        return -EBADMSG;
    if (memcmp(stream, "stderr ", 7) == 0)
        parsed.is_stderr = true;
    else if (memcmp(stream, "stdout ", 7) != 0)
        return -EBADMSG;
    /* Tags are separated by ':'; the first says whether the line is whole. */
    const char *tag = stream + 7;
    if (tag == end || (*tag != 'P' && *tag != 'F') || (tag + 1 < end && tag[1] != ' ' && tag[1] != ':'))
        return -EBADMSG;
    parsed.partial = *tag == 'P';
    const char *space = memchr(tag, ' ', (size_t)(end - tag));
    parsed.message = space == NULL ? end : space + 1;
    parsed.message_len = (size_t)(end - parsed.message);
    *ret_line = parsed;
    return 0;
}

/* Lines as they are joined from their pieces: text with its newlines, and the times of the first and last
 * piece. */
struct joiner {
    struct nj_buf text;
    struct nj_buf open[LOG_STREAMS]; /* pieces of a line that waits for its end */
    int64_t first_ns, last_ns;
};

/* Control characters would garble a terminal and end a C string: they become visible, as cat -v shows them.
 */
static int append_visible(struct nj_buf *out, const char *text, size_t len)
{
    size_t start = 0;
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c >= 0x20 && c != 0x7F) || c == '\t')
            continue;
        rc = nj_utf8_append_lossy(out, text + start, i - start);
        if (rc == 0 && !(c == '\r' && i + 1 == len))
            rc = nj_buf_printf(out, "^%c", c ^ 0x40);
        start = i + 1;
    }
    return rc == 0 ? nj_utf8_append_lossy(out, text + start, len - start) : rc;
}

static int emit(struct joiner *joiner, bool is_stderr, const char *text, size_t len)
{
    if (is_stderr && nj_buf_append(&joiner->text, STDERR_MARK, sizeof(STDERR_MARK) - 1) < 0)
        return -ENOMEM;
    if (append_visible(&joiner->text, text, len) < 0 || nj_buf_append_char(&joiner->text, '\n') < 0)
        return -ENOMEM;
    return 0;
}

static int join_line(struct joiner *joiner, const char *line, size_t len)
{
    struct nj_cri_line parsed;
    if (nj_cri_parse(line, len, &parsed) < 0) /* a torn line is still somebody's last word */
        return len == 0 ? 0 : emit(joiner, false, line, len);
    if (joiner->first_ns == 0)
        joiner->first_ns = parsed.time_ns;
    joiner->last_ns = parsed.time_ns;
    struct nj_buf *open = &joiner->open[parsed.is_stderr];
    if (parsed.partial || open->len > 0) {
        if (nj_buf_append(open, parsed.message, parsed.message_len) < 0)
            return -ENOMEM;
        if (parsed.partial)
            return 0;
        int rc = emit(joiner, parsed.is_stderr, nj_buf_str(open), open->len);
        nj_buf_clear(open);
        return rc;
    }
    return emit(joiner, parsed.is_stderr, parsed.message, parsed.message_len);
}

static int join_api_line(struct joiner *joiner, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    int64_t time_ns;
    if (space == NULL || nj_time_parse(line, (size_t)(space - line), &time_ns) < 0)
        return len == 0 ? 0 : emit(joiner, false, line, len);
    if (joiner->first_ns == 0)
        joiner->first_ns = time_ns;
    joiner->last_ns = time_ns;
    return emit(joiner, false, space + 1, len - (size_t)(space + 1 - line));
}

static int join_all(struct joiner *joiner, const char *raw, size_t len,
                    int (*join)(struct joiner *joiner, const char *line, size_t len))
{
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(raw + at, '\n', len - at);
        size_t line = newline == NULL ? len - at : (size_t)(newline - (raw + at));
        if (join(joiner, raw + at, line) < 0)
            return -ENOMEM;
        at += line + 1;
    }
    /* A last line without its end, often the crash line. */
    for (int stream = 0; stream < LOG_STREAMS; stream++) {
        if (joiner->open[stream].len > 0 &&
            emit(joiner, stream == 1, nj_buf_str(&joiner->open[stream]), joiner->open[stream].len) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void joiner_done(struct joiner *joiner)
{
    nj_buf_done(&joiner->text);
    nj_buf_done(&joiner->open[0]);
    nj_buf_done(&joiner->open[1]);
}

/* The end of the text within the limits, cut between lines; a last line that is too long alone keeps its end.
 */
static void keep_end(const char *text, size_t len, const struct nj_log_limits *limits,
                     struct nj_log_result *result)
{
    size_t start = len;
    uint32_t lines = 0;
    while (start > 0 && lines < limits->max_lines) {
        const char *before = start >= 2 ? memrchr(text, '\n', start - 1) : NULL;
        size_t line_start = before == NULL ? 0 : (size_t)(before - text) + 1;
        if (len - line_start > limits->max_bytes)
            break;
        start = line_start;
        lines++;
    }
    if (lines == 0 && len > 0) {
        start = len - limits->max_bytes;
        while (start < len && ((unsigned char)text[start] & 0xC0) == 0x80)
            start++;
        lines = 1;
    }
    result->cut |= start > 0;
    result->lines = lines;
    (void)nj_buf_append(&result->text, text + start, len - start);
}

/* Hides secrets before anything is cut, so that no cut separates a name from its value. */
static int finish(struct joiner *joiner, const struct nj_log_source *source,
                  const struct nj_log_limits *limits, const struct nj_redactor *redactor,
                  struct nj_log_result *result, struct nj_err *err)
{
    int64_t tolerance_ns = LOG_TIME_TOLERANCE_S * NJ_SEC;
    if (joiner->last_ns != 0 &&
        ((source->finished_ns != 0 && joiner->first_ns > source->finished_ns + tolerance_ns) ||
         (source->started_ns != 0 && joiner->last_ns < source->started_ns - tolerance_ns))) {
        result->other_instance = true;
        result->cut = false;
        return 0;
    }
    struct nj_buf clean = {0};
    result->redacted = nj_redact(redactor, nj_buf_str(&joiner->text), joiner->text.len, &clean);
    if (result->redacted < 0) {
        nj_buf_done(&clean);
        return nj_err_set(err, (int)result->redacted, "hiding secrets: out of memory");
    }
    keep_end(nj_buf_str(&clean), clean.len, limits, result);
    nj_buf_done(&clean);
    return 0;
}

int nj_log_open(const struct nj_log_source *source, struct nj_log_files *ret_files)
{
    ret_files->fd = -1;
    char path[NJ_LOG_PATH_MAX];
    int rc = nj_log_path(source, path, sizeof(path));
    if (rc < 0)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct stat info;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        (void)close(fd);
        return -EINVAL;
    }
    ret_files->fd = fd;
    return 0;
}

void nj_log_close(struct nj_log_files *files)
{
    if (files->fd >= 0)
        (void)close(files->fd);
    files->fd = -1;
}

int nj_log_capture(const struct nj_log_source *source, const struct nj_log_files *files,
                   const struct nj_log_limits *limits, const struct nj_redactor *redactor,
                   struct nj_log_result *ret_result, struct nj_err *err)
{
    size_t window = limits->max_bytes + (size_t)limits->max_lines * LOG_LINE_OVERHEAD + LOG_WINDOW_SLACK;
    struct nj_buf raw = {0};
    bool cut = false;
    int rc = nj_log_read_end(source, files->fd, window, &raw, &cut, err);
    if (rc < 0) {
        nj_buf_done(&raw);
        return rc;
    }
    struct nj_log_result result = {.cut = cut};
    struct joiner joiner = {0};
    /* The first line of a window that does not begin with the file is a torn one. */
    size_t skip = 0;
    if (cut) {
        const char *newline = memchr(nj_buf_str(&raw), '\n', raw.len);
        skip = newline == NULL ? 0 : (size_t)(newline - raw.data) + 1;
    }
    rc = join_all(&joiner, nj_buf_str(&raw) + skip, raw.len - skip, join_line);
    nj_buf_done(&raw);
    if (rc == 0)
        rc = finish(&joiner, source, limits, redactor, &result, err);
    else
        nj_err_set(err, rc, "reading the log: out of memory");
    joiner_done(&joiner);
    if (rc < 0) {
        nj_buf_done(&result.text);
        return rc;
    }
    *ret_result = result;
    return 0;
}

int nj_log_from_api(const char *text, size_t len, const struct nj_log_source *source,
                    const struct nj_log_limits *limits, const struct nj_redactor *redactor,
                    struct nj_log_result *ret_result, struct nj_err *err)
{
    struct nj_log_result result = {0};
    struct joiner joiner = {0};
    int rc = join_all(&joiner, text, len, join_api_line);
    if (rc < 0)
        nj_err_set(err, rc, "reading the log: out of memory");
    else
        rc = finish(&joiner, source, limits, redactor, &result, err);
    joiner_done(&joiner);
    if (rc < 0) {
        nj_buf_done(&result.text);
        return rc;
    }
    *ret_result = result;
    return 0;
}
