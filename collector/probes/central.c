#include <string.h>
#include <utlist.h>

#include "collector/probes/probes_internal.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/kube/kubeconfig.h"

enum { STARTS_PER_S_MAX = 500 };

static void on_result(void *data, struct nj_check *check, const struct nj_result *result, bool changed)
{
    struct nj_probes *probes = data;
    const struct nj_target *target = nj_check_data(check);
    const struct nj_monitor *monitor = target->monitor;
    nj_exposition_put(probes->exposition, nj_check_id(check),
                      &(struct nj_exposition_labels){.monitor = monitor->id,
                                                     .target = target->id,
                                                     .namespace = monitor->namespace,
                                                     .service = monitor->service,
                                                     .pod = "",
                                                     .port = target->port},
                      result);
    if (changed)
        nj_events_result(probes, target, nj_check_memory(check), result);
}

static void on_rollup(void *data, struct nj_check *check, const struct nj_rollup *rollup)
{
    const struct nj_target *target = nj_check_data(check);
    nj_events_rollup(data, target, nj_check_state_name(nj_check_memory(check)->state), rollup);
}

struct nj_checks *nj_central_new(struct nj_probes *probes)
{
    const struct nj_checks_options options = {.loop = probes->options.loop,
                                              .prober = probes->prober,
                                              .metrics = probes->options.metrics,
                                              .max_checks = (size_t)probes->config->probes.max_checks,
                                              .max_concurrent = (size_t)probes->config->probes.max_concurrent,
                                              .max_starts_per_s = STARTS_PER_S_MAX,
                                              .on_result = on_result,
                                              .on_rollup = on_rollup,
                                              .data = probes};
    return nj_checks_new(&options);
}

static void append(struct nj_buf *out, const char *text)
{
    (void)nj_buf_append(out, nj_str(text), strlen(nj_str(text)) + 1);
}

/* Changes with everything that a run depends on. */
static uint64_t signature_of(const struct nj_monitor *monitor, const struct nj_target *target)
{
    struct nj_buf text = {0};
    append(&text, monitor->spec->json);
    append(&text, target->host);
    append(&text, target->scheme);
    append(&text, target->path);
    append(&text, target->authority);
    append(&text, monitor->ca_pem);
    (void)nj_buf_printf(&text, "%u %d", target->port, (int)target->trust);
    for (size_t i = 0; i < monitor->secrets_count; i++) {
        append(&text, monitor->secrets[i].name);
        append(&text, monitor->secrets[i].value);
    }
    uint64_t signature = nj_hash64(text.data, text.len);
    (void)nj_buf_append_char(&text, '\0');
    explicit_bzero(text.data, text.len);
    nj_buf_done(&text);
    return signature;
}

/* What was last told of it goes on; nothing is told twice. */
static void restore(struct nj_probes *probes, struct nj_target *target)
{
    const struct nj_state *state = nj_states_find(probes->states, target->monitor->id, target->id);
    if (state != NULL && state->state != NJ_CHECK_STARTING)
        nj_check_restore(target->check, state->state, state->since_ns);
}

/* A Service's address leads to any of its pods: when one of them is bad, its own check says which, and so it
 * is to be the first to tell. */
static int64_t failures_more(const struct nj_target *target)
{
    return target->monitor->spec->scope == NJ_SCOPE_BOTH && nj_str_starts(target->id, "service/") ? 1 : 0;
}

static void start(struct nj_probes *probes, struct nj_monitor *monitor, struct nj_target *target)
{
    struct nj_err err = {0};
    NJ_CLEANUP_FREE char *id = nj_asprintf("%s|%s", monitor->id, target->id);
    const struct nj_check_options options = {.id = id,
                                             .spec = monitor->spec,
                                             .target = nj_target_probe(target),
                                             .secrets = monitor->secrets,
                                             .secrets_count = monitor->secrets_count,
                                             .ca_pem = monitor->ca_pem,
                                             .failures_more = failures_more(target),
                                             .data = target};
    if (nj_checks_add(probes->checks, &options, &target->check, &err) < 0)
        nj_monitor_set_trouble(monitor, NJ_MONITOR_BOUND, "%s", err.text);
    else
        restore(probes, target);
}

static void stop(struct nj_probes *probes, struct nj_target *target)
{
    if (target->check == NULL)
        return;
    nj_exposition_remove(probes->exposition, nj_check_id(target->check));
    nj_checks_remove(probes->checks, target->check);
    target->check = NULL;
}

/* Ends it for good. */
static void end(struct nj_probes *probes, struct nj_target *target)
{
    const struct nj_monitor *monitor = target->monitor;
    bool told = nj_states_find(probes->states, monitor->id, target->id) != NULL ||
                (target->check != NULL && nj_check_memory(target->check)->state != NJ_CHECK_STARTING);
    stop(probes, target);
    if (told)
        nj_events_gone(probes, monitor, target->id, target->name, "");
}

static struct nj_target *find(struct nj_monitor *monitor, const char *id)
{
    struct nj_target *target;
    for (target = monitor == NULL ? NULL : monitor->targets; target != NULL; target = target->next) {
        if (nj_streq(target->id, id))
            return target;
    }
    return NULL;
}

/* The running check, which names its record, goes on in the place of the new one. */
static void take_over(struct nj_monitor *monitor, struct nj_target *target, struct nj_monitor *old,
                      struct nj_target *running)
{
    DL_DELETE(old->targets, running);
    DL_REPLACE_ELEM(monitor->targets, target, running);
    nj_target_free(target);
    running->monitor = monitor;
}

void nj_central_apply(struct nj_probes *probes, struct nj_monitor *monitor, struct nj_monitor *old)
{
    struct nj_target *target;
    struct nj_target *next;
    if (probes->stopped)
        return;
    DL_FOREACH_SAFE (monitor->targets, target, next) {
        struct nj_target *running = find(old, target->id);
        target->signature = signature_of(monitor, target);
        if (running != NULL && running->check != NULL && running->signature == target->signature) {
            take_over(monitor, target, old, running);
            continue;
        }
        if (running != NULL) {
            stop(probes, running);
            DL_DELETE(old->targets, running);
            nj_target_free(running);
        }
        start(probes, monitor, target);
    }
    if (old != NULL)
        nj_central_stop(probes, old);
}

void nj_central_stop(struct nj_probes *probes, struct nj_monitor *monitor)
{
    struct nj_target *target;
    DL_FOREACH (monitor->targets, target)
        end(probes, target);
}

void nj_central_halt(struct nj_probes *probes, struct nj_monitor *monitor)
{
    struct nj_target *target;
    DL_FOREACH (monitor->targets, target)
        stop(probes, target);
}

/* --- what the last process left */

/* By its id; pods' and nodes' are the agents'. */
static bool is_central(const char *target)
{
    static const char *const prefixes[] = {"service/", "endpoint/", "ingress/"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (nj_str_starts(target, prefixes[i]))
            return true;
    }
    return nj_streq(target, "url");
}

/* Stands for a monitor that there is no more. */
static struct nj_monitor *stand_in_of(const struct nj_states_of *states)
{
    static const char ingress[] = "ingress.";
    const char *of_ingress =
        nj_str_starts(states->monitor, ingress) ? strchr(states->monitor + strlen(ingress), '.') : NULL;
    const char *name = of_ingress != NULL ? of_ingress + 1 : states->service;
    struct nj_monitor *monitor = nj_monitor_new(states->source, states->monitor, states->namespace, name);
    free(monitor->service);
    monitor->service = nj_strdup(states->service);
    if (*states->service != '\0')
        monitor->workload_kind = "Service";
    else if (of_ingress != NULL)
        monitor->workload_kind = "Ingress";
    return monitor;
}

static void sweep_monitor(void *data, const struct nj_states_of *states)
{
    struct nj_probes *probes = data;
    struct nj_monitor *monitor = nj_probes_find(probes, states->monitor);
    struct nj_monitor *stand_in = NULL;
    for (const struct nj_state *state = states->targets; state != NULL; state = state->hh.next) {
        if (!is_central(state->target) || find(monitor, state->target) != NULL)
            continue;
        if (monitor == NULL && stand_in == NULL)
            stand_in = stand_in_of(states);
        nj_events_gone(probes, monitor != NULL ? monitor : stand_in, state->target, state->target_name,
                       state->address);
    }
    nj_monitor_free(stand_in);
}

void nj_central_sweep(struct nj_probes *probes)
{
    nj_states_each(probes->states, sweep_monitor, probes);
}
