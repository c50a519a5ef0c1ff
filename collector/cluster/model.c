#include "collector/cluster/model.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "collector/cluster/model_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

/* Changes are gathered for so long, and for so many times as long as telling the last ones took: of a
 * namespace with thousands of Services everything is made anew at each change, and the loop has other things
 * to do. */
#define GATHER_NS (100 * NJ_MS)
#define GATHER_MAX_NS (3 * NJ_SEC)
enum { GATHER_SHARE = 10 };

/* In the place of slices, where there are none. */
enum { ENDPOINTS = NJ_MODEL_KINDS, WATCHES };

/* Endpoints that are only a lock of a leader election, renewed every two seconds, have this. */
static const char LEADER[] = "control-plane.alpha.kubernetes.io/leader";

static const struct {
    const char *path;
    enum nj_kube_kind kind;
    enum nj_kube_encoding encoding;
} kinds[WATCHES] = {
    [NJ_MODEL_SERVICES] = {"/api/v1/services", NJ_KUBE_SERVICE, NJ_KUBE_PROTOBUF},
    [NJ_MODEL_SLICES] = {"/apis/discovery.k8s.io/v1/endpointslices", NJ_KUBE_SLICE, NJ_KUBE_PROTOBUF},
    [NJ_MODEL_INGRESSES] = {"/apis/networking.k8s.io/v1/ingresses", NJ_KUBE_INGRESS, NJ_KUBE_PROTOBUF},
    [NJ_MODEL_MONITORS] = {"/apis/nightjar.dev/v1alpha1/apimonitors", NJ_KUBE_CUSTOM, NJ_KUBE_JSON},
    [ENDPOINTS] = {"/api/v1/endpoints", NJ_KUBE_ENDPOINTS, NJ_KUBE_PROTOBUF},
};

struct watched {
    struct nj_model *model;
    enum nj_model_kind kind;
    struct nj_watch *watch; /* NULL: Endpoints that are not needed */
    bool listed;            /* its first list was read */
    bool settled;           /* its first list was read, or it cannot be */
    bool told;              /* that it cannot be */
    int64_t broken_ns;      /* something went wrong for the first time since it was heard (wall) */
    int64_t heard_ns;       /* what was heard by then is of no use (monotonic) */
};

struct nj_model {
    struct nj_model_options options;
    struct nj_model_index index;
    struct watched watched[WATCHES];
    struct nj_model_space *dirty;
    struct nj_timer gather;
    int64_t gather_ns;
    bool gathering, synced;
    struct nj_counter *ignored;
    struct nj_gauge *objects;
    bool leaving; /* the watch of Endpoints is being closed, the others go on */
    size_t closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static void mark_dirty(struct nj_model *model, struct nj_model_space *space)
{
    if (space == NULL || space->dirty)
        return;
    space->dirty = true;
    space->next_dirty = model->dirty;
    model->dirty = space;
    if (model->gathering)
        return;
    model->gathering = true;
    nj_timer_start(&model->gather, model->gather_ns, 0);
}

static void tell_dirty(struct nj_model *model)
{
    for (struct nj_model_space *space; (space = model->dirty) != NULL;) {
        model->dirty = space->next_dirty;
        space->dirty = false;
        model->options.on_changed(model->options.data, space->name);
        nj_model_index_tidy(&model->index, space);
    }
}

static void on_gathered(struct nj_timer *timer)
{
    struct nj_model *model = timer->data;
    model->gathering = false;
    nj_gauge_set(model->objects, (int64_t)model->index.count);
    uint64_t began_ns = uv_hrtime();
    tell_dirty(model);
    int64_t gather_ns = (int64_t)(uv_hrtime() - began_ns) * GATHER_SHARE;
    model->gather_ns = gather_ns < GATHER_NS ? GATHER_NS : gather_ns;
    if (model->gather_ns > GATHER_MAX_NS)
        model->gather_ns = GATHER_MAX_NS;
}

/* The Service that an object is, or is a slice of. */
struct service_name {
    char *namespace, *name; /* NULL: none */
};

static struct service_name service_of(struct nj_model *model, const char *uid)
{
    struct nj_model_object *object = NULL;
    struct service_name found = {0};
    if (model->options.on_service == NULL)
        return found;
    HASH_FIND(by_uid, model->index.objects, uid, strlen(uid), object);
    if (object != NULL && object->kind == NJ_MODEL_SERVICES)
        found.name = nj_strdup(object->service.view.name);
    else if (object != NULL && object->kind == NJ_MODEL_SLICES)
        found.name = nj_strdup(object->slice.service_name);
    if (found.name != NULL)
        found.namespace = nj_strdup(object->space->name);
    return found;
}

static void tell_service(struct nj_model *model, const struct service_name *service)
{
    if (service->name != NULL && service->name[0] != '\0')
        model->options.on_service(model->options.data, service->namespace, service->name);
}

static void free_name(struct service_name *service)
{
    free(service->namespace);
    free(service->name);
}

static void on_object(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct watched *watched = data;
    struct nj_model *model = watched->model;
    bool refused = false;
    struct service_name before = service_of(model, object->meta.uid);
    bool lock = object->kind == NJ_KUBE_ENDPOINTS && nj_kube_annotation(&object->meta, LEADER) != NULL;
    if (type == NJ_WATCH_DELETED || lock)
        mark_dirty(model, nj_model_index_remove(&model->index, object->meta.uid));
    else
        mark_dirty(model, nj_model_index_put(&model->index, watched->kind, object, model->options.max_objects,
                                             &refused));
    nj_counter_add(model->ignored, refused && type == NJ_WATCH_ADDED); /* once an object */
    struct service_name after = service_of(model, object->meta.uid);
    tell_service(model, &after);
    /* It went, or its label names another one now. */
    if (after.name == NULL || !nj_streq(nj_str(before.name), after.name))
        tell_service(model, &before);
    free_name(&before);
    free_name(&after);
}

static void settle(const struct watched *watched)
{
    struct nj_model *model = watched->model;
    model->watched[watched->kind].settled = true; /* Endpoints stand for slices */
    if (model->synced)
        return;
    for (size_t i = 0; i < NJ_MODEL_KINDS; i++) {
        if (!model->watched[i].settled)
            return;
    }
    model->synced = true;
    tell_dirty(model);
    model->options.on_synced(model->options.data);
}

/* Of a peer that fell silent nothing is known since it was heard last. */
static void note_broken(struct watched *watched, const struct nj_err *err)
{
    struct nj_loop *loop = watched->model->options.loop;
    int64_t now_ns = nj_loop_mono_ns(loop);
    int64_t heard_ns = nj_watch_last_heard_ns(watched->watch);
    if (watched->broken_ns == 0 || heard_ns > watched->heard_ns) {
        bool silent = err->code == -ETIMEDOUT && heard_ns > 0;
        watched->broken_ns = nj_loop_wall_ns(loop) - (silent ? now_ns - heard_ns : 0);
    }
    watched->heard_ns = now_ns;
}

static int start_watch(struct nj_model *model, size_t at, struct nj_err *err);

/* Only before slices were ever there: what is known of them does not go because a server that is being
 * started has not got the group yet. */
static bool lacks_slices(const struct watched *watched, const struct nj_err *err)
{
    return watched == &watched->model->watched[NJ_MODEL_SLICES] && err->code == -ENOENT && !watched->listed;
}

static void say(struct watched *watched, const struct nj_err *err)
{
    struct nj_model *model = watched->model;
    bool unavailable = err->code == -EACCES || err->code == -ENOENT;
    if (model->options.on_trouble != NULL && !(unavailable && watched->told))
        model->options.on_trouble(model->options.data, watched->kind, err);
    watched->told = unavailable;
    if (unavailable)
        settle(watched);
}

static void take_endpoints(struct watched *slices, const struct nj_err *err)
{
    struct nj_model *model = slices->model;
    struct nj_err said = *err;
    if (model->watched[ENDPOINTS].watch != NULL)
        return;
    (void)nj_err_wrap(&said, "there are no EndpointSlices, Endpoints are read instead");
    if (model->options.on_trouble != NULL)
        model->options.on_trouble(model->options.data, NJ_MODEL_SLICES, &said);
    if (start_watch(model, ENDPOINTS, &said) < 0)
        say(slices, &said);
}

static void on_trouble(void *data, const struct nj_err *err)
{
    struct watched *watched = data;
    if (watched->watch != NULL)
        note_broken(watched, err);
    if (lacks_slices(watched, err))
        take_endpoints(watched, err);
    else
        say(watched, err);
}

static void on_watch_closed(void *data);

static void on_endpoints_closed(void *data)
{
    struct nj_model *model = data;
    model->leaving = false;
    if (model->closing > 0)
        on_watch_closed(model);
}

/* Slices say the same: they are there, and for a moment both were. */
static void leave_endpoints(struct nj_model *model)
{
    struct nj_model_object *object = NULL, *next = NULL;
    struct nj_watch *watch = model->watched[ENDPOINTS].watch;
    if (watch == NULL)
        return;
    model->watched[ENDPOINTS].watch = NULL;
    model->leaving = true;
    nj_watch_close(watch, on_endpoints_closed, model);
    HASH_ITER (by_uid, model->index.objects, object, next) {
        if (object->kind != NJ_MODEL_SLICES || !object->slice.of_endpoints)
            continue;
        struct service_name service = service_of(model, object->uid);
        mark_dirty(model, nj_model_index_remove(&model->index, object->uid));
        tell_service(model, &service);
        free_name(&service);
    }
}

static void on_synced(void *data)
{
    struct watched *watched = data;
    watched->told = false;
    watched->listed = true;
    if (watched == &watched->model->watched[NJ_MODEL_SLICES])
        leave_endpoints(watched->model);
    settle(watched);
}

static int start_watch(struct nj_model *model, size_t at, struct nj_err *err)
{
    struct watched *watched = &model->watched[at];
    *watched =
        (struct watched){.model = model, .kind = at == ENDPOINTS ? NJ_MODEL_SLICES : (enum nj_model_kind)at};
    const struct nj_watch_options watch = {.path = kinds[at].path,
                                           .kind = kinds[at].kind,
                                           .encoding = kinds[at].encoding,
                                           .metrics = model->options.metrics,
                                           .on_object = on_object,
                                           .on_synced = on_synced,
                                           .on_trouble = on_trouble,
                                           .data = watched};
    return nj_watch_start(model->options.loop, model->options.client, &watch, &watched->watch, err);
}

int nj_model_start(const struct nj_model_options *options, struct nj_model **ret_model, struct nj_err *err)
{
    struct nj_model *model = NJ_NEW(struct nj_model);
    model->options = *options;
    model->gather_ns = GATHER_NS;
    nj_model_index_init(&model->index);
    nj_timer_init(&model->gather, options->loop, on_gathered, model);
    if (options->metrics != NULL) {
        model->ignored = nj_metrics_counter(options->metrics, "nightjar_model_objects_ignored_total", "",
                                            "Services, EndpointSlices, Ingresses and ApiMonitors that are "
                                            "not followed because of the bound.");
        model->objects =
            nj_metrics_gauge(options->metrics, "nightjar_model_objects", "",
                             "Services, EndpointSlices, Ingresses and ApiMonitors that are followed.");
    }
    for (size_t i = 0; i < NJ_MODEL_KINDS; i++) {
        /* The paths are constants: what could be wrong with them is none of the caller's. */
        int rc = start_watch(model, i, err);
        if (rc < 0) {
            nj_model_close(model, NULL, NULL);
            return rc;
        }
    }
    *ret_model = model;
    return 0;
}

bool nj_model_synced(const struct nj_model *model)
{
    return model->synced;
}

int64_t nj_model_broken_ns(const struct nj_model *model, enum nj_model_kind kind)
{
    bool instead = kind == NJ_MODEL_SLICES && model->watched[ENDPOINTS].watch != NULL;
    const struct watched *watched = &model->watched[instead ? ENDPOINTS : (size_t)kind];
    bool broken = watched->broken_ns != 0 && nj_watch_last_heard_ns(watched->watch) <= watched->heard_ns;
    return broken ? watched->broken_ns : 0;
}

static struct nj_model_space *find_space(struct nj_model *model, const char *namespace)
{
    struct nj_model_space *space = NULL;
    HASH_FIND_STR(model->index.spaces, namespace, space);
    return space;
}

const struct nj_model_service *nj_model_service(struct nj_model *model, const char *namespace,
                                                const char *name)
{
    struct nj_model_space *space = find_space(model, namespace);
    struct nj_model_group *group = NULL;
    if (space != NULL)
        HASH_FIND_STR(space->groups, name, group);
    return group == NULL ? NULL : &group->view;
}

const struct nj_model_ingress *nj_model_ingress(struct nj_model *model, const char *namespace,
                                                const char *name)
{
    struct nj_model_space *space = find_space(model, namespace);
    struct nj_model_object *object = NULL;
    if (space != NULL)
        HASH_FIND(by_name, space->ingresses, name, strlen(name), object);
    return object == NULL ? NULL : &object->ingress;
}

void nj_model_each_service(struct nj_model *model, const char *namespace,
                           void (*each)(void *data, const struct nj_model_service *service), void *data)
{
    struct nj_model_space *space = find_space(model, namespace);
    for (struct nj_model_group *group = space == NULL ? NULL : space->groups; group != NULL;
         group = group->hh.next)
        each(data, &group->view);
}

void nj_model_each_ingress(struct nj_model *model, const char *namespace,
                           void (*each)(void *data, const struct nj_model_ingress *ingress), void *data)
{
    struct nj_model_space *space = find_space(model, namespace);
    for (struct nj_model_object *object = space == NULL ? NULL : space->ingresses; object != NULL;
         object = object->by_name.next)
        each(data, &object->ingress);
}

void nj_model_each_monitor(struct nj_model *model, const char *namespace,
                           void (*each)(void *data, const struct nj_model_monitor *monitor), void *data)
{
    struct nj_model_space *space = find_space(model, namespace);
    for (struct nj_model_object *object = space == NULL ? NULL : space->monitors; object != NULL;
         object = object->by_name.next)
        each(data, &object->monitor);
}

void nj_model_each_namespace(struct nj_model *model, void (*each)(void *data, const char *namespace),
                             void *data)
{
    for (struct nj_model_space *space = model->index.spaces; space != NULL; space = space->hh.next)
        each(data, space->name);
}

/* NULL: what claims the address does not own it. */
static const char *owner_of(const struct nj_model_claim *claim)
{
    const struct nj_model_object *object = claim->object;
    if (object->kind == NJ_MODEL_SERVICES)
        return object->service.view.namespace;
    /* The controller leaves alone what somebody labelled as its own for a Service without selector. */
    const struct nj_model_service *view = &object->slice.group->view;
    return view->service != NULL && view->service->selector_count > 0 ? view->namespace : NULL;
}

const char *nj_model_address_namespace(struct nj_model *model, const char *address, const char *besides)
{
    struct nj_model_address *entry = NULL;
    char text[INET6_ADDRSTRLEN];
    nj_model_address_text(address, text);
    HASH_FIND_STR(model->index.addresses, text, entry);
    if (entry == NULL)
        return NULL;
    struct nj_model_claim *claim;
    DL_FOREACH (entry->claims, claim) {
        const char *owner = owner_of(claim);
        if (owner != NULL && !nj_streq(owner, besides))
            return owner;
    }
    return NULL;
}

static void on_watch_closed(void *data)
{
    struct nj_model *model = data;
    if (--model->closing > 0)
        return;
    void (*on_closed)(void *data) = model->on_closed;
    void *on_closed_data = model->on_closed_data;
    nj_model_index_done(&model->index);
    free(model);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_model_close(struct nj_model *model, void (*on_closed)(void *data), void *data)
{
    if (model == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    model->on_closed = on_closed;
    model->on_closed_data = data;
    model->closing = WATCHES;
    nj_timer_stop(&model->gather);
    for (size_t i = model->leaving ? 1 : 0; i < WATCHES; i++)
        nj_watch_close(model->watched[WATCHES - 1 - i].watch, on_watch_closed, model);
}
