#include "collector/notify/pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/matchers.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { KEY_BYTES = 32, HASH_BYTES = 24, HASHED_MAX = 64 };
#define KEY_NAME "links"

struct silence {
    int64_t id, from_ns, until_ns;
    struct nj_matchers *matchers;
    char *reason; /* of maintenance: "silence 7: ..."; else NULL */
};

struct flagged {
    char kind[NJ_RULE_REASON_MAX], class[NJ_RULE_REASON_MAX];
};

/* What a reload replaces. */
struct known {
    struct silence *silences; /* not over when they were read, newest first */
    size_t silences_count;
    struct silence *windows; /* those with `maintenance`, also of lately; newest first */
    size_t windows_count;
    struct flagged *flagged;
    size_t flagged_count;
};

struct nj_pipeline {
    pthread_mutex_t lock; /* guards the next */
    struct known known;
    unsigned char key[KEY_BYTES];
};

static void silences_free(struct silence *silences, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        nj_matchers_free(silences[i].matchers);
        free(silences[i].reason);
    }
    free(silences);
}

static void known_done(struct known *known)
{
    silences_free(known->silences, known->silences_count);
    silences_free(known->windows, known->windows_count);
    free(known->flagged);
    *known = (struct known){0};
}

static int take_silence(void *data, const struct nj_silence *silence)
{
    struct known *known = data;
    struct silence taken = {.id = silence->id, .from_ns = silence->from_ns, .until_ns = silence->until_ns};
    struct nj_err err = {0};
    /* What does not read silences nothing. */
    if (nj_matchers_parse(silence->matchers, strlen(silence->matchers), &taken.matchers, &err) == 0)
        known->silences[known->silences_count++] = taken;
    return known->silences_count == NJ_SILENCES_MAX ? 1 : 0;
}

static int take_window(void *data, const struct nj_silence *silence)
{
    struct known *known = data;
    struct silence taken = {.id = silence->id, .from_ns = silence->from_ns, .until_ns = silence->until_ns};
    struct nj_err err = {0};
    if (silence->maintenance &&
        nj_matchers_parse(silence->matchers, strlen(silence->matchers), &taken.matchers, &err) == 0) {
        taken.reason = nj_asprintf("silence %" PRId64 ": %s", silence->id, silence->reason);
        known->windows[known->windows_count++] = taken;
    }
    return known->windows_count == NJ_SILENCES_MAX ? 1 : 0;
}

bool nj_rule_is_flagged(const struct nj_precision *precision)
{
    int64_t marks = precision->latest_useful + precision->latest_noise;
    return marks >= NJ_RULE_LATEST_MIN && precision->latest_useful * 2 < marks;
}

static int take_rule(void *data, const struct nj_precision *precision)
{
    struct known *known = data;
    if (!nj_rule_is_flagged(precision))
        return 0;
    struct flagged *flagged = &known->flagged[known->flagged_count++];
    (void)snprintf(flagged->kind, sizeof(flagged->kind), "%s", precision->kind);
    (void)snprintf(flagged->class, sizeof(flagged->class), "%s", precision->reason);
    return known->flagged_count == NJ_RULES_MAX ? 1 : 0;
}

int nj_pipeline_reload(struct nj_pipeline *pipeline, struct nj_store *store, int64_t now_ns,
                       struct nj_err *err)
{
    const struct nj_silence_filter filter = {.ends_after_ns = now_ns, .limit = NJ_STORE_LIMIT_MAX};
    const struct nj_silence_filter lately = {.ends_after_ns = now_ns - NJ_SILENCE_PAST_NS,
                                             .limit = NJ_STORE_LIMIT_MAX};
    struct known known = {.silences = nj_calloc(NJ_SILENCES_MAX, sizeof(struct silence)),
                          .windows = nj_calloc(NJ_SILENCES_MAX, sizeof(struct silence)),
                          .flagged = nj_calloc(NJ_RULES_MAX, sizeof(struct flagged))};
    int rc = store->ops->each_silence(store, &filter, take_silence, &known, err);
    if (rc >= 0)
        rc = store->ops->each_silence(store, &lately, take_window, &known, err);
    if (rc >= 0)
        rc = store->ops->each_precision(store, NJ_RULE_LATEST, take_rule, &known, err);
    if (rc < 0) {
        known_done(&known);
        return rc;
    }
    (void)pthread_mutex_lock(&pipeline->lock);
    struct known old = pipeline->known;
    pipeline->known = known;
    (void)pthread_mutex_unlock(&pipeline->lock);
    known_done(&old);
    return 0;
}

/* The key is made once and kept: links of before a restart go on working. */
static int load_key(struct nj_pipeline *pipeline, struct nj_store *writer, struct nj_err *err)
{
    int rc = writer->ops->get_secret(writer, KEY_NAME, pipeline->key, KEY_BYTES, err);
    if (rc != -ENOENT)
        return rc;
    randombytes_buf(pipeline->key, KEY_BYTES);
    rc = writer->ops->begin(writer, err);
    if (rc < 0)
        return rc;
    rc = writer->ops->put_secret(writer, KEY_NAME, pipeline->key, KEY_BYTES, err);
    if (rc == 0)
        rc = writer->ops->commit(writer, err);
    if (rc < 0)
        writer->ops->rollback(writer);
    return rc;
}

int nj_pipeline_open(struct nj_store *writer, int64_t now_ns, struct nj_pipeline **ret_pipeline,
                     struct nj_err *err)
{
    if (sodium_init() < 0)
        return nj_err_set(err, -EIO, "libsodium cannot be used");
    struct nj_pipeline *pipeline = NJ_NEW(struct nj_pipeline);
    (void)pthread_mutex_init(&pipeline->lock, NULL);
    int rc = load_key(pipeline, writer, err);
    if (rc == 0)
        rc = nj_pipeline_reload(pipeline, writer, now_ns, err);
    if (rc < 0) {
        nj_pipeline_free(pipeline);
        return rc;
    }
    *ret_pipeline = pipeline;
    return 0;
}

void nj_pipeline_free(struct nj_pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    known_done(&pipeline->known);
    (void)pthread_mutex_destroy(&pipeline->lock);
    sodium_memzero(pipeline->key, sizeof(pipeline->key));
    free(pipeline);
}

static bool is_in_force(const struct silence *silence, int64_t now_ns)
{
    return silence->from_ns <= now_ns && now_ns < silence->until_ns;
}

bool nj_silences_match(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                       size_t size)
{
    struct nj_pipeline *pipeline = data;
    bool matches = false;
    (void)pthread_mutex_lock(&pipeline->lock);
    for (size_t i = 0; i < pipeline->known.silences_count && !matches; i++) {
        const struct silence *silence = &pipeline->known.silences[i];
        matches = is_in_force(silence, now_ns) && nj_matchers_match(silence->matchers, incident);
        if (matches)
            (void)snprintf(ret_reason, size, "silence %" PRId64, silence->id);
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
    return matches;
}

int64_t nj_silences_until(struct nj_pipeline *pipeline, const struct nj_incident *incident, int64_t now_ns)
{
    int64_t until_ns = 0;
    if (pipeline == NULL)
        return 0;
    (void)pthread_mutex_lock(&pipeline->lock);
    for (size_t i = 0; i < pipeline->known.silences_count; i++) {
        const struct silence *silence = &pipeline->known.silences[i];
        if (is_in_force(silence, now_ns) && silence->until_ns > until_ns &&
            nj_matchers_match(silence->matchers, incident))
            until_ns = silence->until_ns;
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
    return until_ns;
}

void nj_silences_maintenance(struct nj_pipeline *pipeline, const struct nj_incident *of, int64_t at_ns,
                             void (*each)(void *data, int64_t from_ns, int64_t until_ns, const char *reason),
                             void *data)
{
    (void)pthread_mutex_lock(&pipeline->lock);
    for (size_t i = 0; i < pipeline->known.windows_count; i++) {
        const struct silence *window = &pipeline->known.windows[i];
        if (window->until_ns > at_ns && nj_matchers_match(window->matchers, of))
            each(data, window->from_ns, window->until_ns, window->reason);
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
}

size_t nj_silences_active(struct nj_pipeline *pipeline, int64_t now_ns)
{
    size_t active = 0;
    (void)pthread_mutex_lock(&pipeline->lock);
    for (size_t i = 0; i < pipeline->known.silences_count; i++)
        active += is_in_force(&pipeline->known.silences[i], now_ns) ? 1 : 0;
    (void)pthread_mutex_unlock(&pipeline->lock);
    return active;
}

void nj_rule_class(const char *kind, const char *reason, char ret_class[NJ_RULE_REASON_MAX])
{
    /* Of these the reason is what happened; of checks and nodes it is how much of it. */
    static const char *const classed[] = {"crash",       "image_pull", "config_error", "start_error", "stuck",
                                          "pod_failure", "leak",       "near_limit",   "node"};
    size_t len = 0;
    for (size_t i = 0; i < sizeof(classed) / sizeof(classed[0]); i++) {
        if (nj_streq(kind, classed[i]))
            len = nj_utf8_cut(nj_str(reason), strlen(nj_str(reason)), NJ_RULE_REASON_MAX - 1);
    }
    memcpy(ret_class, nj_str(reason), len);
    ret_class[len] = '\0';
}

size_t nj_rules_flagged_count(struct nj_pipeline *pipeline)
{
    (void)pthread_mutex_lock(&pipeline->lock);
    size_t count = pipeline->known.flagged_count;
    (void)pthread_mutex_unlock(&pipeline->lock);
    return count;
}

bool nj_rules_flagged(struct nj_pipeline *pipeline, const struct nj_incident *incident)
{
    const char *kind = nj_incident_kind_name(incident->kind);
    char class[NJ_RULE_REASON_MAX];
    bool found = false;
    nj_rule_class(kind, incident->reason, class);
    (void)pthread_mutex_lock(&pipeline->lock);
    for (size_t i = 0; i < pipeline->known.flagged_count && !found; i++)
        found = nj_streq(pipeline->known.flagged[i].kind, kind) &&
                nj_streq(pipeline->known.flagged[i].class, class);
    (void)pthread_mutex_unlock(&pipeline->lock);
    return found;
}

void nj_link_token(const struct nj_pipeline *pipeline, const char *purpose, int64_t incident_id,
                   char ret_token[NJ_LINK_TOKEN_MAX])
{
    char text[HASHED_MAX];
    unsigned char hash[HASH_BYTES];
    int len = snprintf(text, sizeof(text), "%s/%" PRId64, purpose, incident_id);
    (void)crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, (unsigned long long)len,
                             pipeline->key, sizeof(pipeline->key));
    (void)sodium_bin2base64(ret_token, NJ_LINK_TOKEN_MAX, hash, sizeof(hash),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool nj_link_token_is(const struct nj_pipeline *pipeline, const char *purpose, int64_t incident_id,
                      const char *token)
{
    char right[NJ_LINK_TOKEN_MAX];
    nj_link_token(pipeline, purpose, incident_id, right);
    return token != NULL && strlen(token) == NJ_LINK_TOKEN_MAX - 1 &&
           sodium_memcmp(right, token, NJ_LINK_TOKEN_MAX - 1) == 0;
}
