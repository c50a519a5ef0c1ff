#include "agent/inspect/names.h"

#include <assert.h>
#include <string.h>

#include "agent/inspect/pod_needs.h"
#include "agent/probes/pack.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/table.h"
#include "common/kube/workload.h"
#include "common/wire/event.h"

enum { ASKED_MAX = 4 }; /* workloads asked for at once */

/* One container id, and whose it is. */
struct id_entry {
    const char *id; /* without scheme */
    struct pod *pod;
    size_t container;
    bool linked; /* two pods never have the same one, but a status may say anything */
    UT_hash_handle hh;
};

/* Of one state of the pod; a block of memory of its own. */
struct facts {
    struct nj_named_container *containers;
    size_t containers_count;
    struct id_entry *ids; /* two a container */
    const char *namespace, *name, *directory_uid, *placement;
    const char *api_version, *kind, *owner, *owner_uid, *template_hash;
    bool over, host_network;
    int32_t priority;
    struct nj_pod_needs needs;
};

struct pod {
    char *uid;
    struct nj_names *names;
    struct facts *facts;
    struct nj_named_pod named; /* the outside's view of it */
    char *workload_kind, *workload;
    bool settled, asking;
    struct nj_owner_request request;
    int64_t deleted_ns; /* monotonic; 0: it is there */
    bool has_alias;     /* found by its directory_uid too */
    bool replaced;      /* another pod of its name has come after it */
    UT_hash_handle hh;
    UT_hash_handle alias_hh;
};

struct nj_names {
    struct nj_names_options options;
    struct pod *pods;    /* by uid */
    struct pod *aliases; /* by directory_uid, where that is another one */
    struct id_entry *ids;
    size_t asked, unsettled;
    bool asking;
    struct nj_counter *placements_left_out;
};

const char *nj_names_bare_id(const char *container_id)
{
    const char *scheme = strstr(container_id, "://");
    return scheme == NULL ? container_id : scheme + 3;
}

/* --- a pod's facts --- */

static const struct nj_container_status *status_of(const struct nj_pod_object *pod, const char *name)
{
    for (size_t i = 0; i < pod->statuses_count; i++) {
        if (strcmp(pod->statuses[i].name, name) == 0)
            return &pod->statuses[i];
    }
    return NULL;
}

static void fill_status(struct nj_pack *pack, const struct nj_container_status *status,
                        struct nj_named_container *ret_container)
{
    const char *id = status->container_id;
    if (id[0] == '\0' && status->state.kind == NJ_STATE_TERMINATED)
        id = status->state.container_id;
    ret_container->id = nj_pack_text(pack, id);
    ret_container->last_id = nj_pack_text(
        pack, status->last_state.kind == NJ_STATE_TERMINATED ? status->last_state.container_id : "");
    ret_container->running = status->state.kind == NJ_STATE_RUNNING;
    ret_container->started_ns = status->state.kind == NJ_STATE_NONE ? 0 : status->state.started_ns;
    ret_container->restart_count = status->restart_count;
}

static struct nj_named_container *fill_containers(struct nj_pack *pack, const struct nj_pod_object *pod)
{
    struct nj_named_container *room = nj_pack_room(pack, pod->containers_count, sizeof(*room));
    for (size_t i = 0; i < pod->containers_count; i++) {
        const struct nj_container_spec *spec = &pod->containers[i];
        const struct nj_container_status *status = status_of(pod, spec->name);
        struct nj_named_container container = {.name = nj_pack_text(pack, spec->name),
                                               .id = "",
                                               .last_id = "",
                                               .type = spec->type,
                                               .cpu_request_millis = spec->cpu_request_millis,
                                               .cpu_limit_millis = spec->cpu_limit_millis,
                                               .memory_request_bytes = spec->memory_request_bytes,
                                               .memory_limit_bytes = spec->memory_limit_bytes};
        if (status != NULL)
            fill_status(pack, status, &container);
        if (room != NULL)
            room[i] = container;
    }
    return room;
}

static struct facts *fill(struct nj_pack *pack, const struct nj_kube_object *object, const char *placement)
{
    static const struct nj_kube_owner nobody = {.api_version = "", .kind = "", .name = "", .uid = ""};
    struct facts *room = nj_pack_room(pack, 1, sizeof(*room));
    const struct nj_pod_object *pod = &object->pod;
    const struct nj_kube_owner *owner = nj_kube_controller(&object->meta);
    const char *hash = nj_kube_annotation(&object->meta, "kubernetes.io/config.hash");
    if (owner == NULL)
        owner = &nobody;
    struct facts facts = {
        .namespace = nj_pack_text(pack, object->meta.namespace),
        .name = nj_pack_text(pack, object->meta.name),
        .directory_uid = nj_pack_text(pack, hash != NULL ? hash : object->meta.uid),
        .placement = nj_pack_text(pack, placement),
        .api_version = nj_pack_text(pack, owner->api_version),
        .kind = nj_pack_text(pack, owner->kind),
        .owner = nj_pack_text(pack, owner->name),
        .owner_uid = nj_pack_text(pack, owner->uid),
        .template_hash = nj_pack_text(pack, nj_kube_label(&object->meta, "pod-template-hash")),
        .over = nj_streq(pod->phase, "Succeeded") || nj_streq(pod->phase, "Failed"),
        .host_network = pod->host_network,
        .priority = pod->priority,
        .needs = nj_pod_needs(pod),
        .containers_count = pod->containers_count,
    };
    facts.containers = fill_containers(pack, pod);
    facts.ids = nj_pack_room(pack, 2 * pod->containers_count, sizeof(*facts.ids));
    if (room != NULL)
        *room = facts;
    return room;
}

static struct facts *facts_new(struct nj_names *names, const struct nj_kube_object *object)
{
    struct nj_buf placement = {.max = NJ_USAGE_PLACEMENT_MAX};
    if (nj_pod_placement(&object->pod, &placement) < 0) {
        nj_counter_add(names->placements_left_out, 1);
        nj_buf_clear(&placement);
    }
    struct nj_pack pack = {0};
    (void)fill(&pack, object, nj_buf_str(&placement));
    nj_pack_open(&pack);
    struct facts *facts = fill(&pack, object, nj_buf_str(&placement));
    nj_buf_done(&placement);
    return facts;
}

/* --- finding it again --- */

static void link_id(struct pod *pod, struct id_entry *entry, const char *id, size_t container)
{
    struct id_entry *other = NULL;
    entry->id = nj_names_bare_id(id);
    size_t len = strlen(entry->id);
    if (len == 0)
        return;
    HASH_FIND(hh, pod->names->ids, entry->id, len, other);
    if (other != NULL && (other->pod == pod || !other->pod->replaced))
        return;
    if (other != NULL) { /* a static pod's mirror that was made anew: its containers have gone on */
        NJ_TABLE_REMOVE(pod->names->ids, other);
        other->linked = false;
    }
    entry->pod = pod;
    entry->container = container;
    entry->linked = true;
    HASH_ADD_KEYPTR(hh, pod->names->ids, entry->id, len, entry);
}

static void link_ids(struct pod *pod)
{
    struct facts *facts = pod->facts;
    for (size_t i = 0; i < facts->containers_count; i++)
        link_id(pod, &facts->ids[2 * i], facts->containers[i].id, i);
    for (size_t i = 0; i < facts->containers_count; i++)
        link_id(pod, &facts->ids[2 * i + 1], facts->containers[i].last_id, i);
}

static void unlink_ids(struct pod *pod)
{
    for (size_t i = 0; i < 2 * pod->facts->containers_count; i++) {
        struct id_entry *entry = &pod->facts->ids[i];
        if (!entry->linked)
            continue;
        NJ_TABLE_REMOVE(pod->names->ids, entry);
        entry->linked = false;
    }
}

static void link_alias(struct pod *pod)
{
    struct pod *other = NULL;
    const char *alias = pod->facts->directory_uid;
    if (strcmp(alias, pod->uid) == 0)
        return;
    HASH_FIND(alias_hh, pod->names->aliases, alias, strlen(alias), other);
    if (other != NULL) { /* the newer mirror of the same static pod */
        NJ_TABLE_REMOVE_BY(alias_hh, pod->names->aliases, other);
        other->has_alias = false;
    }
    HASH_ADD_KEYPTR(alias_hh, pod->names->aliases, alias, strlen(alias), pod);
    pod->has_alias = true;
}

static void unlink_facts(struct pod *pod)
{
    unlink_ids(pod);
    if (pod->has_alias)
        NJ_TABLE_REMOVE_BY(alias_hh, pod->names->aliases, pod);
    pod->has_alias = false;
}

static void show(struct pod *pod)
{
    const struct facts *facts = pod->facts;
    pod->named = (struct nj_named_pod){
        .namespace = facts->namespace,
        .name = facts->name,
        .uid = pod->uid,
        .directory_uid = facts->directory_uid,
        .workload_kind = pod->workload_kind,
        .workload = pod->workload,
        .settled = pod->settled,
        .over = facts->over,
        .deleted = pod->deleted_ns != 0,
        .replaced = pod->replaced,
        .host_network = facts->host_network,
        .cpu_request_millis = facts->needs.cpu_millis,
        .memory_request_bytes = facts->needs.memory_bytes,
        .priority = facts->priority,
        .placement = facts->placement,
        .containers = facts->containers,
        .containers_count = facts->containers_count,
    };
}

/* --- workloads --- */

static void set_workload(struct pod *pod, const char *kind, const char *name)
{
    char *new_kind = nj_strdup(kind);
    char *new_name = nj_strdup(name);
    free(pod->workload_kind);
    free(pod->workload);
    pod->workload_kind = new_kind;
    pod->workload = new_name;
    show(pod);
}

static void settle(struct pod *pod, const char *kind, const char *name)
{
    pod->settled = true;
    pod->names->unsettled--;
    set_workload(pod, kind, name);
}

static void ask_next(struct nj_names *names);

static void on_workload(struct nj_owner_request *request, const char *kind, const char *name)
{
    struct pod *pod = request->data;
    struct nj_names *names = pod->names;
    pod->asking = false;
    names->asked--;
    settle(pod, kind, name);
    ask_next(names);
    names->options.on_workload(names->options.data);
}

static void ask(struct pod *pod)
{
    const struct facts *facts = pod->facts;
    const char *kind = NULL;
    const char *name = NULL;
    struct nj_owner_query query = {.namespace = facts->namespace,
                                   .pod = facts->name,
                                   .api_version = facts->api_version,
                                   .kind = facts->kind,
                                   .name = facts->owner,
                                   .uid = facts->owner_uid,
                                   .template_hash = facts->template_hash};
    pod->request = (struct nj_owner_request){.done = on_workload, .data = pod};
    if (nj_owners_resolve(pod->names->options.owners, &query, &pod->request, &kind, &name)) {
        settle(pod, kind, name);
    } else {
        pod->asking = true;
        pod->names->asked++;
    }
}

static void ask_next(struct nj_names *names)
{
    struct pod *pod = names->pods;
    while (pod != NULL && names->asked < ASKED_MAX && names->unsettled > names->asked) {
        if (!pod->settled && !pod->asking)
            ask(pod);
        pod = pod->hh.next;
    }
}

static void guess_workload(struct pod *pod)
{
    struct nj_workload workload;
    const struct facts *facts = pod->facts;
    nj_workload_guess(facts->kind, facts->owner, facts->template_hash, facts->name, &workload);
    set_workload(pod, workload.kind, workload.name);
}

/* --- pods --- */

static struct pod *find_pod(const struct nj_names *names, const char *uid)
{
    struct pod *pod = NULL;
    HASH_FIND(hh, names->pods, uid, strlen(uid), pod);
    return pod;
}

static void drop(struct pod *pod)
{
    struct nj_names *names = pod->names;
    nj_owners_cancel(&pod->request);
    names->asked -= pod->asking;
    names->unsettled -= !pod->settled;
    unlink_facts(pod);
    NJ_TABLE_REMOVE(names->pods, pod);
    free(pod->facts);
    free(pod->workload_kind);
    free(pod->workload);
    free(pod->uid);
    free(pod);
}

/* A name is given to one pod at a time: those that had it before are over, deleted or about to be. */
static void replace_earlier(struct nj_names *names, const struct pod *by)
{
    for (struct pod *pod = names->pods; pod != NULL; pod = pod->hh.next) {
        if (pod == by || pod->replaced || strcmp(pod->facts->name, by->facts->name) != 0 ||
            strcmp(pod->facts->namespace, by->facts->namespace) != 0)
            continue;
        pod->replaced = true;
        show(pod);
    }
}

static void put(struct nj_names *names, struct pod *pod, const struct nj_kube_object *object)
{
    bool is_new = pod == NULL;
    if (is_new) {
        pod = NJ_NEW(struct pod);
        pod->names = names;
        pod->uid = nj_strdup(object->meta.uid);
        HASH_ADD_KEYPTR(hh, names->pods, pod->uid, strlen(pod->uid), pod);
        names->unsettled++;
    } else {
        unlink_facts(pod);
        free(pod->facts);
    }
    pod->facts = facts_new(names, object);
    pod->deleted_ns = 0;
    if (is_new)
        replace_earlier(names, pod);
    link_ids(pod);
    link_alias(pod);
    if (is_new)
        guess_workload(pod);
    show(pod);
    ask_next(names);
}

void nj_names_pod(struct nj_names *names, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct pod *pod = find_pod(names, object->meta.uid);
    if (type == NJ_WATCH_ADDED || type == NJ_WATCH_MODIFIED) {
        put(names, pod, object);
    } else if (type == NJ_WATCH_DELETED && pod != NULL) {
        int64_t now_ns = nj_loop_mono_ns(names->options.loop);
        pod->deleted_ns = now_ns != 0 ? now_ns : 1;
        show(pod);
    }
}

void nj_names_sweep(struct nj_names *names)
{
    struct pod *pod = NULL;
    struct pod *next = NULL;
    int64_t before_ns = nj_loop_mono_ns(names->options.loop) - names->options.remember_ns;
    ask_next(names); /* one that was being asked for may have gone with the last sweep */
    HASH_ITER (hh, names->pods, pod, next) {
        if (pod->deleted_ns != 0 && pod->deleted_ns < before_ns)
            drop(pod);
    }
}

const struct nj_named_pod *nj_names_container(const struct nj_names *names, const char *container_id,
                                              const struct nj_named_container **ret_container)
{
    struct id_entry *entry = NULL;
    HASH_FIND(hh, names->ids, container_id, strlen(container_id), entry);
    if (entry == NULL)
        return NULL;
    if (ret_container != NULL)
        *ret_container = &entry->pod->facts->containers[entry->container];
    return &entry->pod->named;
}

const struct nj_named_pod *nj_names_by_uid(const struct nj_names *names, const char *uid)
{
    struct pod *pod = find_pod(names, uid);
    if (pod == NULL)
        HASH_FIND(alias_hh, names->aliases, uid, strlen(uid), pod);
    return pod == NULL ? NULL : &pod->named;
}

void nj_names_each(const struct nj_names *names, void (*each)(void *data, const struct nj_named_pod *pod),
                   void *data)
{
    for (const struct pod *pod = names->pods; pod != NULL; pod = pod->hh.next)
        each(data, &pod->named);
}

size_t nj_names_count(const struct nj_names *names)
{
    return HASH_COUNT(names->pods);
}

struct nj_names *nj_names_new(const struct nj_names_options *options)
{
    struct nj_names *names = NJ_NEW(struct nj_names);
    assert(options->on_workload != NULL);
    names->options = *options;
    if (options->metrics != NULL)
        names->placements_left_out =
            nj_metrics_counter(options->metrics, "nightjar_inspect_placements_left_out_total", "",
                               "Pods whose selectors and tolerations are too large to be told.");
    return names;
}

void nj_names_free(struct nj_names *names)
{
    if (names == NULL)
        return;
    struct pod *pod = NULL;
    struct pod *next = NULL;
    HASH_ITER (hh, names->pods, pod, next) {
        drop(pod);
    }
    free(names);
}
