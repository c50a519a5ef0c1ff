/*
 * What a way to tell people is: a table of functions, one table a type of channel, and the plain data they
 * work on. A channel type knows its requests and what answers mean; it knows no loop, no store and no
 * retries.
 *
 * One delivery is one message: a text (an alert, its end, a part of a digest) or a log file. It may take
 * several requests, its steps. Only the answer to NJ_STEP_SEND decides whether people were told; the other
 * steps have no effect that anybody sees and may be repeated at will.
 */
#ifndef NJ_NOTIFY_CHANNEL_H
#define NJ_NOTIFY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/config.h"
#include "collector/notify/render.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/loop/http.h"

struct nj_channel_ops;
struct nj_pipeline;

/* A configured channel with its secrets. Read-only once it is made (settings.h), any thread. */
struct nj_target {
    const struct nj_channel_ops *ops;
    struct nj_channel_config config; /* a copy of its own */
    char *url;                       /* robot, webhook; secret */
    char *upload_url;                /* robot: where files go; secret */
    char *secret; /* app: corp secret; webhook, alertmanager: token or password, NULL when it has none */
};

/* What the settings say about messages, for the renderers. Borrowed. */
struct nj_terms {
    enum nj_language language;
    const char *public_url;
    int64_t log_lines;
    size_t max_bytes; /* of one message; 0: as many as the channel takes */
    size_t max_parts; /* of a digest; 0: NJ_RENDER_PARTS_MAX */
    int64_t now_ns;
    const struct nj_pipeline *pipeline; /* for links; NULL: none */
};

struct nj_delivery {
    const char
        *key; /* the same for every attempt, and of no other message: for channels that drop duplicates */
    const char *text;
    size_t text_len;
    const char *mentions; /* comma separated user ids */
    const char *file;     /* set: the log file, not the text */
    size_t file_len;
    const char *file_name;
};

/* A delivery on its way. */
struct nj_sending {
    const struct nj_delivery *delivery;
    char *token; /* NULL: none yet */
    int64_t token_life_ns;
    char *media_id; /* of the uploaded file; NULL: not uploaded yet */
};

enum nj_step { NJ_STEP_TOKEN, NJ_STEP_UPLOAD, NJ_STEP_SEND };

enum { NJ_REQUEST_HEADERS_MAX = 4, NJ_OUTCOME_TEXT_MAX = 256, NJ_ANSWER_BYTES_MAX = 64 << 10 };

/* One request, with memory of its own: nj_channel_request_done() frees it. */
struct nj_channel_request {
    const char *method;
    struct nj_buf url;
    struct nj_buf body;
    char *headers[NJ_REQUEST_HEADERS_MAX + 1]; /* NULL-terminated */
    bool is_upload;                            /* the delivery's file as multipart/form-data, field "media" */
};
void nj_channel_request_header(struct nj_channel_request *request, const char *name, const char *value);
/* Authorization by the target's secret: basic with config.user, else as a bearer token; nothing without. */
void nj_channel_request_authorize(struct nj_channel_request *request, const struct nj_target *target);
void nj_channel_request_done(struct nj_channel_request *request); /* wipes: URLs and headers hold secrets */

enum nj_outcome_kind {
    NJ_OUTCOME_DONE,      /* people were told */
    NJ_OUTCOME_PARTLY,    /* some were not, see text: the fail-over is told too */
    NJ_OUTCOME_NEXT,      /* this step is done, go on with the next */
    NJ_OUTCOME_TOKEN,     /* the token is not good any more: a new one, then again */
    NJ_OUTCOME_RETRY,     /* nobody was told; it may pass */
    NJ_OUTCOME_WAIT,      /* nobody was told; over the rate: the window is to be waited out */
    NJ_OUTCOME_TOO_LONG,  /* never as it is; shorter it may do */
    NJ_OUTCOME_REFUSED,   /* this message never */
    NJ_OUTCOME_DOWN,      /* nothing passes this channel until somebody mends it at the other side */
    NJ_OUTCOME_BROKEN,    /* nothing until the configuration changes, and asking again does harm */
    NJ_OUTCOME_UNCERTAIN, /* it may have arrived or not */
    NJ_OUTCOME_RELEASED,  /* not tried after all */
};
enum { NJ_OUTCOME_KINDS = NJ_OUTCOME_RELEASED + 1 };
const char *nj_outcome_name(enum nj_outcome_kind kind); /* "done", "partly", ... as in metrics */

struct nj_outcome {
    enum nj_outcome_kind kind;
    int64_t retry_after_ns;         /* RETRY, WAIT: not before; -1: unsaid */
    bool untouched;                 /* RETRY: nothing of the message left this machine */
    char text[NJ_OUTCOME_TEXT_MAX]; /* what went wrong, for people; never a URL, key or token */
};
void nj_outcome_set(struct nj_outcome *outcome, enum nj_outcome_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct nj_channel_ops {
    const char *name; /* as in the configuration */
    /* For how long the channel itself drops what it got before, so that a text of which it is uncertain
     * whether it arrived is sent again, byte for byte. 0: never. Files are never sent again. */
    int64_t drops_duplicates_ns;
    bool takes_files;
    bool forgets; /* what is open is to be told every minute, else it takes it for over */

    /* Makes url, upload_url and secret from the files that target->config names. 0, or a negative errno with
     * a text that names the setting, never what the file holds. */
    int (*read_secrets)(struct nj_target *target, struct nj_err *err);

    /* How many bytes one message may have. `mentions` may change the kind of message. SIZE_MAX: any. */
    size_t (*max_bytes)(const struct nj_target *target, const char *mentions);

    /* Appends the text of an alert, or of a digest (one or more parts, see nj_render_part()), as it is stored
     * and later handed to request(). At most terms->max_bytes. Depends on its arguments alone. Any thread. */
    void (*render)(const struct nj_target *target, const struct nj_terms *terms, const struct nj_alert *alert,
                   struct nj_buf *out);
    void (*render_digest)(const struct nj_target *target, const struct nj_terms *terms, const char *mentions,
                          const struct nj_alert *alerts, size_t count, struct nj_buf *out);

    /* What is to be done next for this delivery. Never called again after the answer to NJ_STEP_SEND. */
    enum nj_step (*next_step)(const struct nj_target *target, const struct nj_sending *sending);

    /* Fills the zeroed request of a step. Equal deliveries give equal bodies. */
    void (*request)(const struct nj_target *target, const struct nj_sending *sending, enum nj_step step,
                    struct nj_channel_request *request);

    /* Reads the answer (result->error is 0 and the status one of 2xx to 4xx that is not about load) and notes
     * in `sending` what later steps need. */
    void (*answer)(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                   const struct nj_http_result *result, struct nj_outcome *ret_outcome);
};

/* Of channels that are one POST of JSON to a URL: what is the same of each. (plain.c) */
int nj_plain_read_secrets(struct nj_target *target, struct nj_err *err);
size_t nj_plain_max_bytes(const struct nj_target *target, const char *mentions); /* any */
enum nj_step nj_plain_next_step(const struct nj_target *target, const struct nj_sending *sending);
/* All of it but the URL. */
void nj_plain_request(const struct nj_target *target, const struct nj_sending *sending,
                      struct nj_channel_request *request);
/* Any 2xx is success; 401 and 403 are about the secret. */
void nj_plain_answer(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                     const struct nj_http_result *result, struct nj_outcome *ret_outcome);

extern const struct nj_channel_ops nj_wecom_robot, nj_wecom_app, nj_webhook, nj_alertmanager;
const struct nj_channel_ops *nj_channel_ops_of(int config_type);

/* The answer in common terms: what HTTP itself says, else what the type says. */
void nj_channel_answer(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                       const struct nj_http_result *result, struct nj_outcome *ret_outcome);

void nj_sending_done(struct nj_sending *sending);

/* Wipes before it frees. Takes NULL. */
void nj_secret_free(char *secret);

/* A secret that is a URL: http or https, without line breaks. 0 or a negative errno with a text. */
int nj_channel_read_url(const struct nj_target *target, char **ret_url, struct nj_err *err);

/* Any other secret, from `path`, which setting `key` names. */
int nj_channel_read_secret(const struct nj_target *target, const char *key, const char *path,
                           char **ret_secret, struct nj_err *err);

#endif
