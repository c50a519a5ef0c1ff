#include "collector/incident/engine_state.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#include "collector/incident/engine_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { KEY_PARTS = 6, KEY_STACK = 1024 };

/* A key of several strings: each with its '\0', in `memory` when it fits, else allocated. */
struct key {
    char memory[KEY_STACK];
    char *bytes;
    size_t len;
};

static void key_make(struct key *key, const char *const *parts, size_t count)
{
    size_t sizes[KEY_PARTS];
    key->len = 0;
    for (size_t i = 0; i < count; i++) {
        sizes[i] = strlen(nj_str(parts[i])) + 1;
        key->len += sizes[i];
    }
    key->bytes = key->len <= sizeof(key->memory) ? key->memory : nj_calloc(1, key->len);
    char *to = key->bytes;
    for (size_t i = 0; i < count; i++) {
        memcpy(to, nj_str(parts[i]), sizes[i]);
        to += sizes[i];
    }
}

static void key_done(struct key *key)
{
    if (key->bytes != key->memory)
        free(key->bytes);
}

static char *key_copy(const struct key *key)
{
    char *copy = nj_calloc(1, key->len);
    memcpy(copy, key->bytes, key->len);
    return copy;
}

static void key_of(struct key *key, enum nj_incident_kind kind, const char *cluster, const char *namespace,
                   const char *workload_kind, const char *workload, const char *container)
{
    const char *const parts[KEY_PARTS] = {
        nj_incident_kind_name(kind), cluster, namespace, workload_kind, workload, container};
    key_make(key, parts, KEY_PARTS);
}

struct nj_open *nj_open_find(struct nj_engine *engine, enum nj_incident_kind kind, const char *cluster,
                             const struct nj_subject *subject, const char *container)
{
    struct key key;
    struct nj_open *open = NULL;
    key_of(&key, kind, cluster, subject->namespace, subject->workload_kind, subject->workload, container);
    HASH_FIND(hh, engine->open, key.bytes, key.len, open);
    key_done(&key);
    return open;
}

struct nj_open *nj_open_find_id(struct nj_engine *engine, int64_t id)
{
    struct nj_open *open = NULL;
    HASH_FIND(hh_id, engine->open_id, &id, sizeof(id), open);
    return open;
}

enum { WORKLOAD_PARTS = 4 };

static struct nj_open_workload *workload_find(struct nj_engine *engine, const char *cluster,
                                              const char *namespace, const char *workload_kind,
                                              const char *workload, bool add)
{
    const char *const parts[WORKLOAD_PARTS] = {cluster, namespace, workload_kind, workload};
    struct key key;
    struct nj_open_workload *found = NULL;
    key_make(&key, parts, WORKLOAD_PARTS);
    HASH_FIND(hh, engine->workloads, key.bytes, key.len, found);
    if (found == NULL && add) {
        found = NJ_NEW(struct nj_open_workload);
        found->key = key_copy(&key);
        found->key_len = key.len;
        HASH_ADD_KEYPTR(hh, engine->workloads, found->key, found->key_len, found);
    }
    key_done(&key);
    return found;
}

struct nj_open *nj_open_of_workload(struct nj_engine *engine, const char *cluster, const char *namespace,
                                    const char *workload_kind, const char *workload)
{
    struct nj_open_workload *found =
        workload_find(engine, cluster, namespace, workload_kind, workload, false);
    return found == NULL ? NULL : found->open;
}

static void leave_workload(struct nj_engine *engine, struct nj_open *open)
{
    struct nj_open_workload *workload = open->of;
    DL_DELETE2(workload->open, open, of_prev, of_next);
    open->of = NULL;
    if (workload->open != NULL)
        return;
    NJ_TABLE_REMOVE(engine->workloads, workload);
    free(workload->key);
    free(workload);
}

struct nj_open *nj_open_add(struct nj_engine *engine, const struct nj_incident *identity)
{
    struct nj_open *open = NJ_NEW(struct nj_open);
    struct key key;
    const char **text;
    open->record = *identity;
    for (size_t i = 0; (text = nj_incident_string(&open->record, i)) != NULL; i++)
        *text = nj_strdup(nj_str(*text));
    /* From what was given, not from the copy, so that it is found under what it came with. */
    key_of(&key, identity->kind, identity->cluster, identity->namespace, identity->workload_kind,
           identity->workload, identity->container);
    open->key = key_copy(&key);
    open->key_len = key.len;
    key_done(&key);
    HASH_ADD_KEYPTR(hh, engine->open, open->key, open->key_len, open);
    HASH_ADD(hh_id, engine->open_id, record.id, sizeof(open->record.id), open);
    DL_APPEND(engine->quiet, open);
    DL_APPEND2(engine->of_kind[open->record.kind], open, kind_prev, kind_next);
    engine->open_of[open->record.kind]++;
    open->of = workload_find(engine, identity->cluster, identity->namespace, identity->workload_kind,
                             identity->workload, true);
    DL_APPEND2(open->of->open, open, of_prev, of_next);
    nj_hold_loaded(engine, open);
    return open;
}

static void free_open(struct nj_open *open)
{
    const char **text;
    for (size_t i = 0; (text = nj_incident_string(&open->record, i)) != NULL; i++)
        free((void *)*text);
    free(open->key);
    free(open);
}

void nj_open_remove(struct nj_engine *engine, struct nj_open *open)
{
    for (struct nj_open_subject *subject; (subject = open->subjects) != NULL;) {
        nj_open_subject_remove(engine, subject);
        assert(open->subjects != subject);
    }
    NJ_TABLE_REMOVE(engine->open, open);
    NJ_TABLE_REMOVE_BY(hh_id, engine->open_id, open);
    assert(open->prev != NULL && !open->resolved);
    DL_DELETE(engine->quiet, open);
    assert(engine->quiet != open);
    DL_DELETE2(engine->of_kind[open->record.kind], open, kind_prev, kind_next);
    engine->open_of[open->record.kind]--;
    leave_workload(engine, open);
    nj_hold_removed(engine, open);
    open->resolved = true;
    nj_open_changed(engine, open);
}

void nj_open_heard(struct nj_engine *engine, struct nj_open *open, int64_t now_ns)
{
    open->heard_ns = now_ns;
    DL_DELETE(engine->quiet, open);
    DL_APPEND(engine->quiet, open);
}

void nj_open_changed(struct nj_engine *engine, struct nj_open *open)
{
    if (open->changed)
        return;
    open->changed = true;
    DL_APPEND2(engine->changed, open, changed_prev, changed_next);
}

bool nj_open_set(const char **field, const char *text, size_t max)
{
    size_t len = strnlen(nj_str(text), max + 1);
    if (len > max)
        len = nj_utf8_cut(text, len, max);
    if (strlen(*field) == len && memcmp(*field, nj_str(text), len) == 0)
        return false;
    char *copy = nj_strndup(nj_str(text), len);
    free((void *)*field);
    *field = copy;
    return true;
}

struct nj_open_pod *nj_open_pod_find(struct nj_engine *engine, const char *uid)
{
    struct nj_open_pod *pod = NULL;
    HASH_FIND_STR(engine->pods, uid, pod);
    return pod;
}

struct nj_open_subject *nj_open_subject_find(struct nj_engine *engine, const struct nj_open *open,
                                             const char *uid, const char *container)
{
    struct nj_open_pod *pod = nj_open_pod_find(engine, uid);
    struct nj_open_subject *subject = NULL;
    if (pod == NULL)
        return NULL;
    DL_FOREACH2(pod->subjects, subject, pod_next)
    {
        if (subject->incident == open && strcmp(subject->container, container) == 0)
            return subject;
    }
    return NULL;
}

static void subject_changed(struct nj_engine *engine, struct nj_open_subject *subject)
{
    if (subject->changed)
        return;
    subject->changed = true;
    DL_APPEND2(engine->changed_subjects, subject, changed_prev, changed_next);
}

static struct nj_open_subject *subject_add(struct nj_engine *engine, struct nj_open *open,
                                           const struct nj_incident_subject *from)
{
    struct nj_open_subject *subject = NJ_NEW(struct nj_open_subject);
    struct nj_open_pod *pod = nj_open_pod_find(engine, from->pod_uid);
    if (pod == NULL) {
        pod = NJ_NEW(struct nj_open_pod);
        pod->uid = nj_strdup(from->pod_uid);
        HASH_ADD_KEYPTR(hh, engine->pods, pod->uid, strlen(pod->uid), pod);
    }
    subject->incident = open;
    subject->incident_id = open->record.id;
    subject->pod = pod;
    subject->container = nj_strdup(from->container);
    subject->pod_name = nj_strdup(nj_str(from->pod));
    subject->since_ns = from->since_ns;
    DL_APPEND(open->subjects, subject);
    DL_APPEND2(pod->subjects, subject, pod_prev, pod_next);
    open->subjects_count++;
    return subject;
}

bool nj_open_subject_put(struct nj_engine *engine, struct nj_open *open,
                         const struct nj_incident_subject *from)
{
    struct nj_open_subject *subject = nj_open_subject_find(engine, open, from->pod_uid, from->container);
    bool is_new = subject == NULL;
    while (is_new && open->subjects_count >= engine->options.max_subjects && open->subjects != NULL) {
        struct nj_open_subject *first = open->subjects;
        nj_open_subject_remove(engine, first);
        assert(open->subjects != first);
        engine->losses.forgotten_subjects++;
    }
    if (is_new) {
        subject = subject_add(engine, open, from);
    } else {
        DL_DELETE(open->subjects, subject);
        DL_APPEND(open->subjects, subject);
        if (from->since_ns <= subject->since_ns)
            return false;
        subject->since_ns = from->since_ns;
        if (subject->stored && subject->since_ns - subject->stored_since_ns < engine->options.since_slack_ns)
            return false;
    }
    subject_changed(engine, subject);
    return is_new;
}

static void free_subject(struct nj_open_subject *subject)
{
    free(subject->container);
    free(subject->pod_name);
    free(subject);
}

/* A pod is kept as long as one of its subjects is, gone ones too: their uid is told to the store. */
static void leave_pod(struct nj_engine *engine, struct nj_open_subject *subject)
{
    struct nj_open_pod *pod = subject->pod;
    DL_DELETE2(pod->subjects, subject, pod_prev, pod_next);
    if (pod->subjects == NULL) {
        NJ_TABLE_REMOVE(engine->pods, pod);
        free(pod->uid);
        free(pod);
    }
}

void nj_open_subject_remove(struct nj_engine *engine, struct nj_open_subject *subject)
{
    struct nj_open *open = subject->incident;
    assert(!subject->gone && open != NULL && subject->prev != NULL);
    DL_DELETE(open->subjects, subject);
    assert(open->subjects != subject);
    open->subjects_count--;
    subject->gone = true;
    subject->incident = NULL;
    if (subject->stored) {
        subject_changed(engine, subject);
        return;
    }
    if (subject->changed)
        DL_DELETE2(engine->changed_subjects, subject, changed_prev, changed_next);
    leave_pod(engine, subject);
    free_subject(subject);
}

void nj_engine_clear_changes(struct nj_engine *engine)
{
    struct nj_open *open = NULL, *next_open = NULL;
    struct nj_open_subject *subject = NULL, *next_subject = NULL;
    DL_FOREACH_SAFE2(engine->changed, open, next_open, changed_next)
    {
        open->changed = false;
        if (open->resolved)
            free_open(open);
    }
    engine->changed = NULL;
    DL_FOREACH_SAFE2(engine->changed_subjects, subject, next_subject, changed_next)
    {
        subject->changed = false;
        subject->stored = true;
        subject->stored_since_ns = subject->since_ns;
        if (subject->gone) {
            leave_pod(engine, subject);
            free_subject(subject);
        }
    }
    engine->changed_subjects = NULL;
}

static void free_clearing(struct nj_engine *engine, struct nj_clearing *clearing)
{
    NJ_TABLE_REMOVE(engine->clearings, clearing);
    free(clearing->key);
    free(clearing);
}

static struct nj_clearing *clearing_find(struct nj_engine *engine, const char *uid, const char *container)
{
    const char *const parts[] = {uid, container};
    struct key key;
    struct nj_clearing *clearing = NULL;
    key_make(&key, parts, 2);
    HASH_FIND(hh, engine->clearings, key.bytes, key.len, clearing);
    key_done(&key);
    return clearing;
}

static struct nj_clearing *clearing_new(const char *uid, const char *container)
{
    const char *const parts[] = {uid, container};
    struct key key;
    struct nj_clearing *clearing = NJ_NEW(struct nj_clearing);
    key_make(&key, parts, 2);
    clearing->key = key_copy(&key);
    clearing->key_len = key.len;
    key_done(&key);
    for (int i = 0; i < NJ_CLEARABLES; i++)
        clearing->at_ns[i] = INT64_MIN;
    return clearing;
}

void nj_clearing_put(struct nj_engine *engine, const char *uid, const char *container,
                     enum nj_clearable trouble, int64_t at_ns, int64_t now_ns)
{
    struct nj_clearing *clearing = clearing_find(engine, uid, container);
    if (clearing == NULL) {
        clearing = clearing_new(uid, container);
        if (HASH_COUNT(engine->clearings) >= NJ_ENGINE_CLEARED_MAX)
            free_clearing(engine, engine->clearings);
    } else {
        NJ_TABLE_REMOVE(engine->clearings, clearing);
    }
    HASH_ADD_KEYPTR(hh, engine->clearings, clearing->key, clearing->key_len, clearing);
    clearing->told_ns = now_ns;
    if (at_ns > clearing->at_ns[trouble])
        clearing->at_ns[trouble] = at_ns;
}

bool nj_clearing_after(struct nj_engine *engine, const char *uid, const char *container,
                       enum nj_clearable trouble, int64_t at_ns)
{
    if (engine->clearings == NULL)
        return false;
    const struct nj_clearing *pod = clearing_find(engine, uid, "");
    if (pod != NULL && pod->at_ns[trouble] == INT64_MAX)
        return true;
    const struct nj_clearing *own = clearing_find(engine, uid, container);
    return own != NULL && own->at_ns[trouble] > at_ns && own->at_ns[trouble] - NJ_SEC >= at_ns;
}

void nj_engine_note_time(struct nj_engine *engine, int64_t now_ns)
{
    int64_t grace_ns = NJ_ENGINE_HEAR_AGAIN_NS < engine->options.stale_after_ns
                           ? engine->options.stale_after_ns - NJ_ENGINE_HEAR_AGAIN_NS
                           : 0;
    int64_t earliest_ns = engine->loaded ? now_ns - grace_ns : INT64_MIN;
    bool set_back = now_ns < engine->ticked_ns;
    struct nj_open *open = NULL;
    struct nj_clearing *clearing = NULL, *next = NULL;
    engine->loaded = false;
    engine->ticked_ns = now_ns;
    if (!set_back && earliest_ns == INT64_MIN)
        return;
    DL_FOREACH (engine->quiet, open) {
        if (open->heard_ns < earliest_ns)
            open->heard_ns = earliest_ns;
        if (open->heard_ns > now_ns)
            open->heard_ns = now_ns;
    }
    HASH_ITER (hh, engine->clearings, clearing, next) {
        if (clearing->told_ns > now_ns)
            clearing->told_ns = now_ns;
    }
}

void nj_clearings_expire(struct nj_engine *engine, int64_t now_ns)
{
    while (engine->clearings != NULL && engine->clearings->told_ns < now_ns - NJ_ENGINE_CLEARED_AGE_NS)
        free_clearing(engine, engine->clearings);
}

struct nj_engine *nj_engine_new(const struct nj_engine_options *options, int64_t next_id)
{
    struct nj_engine *engine = NJ_NEW(struct nj_engine);
    engine->options = *options;
    engine->next_id = next_id;
    return engine;
}

void nj_engine_free(struct nj_engine *engine)
{
    if (engine == NULL)
        return;
    while (engine->quiet != NULL)
        nj_open_remove(engine, engine->quiet);
    nj_engine_clear_changes(engine);
    while (engine->clearings != NULL)
        free_clearing(engine, engine->clearings);
    while (engine->calm != NULL)
        nj_calm_remove(engine, engine->calm);
    free(engine);
}

void nj_engine_load(struct nj_engine *engine, const struct nj_incident *incident)
{
    struct nj_open *open = nj_open_add(engine, incident);
    open->heard_ns = incident->last_ns;
    engine->loaded = true;
    if (incident->id >= engine->next_id)
        engine->next_id = incident->id + 1;
}

void nj_engine_set_next_id(struct nj_engine *engine, int64_t next_id)
{
    if (next_id > engine->next_id)
        engine->next_id = next_id;
}

void nj_engine_load_subject(struct nj_engine *engine, int64_t incident_id,
                            const struct nj_incident_subject *subject)
{
    struct nj_open *open = nj_open_find_id(engine, incident_id);
    if (open == NULL)
        return;
    struct nj_open_subject *added = subject_add(engine, open, subject);
    added->stored = true;
    added->stored_since_ns = added->since_ns;
}

int nj_engine_each_change(struct nj_engine *engine,
                          int (*on_incident)(void *data, const struct nj_incident *incident),
                          int (*on_subject)(void *data, int64_t incident_id,
                                            const struct nj_incident_subject *subject, bool present),
                          void *data)
{
    struct nj_open *open = NULL;
    struct nj_open_subject *changed = NULL;
    DL_FOREACH2(engine->changed, open, changed_next)
    {
        int rc = on_incident(data, &open->record);
        if (rc != 0)
            return rc;
    }
    DL_FOREACH2(engine->changed_subjects, changed, changed_next)
    {
        const struct nj_incident_subject subject = {.pod_uid = changed->pod->uid,
                                                    .container = changed->container,
                                                    .pod = changed->pod_name,
                                                    .since_ns = changed->since_ns};
        int rc = on_subject(data, changed->incident_id, &subject, !changed->gone);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void nj_engine_each_subject(struct nj_engine *engine, enum nj_incident_kind kind, const char *cluster,
                            void (*on_subject)(void *data, const struct nj_incident *incident,
                                               const struct nj_incident_subject *subject),
                            void *data)
{
    struct nj_open *open = NULL;
    DL_FOREACH2(engine->of_kind[kind], open, kind_next)
    {
        if (strcmp(open->record.cluster, cluster) != 0)
            continue;
        struct nj_open_subject *each = NULL;
        DL_FOREACH (open->subjects, each) {
            const struct nj_incident_subject subject = {.pod_uid = each->pod->uid,
                                                        .container = each->container,
                                                        .pod = each->pod_name,
                                                        .since_ns = each->since_ns};
            on_subject(data, &open->record, &subject);
        }
    }
}

size_t nj_engine_open_count(const struct nj_engine *engine)
{
    return HASH_CNT(hh, engine->open);
}

size_t nj_engine_open_of(const struct nj_engine *engine, enum nj_incident_kind kind)
{
    return engine->open_of[kind];
}

struct nj_engine_losses nj_engine_losses(const struct nj_engine *engine)
{
    return engine->losses;
}
