#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    LOG_TEXT_MAX = 4096,                                      /* bytes of one message; a longer one is cut */
    LOG_MODULE_MAX = 64,                                      /* bytes */
    LOG_LINE_MAX = 6 * (LOG_TEXT_MAX + LOG_MODULE_MAX) + 256, /* an escape takes at most 6 bytes for one */
};

static _Atomic int log_least = NJ_LOG_INFO;
static _Atomic int log_format = NJ_LOG_JSON;

void nj_log_set(enum nj_log_level least, enum nj_log_format format)
{
    atomic_store(&log_least, (int)least);
    atomic_store(&log_format, (int)format);
}

static void append_json(struct nj_buf *line, const char *time, const char *level, const char *module,
                        const char *text)
{
    (void)nj_buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"module\":", time, level);
    (void)nj_json_append_string(line, module, strnlen(module, LOG_MODULE_MAX));
    (void)nj_buf_append_str(line, ",\"msg\":");
    (void)nj_json_append_string(line, text, strlen(text));
    (void)nj_buf_append_str(line, "}\n");
}

/* As in JSON, but for quotes and backslashes, which are no danger to a terminal or a reader of lines. */
static void append_escaped(struct nj_buf *line, const char *text, size_t len)
{
    char space[6 * LOG_TEXT_MAX + 8];
    struct nj_buf json = {.data = space, .capacity = sizeof(space), .max = sizeof(space) - 1};
    (void)nj_json_append_string(&json, text, len);
    for (size_t i = 1; i + 1 < json.len; i++) {
        if (space[i] == '\\' && (space[i + 1] == '"' || space[i + 1] == '\\'))
            i++;
        (void)nj_buf_append_char(line, space[i]);
    }
}

static void append_text(struct nj_buf *line, const char *time, const char *level, const char *module,
                        const char *text)
{
    (void)nj_buf_printf(line, "%s %s ", time, level);
    append_escaped(line, module, strnlen(module, LOG_MODULE_MAX));
    (void)nj_buf_append_str(line, ": ");
    append_escaped(line, text, strlen(text));
    (void)nj_buf_append_char(line, '\n');
}

void nj_log(enum nj_log_level level, const char *module, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    static const char *const text_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    if ((int)level < atomic_load_explicit(&log_least, memory_order_relaxed))
        return;
    int saved_errno = errno; /* a caller may log before it uses errno */
    char text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0)
        text[0] = '\0';
    if (length >= (int)sizeof(text))
        memcpy(text + nj_utf8_cut(text, sizeof(text) - 1, sizeof(text) - 4), "...", 4);

    /* On the stack, so that a program short of memory can still say so. */
    char space[LOG_LINE_MAX];
    struct nj_buf line = {.data = space, .capacity = sizeof(space), .max = sizeof(space) - 1};
    char time[NJ_TIME_TEXT_MAX];
    struct nj_clock clock;
    nj_clock_init(&clock);
    nj_time_format(nj_clock_wall_ns(&clock), time);
    if (atomic_load_explicit(&log_format, memory_order_relaxed) == NJ_LOG_TEXT)
        append_text(&line, time, text_names[level], nj_str(module), text);
    else
        append_json(&line, time, names[level], nj_str(module), text);
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line.data, line.len);
    } while (written < 0 && errno == EINTR);
    errno = saved_errno;
}
