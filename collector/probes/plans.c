#include "collector/probes/plans.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum { HASH_BYTES = 32, HASH_HEX = 2 * HASH_BYTES + 1 };

struct part {
    char *namespace;
    struct nj_buf bytes;
    unsigned char hash[HASH_BYTES];
    UT_hash_handle hh;
};

struct nj_plans {
    pthread_mutex_t mutex; /* guards the rest */
    struct part *parts;
    bool open;
    struct nj_counter *left_out, *too_large;
};

struct nj_plans *nj_plans_new(struct nj_metrics *metrics)
{
    struct nj_plans *plans = NJ_NEW(struct nj_plans);
    pthread_mutex_init(&plans->mutex, NULL);
    if (metrics != NULL) {
        plans->left_out = nj_metrics_counter(metrics, "nightjar_plan_namespaces_left_out_total", "",
                                             "Namespaces that did not fit into an agent's plan.");
        plans->too_large = nj_metrics_counter(metrics, "nightjar_plan_parts_too_large_total", "",
                                              "Namespaces whose checks are too many for any plan.");
    }
    return plans;
}

static void wipe(struct nj_buf *bytes)
{
    if (bytes->data != NULL)
        sodium_memzero(bytes->data, bytes->capacity);
    nj_buf_done(bytes);
}

static void remove_part(struct nj_plans *plans, struct part *part)
{
    NJ_TABLE_REMOVE(plans->parts, part);
    wipe(&part->bytes);
    free(part->namespace);
    free(part);
}

void nj_plans_free(struct nj_plans *plans)
{
    if (plans == NULL)
        return;
    while (plans->parts != NULL)
        remove_part(plans, plans->parts);
    pthread_mutex_destroy(&plans->mutex);
    free(plans);
}

static struct part *find(struct nj_plans *plans, const char *namespace)
{
    struct part *part = NULL;
    HASH_FIND_STR(plans->parts, namespace, part);
    return part;
}

void nj_plans_put(struct nj_plans *plans, const struct nj_plan_namespace *namespace)
{
    struct part *part = NULL;
    if (namespace->checks_count > 0 || namespace->derive) {
        part = NJ_NEW(struct part);
        part->namespace = nj_strdup(namespace->name);
        nj_buf_init(&part->bytes, NJ_PLAN_BYTES_MAX - NJ_PLAN_VERSION_MAX);
        if (nj_plan_namespace_encode(namespace, &part->bytes) < 0) {
            nj_counter_add(plans->too_large, 1);
            nj_buf_clear(&part->bytes);
        }
        (void)crypto_generichash(part->hash, sizeof(part->hash),
                                 (const unsigned char *)nj_buf_str(&part->bytes), part->bytes.len, NULL, 0);
    }
    pthread_mutex_lock(&plans->mutex);
    struct part *old = find(plans, namespace->name);
    if (old != NULL)
        remove_part(plans, old);
    if (part != NULL)
        HASH_ADD_KEYPTR(hh, plans->parts, part->namespace, strlen(part->namespace), part);
    pthread_mutex_unlock(&plans->mutex);
}

bool nj_plans_has(struct nj_plans *plans, const char *namespace)
{
    pthread_mutex_lock(&plans->mutex);
    bool has = find(plans, namespace) != NULL;
    pthread_mutex_unlock(&plans->mutex);
    return has;
}

void nj_plans_open(struct nj_plans *plans)
{
    pthread_mutex_lock(&plans->mutex);
    plans->open = true;
    pthread_mutex_unlock(&plans->mutex);
}

static int by_size(const void *a, const void *b)
{
    const struct part *left = *(const struct part *const *)a;
    const struct part *right = *(const struct part *const *)b;
    if (left->bytes.len != right->bytes.len)
        return left->bytes.len < right->bytes.len ? -1 : 1;
    return strcmp(left->namespace, right->namespace);
}

/* The parts that fit. When they are too much together it is the largest that are left out: a namespace with
 * very many checks takes nobody else's. */
static size_t choose(struct nj_plans *plans, const char *const *namespaces, size_t count,
                     const struct part **chosen)
{
    size_t found = 0;
    size_t bytes = NJ_PLAN_VERSION_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct part *part = find(plans, namespaces[i]);
        if (part == NULL)
            continue;
        bytes += part->bytes.len;
        chosen[found++] = part;
    }
    if (bytes <= NJ_PLAN_BYTES_MAX && found <= NJ_PLAN_NAMESPACES_MAX)
        return found;
    qsort(chosen, found, sizeof(const struct part *), by_size);
    while (bytes > NJ_PLAN_BYTES_MAX || found > NJ_PLAN_NAMESPACES_MAX) {
        bytes -= chosen[--found]->bytes.len;
        nj_counter_add(plans->left_out, 1);
    }
    return found;
}

static void version_of(const struct part *const *parts, size_t count, char version[HASH_HEX])
{
    crypto_generichash_state state;
    unsigned char hash[HASH_BYTES];
    (void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    for (size_t i = 0; i < count; i++)
        (void)crypto_generichash_update(&state, parts[i]->hash, sizeof(parts[i]->hash));
    (void)crypto_generichash_final(&state, hash, sizeof(hash));
    (void)sodium_bin2hex(version, HASH_HEX, hash, sizeof(hash));
}

static bool append(struct nj_plans *plans, const char *const *namespaces, size_t count, const char *have,
                   struct nj_buf *out)
{
    char version[HASH_HEX];
    NJ_CLEANUP_FREE const struct part **parts = nj_calloc(count + 1, sizeof(const struct part *));
    size_t parts_count = choose(plans, namespaces, count, parts);
    version_of(parts, parts_count, version);
    if (nj_streq(version, have))
        return false;
    for (size_t i = 0; i < parts_count; i++)
        (void)nj_buf_append(out, nj_buf_str(&parts[i]->bytes), parts[i]->bytes.len);
    (void)nj_plan_version_encode(version, out);
    return nj_buf_check(out) == 0;
}

bool nj_plans_append(struct nj_plans *plans, const char *const *namespaces, size_t count, const char *have,
                     struct nj_buf *out)
{
    pthread_mutex_lock(&plans->mutex);
    bool appended = plans->open && append(plans, namespaces, count, have, out);
    pthread_mutex_unlock(&plans->mutex);
    return appended;
}
