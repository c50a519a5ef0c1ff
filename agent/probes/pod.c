#include "agent/probes/pod.h"

#include "agent/probes/pack.h"

/* What is worked out of the object before it is copied. */
struct made {
    struct nj_derived probe, metrics;
    struct nj_builtin builtin;
    struct nj_buf texts[3];
};

static bool is_over(const struct nj_kube_object *object)
{
    return object->meta.deleted_ns != 0 || nj_streq(object->pod.phase, "Succeeded") ||
           nj_streq(object->pod.phase, "Failed");
}

static const struct nj_kube_pair *copy_labels(struct nj_pack *pack, const struct nj_kube_meta *meta)
{
    struct nj_kube_pair *labels = nj_pack_room(pack, meta->labels_count, sizeof(*labels));
    for (size_t i = 0; i < meta->labels_count; i++) {
        struct nj_kube_pair pair = {.key = nj_pack_text(pack, meta->labels[i].key),
                                    .value = nj_pack_text(pack, meta->labels[i].value)};
        if (labels != NULL)
            labels[i] = pair;
    }
    return labels;
}

static void copy_meta(struct nj_pack *pack, const struct nj_kube_meta *meta, struct nj_kube_meta *ret_meta)
{
    const struct nj_kube_owner *owner = nj_kube_controller(meta);
    struct nj_kube_owner *owners = nj_pack_room(pack, owner == NULL ? 0 : 1, sizeof(*owners));
    *ret_meta = (struct nj_kube_meta){
        .name = nj_pack_text(pack, meta->name),
        .namespace = nj_pack_text(pack, meta->namespace),
        .uid = nj_pack_text(pack, meta->uid),
        .resource_version = "",
        .labels = copy_labels(pack, meta),
        .labels_count = meta->labels_count,
        .owners = owners,
        .owners_count = owner == NULL ? 0 : 1,
    };
    if (owner == NULL)
        return;
    struct nj_kube_owner copy = {.api_version = nj_pack_text(pack, owner->api_version),
                                 .kind = nj_pack_text(pack, owner->kind),
                                 .name = nj_pack_text(pack, owner->name),
                                 .uid = nj_pack_text(pack, owner->uid),
                                 .controller = true};
    if (owners != NULL)
        *owners = copy;
}

static const char *const *copy_ips(struct nj_pack *pack, const struct nj_pod_object *pod)
{
    const char **ips = nj_pack_room(pack, pod->ips_count, sizeof(*ips));
    for (size_t i = 0; i < pod->ips_count; i++) {
        const char *ip = nj_pack_text(pack, pod->ips[i]);
        if (ips != NULL)
            ips[i] = ip;
    }
    return ips;
}

/* Where a Service's named port is looked for, and a sidecar's counts as well (pkg/api/v1/pod, FindPort). */
static bool has_ports(const struct nj_container_spec *container)
{
    return container->type == NJ_CONTAINER_APP || container->type == NJ_CONTAINER_SIDECAR;
}

static size_t count_ports(const struct nj_pod_object *pod)
{
    size_t count = 0;
    for (size_t i = 0; i < pod->containers_count; i++) {
        for (size_t j = 0; has_ports(&pod->containers[i]) && j < pod->containers[i].ports_count; j++)
            count += nj_streq(pod->containers[i].ports[j].protocol, "TCP");
    }
    return count;
}

static void add_ports(struct nj_pack *pack, const struct nj_pod_object *pod, enum nj_container_type type,
                      struct nj_pod_port *ports, size_t *at)
{
    for (size_t i = 0; i < pod->containers_count; i++) {
        const struct nj_container_spec *container = &pod->containers[i];
        for (size_t j = 0; container->type == type && j < container->ports_count; j++) {
            if (!nj_streq(container->ports[j].protocol, "TCP"))
                continue;
            struct nj_pod_port port = {.name = nj_pack_text(pack, container->ports[j].name),
                                       .number = container->ports[j].number};
            if (ports != NULL)
                ports[*at] = port;
            (*at)++;
        }
    }
}

/* App containers come before sidecars, as in FindPort. */
static const struct nj_pod_port *copy_ports(struct nj_pack *pack, const struct nj_pod_object *pod,
                                            size_t *ret_count)
{
    size_t at = 0;
    struct nj_pod_port *ports = nj_pack_room(pack, count_ports(pod), sizeof(*ports));
    add_ports(pack, pod, NJ_CONTAINER_APP, ports, &at);
    add_ports(pack, pod, NJ_CONTAINER_SIDECAR, ports, &at);
    *ret_count = at;
    return ports;
}

static struct nj_derived copy_derived(struct nj_pack *pack, const struct nj_derived *from)
{
    return (struct nj_derived){
        .port = from->port, .scheme = from->scheme, .json = nj_pack_text(pack, from->json)};
}

static struct nj_pod_facts *fill(struct nj_pack *pack, const struct nj_kube_object *object,
                                 const struct made *made, const struct nj_allowance *allowance)
{
    struct nj_pod_facts *room = nj_pack_room(pack, 1, sizeof(*room));
    struct nj_pod_facts facts = {
        .host_ip = nj_pack_text(pack, object->pod.host_ip),
        .ips = copy_ips(pack, &object->pod),
        .ips_count = object->pod.ips_count,
        .probe = copy_derived(pack, &made->probe),
        .metrics = copy_derived(pack, &made->metrics),
        .builtin = {.name = made->builtin.name,
                    .host = nj_pack_text(pack, made->builtin.host),
                    .port = made->builtin.port,
                    .scheme = made->builtin.scheme,
                    .json = nj_pack_text(pack, made->builtin.json)},
        .is_kube_proxy = nj_streq(nj_kube_label(&object->meta, "k8s-app"), "kube-proxy"),
        .over = is_over(object),
        .allowance = *allowance,
    };
    copy_meta(pack, &object->meta, &facts.meta);
    facts.ports = copy_ports(pack, &object->pod, &facts.ports_count);
    if (room != NULL)
        *room = facts;
    return room;
}

struct nj_pod_facts *nj_pod_facts_new(const struct nj_kube_object *object, const struct nj_pod_facts *before,
                                      bool shares_host)
{
    struct made made = {0};
    struct nj_allowance allowance;
    nj_derive_from_probes(&object->pod, &made.texts[0], &made.probe);
    nj_derive_metrics(&object->meta, &object->pod, &made.texts[1], &made.metrics);
    nj_builtin_component(&object->meta, &object->pod, shares_host, &made.texts[2], &made.builtin);
    nj_allowance_read(&object->pod, before == NULL ? NULL : &before->allowance, &allowance);
    struct nj_pack pack = {0};
    (void)fill(&pack, object, &made, &allowance);
    nj_pack_open(&pack);
    struct nj_pod_facts *facts = fill(&pack, object, &made, &allowance);
    for (size_t i = 0; i < sizeof(made.texts) / sizeof(made.texts[0]); i++)
        nj_buf_done(&made.texts[i]);
    return facts;
}
