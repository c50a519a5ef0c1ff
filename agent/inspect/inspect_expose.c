/*
 * The last scan's figures under their containers' names, for /metrics.
 */
#include "agent/inspect/inspect_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

/* Of the pod's containers that run: this is the first, and the only one. */
static void mark_sockets(const struct nj_inspect *inspect, const struct nj_named_pod *pod,
                         struct nj_expose_container *container)
{
    size_t running = 0;
    for (size_t i = 0; i < pod->containers_count; i++) {
        const struct nj_container_figures *figures =
            nj_inspect_figures(inspect, nj_names_bare_id(pod->containers[i].id));
        if (figures == NULL)
            continue;
        if (running == 0)
            container->sockets = figures == container->figures && !figures->network_is_host;
        running++;
    }
    container->sockets_are_its = running == 1;
}

static size_t name_containers(const struct nj_inspect *inspect, struct nj_expose_container *containers)
{
    size_t count = 0;
    const struct nj_round *shown = inspect->shown;
    for (size_t i = 0; i < shown->containers_count; i++) {
        const struct nj_named_container *named = NULL;
        const struct nj_named_pod *pod = nj_names_container(inspect->names, shown->containers[i].id, &named);
        if (pod == NULL || pod->replaced || !nj_streq(nj_names_bare_id(named->id), shown->containers[i].id))
            continue; /* an instance, or a pod, that is over: its labels are its successor's */
        containers[count] = (struct nj_expose_container){.namespace = pod->namespace,
                                                         .pod = pod->name,
                                                         .container = named->name,
                                                         .figures = &shown->containers[i],
                                                         .started_ns = named->started_ns,
                                                         .gpu_use = shown->container_gpus[i].use,
                                                         .gpu_memory = shown->container_gpus[i].memory};
        mark_sockets(inspect, pod, &containers[count]);
        count++;
    }
    return count;
}

int nj_inspect_expose(const struct nj_inspect *inspect, struct nj_buf *out)
{
    const struct nj_round *shown = inspect->shown;
    if (shown == NULL)
        return 0;
    struct nj_expose_container *containers = nj_calloc(shown->containers_count + 1, sizeof(*containers));
    struct nj_expose what = {.node = inspect->node,
                             .node_figures = &shown->node,
                             .containers = containers,
                             .containers_count = name_containers(inspect, containers),
                             .gpus = shown->gpus,
                             .gpus_count = shown->gpus_count};
    int rc = nj_expose(&what, out);
    free(containers);
    return rc;
}
