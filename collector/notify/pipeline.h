/*
 * What people have said about alerts, as far as deciding needs it: silences, rules that bring more noise than
 * use, and the key of the links in messages. A copy in memory of what the store holds, replaced as a whole
 * after a change; any thread.
 */
#ifndef NJ_NOTIFY_PIPELINE_H
#define NJ_NOTIFY_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/incident/incident.h"
#include "collector/store/store.h"
#include "common/base/clock.h"

struct nj_pipeline;

enum {
    NJ_SILENCES_MAX = 1000, /* that are not over; further ones are refused */
    NJ_SILENCE_REASON_MAX = 32,
    NJ_RULES_MAX = 500,         /* rules with marks that are looked at */
    NJ_RULE_REASON_MAX = 64,    /* bytes */
    NJ_RULE_LATEST = 20,        /* marks that decide whether a rule is flagged */
    NJ_RULE_LATEST_MIN = 5,     /* fewer say nothing */
    NJ_LINK_TOKEN_MAX = 32 + 1, /* with the terminator */
};
#define NJ_SILENCE_PAST_NS                                                                                   \
    (7 * NJ_DAY) /* after a restart, services are told of maintenance of so long ago                         \
                  */

/* Reads the store, and makes the links' key when there is none: within no transaction, by whoever owns the
 * writer. 0 or the store's error. */
int nj_pipeline_open(struct nj_store *writer, int64_t now_ns, struct nj_pipeline **ret_pipeline,
                     struct nj_err *err);
void nj_pipeline_free(struct nj_pipeline *pipeline); /* takes NULL */

/* Silences or marks were changed and committed. On failure what was known stays. */
int nj_pipeline_reload(struct nj_pipeline *pipeline, struct nj_store *store, int64_t now_ns,
                       struct nj_err *err);

/* For suppress.h's `silenced`, `data` is the pipeline: why nobody is told of the incident now, "silence 7".
 * False: no silence matches. */
bool nj_silences_match(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                       size_t size);
/* Until when the silences that are in force keep this from being told; 0: none does. `pipeline` may be NULL.
 */
int64_t nj_silences_until(struct nj_pipeline *pipeline, const struct nj_incident *incident, int64_t now_ns);
/* Silences with `maintenance` that end after at_ns and match `of`: an outage with cluster, project,
 * namespace, workload_kind, workload and detail alone. at_ns may lie up to NJ_SILENCE_PAST_NS back. */
void nj_silences_maintenance(struct nj_pipeline *pipeline, const struct nj_incident *of, int64_t at_ns,
                             void (*each)(void *data, int64_t from_ns, int64_t until_ns, const char *reason),
                             void *data);
/* Silences that are in force. */
size_t nj_silences_active(struct nj_pipeline *pipeline, int64_t now_ns);

/* A rule is a kind and, where the kind has classes of reasons, the reason: what of it names the class, ""
 * when the kind is one rule. At most NJ_RULE_REASON_MAX - 1 bytes go to ret_class. */
void nj_rule_class(const char *kind, const char *reason, char ret_class[NJ_RULE_REASON_MAX]);

/* Less than half of its latest marks say that it was useful. */
bool nj_rule_is_flagged(const struct nj_precision *precision);
size_t nj_rules_flagged_count(struct nj_pipeline *pipeline);
bool nj_rules_flagged(struct nj_pipeline *pipeline, const struct nj_incident *incident);

/* What a link carries so that it works without a login, and only for this: a keyed hash (BLAKE2b by
 * libsodium) over purpose and incident. */
void nj_link_token(const struct nj_pipeline *pipeline, const char *purpose, int64_t incident_id,
                   char ret_token[NJ_LINK_TOKEN_MAX]);
/* In constant time. `token` may be NULL. */
bool nj_link_token_is(const struct nj_pipeline *pipeline, const char *purpose, int64_t incident_id,
                      const char *token);

#endif
