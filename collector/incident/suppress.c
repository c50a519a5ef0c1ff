#include "collector/incident/suppress.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/incident/engine.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum { IDENTITIES_MAX = 1 + NJ_TEMPLATE_GUESSES };

/* The workloads that an incident may be of. */
struct identities {
    struct {
        const char *kind, *name;
    } at[IDENTITIES_MAX];
    size_t count;
    char behind_kind[NJ_TEMPLATE_NAME_MAX];
    struct nj_template_guess guesses[NJ_TEMPLATE_GUESSES];
};

static bool is_outage(const struct nj_incident *incident)
{
    return incident->kind == NJ_INCIDENT_SERVICE_OUTAGE;
}

static void add_identity(struct identities *of, const char *kind, const char *name)
{
    of->at[of->count].kind = kind;
    of->at[of->count].name = name;
    of->count++;
}

static void identify(const struct nj_incident *incident, struct identities *of)
{
    const char *detail = nj_str(incident->detail), *slash = strchr(detail, '/');
    of->count = 0;
    add_identity(of, nj_str(incident->workload_kind), nj_str(incident->workload));
    if (is_outage(incident) && slash != NULL && (size_t)(slash - detail) < sizeof(of->behind_kind)) {
        (void)snprintf(of->behind_kind, sizeof(of->behind_kind), "%.*s", (int)(slash - detail), detail);
        add_identity(of, of->behind_kind, slash + 1);
    }
    if (incident->kind == NJ_INCIDENT_PROBE) {
        size_t count = nj_pod_guess_workloads(nj_str(incident->pod), of->guesses);
        for (size_t i = 0; i < count; i++)
            add_identity(of, of->guesses[i].workload_kind, of->guesses[i].workload);
    }
}

static bool is_of(const struct nj_incident *incident, const struct identities *of, const char *namespace,
                  const char *kind, const char *name)
{
    if (!nj_streq(incident->namespace, namespace))
        return false;
    for (size_t i = 0; i < of->count; i++) {
        if (nj_streq(of->at[i].kind, kind) && nj_streq(of->at[i].name, name))
            return true;
    }
    return false;
}

/* What of a snapshot may concern an incident: all of it, or what its workloads, its node and its namespace
 * lead to. */
struct view {
    const struct nj_suppress_rollout *rollouts[IDENTITIES_MAX];
    size_t rollouts_count[IDENTITIES_MAX];
    const struct nj_suppress_mark *marks[IDENTITIES_MAX];
    size_t marks_count[IDENTITIES_MAX];
    size_t places;
    const struct nj_suppress_node *node; /* the incident's own */
    int64_t drained_until_ns;            /* the latest of all nodes'; 0: none is drained */
    bool namespace_goes;
    const struct nj_suppress_window *windows;
    size_t windows_count;
};

static bool starts_pods(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_CRASH || kind == NJ_INCIDENT_IMAGE_PULL || kind == NJ_INCIDENT_CONFIG_ERROR ||
           kind == NJ_INCIDENT_START_ERROR || kind == NJ_INCIDENT_STUCK ||
           kind == NJ_INCIDENT_UNSCHEDULABLE || kind == NJ_INCIDENT_POD_FAILURE || kind == NJ_INCIDENT_PROBE;
}

static bool is_of_pods(enum nj_incident_kind kind)
{
    return starts_pods(kind) || kind == NJ_INCIDENT_OOM_KILL || kind == NJ_INCIDENT_LEAK ||
           kind == NJ_INCIDENT_NEAR_LIMIT;
}

static const char *by_window(const struct view *view, const struct nj_incident *incident, int64_t now_ns)
{
    const char *namespace = nj_str(incident->namespace);
    for (size_t i = 0; i < view->windows_count; i++) {
        const struct nj_suppress_window *window = &view->windows[i];
        const char *glob = nj_str(window->namespaces);
        bool over = namespace[0] == '\0' ? glob[0] == '\0' : fnmatch(glob, namespace, 0) == 0;
        if (over && now_ns >= window->from_ns && now_ns < window->until_ns)
            return "maintenance";
    }
    return NULL;
}

/* Its end and its failing are on their way to the engine for a moment. */
static bool goes_on(const struct nj_suppress_rollout *rollout, int64_t now_ns)
{
    if (rollout->failed && rollout->failed_ns + NJ_SUPPRESS_SETTLE_NS <= now_ns)
        return false;
    return rollout->ended_ns == 0 || rollout->ended_ns + NJ_SUPPRESS_SETTLE_NS > now_ns;
}

static int64_t allowance(const struct nj_suppress_rollout *rollout)
{
    int64_t ns =
        rollout->allowance_ns > NJ_SUPPRESS_ALLOWANCE_NS ? rollout->allowance_ns : NJ_SUPPRESS_ALLOWANCE_NS;
    return rollout->deadline_ns > 0 && rollout->deadline_ns < ns ? rollout->deadline_ns : ns;
}

/* A pod of the new template, or the address of a Service behind which it goes on: that names no pod. */
static bool is_new_one(const struct nj_suppress_rollout *rollout, const struct nj_incident *incident)
{
    const char *pod = nj_str(incident->pod);
    if (nj_streq(rollout->workload_kind, NJ_SUPPRESS_SERVICE))
        return incident->kind == NJ_INCIDENT_PROBE && pod[0] == '\0';
    return nj_pod_is_of_template(rollout->workload_kind, rollout->workload, rollout->template_hash, pod);
}

static bool rollout_holds(const struct nj_suppress_rollout *rollout, const struct nj_incident *incident,
                          const struct identities *of, int64_t now_ns)
{
    if (!is_of(incident, of, rollout->namespace, rollout->workload_kind, rollout->workload) ||
        !goes_on(rollout, now_ns))
        return false;
    if (is_outage(incident))
        return nj_streq(incident->cause, "rollout") || nj_streq(incident->cause, "failed_rollout");
    return starts_pods(incident->kind) && is_new_one(rollout, incident) &&
           now_ns - incident->first_ns < allowance(rollout);
}

static const char *by_rollout(const struct view *view, const struct nj_incident *incident,
                              const struct identities *of, int64_t now_ns)
{
    for (size_t place = 0; place < view->places; place++) {
        for (size_t i = 0; i < view->rollouts_count[place]; i++) {
            if (rollout_holds(&view->rollouts[place][i], incident, of, now_ns))
                return "rollout";
        }
    }
    return NULL;
}

static bool is_meant(const char *cause)
{
    return nj_streq(cause, "scaling") || nj_streq(cause, "scaled_to_zero");
}

static const char *mark_holds(const struct nj_suppress_mark *mark, const struct nj_incident *incident)
{
    const char *cause = nj_str(incident->cause);
    bool of_pods = is_of_pods(incident->kind);
    bool gone = is_meant(cause) || nj_streq(cause, "deletion");
    switch (mark->why) {
    case NJ_SUPPRESS_SCALE_DOWN:
        return of_pods || (is_outage(incident) && gone) ? "scale-down" : NULL;
    case NJ_SUPPRESS_DELETED:
        return of_pods || (is_outage(incident) && gone) ? "deletion" : NULL;
    case NJ_SUPPRESS_COMPLETED:
        return of_pods || (is_outage(incident) && gone) ? "job completed" : NULL;
    case NJ_SUPPRESS_STARTING:
        return is_outage(incident) && nj_streq(cause, "starting") ? "starting" : NULL;
    }
    return NULL;
}

static const char *by_mark(const struct view *view, const struct nj_incident *incident,
                           const struct identities *of, int64_t now_ns)
{
    for (size_t place = 0; place < view->places; place++) {
        for (size_t i = 0; i < view->marks_count[place]; i++) {
            const struct nj_suppress_mark *mark = &view->marks[place][i];
            const char *why = NULL;
            if (now_ns < mark->until_ns &&
                is_of(incident, of, mark->namespace, mark->workload_kind, mark->workload))
                why = mark_holds(mark, incident);
            if (why != NULL)
                return why;
        }
    }
    return NULL;
}

/* An outage whose cause alone says that it is meant, or expected for a while. */
static const char *by_cause(const struct nj_incident *incident, int64_t now_ns)
{
    const char *cause = nj_str(incident->cause);
    int64_t lasted_ns = now_ns - incident->first_ns;
    if (!is_outage(incident))
        return NULL;
    if (is_meant(cause))
        return "scale-down";
    if (nj_streq(cause, "maintenance"))
        return "maintenance";
    if (nj_streq(cause, "deletion") && lasted_ns < NJ_SUPPRESS_DELETION_NS)
        return "deletion";
    return nj_streq(cause, "starting") && lasted_ns < NJ_SUPPRESS_STARTING_NS ? "starting" : NULL;
}

static int64_t drained_until(const struct nj_suppress_snapshot *snapshot)
{
    int64_t latest_ns = 0;
    for (size_t i = 0; i < snapshot->nodes_count; i++) {
        int64_t until_ns = snapshot->nodes[i].until_ns == 0 ? INT64_MAX : snapshot->nodes[i].until_ns;
        latest_ns = until_ns > latest_ns ? until_ns : latest_ns;
    }
    return latest_ns;
}

static const char *by_drain(const struct view *view, const struct nj_incident *incident, int64_t now_ns)
{
    /* Whoever takes a node out knows that the others have its load. */
    if (incident->kind == NJ_INCIDENT_CAPACITY && now_ns < view->drained_until_ns)
        return "drain";
    bool of_going = incident->kind == NJ_INCIDENT_POD_FAILURE || incident->kind == NJ_INCIDENT_CRASH ||
                    incident->kind == NJ_INCIDENT_PROBE;
    return of_going && view->node != NULL && (view->node->until_ns == 0 || now_ns < view->node->until_ns)
               ? "drain"
               : NULL;
}

/* The reason, or NULL. */
static const char *decide(const struct view *view, const struct nj_incident *incident,
                          const struct identities *of, int64_t now_ns)
{
    const char *why = by_window(view, incident, now_ns);
    if (why == NULL && view->namespace_goes)
        why = "namespace deleted";
    if (why == NULL)
        why = by_rollout(view, incident, of, now_ns);
    if (why == NULL)
        why = by_mark(view, incident, of, now_ns);
    if (why == NULL)
        why = by_cause(incident, now_ns);
    return why == NULL ? by_drain(view, incident, now_ns) : why;
}

static bool answer(const char *why, char *ret_reason, size_t size)
{
    if (why != NULL)
        (void)snprintf(ret_reason, size, "%s", why);
    return why != NULL;
}

bool nj_suppress_decide(const struct nj_suppress_snapshot *snapshot, const struct nj_incident *incident,
                        int64_t now_ns, char *ret_reason, size_t size)
{
    const char *namespace = nj_str(incident->namespace), *node = nj_str(incident->node);
    struct identities of;
    struct view view = {.rollouts = {snapshot->rollouts},
                        .rollouts_count = {snapshot->rollouts_count},
                        .marks = {snapshot->marks},
                        .marks_count = {snapshot->marks_count},
                        .places = 1,
                        .drained_until_ns = drained_until(snapshot),
                        .windows = snapshot->windows,
                        .windows_count = snapshot->windows_count};
    for (size_t i = 0; i < snapshot->nodes_count && node[0] != '\0'; i++) {
        if (nj_streq(snapshot->nodes[i].node, node))
            view.node = &snapshot->nodes[i];
    }
    for (size_t i = 0; i < snapshot->namespaces_count && namespace[0] != '\0'; i++)
        view.namespace_goes |= nj_streq(snapshot->namespaces[i], namespace);
    identify(incident, &of);
    return answer(decide(&view, incident, &of, now_ns), ret_reason, size);
}

/* What is going on with one workload. */
struct place {
    char *key; /* namespace, kind, name, each with its '\0' */
    size_t key_len;
    struct nj_suppress_rollout *rollouts;
    struct nj_suppress_mark *marks;
    size_t rollouts_count, marks_count;
    UT_hash_handle hh;
};

struct named {
    char *name;
    struct nj_suppress_node node;
    UT_hash_handle hh;
};

/* A copy of a snapshot, by what it is asked for. */
struct held {
    struct place *places;
    struct named *nodes, *namespaces;
    struct nj_suppress_window *windows;
    size_t windows_count;
    int64_t drained_until_ns;
};

struct nj_suppress {
    pthread_mutex_t lock;
    struct held *held; /* NULL: nothing was published yet */
    bool (*silenced)(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size);
    void *data;
};

static char *make_key(const char *namespace, const char *kind, const char *name, size_t *ret_len)
{
    size_t namespace_size = strlen(nj_str(namespace)) + 1, kind_size = strlen(nj_str(kind)) + 1;
    size_t name_size = strlen(nj_str(name)) + 1;
    char *key = nj_calloc(1, namespace_size + kind_size + name_size);
    memcpy(key, nj_str(namespace), namespace_size);
    memcpy(key + namespace_size, nj_str(kind), kind_size);
    memcpy(key + namespace_size + kind_size, nj_str(name), name_size);
    *ret_len = namespace_size + kind_size + name_size;
    return key;
}

static struct place *place_find(struct held *held, const char *namespace, const char *kind, const char *name,
                                bool add)
{
    size_t len = 0;
    char *key = make_key(namespace, kind, name, &len);
    struct place *place = NULL;
    HASH_FIND(hh, held->places, key, len, place);
    if (place != NULL || !add) {
        free(key);
        return place;
    }
    place = NJ_NEW(struct place);
    place->key = key;
    place->key_len = len;
    HASH_ADD_KEYPTR(hh, held->places, place->key, place->key_len, place);
    return place;
}

/* Grows by doubling; the names of what is put are those of the place's key. */
static void place_rollout(struct held *held, const struct nj_suppress_rollout *rollout)
{
    struct place *place =
        place_find(held, rollout->namespace, rollout->workload_kind, rollout->workload, true);
    size_t count = place->rollouts_count;
    if ((count & (count - 1)) == 0)
        place->rollouts = nj_realloc(place->rollouts, count == 0 ? 1 : 2 * count, sizeof(*place->rollouts));
    struct nj_suppress_rollout *to = &place->rollouts[place->rollouts_count++];
    *to = *rollout;
    to->namespace = place->key;
    to->workload_kind = to->namespace + strlen(to->namespace) + 1;
    to->workload = to->workload_kind + strlen(to->workload_kind) + 1;
    to->template_hash = nj_strdup(nj_str(rollout->template_hash));
}

static void place_mark(struct held *held, const struct nj_suppress_mark *mark)
{
    struct place *place = place_find(held, mark->namespace, mark->workload_kind, mark->workload, true);
    size_t count = place->marks_count;
    if ((count & (count - 1)) == 0)
        place->marks = nj_realloc(place->marks, count == 0 ? 1 : 2 * count, sizeof(*place->marks));
    struct nj_suppress_mark *to = &place->marks[place->marks_count++];
    *to = *mark;
    to->namespace = place->key;
    to->workload_kind = to->namespace + strlen(to->namespace) + 1;
    to->workload = to->workload_kind + strlen(to->workload_kind) + 1;
}

static struct named *named_find(struct named *table, const char *name)
{
    struct named *found = NULL;
    if (name[0] != '\0')
        HASH_FIND_STR(table, name, found);
    return found;
}

static void named_add(struct named **table, const char *name, int64_t until_ns)
{
    if (named_find(*table, nj_str(name)) != NULL)
        return;
    struct named *named = NJ_NEW(struct named);
    named->name = nj_strdup(nj_str(name));
    named->node = (struct nj_suppress_node){named->name, until_ns};
    HASH_ADD_KEYPTR(hh, *table, named->name, strlen(named->name), named);
}

static void named_free(struct named **table)
{
    while (*table != NULL) {
        struct named *named = *table;
        NJ_TABLE_REMOVE(*table, named);
        free(named->name);
        free(named);
    }
}

static struct held *held_new(const struct nj_suppress_snapshot *snapshot)
{
    struct held *held = NJ_NEW(struct held);
    for (size_t i = 0; i < snapshot->rollouts_count; i++)
        place_rollout(held, &snapshot->rollouts[i]);
    for (size_t i = 0; i < snapshot->marks_count; i++)
        place_mark(held, &snapshot->marks[i]);
    held->drained_until_ns = drained_until(snapshot);
    for (size_t i = 0; i < snapshot->nodes_count; i++)
        named_add(&held->nodes, snapshot->nodes[i].node, snapshot->nodes[i].until_ns);
    for (size_t i = 0; i < snapshot->namespaces_count; i++)
        named_add(&held->namespaces, snapshot->namespaces[i], 0);
    held->windows_count = snapshot->windows_count;
    held->windows = nj_calloc(snapshot->windows_count + 1, sizeof(*held->windows));
    for (size_t i = 0; i < snapshot->windows_count; i++) {
        held->windows[i] = snapshot->windows[i];
        held->windows[i].namespaces = nj_strdup(nj_str(snapshot->windows[i].namespaces));
    }
    return held;
}

static void held_free(struct held *held)
{
    if (held == NULL)
        return;
    while (held->places != NULL) {
        struct place *place = held->places;
        NJ_TABLE_REMOVE(held->places, place);
        for (size_t i = 0; i < place->rollouts_count; i++)
            free((void *)place->rollouts[i].template_hash);
        free(place->rollouts);
        free(place->marks);
        free(place->key);
        free(place);
    }
    named_free(&held->nodes);
    named_free(&held->namespaces);
    for (size_t i = 0; i < held->windows_count; i++)
        free((void *)held->windows[i].namespaces);
    free(held->windows);
    free(held);
}

struct nj_suppress *nj_suppress_new(bool (*silenced)(void *data, const struct nj_incident *incident,
                                                     int64_t now_ns, char *ret_reason, size_t size),
                                    void *data)
{
    struct nj_suppress *suppress = NJ_NEW(struct nj_suppress);
    (void)pthread_mutex_init(&suppress->lock, NULL);
    suppress->silenced = silenced;
    suppress->data = data;
    return suppress;
}

void nj_suppress_free(struct nj_suppress *suppress)
{
    if (suppress == NULL)
        return;
    held_free(suppress->held);
    (void)pthread_mutex_destroy(&suppress->lock);
    free(suppress);
}

void nj_suppress_publish(struct nj_suppress *suppress, const struct nj_suppress_snapshot *snapshot)
{
    struct held *held = held_new(snapshot);
    (void)pthread_mutex_lock(&suppress->lock);
    struct held *before = suppress->held;
    suppress->held = held;
    (void)pthread_mutex_unlock(&suppress->lock);
    held_free(before);
}

/* With the lock held. */
static const char *decide_held(struct held *held, const struct nj_incident *incident, int64_t now_ns)
{
    struct identities of;
    struct view view = {.namespace_goes = named_find(held->namespaces, nj_str(incident->namespace)) != NULL,
                        .drained_until_ns = held->drained_until_ns,
                        .windows = held->windows,
                        .windows_count = held->windows_count};
    const struct named *node = named_find(held->nodes, nj_str(incident->node));
    view.node = node == NULL ? NULL : &node->node;
    identify(incident, &of);
    for (size_t i = 0; i < of.count; i++) {
        const struct place *place =
            place_find(held, incident->namespace, of.at[i].kind, of.at[i].name, false);
        if (place == NULL)
            continue;
        view.rollouts[view.places] = place->rollouts;
        view.rollouts_count[view.places] = place->rollouts_count;
        view.marks[view.places] = place->marks;
        view.marks_count[view.places++] = place->marks_count;
    }
    return decide(&view, incident, &of, now_ns); /* a literal */
}

/* A reason that a snapshot gave before a restart. */
static bool is_from_here(const char *reason)
{
    enum nj_suppression suppression = nj_suppression_of(reason);
    return reason[0] != '\0' && suppression >= NJ_SUPPRESSION_ROLLOUT &&
           suppression != NJ_SUPPRESSION_SILENCE && suppression != NJ_SUPPRESSION_OTHER;
}

bool nj_suppress_ask(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size)
{
    struct nj_suppress *suppress = data;
    if (suppress->silenced != NULL && suppress->silenced(suppress->data, incident, now_ns, ret_reason, size))
        return true;
    (void)pthread_mutex_lock(&suppress->lock);
    bool known = suppress->held != NULL;
    const char *why = known ? decide_held(suppress->held, incident, now_ns) : NULL;
    (void)pthread_mutex_unlock(&suppress->lock);
    if (!known && is_from_here(nj_str(incident->suppressed)))
        why = incident->suppressed;
    return answer(why, ret_reason, size);
}
