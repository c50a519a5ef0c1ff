/* Services, their endpoints, Ingresses, and Deployments' deadline. */
#include "common/base/str.h"
#include "common/kube/decode_json_internal.h"

static void read_service_ports(struct nj_json_reader *reader, struct json_object *array,
                               struct nj_service_object *service)
{
    size_t count = nj_json_len(array);
    struct nj_service_port *ports = nj_json_array(reader, count, sizeof(*ports));
    if (ports == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *port = json_object_array_get_idx(array, i);
        ports[i] = (struct nj_service_port){.name = nj_json_string(reader, port, "name"),
                                            .protocol = nj_json_string(reader, port, "protocol"),
                                            .app_protocol = nj_json_string(reader, port, "appProtocol"),
                                            .number = nj_kube_port(nj_json_int(port, "port", 0))};
        nj_json_port(reader, port, "targetPort", &ports[i].target_name, &ports[i].target_number);
        nj_kube_default_service_port(&ports[i]);
    }
    service->ports = ports;
    service->ports_count = count;
}

void nj_json_read_service_spec(struct nj_json_reader *reader, struct json_object *json,
                               struct nj_kube_object *object)
{
    struct nj_service_object *service = &object->service;
    service->type = nj_kube_or(nj_json_string(reader, json, "type"), service->type);
    service->external_name = nj_json_string(reader, json, "externalName");
    service->publish_not_ready = nj_json_bool(json, "publishNotReadyAddresses", false);
    nj_json_pairs(reader, nj_json_get(json, "selector"), &service->selector, &service->selector_count);
    nj_json_strings(reader, nj_json_get(json, "ipFamilies"), &service->ip_families,
                    &service->ip_families_count);
    nj_json_strings(reader, nj_json_get(json, "clusterIPs"), &service->cluster_ips,
                    &service->cluster_ips_count);
    read_service_ports(reader, nj_json_get(json, "ports"), service);
    const char *old = service->cluster_ips_count == 0 ? nj_json_string(reader, json, "clusterIP") : "";
    const char **one = old[0] == '\0' ? NULL : nj_json_array(reader, 1, sizeof(*one));
    if (one != NULL) { /* a server before dual stack */
        one[0] = old;
        service->cluster_ips = one;
        service->cluster_ips_count = 1;
    }
}

static void read_endpoints(struct nj_json_reader *reader, struct json_object *array,
                           struct nj_slice_object *slice)
{
    size_t count = nj_json_len(array);
    struct nj_endpoint *endpoints = nj_json_array(reader, count, sizeof(*endpoints));
    if (endpoints == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *endpoint = json_object_array_get_idx(array, i);
        struct json_object *conditions = nj_json_get(endpoint, "conditions");
        struct json_object *target = nj_json_get(endpoint, "targetRef");
        bool ready = nj_json_bool(conditions, "ready", true);
        endpoints[i] = (struct nj_endpoint){.ready = ready,
                                            .serving = nj_json_bool(conditions, "serving", ready),
                                            .terminating = nj_json_bool(conditions, "terminating", false),
                                            .node = nj_json_string(reader, endpoint, "nodeName"),
                                            .target_kind = nj_json_string(reader, target, "kind"),
                                            .target_name = nj_json_string(reader, target, "name"),
                                            .target_uid = nj_json_string(reader, target, "uid")};
        nj_json_strings(reader, nj_json_get(endpoint, "addresses"), &endpoints[i].addresses,
                        &endpoints[i].addresses_count);
    }
    slice->endpoints = endpoints;
    slice->endpoints_count = count;
}

static void read_endpoint_ports(struct nj_json_reader *reader, struct json_object *array,
                                struct nj_slice_object *slice)
{
    size_t count = nj_json_len(array);
    struct nj_endpoint_port *ports = nj_json_array(reader, count, sizeof(*ports));
    for (size_t i = 0; ports != NULL && i < count; i++) {
        struct json_object *port = json_object_array_get_idx(array, i);
        ports[i] =
            (struct nj_endpoint_port){.name = nj_json_string(reader, port, "name"),
                                      .protocol = nj_kube_or(nj_json_string(reader, port, "protocol"), "TCP"),
                                      .app_protocol = nj_json_string(reader, port, "appProtocol"),
                                      .number = nj_kube_port(nj_json_int(port, "port", 0))};
    }
    slice->ports = ports;
    slice->ports_count = ports == NULL ? 0 : count;
}

void nj_json_read_slice(struct nj_json_reader *reader, struct json_object *json,
                        struct nj_kube_object *object)
{
    struct nj_slice_object *slice = &object->slice;
    read_endpoint_ports(reader, nj_json_get(json, "ports"), slice);
    slice->address_type = nj_json_string(reader, json, "addressType");
    read_endpoints(reader, nj_json_get(json, "endpoints"), slice);
}

static struct nj_endpoint subset_endpoint(struct nj_json_reader *reader, struct json_object *json, bool ready)
{
    struct json_object *target = nj_json_get(json, "targetRef");
    const char **one = nj_json_array(reader, 1, sizeof(*one));
    struct nj_endpoint endpoint = {.addresses = one,
                                   .addresses_count = one == NULL ? 0 : 1,
                                   .ready = ready,
                                   .serving = ready,
                                   .node = nj_json_string(reader, json, "nodeName"),
                                   .target_kind = nj_json_string(reader, target, "kind"),
                                   .target_name = nj_json_string(reader, target, "name"),
                                   .target_uid = nj_json_string(reader, target, "uid")};
    if (one != NULL)
        one[0] = nj_json_string(reader, json, "ip");
    return endpoint;
}

/* Those of one family; one without an address is none. */
static size_t take_family(struct nj_json_reader *reader, struct json_object *array, bool ready,
                          const char *family, struct nj_endpoint *ret_endpoints)
{
    size_t taken = 0;
    for (size_t i = 0; i < nj_json_len(array); i++) {
        struct json_object *json = json_object_array_get_idx(array, i);
        struct json_object *value = nj_json_get(json, "ip");
        const char *ip = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
        if (ip[0] != '\0' && nj_streq(nj_kube_family(ip), family))
            ret_endpoints[taken++] = subset_endpoint(reader, json, ready);
    }
    return taken;
}

/* The slices of one subset, which share its ports. Returns how many. */
static size_t read_subset(struct nj_json_reader *reader, struct json_object *subset,
                          struct nj_slice_object *ret_slices)
{
    struct json_object *addresses = nj_json_get(subset, "addresses");
    struct json_object *others = nj_json_get(subset, "notReadyAddresses");
    size_t room = nj_json_len(addresses) + nj_json_len(others), count = 0;
    struct nj_endpoint *endpoints = nj_json_array(reader, room, sizeof(*endpoints));
    struct nj_slice_object slice = {.address_type = ""};
    if (endpoints == NULL)
        return 0;
    read_endpoint_ports(reader, nj_json_get(subset, "ports"), &slice);
    for (size_t i = 0; i < NJ_KUBE_FAMILIES; i++) {
        slice.address_type = nj_kube_families[i];
        size_t taken = take_family(reader, addresses, true, slice.address_type, endpoints);
        taken += take_family(reader, others, false, slice.address_type, endpoints + taken);
        slice.endpoints = endpoints;
        slice.endpoints_count = taken;
        if (taken > 0)
            ret_slices[count++] = slice;
        endpoints += taken;
    }
    return count;
}

void nj_json_read_endpoints(struct nj_json_reader *reader, struct json_object *json,
                            struct nj_kube_object *object)
{
    struct json_object *subsets = nj_json_get(json, "subsets");
    struct nj_slice_object *slices =
        nj_json_array(reader, nj_json_len(subsets) * NJ_KUBE_FAMILIES, sizeof(*slices));
    size_t count = 0;
    for (size_t i = 0; slices != NULL && i < nj_json_len(subsets); i++)
        count += read_subset(reader, json_object_array_get_idx(subsets, i), slices + count);
    if (count > 0)
        object->endpoints = (struct nj_endpoints_object){.slices = slices, .slices_count = count};
}

static struct nj_kube_tls collect_tls(struct nj_json_reader *reader, struct json_object *array)
{
    struct nj_kube_tls tls = {0};
    size_t total = 0;
    for (size_t i = 0; i < nj_json_len(array); i++)
        total += nj_json_len(nj_json_get(json_object_array_get_idx(array, i), "hosts"));
    tls.hosts = nj_json_array(reader, total, sizeof(*tls.hosts));
    for (size_t i = 0; i < nj_json_len(array); i++) {
        struct json_object *hosts = nj_json_get(json_object_array_get_idx(array, i), "hosts");
        tls.all = tls.all || nj_json_len(hosts) == 0;
        for (size_t j = 0; tls.hosts != NULL && j < nj_json_len(hosts); j++)
            tls.hosts[tls.count++] = nj_json_copy(reader, json_object_array_get_idx(hosts, j));
    }
    nj_kube_tls_sort(&tls);
    return tls;
}

/* A backend that is no Service has an empty name. */
static void read_backend(struct nj_json_reader *reader, struct json_object *backend,
                         struct nj_ingress_path *path)
{
    struct json_object *service = nj_json_get(backend, "service");
    struct json_object *port = nj_json_get(service, "port");
    path->service = nj_json_string(reader, service, "name");
    path->port_name = nj_json_string(reader, port, "name");
    path->port = nj_kube_port(nj_json_int(port, "number", 0));
}

static struct json_object *rule_paths(struct json_object *rule)
{
    return nj_json_get(nj_json_get(rule, "http"), "paths");
}

static size_t read_rule(struct nj_json_reader *reader, struct json_object *rule,
                        const struct nj_kube_tls *tls, struct nj_ingress_path *paths)
{
    struct json_object *array = rule_paths(rule);
    const char *host = nj_json_string(reader, rule, "host");
    bool covered = nj_kube_tls_covers(tls, host);
    for (size_t i = 0; i < nj_json_len(array); i++) {
        struct json_object *path = json_object_array_get_idx(array, i);
        paths[i] = (struct nj_ingress_path){.host = host,
                                            .path = nj_json_string(reader, path, "path"),
                                            .path_type = nj_json_string(reader, path, "pathType"),
                                            .tls = covered};
        read_backend(reader, nj_json_get(path, "backend"), &paths[i]);
    }
    return nj_json_len(array);
}

void nj_json_read_ingress_spec(struct nj_json_reader *reader, struct json_object *json,
                               struct nj_kube_object *object)
{
    struct nj_ingress_object *ingress = &object->ingress;
    struct json_object *rules = nj_json_get(json, "rules");
    struct json_object *fallback = nj_json_get(json, "defaultBackend");
    size_t total = fallback != NULL;
    for (size_t i = 0; i < nj_json_len(rules); i++)
        total += nj_json_len(rule_paths(json_object_array_get_idx(rules, i)));
    ingress->class_name = nj_json_string(reader, json, "ingressClassName");
    struct nj_ingress_path *paths = nj_json_array(reader, total, sizeof(*paths));
    if (paths == NULL)
        return;
    struct nj_kube_tls tls = collect_tls(reader, nj_json_get(json, "tls"));
    size_t count = 0;
    for (size_t i = 0; i < nj_json_len(rules); i++)
        count += read_rule(reader, json_object_array_get_idx(rules, i), &tls, &paths[count]);
    if (fallback != NULL) {
        paths[count] = (struct nj_ingress_path){
            .host = "", .path = "", .path_type = "", .tls = nj_kube_tls_covers(&tls, "")};
        read_backend(reader, fallback, &paths[count]);
    }
    ingress->paths = paths;
    ingress->paths_count = total;
}

void nj_json_read_ingress_status(struct nj_json_reader *reader, struct json_object *json,
                                 struct nj_kube_object *object)
{
    struct json_object *array = nj_json_get(nj_json_get(json, "loadBalancer"), "ingress");
    size_t count = nj_json_len(array);
    const char **addresses = nj_json_array(reader, count, sizeof(*addresses));
    if (addresses == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(array, i);
        addresses[i] =
            nj_kube_or(nj_json_string(reader, entry, "ip"), nj_json_string(reader, entry, "hostname"));
    }
    object->ingress.addresses = addresses;
    object->ingress.addresses_count = count;
}
