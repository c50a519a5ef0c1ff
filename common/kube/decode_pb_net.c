/* Services, their endpoints, Ingresses, and Deployments' deadline. */
#include "common/base/str.h"
#include "common/kube/decode_pb_internal.h"

static struct nj_service_port service_port(const K8s__ServicePort *pb)
{
    struct nj_service_port port = {.name = nj_str(pb->name),
                                   .protocol = nj_str(pb->protocol),
                                   .app_protocol = nj_str(pb->appprotocol),
                                   .number = nj_kube_port(pb->port)};
    nj_pb_port(pb->targetport, &port.target_name, &port.target_number);
    nj_kube_default_service_port(&port);
    return port;
}

bool nj_pb_decode_service_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                               struct nj_kube_object *object)
{
    struct nj_service_object *service = &object->service;
    K8s__ServiceSpec *pb = k8s__service_spec__unpack(&allocator->base, field->len, field->data);
    struct nj_service_port *ports;
    const char **one;
    if (pb == NULL || !nj_pb_array(allocator, pb->n_ports, sizeof(*ports), &ports) ||
        !nj_pb_pairs(allocator, pb->selector, pb->n_selector, &service->selector, &service->selector_count))
        return false;
    for (size_t i = 0; i < pb->n_ports; i++)
        ports[i] = service_port(pb->ports[i]);
    service->ports = ports;
    service->ports_count = pb->n_ports;
    service->type = nj_kube_or(nj_str(pb->type), service->type);
    service->external_name = nj_str(pb->externalname);
    service->publish_not_ready = pb->publishnotreadyaddresses;
    nj_pb_strings(pb->ipfamilies, pb->n_ipfamilies, &service->ip_families, &service->ip_families_count);
    nj_pb_strings(pb->clusterips, pb->n_clusterips, &service->cluster_ips, &service->cluster_ips_count);
    if (pb->n_clusterips > 0 || nj_str(pb->clusterip)[0] == '\0')
        return true;
    if (!nj_pb_array(allocator, 1, sizeof(*one), &one)) /* a server before dual stack */
        return false;
    one[0] = pb->clusterip;
    service->cluster_ips = one;
    service->cluster_ips_count = 1;
    return true;
}

static struct nj_endpoint endpoint(const K8s__Endpoint *pb)
{
    const K8s__EndpointConditions *conditions = pb->conditions;
    const K8s__ObjectReference *target = pb->targetref;
    bool ready = conditions == NULL || !conditions->has_ready || conditions->ready;
    struct nj_endpoint endpoint = {
        .ready = ready,
        .serving = conditions == NULL || !conditions->has_serving ? ready : conditions->serving,
        .terminating = conditions != NULL && conditions->has_terminating && conditions->terminating,
        .node = nj_str(pb->nodename),
        .target_kind = nj_str(target == NULL ? NULL : target->kind),
        .target_name = nj_str(target == NULL ? NULL : target->name),
        .target_uid = nj_str(target == NULL ? NULL : target->uid)};
    nj_pb_strings(pb->addresses, pb->n_addresses, &endpoint.addresses, &endpoint.addresses_count);
    return endpoint;
}

bool nj_pb_decode_slice(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                        struct nj_kube_object *object)
{
    struct nj_slice_object *slice = &object->slice;
    K8s__EndpointSlice *pb = k8s__endpoint_slice__unpack(&allocator->base, field->len, field->data);
    struct nj_endpoint *endpoints;
    struct nj_endpoint_port *ports;
    if (pb == NULL || !nj_pb_array(allocator, pb->n_endpoints, sizeof(*endpoints), &endpoints) ||
        !nj_pb_array(allocator, pb->n_ports, sizeof(*ports), &ports))
        return false;
    for (size_t i = 0; i < pb->n_endpoints; i++)
        endpoints[i] = endpoint(pb->endpoints[i]);
    for (size_t i = 0; i < pb->n_ports; i++)
        ports[i] = (struct nj_endpoint_port){.name = nj_str(pb->ports[i]->name),
                                             .protocol = nj_kube_or(nj_str(pb->ports[i]->protocol), "TCP"),
                                             .app_protocol = nj_str(pb->ports[i]->appprotocol),
                                             .number = nj_kube_port(pb->ports[i]->port)};
    slice->address_type = nj_str(pb->addresstype);
    slice->endpoints = endpoints;
    slice->endpoints_count = pb->n_endpoints;
    slice->ports = ports;
    slice->ports_count = pb->n_ports;
    return true;
}

static struct nj_endpoint subset_endpoint(K8s__EndpointAddress *pb, bool ready)
{
    const K8s__ObjectReference *target = pb->targetref;
    return (struct nj_endpoint){.addresses = (const char *const *)&pb->ip,
                                .addresses_count = 1,
                                .ready = ready,
                                .serving = ready,
                                .node = nj_str(pb->nodename),
                                .target_kind = nj_str(target == NULL ? NULL : target->kind),
                                .target_name = nj_str(target == NULL ? NULL : target->name),
                                .target_uid = nj_str(target == NULL ? NULL : target->uid)};
}

/* Those of one family among `count` addresses; one without an address is none. */
static size_t take_family(K8s__EndpointAddress **addresses, size_t count, bool ready, const char *family,
                          struct nj_endpoint *ret_endpoints)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        if (nj_str(addresses[i]->ip)[0] != '\0' && nj_streq(nj_kube_family(addresses[i]->ip), family))
            ret_endpoints[taken++] = subset_endpoint(addresses[i], ready);
    }
    return taken;
}

static bool subset_ports(struct nj_pb_arena *allocator, const K8s__EndpointSubset *pb,
                         struct nj_slice_object *slice)
{
    struct nj_endpoint_port *ports;
    if (!nj_pb_array(allocator, pb->n_ports, sizeof(*ports), &ports))
        return false;
    for (size_t i = 0; i < pb->n_ports; i++)
        ports[i] = (struct nj_endpoint_port){.name = nj_str(pb->ports[i]->name),
                                             .protocol = nj_kube_or(nj_str(pb->ports[i]->protocol), "TCP"),
                                             .app_protocol = nj_str(pb->ports[i]->appprotocol),
                                             .number = nj_kube_port(pb->ports[i]->port)};
    slice->ports = ports;
    slice->ports_count = pb->n_ports;
    return true;
}

/* The slices of one subset, which share its ports. False when the arena is full. */
static bool subset_slices(struct nj_pb_arena *allocator, const K8s__EndpointSubset *pb,
                          struct nj_slice_object *ret_slices, size_t *count)
{
    struct nj_slice_object slice = {.address_type = ""};
    struct nj_endpoint *endpoints;
    if (!subset_ports(allocator, pb, &slice) ||
        !nj_pb_array(allocator, pb->n_addresses + pb->n_notreadyaddresses, sizeof(*endpoints), &endpoints))
        return false;
    for (size_t i = 0; i < NJ_KUBE_FAMILIES; i++) {
        slice.address_type = nj_kube_families[i];
        size_t taken = take_family(pb->addresses, pb->n_addresses, true, slice.address_type, endpoints);
        taken += take_family(pb->notreadyaddresses, pb->n_notreadyaddresses, false, slice.address_type,
                             endpoints + taken);
        slice.endpoints = endpoints;
        slice.endpoints_count = taken;
        if (taken > 0)
            ret_slices[(*count)++] = slice;
        endpoints += taken;
    }
    return true;
}

bool nj_pb_decode_endpoints(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                            struct nj_kube_object *object)
{
    K8s__Endpoints *pb = k8s__endpoints__unpack(&allocator->base, field->len, field->data);
    struct nj_slice_object *slices;
    size_t count = 0;
    if (pb == NULL || !nj_pb_array(allocator, pb->n_subsets * NJ_KUBE_FAMILIES, sizeof(*slices), &slices))
        return false;
    for (size_t i = 0; i < pb->n_subsets; i++) {
        if (!subset_slices(allocator, pb->subsets[i], slices, &count))
            return false;
    }
    if (count > 0)
        object->endpoints = (struct nj_endpoints_object){.slices = slices, .slices_count = count};
    return true;
}

static bool collect_tls(struct nj_pb_arena *allocator, const K8s__IngressSpec *pb,
                        struct nj_kube_tls *ret_tls)
{
    struct nj_kube_tls tls = {0};
    size_t total = 0;
    for (size_t i = 0; i < pb->n_tls; i++)
        total += pb->tls[i]->n_hosts;
    if (!nj_pb_array(allocator, total, sizeof(*tls.hosts), &tls.hosts))
        return false;
    for (size_t i = 0; i < pb->n_tls; i++) {
        tls.all = tls.all || pb->tls[i]->n_hosts == 0;
        for (size_t j = 0; j < pb->tls[i]->n_hosts; j++)
            tls.hosts[tls.count++] = nj_str(pb->tls[i]->hosts[j]);
    }
    nj_kube_tls_sort(&tls);
    *ret_tls = tls;
    return true;
}

/* A backend that is no Service has an empty name. */
static void set_backend(const K8s__IngressBackend *pb, struct nj_ingress_path *path)
{
    const K8s__IngressServiceBackend *service = pb == NULL ? NULL : pb->service;
    const K8s__ServiceBackendPort *port = service == NULL ? NULL : service->port;
    path->service = nj_str(service == NULL ? NULL : service->name);
    path->port_name = nj_str(port == NULL ? NULL : port->name);
    path->port = port == NULL ? 0 : nj_kube_port(port->number);
}

static const K8s__HTTPIngressRuleValue *rule_value(const K8s__IngressRule *rule)
{
    return rule->ingressrulevalue == NULL ? NULL : rule->ingressrulevalue->http;
}

bool nj_pb_decode_ingress_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                               struct nj_kube_object *object)
{
    struct nj_ingress_object *ingress = &object->ingress;
    K8s__IngressSpec *pb = k8s__ingress_spec__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    size_t total = pb->defaultbackend != NULL;
    for (size_t i = 0; i < pb->n_rules; i++)
        total += rule_value(pb->rules[i]) == NULL ? 0 : rule_value(pb->rules[i])->n_paths;
    struct nj_ingress_path *paths;
    struct nj_kube_tls tls;
    if (!collect_tls(allocator, pb, &tls) || !nj_pb_array(allocator, total, sizeof(*paths), &paths))
        return false;
    size_t count = 0;
    for (size_t i = 0; i < pb->n_rules; i++) {
        const K8s__HTTPIngressRuleValue *value = rule_value(pb->rules[i]);
        const char *host = nj_str(pb->rules[i]->host);
        bool covered = nj_kube_tls_covers(&tls, host);
        for (size_t j = 0; value != NULL && j < value->n_paths; j++) {
            struct nj_ingress_path *path = &paths[count++];
            *path = (struct nj_ingress_path){.host = host,
                                             .path = nj_str(value->paths[j]->path),
                                             .path_type = nj_str(value->paths[j]->pathtype),
                                             .tls = covered};
            set_backend(value->paths[j]->backend, path);
        }
    }
    if (pb->defaultbackend != NULL) {
        paths[count] = (struct nj_ingress_path){
            .host = "", .path = "", .path_type = "", .tls = nj_kube_tls_covers(&tls, "")};
        set_backend(pb->defaultbackend, &paths[count]);
    }
    ingress->class_name = nj_str(pb->ingressclassname);
    ingress->paths = paths;
    ingress->paths_count = total;
    return true;
}

bool nj_pb_decode_ingress_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                                 struct nj_kube_object *object)
{
    struct nj_ingress_object *ingress = &object->ingress;
    K8s__IngressStatus *pb = k8s__ingress_status__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    const K8s__IngressLoadBalancerStatus *balancer = pb->loadbalancer;
    size_t count = balancer == NULL ? 0 : balancer->n_ingress;
    const char **addresses;
    if (!nj_pb_array(allocator, count, sizeof(*addresses), &addresses))
        return false;
    for (size_t i = 0; i < count; i++)
        addresses[i] = nj_kube_or(nj_str(balancer->ingress[i]->ip), nj_str(balancer->ingress[i]->hostname));
    ingress->addresses = addresses;
    ingress->addresses_count = count;
    return true;
}
