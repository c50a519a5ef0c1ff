/*
 * What people read in alerts, in Chinese and English: labels, and Kubernetes' reasons and exit codes in plain
 * words. Pure; any thread. What is appended may hold text from outside (a reason, an image): escape it before
 * it is sent.
 */
#ifndef NJ_NOTIFY_WORDS_H
#define NJ_NOTIFY_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/config.h"
#include "collector/incident/incident.h"
#include "common/base/buf.h"

enum nj_word {
    NJ_WORD_GROUP,
    NJ_WORD_CLUSTER,
    NJ_WORD_PROJECT,
    NJ_WORD_NAMESPACE,
    NJ_WORD_WORKLOAD,
    NJ_WORD_POD,
    NJ_WORD_CONTAINER,
    NJ_WORD_NODE,
    NJ_WORD_IMAGE,
    NJ_WORD_REASON,
    NJ_WORD_LAST_REASON,
    NJ_WORD_MESSAGE,
    NJ_WORD_RESTARTS,
    NJ_WORD_COUNT,
    NJ_WORD_FIRST,
    NJ_WORD_LAST,
    NJ_WORD_ENDED,
    NJ_WORD_ENDED_AT,
    NJ_WORD_LASTED,
    NJ_WORD_NUMBER,
    NJ_WORD_LOG,
    NJ_WORD_DETAIL,
    NJ_WORD_ALL,
    NJ_WORD_RESOLVED, /* a title's first word */
    NJ_WORD_DIGEST,   /* likewise */
    NJ_WORD_INIT_CONTAINER,
    NJ_WORD_SIDECAR,
    NJ_WORD_CRASH_LOOP,
    NJ_WORD_TARGETS,
    NJ_WORD_MONITOR,
    NJ_WORD_STEP,
    NJ_WORD_CAUSE,
    NJ_WORD_EXPECTED,
    NJ_WORD_GOT,
    NJ_WORD_STATUS,
    NJ_WORD_BODY,
    NJ_WORD_CHANGE,
    NJ_WORD_CHANGE_WORSENED,
    NJ_WORD_CHANGE_CRITICAL,
    NJ_WORD_PROCESS,
    NJ_WORD_MEMORY,
    NJ_WORD_VALUE,
    NJ_WORD_PACE,
    NJ_WORD_REACHES,
    NJ_WORD_EVICTIONS,
    NJ_WORD_REVISION,
    NJ_WORD_DIFFERENCE,
    NJ_WORD_SERVICES_DOWN,
    NJ_WORD_OUTAGE,
    NJ_WORD_BUDGET,
    NJ_WORD_CHANGE_DOWN,
    NJ_WORD_AGAIN,     /* with what parts it from the title */
    NJ_WORD_ESCALATED, /* likewise */
    NJ_WORD_ACKNOWLEDGE,
    NJ_WORD_FEEDBACK,
    NJ_WORD_COLON,
    NJ_WORD_OPEN, /* brackets of an aside */
    NJ_WORD_CLOSE,
};
const char *nj_word(enum nj_language language, enum nj_word word);

const char *nj_words_severity(enum nj_language language, enum nj_severity severity);
const char *nj_words_kind(enum nj_language language, enum nj_incident_kind kind);

/* What an incident is, for a title: its kind, and of failing checks whether the Service is down. */
const char *nj_words_title(enum nj_language language, const struct nj_incident *incident);

/* Of failing checks. "2 of 5 targets fail"; "the connection was refused", the cause as it is when it is not
 * known here; and both with step, expected and got in a line. */
void nj_words_targets(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out);
const char *nj_words_check_cause(enum nj_language language, const char *cause);

/* Of OOM kills, leaks, limits, nodes and their loss: what it is with how much there is, in a line:
 * "SocketLeak (CLOSE_WAIT): sockets climb and do not come back, 3120 / 4096 (76%)". And one by one: the value
 * (false when there is none to be shown), how fast it climbs, when it reaches the limit, whose process. */
bool nj_words_is_of_figures(enum nj_incident_kind kind);
void nj_words_figures(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out);
bool nj_words_value(const struct nj_incident *incident, struct nj_buf *out);
void nj_words_pace(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out);
void nj_words_reaches(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out);
void nj_words_process(const struct nj_incident *incident, struct nj_buf *out);

/* Of outages, rollouts, error budgets and registries: what it is, in a line: "FailedReadiness: its pods are
 * not ready, 0 of 3 ready (Deployment/web)". And what became of what: "3 (before: 2)"; what is left of a
 * budget. */
bool nj_words_is_of_services(enum nj_incident_kind kind);
void nj_words_service(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out);
void nj_words_change(enum nj_language language, const char *from, const char *to, struct nj_buf *out);
void nj_words_budget(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out);

/* Why an incident ended; the engine's own word when it is not known here. */
const char *nj_words_cause(enum nj_language language, const char *cause);

/* "137 OOMKilled: over its 24 MiB limit": code, Kubernetes' word, and what it means. "2 of 5 targets fail,
 * step login: expected 200, got 500". */
void nj_words_reason(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out);

/* "24 MiB", "1.5 GiB", "500 B" */
void nj_words_bytes(int64_t bytes, struct nj_buf *out);

/* "2 d 3 h", "5 min 12 s": the two largest units; negative counts as 0. */
void nj_words_duration(enum nj_language language, int64_t ns, struct nj_buf *out);

/* "2026-11-21 09:13:32 UTC"; "-" for 0. */
void nj_words_time(int64_t wall_ns, struct nj_buf *out);

#endif
