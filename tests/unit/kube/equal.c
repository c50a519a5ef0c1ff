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

static void pod(struct nj_buf *out, const struct nj_pod_object *p)
{
    text(out, "node_name", 0, p->node_name);
    text(out, "restart_policy", 0, p->restart_policy);
    text(out, "phase", 0, p->phase);
    text(out, "reason", 0, p->reason);
    text(out, "message", 0, p->message);
    number(out, "host_network", 0, p->host_network);
    number(out, "containers", 0, (int64_t)p->containers_count);
    for (size_t i = 0; i < p->containers_count; i++) {
        const struct nj_container_spec *c = &p->containers[i];
        text(out, "container.name", i, c->name);
        text(out, "container.image", i, c->image);
        number(out, "container.type", i, (int64_t)c->type);
        number(out, "container.memory_limit", i, c->memory_limit_bytes);
        number(out, "container.memory_request", i, c->memory_request_bytes);
        number(out, "container.cpu_limit", i, c->cpu_limit_millis);
        number(out, "container.cpu_request", i, c->cpu_request_millis);
    }
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
    number(out, "conditions", 0, (int64_t)p->conditions_count);
    for (size_t i = 0; i < p->conditions_count; i++) {
        const struct nj_pod_condition *c = &p->conditions[i];
        text(out, "condition.type", i, c->type);
        text(out, "condition.status", i, c->status);
        text(out, "condition.reason", i, c->reason);
        text(out, "condition.message", i, c->message);
        number(out, "condition.last_transition_ns", i, c->last_transition_ns);
    }
}

void describe_object(const struct nj_kube_object *object, struct nj_buf *out)
{
    number(out, "kind", 0, (int64_t)object->kind);
    meta(out, &object->meta);
    pod(out, &object->pod);
}
