/*
 * Incidents as messages for people: an alert, its end, and a digest of many, in Chinese or English, as WeCom
 * markdown or plain text. Pure: the same input gives the same bytes; any thread.
 *
 * Always: valid UTF-8, at most max_bytes bytes, nothing from outside that WeCom would take for markup
 * (escape.h). When room is short the log goes first, then fields are shortened, then the last of them go.
 */
#ifndef NJ_NOTIFY_RENDER_H
#define NJ_NOTIFY_RENDER_H

#include <stddef.h>
#include <stdint.h>

#include "collector/config.h"
#include "collector/incident/engine.h"
#include "collector/store/store.h"
#include "common/base/buf.h"

struct nj_pipeline;

/* How. Strings are borrowed. */
struct nj_render {
    enum nj_language language;
    enum nj_channel_format format;
    size_t max_bytes;                   /* of one message; at least NJ_RENDER_BYTES_MIN */
    const char *public_url;             /* "" for no link */
    int64_t log_lines;                  /* of the log's end, at most */
    size_t max_parts;                   /* of a digest; 0: NJ_RENDER_PARTS_MAX */
    const struct nj_pipeline *pipeline; /* for links that acknowledge and mark; NULL: none */
};

enum {
    NJ_RENDER_BYTES_MIN = 256,
    NJ_RENDER_PARTS_MAX = 4, /* messages of one digest */
};

/* What. */
struct nj_alert {
    const struct nj_incident *incident;
    enum nj_transition transition;      /* OPENED, WORSENED or RESOLVED */
    const struct nj_store_crash *crash; /* the latest, with its log; NULL: none */
    const char *targets;                /* failing checks: which targets, for people; may be NULL */
    bool again, escalated;              /* OPENED: it lasts; nobody has acknowledged it */
    const char *group;                  /* alert group */
    const char *mentions;               /* comma separated user ids; only markdown shows them in the text */
};

/* Appends one message. */
void nj_render_alert(const struct nj_render *how, const struct nj_alert *alert, struct nj_buf *out);

/* Appends a digest of `count` alerts (their crashes are not looked at) as 1 to NJ_RENDER_PARTS_MAX messages,
 * see nj_render_part(). An incident that opened and ended is told once; three or more of one group, cluster,
 * severity, kind and reason are one line with their number. What finds no room is counted in the last line.
 */
void nj_render_digest(const struct nj_render *how, const struct nj_alert *alerts, size_t count,
                      struct nj_buf *out);

/* Appends `text` as messages of at most `max` bytes each, cut at line ends where there are any and never
 * within a character. More than one are numbered in `language`. */
void nj_render_split(enum nj_language language, const char *text, size_t len, size_t max, struct nj_buf *out);

/* The messages that the two functions above put one after the other: how many, and the one at `index`. */
size_t nj_render_parts(const char *text);
const char *nj_render_part(const char *text, size_t index, size_t *ret_len);

/* Calls each with every user of a comma separated list. */
void nj_mentions_each(const char *mentions, void (*each)(void *data, const char *user, size_t len),
                      void *data);

#endif
