#include "agent/inspect/container_trouble.h"

#include <stdio.h>
#include <string.h>

#include "agent/inspect/container_trouble_internal.h"
#include "common/base/clock.h"

/* The page cache is given back before the limit is felt: memory must stay near for so long. */
#define NEAR_MEMORY_NS NJ_MIN

static const struct {
    enum nj_trouble_kind kind;
    const char *name;
    int64_t for_ns;
    bool bytes;
} nears[NJ_NEARS] = {
    [NJ_NEAR_FDS] = {NJ_TROUBLE_NEAR_FDS, "open file descriptors of one process", 0, false},
    [NJ_NEAR_MEMORY] = {NJ_TROUBLE_NEAR_MEMORY, "memory", NEAR_MEMORY_NS, true},
    [NJ_NEAR_PIDS] = {NJ_TROUBLE_NEAR_PIDS, "processes and threads", 0, false},
};

struct nj_container_troubles *nj_container_troubles_new(const struct nj_leak_rules *rules)
{
    struct nj_container_troubles *troubles = NJ_NEW(struct nj_container_troubles);
    troubles->rules = *rules;
    return troubles;
}

static void free_pod(struct nj_container_troubles *troubles, struct nj_pod_watch *pod)
{
    NJ_TABLE_REMOVE(troubles->pods, pod);
    for (int i = 0; i < NJ_LEAK_QUANTITIES - NJ_LEAKS_OF_CONTAINER; i++)
        nj_leak_watch_done(&pod->leaks[i]);
    free(pod);
}

static void free_container(struct nj_container_troubles *troubles, struct nj_container_watch *container)
{
    NJ_TABLE_REMOVE(troubles->containers, container);
    for (int i = 0; i < NJ_LEAKS_OF_CONTAINER; i++)
        nj_leak_watch_done(&container->leaks[i]);
    if (--container->pod->containers == 0)
        free_pod(troubles, container->pod);
    free(container);
}

void nj_container_troubles_free(struct nj_container_troubles *troubles)
{
    if (troubles == NULL)
        return;
    struct nj_container_watch *container, *next;
    HASH_ITER (hh, troubles->containers, container, next)
        free_container(troubles, container);
    free(troubles);
}

static struct nj_container_watch *find_or_add(struct nj_container_troubles *troubles,
                                              const struct nj_container_figures *figures)
{
    struct nj_container_watch *container = NULL;
    struct nj_pod_watch *pod = NULL;
    HASH_FIND_STR(troubles->containers, figures->id, container);
    if (container != NULL)
        return container;
    const char *uid = figures->pod_uid[0] != '\0' ? figures->pod_uid : figures->id;
    HASH_FIND_STR(troubles->pods, uid, pod);
    if (pod == NULL) {
        pod = NJ_NEW(struct nj_pod_watch);
        (void)snprintf(pod->uid, sizeof(pod->uid), "%s", uid);
        HASH_ADD_STR(troubles->pods, uid, pod);
    }
    container = NJ_NEW(struct nj_container_watch);
    (void)snprintf(container->id, sizeof(container->id), "%s", figures->id);
    container->pod = pod;
    pod->containers++;
    HASH_ADD_STR(troubles->containers, id, container);
    return container;
}

static void restore_near(struct nj_near_watch *watch, const struct nj_trouble *trouble)
{
    watch->level = watch->told = trouble->level;
    watch->since_ns = trouble->since_ns;
}

void nj_container_troubles_restore(struct nj_container_troubles *troubles,
                                   const struct nj_trouble_restored *restored, int64_t now_ns)
{
    struct nj_container_figures figures = {0};
    const struct nj_trouble *trouble = restored->trouble;
    (void)snprintf(figures.id, sizeof(figures.id), "%s", restored->container_id);
    (void)snprintf(figures.pod_uid, sizeof(figures.pod_uid), "%s", restored->pod_uid);
    struct nj_container_watch *container = find_or_add(troubles, &figures);
    for (int i = 0; i < NJ_NEARS; i++) {
        if (nears[i].kind == trouble->kind)
            restore_near(&container->nears[i], trouble);
    }
    for (enum nj_leak_quantity i = 0; i < NJ_LEAKS_OF_CONTAINER; i++) {
        if (nj_leak_kind(i) == trouble->kind)
            nj_leak_watch_restore(&container->leaks[i], restored, now_ns);
    }
    nj_pod_sockets_restore(container->pod, restored, now_ns);
}

static void tell_near(const struct nj_trouble_scan *scan, const struct nj_near_watch *watch, int which,
                      double value, double limit, const char *message)
{
    struct nj_inspect_process process = {0};
    if (which == NJ_NEAR_FDS)
        process = scan->figures->fullest;
    const struct nj_trouble trouble = {
        .kind = nears[which].kind,
        .detail = "",
        .over = watch->level == 0,
        .level = watch->level,
        .severity = watch->level == 0    ? "info"
                    : watch->level >= 95 ? "critical"
                                         : "warning",
        .message = message,
        .since_ns = watch->since_ns,
        .value = value,
        .limit = limit,
        .process = process.command,
        .pid = process.pid,
    };
    scan->hooks->on_trouble(scan->hooks->data, scan->figures, &trouble, false);
}

static void describe_near(const struct nj_trouble_scan *scan, int which, double value, double limit,
                          char text[NJ_TROUBLE_TEXT_MAX])
{
    char now[NJ_ROUGH_TEXT_MAX], most[NJ_ROUGH_TEXT_MAX], words[2 * NJ_ROUGH_TEXT_MAX] = "";
    (void)nj_rough_amount(value, nears[which].bytes, now);
    if (which == NJ_NEAR_FDS)
        (void)nj_process_words(&scan->figures->fullest, words);
    if (limit > 0)
        (void)snprintf(text, NJ_TROUBLE_TEXT_MAX, "%s: %s of %s, %.0f %%%s", nears[which].name, now,
                       nj_rough_amount(limit, nears[which].bytes, most), 100 * value / limit, words);
    else
        (void)snprintf(text, NJ_TROUBLE_TEXT_MAX, "%s: %s, without a limit now%s", nears[which].name, now,
                       words);
}

static void follow_near(const struct nj_trouble_scan *scan, struct nj_near_watch *watch, int which,
                        uint64_t value, uint64_t limit)
{
    if (value == NJ_UNKNOWN || (limit == NJ_UNKNOWN && watch->told == 0))
        return;
    double most = limit == NJ_UNKNOWN ? 0 : (double)limit;
    watch->level = nj_limit_level((double)value, most, watch->level);
    char text[NJ_TROUBLE_TEXT_MAX];
    describe_near(scan, which, (double)value, most, text);
    if (watch->level <= watch->told)
        watch->risen_ns = 0;
    if (watch->level > watch->told) {
        if (watch->risen_ns == 0)
            watch->risen_ns = scan->figures->at_ns;
        if (scan->figures->at_ns - watch->risen_ns < nears[which].for_ns)
            return;
        if (watch->since_ns == 0)
            watch->since_ns = scan->wall_ns - (scan->figures->at_ns - watch->risen_ns);
        watch->told = watch->level;
        watch->risen_ns = 0;
        tell_near(scan, watch, which, (double)value, most, text);
    } else if (watch->level == 0 && watch->told != 0) {
        tell_near(scan, watch, which, (double)value, most, text);
        *watch = (struct nj_near_watch){0};
    }
}

void nj_container_troubles_update(struct nj_container_troubles *troubles,
                                  const struct nj_container_figures *figures, int64_t wall_ns,
                                  const struct nj_trouble_hooks *hooks)
{
    const struct nj_trouble_scan scan = {
        .troubles = troubles, .figures = figures, .wall_ns = wall_ns, .hooks = hooks};
    struct nj_container_watch *container = find_or_add(troubles, figures);
    nj_container_leaks(&scan, container);
    nj_pod_sockets(&scan, container->pod);
    follow_near(&scan, &container->nears[NJ_NEAR_FDS], NJ_NEAR_FDS, figures->fullest_fds,
                figures->fullest_limit);
    follow_near(&scan, &container->nears[NJ_NEAR_MEMORY], NJ_NEAR_MEMORY, figures->memory_working_set,
                figures->memory_limit);
    follow_near(&scan, &container->nears[NJ_NEAR_PIDS], NJ_NEAR_PIDS, figures->pids, figures->pids_limit);
}

static void tell_end(const struct nj_trouble_scan *scan, struct nj_container_watch *container)
{
    for (enum nj_leak_quantity i = 0; i < NJ_LEAKS_OF_CONTAINER; i++) {
        if (container->leaks[i].since_ns != 0)
            nj_leak_tell_over(scan, &container->leaks[i], i, "the container has ended", false);
    }
    for (int i = 0; i < NJ_NEARS; i++) {
        if (container->nears[i].told == 0)
            continue;
        container->nears[i].level = 0;
        tell_near(scan, &container->nears[i], i, 0, 0, "the container has ended");
    }
    nj_pod_sockets_over(scan, container->pod, container->pod->containers == 1);
}

void nj_container_troubles_end(struct nj_container_troubles *troubles, const char *container_id,
                               int64_t wall_ns, const struct nj_trouble_hooks *hooks)
{
    struct nj_container_watch *container = NULL;
    HASH_FIND_STR(troubles->containers, container_id, container);
    if (container == NULL)
        return;
    if (hooks != NULL) {
        struct nj_container_figures figures = {0};
        (void)snprintf(figures.id, sizeof(figures.id), "%s", container_id);
        if (strcmp(container->pod->uid, container_id) != 0)
            (void)snprintf(figures.pod_uid, sizeof(figures.pod_uid), "%.*s", (int)sizeof(figures.pod_uid) - 1,
                           container->pod->uid);
        const struct nj_trouble_scan scan = {
            .troubles = troubles, .figures = &figures, .wall_ns = wall_ns, .hooks = hooks};
        tell_end(&scan, container);
    }
    free_container(troubles, container);
}
