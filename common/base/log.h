/*
 * Logs: one line an event on stderr, as JSON (default) or text. Library code does not log: it returns an
 * error, and the caller that gives up logs it once. No secret is ever passed here. Any thread; a line is
 * written with one write(), nothing is allocated and errno is kept. Control characters are escaped; a message
 * is cut at 4 KiB.
 *     {"time":"2026-11-21T09:13:32.711Z","level":"info","module":"kube","msg":"..."}
 *     2026-11-21T09:13:32.711Z INFO kube: ...
 */
#ifndef NJ_BASE_LOG_H
#define NJ_BASE_LOG_H

enum nj_log_level { NJ_LOG_DEBUG, NJ_LOG_INFO, NJ_LOG_WARN, NJ_LOG_ERROR };
enum nj_log_format { NJ_LOG_JSON, NJ_LOG_TEXT };

/* What is below `least` is dropped. At the start: info, JSON. */
void nj_log_set(enum nj_log_level least, enum nj_log_format format);

/* `module` is the part that speaks ("kube", "ingest"); the text says what happened and to what. */
void nj_log(enum nj_log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define nj_debug(module, ...) nj_log(NJ_LOG_DEBUG, module, __VA_ARGS__)
#define nj_info(module, ...) nj_log(NJ_LOG_INFO, module, __VA_ARGS__)
#define nj_warn(module, ...) nj_log(NJ_LOG_WARN, module, __VA_ARGS__)
#define nj_error(module, ...) nj_log(NJ_LOG_ERROR, module, __VA_ARGS__)

#endif
