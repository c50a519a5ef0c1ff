#include "tests/unit/kube/equal.h"

#include <inttypes.h>

static void text(struct nj_buf *out, const char *name, size_t index, const char *value)
{
    /* NULL would break the contract that strings are never NULL; make it visible. */
    (void)nj_buf_printf(out, "%s[%zu]=%s%s%s\n", name, index, value == NULL ? "" : "'",
                        value == NULL ? "NULL" : value, value == NULL ? "" : "'");
}

static void number(struct nj_buf *out, const char *name, size_t index, int64_t value)
{
    (void)nj_buf_printf(out, "%s[%zu]=%" PRId64 "\n", name, index, value);
}

static void pairs(struct nj_buf *out, const char *name, const struct nj_kube_pair *items, size_t count)
{
    number(out, name, count, 0);
    for (size_t i = 0; i < count; i++) {
        text(out, name, i, items[i].key);
        text(out, name, i, items[i].value);
    }
}

static void meta(struct nj_buf *out, const struct nj_kube_meta *m)
{
    text(out, "name", 0, m->name);
    text(out, "namespace", 0, m->namespace);
    text(out, "uid", 0, m->uid);
    text(out, "resource_version", 0, m->resource_version);
    number(out, "generation", 0, m->generation);
    number(out, "created_ns", 0, m->created_ns);
    number(out, "deleted_ns", 0, m->deleted_ns);
    number(out, "deletion_grace_seconds", 0, m->deletion_grace_seconds);
    pairs(out, "label", m->labels, m->labels_count);
    pairs(out, "annotation", m->annotations, m->annotations_count);
    number(out, "owners", 0, (int64_t)m->owners_count);
    for (size_t i = 0; i < m->owners_count; i++) {
        text(out, "owner.api_version", i, m->owners[i].api_version);
        text(out, "owner.kind", i, m->owners[i].kind);
        text(out, "owner.name", i, m->owners[i].name);
        text(out, "owner.uid", i, m->owners[i].uid);
        number(out, "owner.controller", i, m->owners[i].controller);
    }
}

static void state(struct nj_buf *out, size_t i, const struct nj_container_state *s)
{
    number(out, "state.kind", i, (int64_t)s->kind);
    text(out, "state.reason", i, s->reason);
    text(out, "state.message", i, s->message);
    number(out, "state.started_ns", i, s->started_ns);
    number(out, "state.finished_ns", i, s->finished_ns);
    number(out, "state.exit_code", i, s->exit_code);
    number(out, "state.signal", i, s->signal);
    text(out, "state.container_id", i, s->container_id);
}

static void texts(struct nj_buf *out, const char *name, const char *const *items, size_t count)
{
    number(out, name, count, 0);
    for (size_t i = 0; i < count; i++)
        text(out, name, i, items[i]);
}

static void probe(struct nj_buf *out, const char *name, const struct nj_pod_probe *p)
{
    text(out, "probe", 0, name);
    number(out, "probe.kind", 0, (int64_t)p->kind);
    text(out, "probe.host", 0, p->host);
    text(out, "probe.port_name", 0, p->port_name);
    number(out, "probe.port", 0, p->port);
    text(out, "probe.path", 0, p->path);
    text(out, "probe.scheme", 0, p->scheme);
    pairs(out, "probe.header", p->headers, p->headers_count);
    text(out, "probe.service", 0, p->service);
    number(out, "probe.initial_delay_seconds", 0, p->initial_delay_seconds);
    number(out, "probe.timeout_seconds", 0, p->timeout_seconds);
    number(out, "probe.period_seconds", 0, p->period_seconds);
    number(out, "probe.failure_threshold", 0, p->failure_threshold);
    number(out, "probe.success_threshold", 0, p->success_threshold);
}

static void conditions(struct nj_buf *out, const struct nj_pod_condition *items, size_t count)
{
    number(out, "conditions", 0, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct nj_pod_condition *c = &items[i];
        text(out, "condition.type", i, c->type);
        text(out, "condition.status", i, c->status);
        text(out, "condition.reason", i, c->reason);
        text(out, "condition.message", i, c->message);
        number(out, "condition.last_transition_ns", i, c->last_transition_ns);
    }
}

static void placement(struct nj_buf *out, const struct nj_pod_object *p)
{
    number(out, "priority", 0, p->priority);
    number(out, "overhead.cpu", 0, p->overhead_cpu_millis);
    number(out, "overhead.memory", 0, p->overhead_memory_bytes);
    pairs(out, "node_selector", p->node_selector, p->node_selector_count);
    number(out, "terms", 0, (int64_t)p->node_affinity_count);
    for (size_t i = 0; i < p->node_affinity_count; i++) {
        const struct nj_node_term *term = &p->node_affinity[i];
        number(out, "requirements", i, (int64_t)term->count);
        for (size_t j = 0; j < term->count; j++) {
            text(out, "requirement.key", j, term->requirements[j].key);
            text(out, "requirement.operator", j, term->requirements[j].operator);
            texts(out, "requirement.value", term->requirements[j].values, term->requirements[j].values_count);
            number(out, "requirement.of_field", j, term->requirements[j].of_field);
        }
    }
    number(out, "tolerations", 0, (int64_t)p->tolerations_count);
    for (size_t i = 0; i < p->tolerations_count; i++) {
        text(out, "toleration.key", i, p->tolerations[i].key);
        text(out, "toleration.operator", i, p->tolerations[i].operator);
        text(out, "toleration.value", i, p->tolerations[i].value);
        text(out, "toleration.effect", i, p->tolerations[i].effect);
    }
}

static void node(struct nj_buf *out, const struct nj_node_object *n)
{
    number(out, "unschedulable", 0, n->unschedulable);
    number(out, "taints", 0, (int64_t)n->taints_count);
    for (size_t i = 0; i < n->taints_count; i++) {
        text(out, "taint.key", i, n->taints[i].key);
        text(out, "taint.value", i, n->taints[i].value);
        text(out, "taint.effect", i, n->taints[i].effect);
    }
    number(out, "allocatable.cpu", 0, n->allocatable_cpu_millis);
    number(out, "allocatable.memory", 0, n->allocatable_memory_bytes);
    number(out, "allocatable.pods", 0, n->allocatable_pods);
    number(out, "capacity.cpu", 0, n->capacity_cpu_millis);
    number(out, "capacity.memory", 0, n->capacity_memory_bytes);
    conditions(out, n->conditions, n->conditions_count);
    text(out, "kubelet_version", 0, n->kubelet_version);
}

static void containers(struct nj_buf *out, const struct nj_container_spec *items, size_t count)
{
    number(out, "containers", 0, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct nj_container_spec *c = &items[i];
        text(out, "container.name", i, c->name);
        text(out, "container.image", i, c->image);
        number(out, "container.type", i, (int64_t)c->type);
        number(out, "container.memory_limit", i, c->memory_limit_bytes);
        number(out, "container.memory_request", i, c->memory_request_bytes);
        number(out, "container.cpu_limit", i, c->cpu_limit_millis);
        number(out, "container.cpu_request", i, c->cpu_request_millis);
        number(out, "container.ports", i, (int64_t)c->ports_count);
        for (size_t j = 0; j < c->ports_count; j++) {
            text(out, "port.name", j, c->ports[j].name);
            number(out, "port.number", j, c->ports[j].number);
            text(out, "port.protocol", j, c->ports[j].protocol);
        }
        probe(out, "startup", &c->startup);
        probe(out, "readiness", &c->readiness);
        probe(out, "liveness", &c->liveness);
    }
}

static void pod(struct nj_buf *out, const struct nj_pod_object *p)
{
    text(out, "node_name", 0, p->node_name);
    text(out, "restart_policy", 0, p->restart_policy);
    text(out, "phase", 0, p->phase);
    text(out, "reason", 0, p->reason);
    text(out, "message", 0, p->message);
    number(out, "grace_seconds", 0, p->grace_seconds);
    number(out, "host_network", 0, p->host_network);
    text(out, "host_ip", 0, p->host_ip);
    texts(out, "ip", p->ips, p->ips_count);
    number(out, "started_ns", 0, p->started_ns);
    containers(out, p->containers, p->containers_count);
    number(out, "statuses", 0, (int64_t)p->statuses_count);
    for (size_t i = 0; i < p->statuses_count; i++) {
        const struct nj_container_status *s = &p->statuses[i];
        text(out, "status.name", i, s->name);
        text(out, "status.image", i, s->image);
        text(out, "status.container_id", i, s->container_id);
        number(out, "status.type", i, (int64_t)s->type);
        number(out, "status.ready", i, s->ready);
        number(out, "status.started", i, s->started);
        number(out, "status.restart_count", i, s->restart_count);
        state(out, i, &s->state);
        state(out, i, &s->last_state);
    }
    conditions(out, p->conditions, p->conditions_count);
    placement(out, p);
}

static void service(struct nj_buf *out, const struct nj_service_object *s)
{
    text(out, "type", 0, s->type);
    texts(out, "cluster_ip", s->cluster_ips, s->cluster_ips_count);
    texts(out, "ip_family", s->ip_families, s->ip_families_count);
    pairs(out, "selector", s->selector, s->selector_count);
    text(out, "external_name", 0, s->external_name);
    number(out, "publish_not_ready", 0, s->publish_not_ready);
    number(out, "ports", 0, (int64_t)s->ports_count);
    for (size_t i = 0; i < s->ports_count; i++) {
        text(out, "port.name", i, s->ports[i].name);
        text(out, "port.protocol", i, s->ports[i].protocol);
        text(out, "port.app_protocol", i, s->ports[i].app_protocol);
        number(out, "port.number", i, s->ports[i].number);
        text(out, "port.target_name", i, s->ports[i].target_name);
        number(out, "port.target_number", i, s->ports[i].target_number);
    }
}

static void slice(struct nj_buf *out, const struct nj_slice_object *s)
{
    text(out, "address_type", 0, s->address_type);
    number(out, "endpoints", 0, (int64_t)s->endpoints_count);
    for (size_t i = 0; i < s->endpoints_count; i++) {
        const struct nj_endpoint *e = &s->endpoints[i];
        texts(out, "endpoint.address", e->addresses, e->addresses_count);
        number(out, "endpoint.ready", i, e->ready);
        number(out, "endpoint.serving", i, e->serving);
        number(out, "endpoint.terminating", i, e->terminating);
        text(out, "endpoint.node", i, e->node);
        text(out, "endpoint.target_kind", i, e->target_kind);
        text(out, "endpoint.target_name", i, e->target_name);
        text(out, "endpoint.target_uid", i, e->target_uid);
    }
    number(out, "ports", 0, (int64_t)s->ports_count);
    for (size_t i = 0; i < s->ports_count; i++) {
        text(out, "port.name", i, s->ports[i].name);
        text(out, "port.protocol", i, s->ports[i].protocol);
        text(out, "port.app_protocol", i, s->ports[i].app_protocol);
        number(out, "port.number", i, s->ports[i].number);
    }
}

static void endpoints(struct nj_buf *out, const struct nj_endpoints_object *e)
{
    number(out, "slices", 0, (int64_t)e->slices_count);
    for (size_t i = 0; i < e->slices_count; i++)
        slice(out, &e->slices[i]);
}

static void ingress(struct nj_buf *out, const struct nj_ingress_object *in)
{
    text(out, "class_name", 0, in->class_name);
    texts(out, "address", in->addresses, in->addresses_count);
    number(out, "paths", 0, (int64_t)in->paths_count);
    for (size_t i = 0; i < in->paths_count; i++) {
        const struct nj_ingress_path *p = &in->paths[i];
        text(out, "path.host", i, p->host);
        text(out, "path.path", i, p->path);
        text(out, "path.path_type", i, p->path_type);
        text(out, "path.service", i, p->service);
        text(out, "path.port_name", i, p->port_name);
        number(out, "path.port", i, p->port);
        number(out, "path.tls", i, p->tls);
    }
}

static void workload(struct nj_buf *out, const struct nj_workload_object *w)
{
    number(out, "desired", 0, w->desired);
    pairs(out, "selector", w->selector, w->selector_count);
    number(out, "selector_has_expressions", 0, w->selector_has_expressions);
    pairs(out, "template_label", w->template_labels, w->template_labels_count);
    containers(out, w->containers, w->containers_count);
    number(out, "grace_seconds", 0, w->grace_seconds);
    text(out, "strategy", 0, w->strategy);
    number(out, "partition", 0, w->partition);
    number(out, "min_ready_seconds", 0, w->min_ready_seconds);
    number(out, "progress_deadline_seconds", 0, w->progress_deadline_seconds);
    number(out, "paused", 0, w->paused);
    text(out, "changed_by", 0, w->changed_by);
    number(out, "observed_generation", 0, w->observed_generation);
    number(out, "replicas", 0, w->replicas);
    number(out, "updated", 0, w->updated);
    number(out, "ready", 0, w->ready);
    number(out, "available", 0, w->available);
    number(out, "completions", 0, w->completions);
    number(out, "succeeded", 0, w->succeeded);
    text(out, "current_revision", 0, w->current_revision);
    text(out, "update_revision", 0, w->update_revision);
    conditions(out, w->conditions, w->conditions_count);
}

static void budget(struct nj_buf *out, const struct nj_budget_object *b)
{
    text(out, "min_available", 0, b->min_available);
    text(out, "max_unavailable", 0, b->max_unavailable);
    pairs(out, "selector", b->selector, b->selector_count);
    number(out, "has_selector", 0, b->has_selector);
    number(out, "selector_has_expressions", 0, b->selector_has_expressions);
    number(out, "observed_generation", 0, b->observed_generation);
    number(out, "disruptions_allowed", 0, b->disruptions_allowed);
    number(out, "current_healthy", 0, b->current_healthy);
    number(out, "desired_healthy", 0, b->desired_healthy);
    number(out, "expected_pods", 0, b->expected_pods);
}

void describe_object(const struct nj_kube_object *object, struct nj_buf *out)
{
    number(out, "kind", 0, (int64_t)object->kind);
    meta(out, &object->meta);
    switch (object->kind) {
    case NJ_KUBE_META:
        break;
    case NJ_KUBE_POD:
        pod(out, &object->pod);
        break;
    case NJ_KUBE_SERVICE:
        service(out, &object->service);
        break;
    case NJ_KUBE_SLICE:
        slice(out, &object->slice);
        break;
    case NJ_KUBE_ENDPOINTS:
        endpoints(out, &object->endpoints);
        break;
    case NJ_KUBE_INGRESS:
        ingress(out, &object->ingress);
        break;
    case NJ_KUBE_DEPLOYMENT:
    case NJ_KUBE_STATEFUL_SET:
    case NJ_KUBE_DAEMON_SET:
    case NJ_KUBE_REPLICA_SET:
    case NJ_KUBE_JOB:
        workload(out, &object->workload);
        break;
    case NJ_KUBE_BUDGET:
        budget(out, &object->budget);
        break;
    case NJ_KUBE_CUSTOM:
        text(out, "spec", object->custom.spec_len, object->custom.spec);
        text(out, "status", object->custom.status_len, object->custom.status);
        break;
    case NJ_KUBE_NODE:
        node(out, &object->node);
        break;
    }
}
