#include "collector/cluster/namespaces.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum { UID_MAX = 64, NAME_MAX_BYTES = 64 };

static const char PROBE[] = "nightjar.dev/probe";

/* A namespace of which there is something to say; others are not kept. Deletion by relist gives the uid
 * alone: hence two keys. */
struct entry {
    char uid[UID_MAX];
    char name[NAME_MAX_BYTES];
    char project[NJ_PROJECT_MAX];
    bool probe_off;
    UT_hash_handle by_uid, by_name;
};

/* One that is being deleted, or was a moment ago. */
struct going {
    char uid[UID_MAX];
    char name[NAME_MAX_BYTES];
    int64_t gone_ns;   /* 0: it is still there */
    UT_hash_handle hh; /* by name */
};

struct nj_namespaces {
    char *project_key;
    struct going *going; /* of the loop thread alone */
    bool going_changed;
    struct nj_counter *ignored;
    struct nj_watch *watch;
    pthread_mutex_t mutex; /* guards the tables */
    struct entry *by_uid, *by_name;
    struct nj_namespaces_options options;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* Rancher writes CLUSTER:PROJECT; others write the project alone. */
static const char *project_of(const struct nj_namespaces *namespaces, const struct nj_kube_meta *meta)
{
    const char *value = nj_kube_label(meta, namespaces->project_key);
    if (value == NULL)
        value = nj_kube_annotation(meta, namespaces->project_key);
    const char *colon = value == NULL ? NULL : strchr(value, ':');
    return colon == NULL ? nj_str(value) : colon + 1;
}

static void remove_entry(struct nj_namespaces *namespaces, struct entry *entry)
{
    NJ_TABLE_REMOVE_BY(by_uid, namespaces->by_uid, entry);
    NJ_TABLE_REMOVE_BY(by_name, namespaces->by_name, entry);
    free(entry);
}

static void put_entry(struct nj_namespaces *namespaces, const struct nj_kube_meta *meta, const char *project,
                      bool probe_off)
{
    struct entry *old = NULL;
    struct entry *entry = NJ_NEW(struct entry);
    (void)snprintf(entry->uid, sizeof(entry->uid), "%s", meta->uid);
    (void)snprintf(entry->name, sizeof(entry->name), "%s", meta->name);
    (void)snprintf(entry->project, sizeof(entry->project), "%s", project);
    entry->probe_off = probe_off;
    /* A namespace that was made anew under its name before the old one's end was told. */
    HASH_FIND(by_name, namespaces->by_name, entry->name, strlen(entry->name), old);
    if (old != NULL)
        remove_entry(namespaces, old);
    HASH_ADD(by_uid, namespaces->by_uid, uid, strlen(entry->uid), entry);
    HASH_ADD(by_name, namespaces->by_name, name, strlen(entry->name), entry);
}

static void drop_going(struct nj_namespaces *namespaces, struct going *going)
{
    NJ_TABLE_REMOVE(namespaces->going, going);
    free(going);
    namespaces->going_changed = true;
}

static struct going *find_going(const struct nj_namespaces *namespaces, const struct nj_kube_meta *meta)
{
    struct going *going = NULL;
    if (meta->name[0] != '\0') {
        HASH_FIND_STR(namespaces->going, meta->name, going);
        return going;
    }
    for (going = namespaces->going; going != NULL && !nj_streq(going->uid, meta->uid);)
        going = going->hh.next;
    return going;
}

static void note_going(struct nj_namespaces *namespaces, const struct nj_kube_meta *meta, bool gone)
{
    struct going *going = find_going(namespaces, meta);
    /* The end of one that was made anew under its name meanwhile. */
    if (going != NULL && gone && !nj_streq(going->uid, meta->uid))
        return;
    if (!gone && meta->deleted_ns == 0) {
        if (going != NULL)
            drop_going(namespaces, going);
        return;
    }
    if (going == NULL && meta->name[0] == '\0')
        return;
    if (going == NULL && HASH_COUNT(namespaces->going) >= NJ_NAMESPACES_GOING_MAX) {
        nj_counter_add(namespaces->ignored, 1);
        return;
    }
    if (going == NULL) {
        going = NJ_NEW(struct going);
        (void)snprintf(going->name, sizeof(going->name), "%s", meta->name);
        HASH_ADD_STR(namespaces->going, name, going);
        namespaces->going_changed = true;
    }
    (void)snprintf(going->uid, sizeof(going->uid), "%s", meta->uid);
    going->gone_ns = gone ? nj_loop_wall_ns(namespaces->options.loop) : 0;
}

bool nj_namespaces_going_changed(struct nj_namespaces *namespaces, int64_t now_ns)
{
    struct going *going = NULL, *next = NULL;
    HASH_ITER (hh, namespaces->going, going, next) {
        if (going->gone_ns > 0 && now_ns - going->gone_ns >= NJ_NAMESPACES_GONE_NS)
            drop_going(namespaces, going);
    }
    bool changed = namespaces->going_changed;
    namespaces->going_changed = false;
    return changed;
}

void nj_namespaces_each_going(const struct nj_namespaces *namespaces,
                              void (*each)(void *data, const char *namespace), void *data)
{
    for (const struct going *going = namespaces->going; going != NULL; going = going->hh.next)
        each(data, going->name);
}

/* A relist tells the uid alone of what is gone. */
static void on_object(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct nj_namespaces *namespaces = data;
    struct entry *entry = NULL;
    char name[NAME_MAX_BYTES];
    bool deleted = type == NJ_WATCH_DELETED;
    bool was_off = false;
    const char *project = deleted ? "" : project_of(namespaces, &object->meta);
    bool off = !deleted && nj_streq(nj_kube_annotation(&object->meta, PROBE), "off");
    (void)snprintf(name, sizeof(name), "%s", object->meta.name);
    note_going(namespaces, &object->meta, deleted);
    pthread_mutex_lock(&namespaces->mutex);
    HASH_FIND(by_uid, namespaces->by_uid, object->meta.uid, strlen(object->meta.uid), entry);
    if (entry != NULL) {
        was_off = entry->probe_off;
        (void)snprintf(name, sizeof(name), "%s", entry->name);
        remove_entry(namespaces, entry);
    }
    if (*project != '\0' || off)
        put_entry(namespaces, &object->meta, project, off);
    pthread_mutex_unlock(&namespaces->mutex);
    if (off != was_off && namespaces->options.on_probe != NULL)
        namespaces->options.on_probe(namespaces->options.data, name);
}

static void on_synced(void *data)
{
    struct nj_namespaces *namespaces = data;
    if (namespaces->options.on_synced != NULL)
        namespaces->options.on_synced(namespaces->options.data);
}

static void on_trouble(void *data, const struct nj_err *err)
{
    struct nj_namespaces *namespaces = data;
    if (namespaces->options.on_trouble != NULL)
        namespaces->options.on_trouble(namespaces->options.data, err);
}

static void free_all(struct nj_namespaces *namespaces)
{
    while (namespaces->by_uid != NULL)
        remove_entry(namespaces, namespaces->by_uid);
    while (namespaces->going != NULL)
        drop_going(namespaces, namespaces->going);
    pthread_mutex_destroy(&namespaces->mutex);
    free(namespaces->project_key);
    free(namespaces);
}

int nj_namespaces_start(const struct nj_namespaces_options *options, struct nj_namespaces **ret_namespaces,
                        struct nj_err *err)
{
    struct nj_namespaces *namespaces = NJ_NEW(struct nj_namespaces);
    namespaces->options = *options;
    namespaces->project_key = nj_strdup(nj_str(options->project_key));
    pthread_mutex_init(&namespaces->mutex, NULL);
    if (options->metrics != NULL)
        namespaces->ignored = nj_metrics_counter(
            options->metrics, "nightjar_namespaces_going_ignored_total", "",
            "Namespaces that are being deleted and explain nothing, because there are too many of them.");
    if (options->client != NULL) {
        struct nj_watch_options watch = {
            .path = "/api/v1/namespaces",
            .kind = NJ_KUBE_META,
            .encoding = NJ_KUBE_PROTOBUF,
            .metrics = options->metrics,
            .on_object = on_object,
            .on_synced = on_synced,
            .on_trouble = on_trouble,
            .data = namespaces,
        };
        int rc = nj_watch_start(options->loop, options->client, &watch, &namespaces->watch, err);
        if (rc < 0) {
            free_all(namespaces);
            return rc;
        }
    }
    *ret_namespaces = namespaces;
    return 0;
}

void nj_namespaces_project(struct nj_namespaces *namespaces, const char *namespace,
                           char ret_project[NJ_PROJECT_MAX])
{
    struct entry *entry = NULL;
    pthread_mutex_lock(&namespaces->mutex);
    HASH_FIND(by_name, namespaces->by_name, namespace, strlen(namespace), entry);
    (void)snprintf(ret_project, NJ_PROJECT_MAX, "%s", entry == NULL ? "" : entry->project);
    pthread_mutex_unlock(&namespaces->mutex);
}

bool nj_namespaces_probe_off(struct nj_namespaces *namespaces, const char *namespace)
{
    struct entry *entry = NULL;
    pthread_mutex_lock(&namespaces->mutex);
    HASH_FIND(by_name, namespaces->by_name, namespace, strlen(namespace), entry);
    bool off = entry != NULL && entry->probe_off;
    pthread_mutex_unlock(&namespaces->mutex);
    return off;
}

bool nj_namespaces_synced(const struct nj_namespaces *namespaces)
{
    return namespaces->watch == NULL || nj_watch_synced(namespaces->watch);
}

static void on_watch_closed(void *data)
{
    struct nj_namespaces *namespaces = data;
    void (*on_closed)(void *data) = namespaces->on_closed;
    void *on_closed_data = namespaces->on_closed_data;
    free_all(namespaces);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_namespaces_close(struct nj_namespaces *namespaces, void (*on_closed)(void *data), void *data)
{
    if (namespaces == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    namespaces->on_closed = on_closed;
    namespaces->on_closed_data = data;
    nj_watch_close(namespaces->watch, on_watch_closed, namespaces);
}
