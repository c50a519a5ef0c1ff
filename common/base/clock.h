/*
 * Time. Instants are int64_t nanoseconds, named *_ns: wall time since 1970-01-01 UTC, or monotonic time.
 *
 * Everything that follows the product's rules (how long is stuck, when to resolve, 20 messages a minute) asks
 * a `struct nj_clock`, so that a recorded session can be replayed with its own time, faster than it happened.
 * Timeouts of sockets are real time and use libuv's. A clock is read-only after nj_clock_open_*(): any
 * thread.
 */
#ifndef NJ_BASE_CLOCK_H
#define NJ_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define NJ_MS INT64_C(1000000)
#define NJ_SEC INT64_C(1000000000)
#define NJ_MIN (60 * NJ_SEC)
#define NJ_HOUR (60 * NJ_MIN)
#define NJ_DAY (24 * NJ_HOUR)

struct nj_clock {
    const volatile int64_t *replay; /* NULL: the system's clocks */
};

/* The system's clocks. Needs no close. */
void nj_clock_init(struct nj_clock *clock);

/* Reads both times from the first 8 bytes (int64_t, native order, wall ns) of a file that another process
 * keeps writing: a replay's clock. The writer must store the value whole and never shorten the file. 0 or a
 * negative errno. */
int nj_clock_open_replay(struct nj_clock *clock, const char *path, struct nj_err *err);
void nj_clock_close(struct nj_clock *clock);

int64_t nj_clock_wall_ns(const struct nj_clock *clock);
int64_t nj_clock_mono_ns(const struct nj_clock *clock);

/* RFC 3339 with a fraction of any width (digits past nanoseconds are dropped) and any offset, as Kubernetes
 * and CRI write it; the whole text must be the time. No leap second, as in Go. 0, or -EINVAL also for a time
 * an int64_t cannot hold (before 1677 or after 2262). `len` may be (size_t)-1 for a terminated string. */
int nj_time_parse(const char *text, size_t len, int64_t *ret_ns);

enum { NJ_TIME_TEXT_MAX = 40 };

/* "2026-11-21T09:13:32.711Z": UTC, milliseconds; "" for 0, which means "not known" everywhere. Returns
 * `text`. */
const char *nj_time_format(int64_t wall_ns, char text[NJ_TIME_TEXT_MAX]);

#endif
