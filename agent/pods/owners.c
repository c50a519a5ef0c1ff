#include "agent/pods/owners.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/get.h"

enum {
    CACHED_DEFAULT = 512,
    SCHEDULE_DIGITS_MIN = 8,  /* minutes */
    SCHEDULE_DIGITS_MAX = 10, /* seconds */
};

static const int64_t request_timeout_ns = 2 * NJ_SEC;
static const int64_t guess_kept_ns = 30 * NJ_SEC;
static const int64_t answer_kept_ns = NJ_HOUR; /* owners hardly ever change: adoption can do it */

/* The two kinds that stand between a pod and its workload. */
struct link {
    const char *kind, *group, *plural;
    const char *above; /* what it belongs to when nobody can be asked */
};
static const struct link links[] = {{"ReplicaSet", "apps/", "replicasets", "Deployment"},
                                    {"Job", "batch/", "jobs", "CronJob"}};

/* A ReplicaSet or Job: its workload is known, or being asked for. */
struct owner {
    struct owner *prev, *next; /* in the order of last use */
    char *uid;
    char *kind, *name;  /* the answer; while it is asked for, the guess */
    int64_t expires_ns; /* monotonic; of an answer */
    struct nj_owners *owners;
    struct nj_http_request *request; /* NULL: answered */
    struct nj_owner_request *waiting;
    const struct link *link;
};

struct nj_owners {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    char *node;
    size_t max_cached;
    struct owner *cache; /* few enough to look through */
    size_t cached_count;
    size_t asked;   /* requests under way */
    char *pod_name; /* scratch: a static pod's name without the node's */
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
    struct nj_counter *cached, *found, *missing, *refused, *late, *failed;
};

static struct nj_counter *counter(struct nj_metrics *metrics, const char *labels)
{
    return metrics == NULL ? NULL
                           : nj_metrics_counter(metrics, "nightjar_agent_owner_lookups_total", labels,
                                                "Questions for a pod's workload, by how they were answered.");
}

struct nj_owners *nj_owners_new(const struct nj_owners_options *options)
{
    struct nj_owners *owners = NJ_NEW(struct nj_owners);
    owners->loop = options->loop;
    owners->client = options->client;
    owners->node = nj_strdup(options->node);
    owners->max_cached = options->max_cached != 0 ? options->max_cached : CACHED_DEFAULT;
    owners->cached = counter(options->metrics, "result=\"cached\"");
    owners->found = counter(options->metrics, "result=\"found\"");
    owners->missing = counter(options->metrics, "result=\"not_found\"");
    owners->refused = counter(options->metrics, "result=\"refused\"");
    owners->late = counter(options->metrics, "result=\"timeout\"");
    owners->failed = counter(options->metrics, "result=\"error\"");
    return owners;
}

static void owner_free(struct owner *owner)
{
    free(owner->uid);
    free(owner->kind);
    free(owner->name);
    free(owner);
}

static void forget(struct nj_owners *owners, struct owner *owner)
{
    DL_DELETE(owners->cache, owner);
    owners->cached_count--;
    owner_free(owner);
}

static void set_answer(struct owner *owner, const char *kind, const char *name)
{
    char *new_kind = nj_strdup(kind);
    char *new_name = nj_strdup(name);
    free(owner->kind);
    free(owner->name);
    owner->kind = new_kind;
    owner->name = new_name;
}

/* The Deployment controller names a ReplicaSet NAME-HASH, the hash being also a label of its pods. */
static size_t cut_template_hash(const char *name, const char *hash)
{
    char suffix[64];
    (void)snprintf(suffix, sizeof(suffix), "-%s", hash);
    if (hash[0] == '\0' || !nj_str_ends(name, suffix))
        return 0;
    return strlen(name) - strlen(suffix);
}

/* The CronJob controller names a Job NAME-MINUTES, formerly NAME-SECONDS, since 1970. */
static size_t cut_schedule(const char *name)
{
    const char *dash = strrchr(name, '-');
    size_t digits = dash == NULL ? 0 : strspn(dash + 1, "0123456789");
    if (digits < SCHEDULE_DIGITS_MIN || digits > SCHEDULE_DIGITS_MAX || dash[1 + digits] != '\0')
        return 0;
    return (size_t)(dash - name);
}

static void guess(struct owner *owner, const struct nj_owner_query *query)
{
    bool is_job = strcmp(query->kind, "Job") == 0;
    size_t len = is_job ? cut_schedule(query->name) : cut_template_hash(query->name, query->template_hash);
    if (len == 0) {
        set_answer(owner, query->kind, query->name);
        return;
    }
    NJ_CLEANUP_FREE char *above = nj_strndup(query->name, len);
    set_answer(owner, owner->link->above, above);
}

static void answer_waiting(struct owner *owner)
{
    while (owner->waiting != NULL) {
        struct nj_owner_request *request = owner->waiting;
        nj_owners_cancel(request);
        request->done(request, owner->kind, owner->name);
    }
}

/* 0 when the answer is that object's metadata and names a controller or none. */
/* False: another object by the same name. */
static bool take_answer(struct owner *owner, const struct nj_kube_object *object)
{
    if (strcmp(object->meta.uid, owner->uid) != 0)
        return false;
    const struct nj_kube_owner *above = nj_kube_controller(&object->meta);
    if (above != NULL)
        set_answer(owner, above->kind, above->name);
    else
        set_answer(owner, owner->link->kind, object->meta.name);
    return true;
}

static struct nj_counter *judge(struct owner *owner, const struct nj_http_result *result,
                                const struct nj_kube_object *object)
{
    struct nj_owners *owners = owner->owners;
    if (result->error == -ETIMEDOUT)
        return owners->late;
    if (result->error == 0 && result->status == 404)
        return owners->missing;
    if (result->error == 0 && (result->status == 401 || result->status == 403))
        return owners->refused;
    if (object == NULL)
        return owners->failed;
    return take_answer(owner, object) ? owners->found : owners->missing;
}

static void finish_closing(struct nj_owners *owners)
{
    if (!owners->closing || owners->asked > 0)
        return;
    void (*on_closed)(void *data) = owners->on_closed;
    void *data = owners->on_closed_data;
    struct owner *owner = NULL;
    struct owner *next = NULL;
    DL_FOREACH_SAFE (owners->cache, owner, next) {
        owner_free(owner);
    }
    free(owners->node);
    free(owners->pod_name);
    free(owners);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_done(void *data, const struct nj_http_result *result, const struct nj_kube_object *object)
{
    struct owner *owner = data;
    struct nj_owners *owners = owner->owners;
    owner->request = NULL;
    owners->asked--;
    if (!owners->closing) {
        struct nj_counter *counted = judge(owner, result, object);
        nj_counter_add(counted, 1);
        owner->expires_ns =
            nj_loop_mono_ns(owners->loop) + (counted == owners->found ? answer_kept_ns : guess_kept_ns);
        answer_waiting(owner);
    }
    finish_closing(owners);
}

static int ask(struct owner *owner, const struct nj_owner_query *query)
{
    const struct nj_kube_get_options options = {.api_version = query->api_version,
                                                .plural = owner->link->plural,
                                                .namespace = query->namespace,
                                                .name = query->name,
                                                .kind = NJ_KUBE_META,
                                                .timeout_ns = request_timeout_ns,
                                                .on_done = on_done,
                                                .data = owner};
    return nj_kube_get(owner->owners->client, &options, &owner->request, NULL);
}

static const struct link *find_link(const struct nj_owner_query *query)
{
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        if (strcmp(query->kind, links[i].kind) == 0 && nj_str_starts(query->api_version, links[i].group))
            return &links[i];
    }
    return NULL;
}

/* Room for one more: what was unused longest and is not being asked for goes. False: everything is. */
static bool make_room(struct nj_owners *owners)
{
    if (owners->cached_count < owners->max_cached)
        return true;
    struct owner *owner = owners->cache;
    while (owner != NULL && owner->request != NULL)
        owner = owner->next;
    if (owner == NULL)
        return false;
    forget(owners, owner);
    return true;
}

static void enlist(struct owner *owner, struct nj_owner_request *request)
{
    request->next = owner->waiting;
    request->link = &owner->waiting;
    if (request->next != NULL)
        request->next->link = &request->next;
    owner->waiting = request;
}

void nj_owners_cancel(struct nj_owner_request *request)
{
    if (request->link == NULL)
        return;
    *request->link = request->next;
    if (request->next != NULL)
        request->next->link = request->link;
    request->link = NULL;
    request->next = NULL;
}

/* Known and not too old, or being asked for; moved to the end of the order. */
static struct owner *find_owner(struct nj_owners *owners, const char *uid)
{
    struct owner *owner = owners->cache;
    while (owner != NULL && strcmp(owner->uid, uid) != 0)
        owner = owner->next;
    if (owner == NULL)
        return NULL;
    if (owner->request == NULL && owner->expires_ns <= nj_loop_mono_ns(owners->loop)) {
        forget(owners, owner);
        return NULL;
    }
    DL_DELETE(owners->cache, owner);
    DL_APPEND(owners->cache, owner);
    return owner;
}

static const char *static_pod_name(struct nj_owners *owners, const char *pod)
{
    size_t len = strlen(pod);
    size_t node_len = strlen(owners->node);
    free(owners->pod_name);
    bool suffixed = len > node_len + 1 && strcmp(pod + len - node_len, owners->node) == 0 &&
                    pod[len - node_len - 1] == '-';
    owners->pod_name = nj_strndup(pod, suffixed ? len - node_len - 1 : len);
    return owners->pod_name;
}

bool nj_owners_resolve(struct nj_owners *owners, const struct nj_owner_query *query,
                       struct nj_owner_request *request, const char **ret_kind, const char **ret_name)
{
    assert(!owners->closing);
    if (query->kind[0] == '\0' || strcmp(query->kind, "Node") == 0) {
        *ret_name = query->kind[0] == '\0' ? query->pod : static_pod_name(owners, query->pod);
        *ret_kind = "Pod";
        return true;
    }
    const struct link *link = find_link(query);
    struct owner *owner = link == NULL ? NULL : find_owner(owners, query->uid);
    if (link != NULL && owner == NULL && make_room(owners)) {
        owner = NJ_NEW(struct owner);
        owner->owners = owners;
        owner->uid = nj_strdup(query->uid);
        owner->link = link;
        guess(owner, query);
        DL_APPEND(owners->cache, owner);
        owners->cached_count++;
        if (ask(owner, query) == 0) {
            owners->asked++;
        } else {
            nj_counter_add(owners->failed, 1);
            owner->expires_ns = nj_loop_mono_ns(owners->loop) + guess_kept_ns;
        }
    } else if (owner != NULL) {
        nj_counter_add(owners->cached, 1);
    }
    if (owner != NULL && owner->request != NULL) {
        enlist(owner, request);
        return false;
    }
    *ret_kind = owner != NULL ? owner->kind : query->kind;
    *ret_name = owner != NULL ? owner->name : query->name;
    return true;
}

void nj_owners_close(struct nj_owners *owners, void (*on_closed)(void *data), void *data)
{
    if (owners == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    owners->closing = true;
    owners->on_closed = on_closed;
    owners->on_closed_data = data;
    for (struct owner *owner = owners->cache; owner != NULL; owner = owner->next) {
        while (owner->waiting != NULL)
            nj_owners_cancel(owner->waiting);
        if (owner->request != NULL)
            nj_http_cancel(owner->request);
    }
    finish_closing(owners);
}
