#include <errno.h>
#include <stdio.h>
#include <utlist.h>

#include "agent/probes/pack.h"
#include "agent/probes/probes_internal.h"
#include "common/base/log.h"

enum { ADDRESS_MAX = 64, HTTP_PORT = 80, HTTPS_PORT = 443 };

/* The spec with one user more; NULL when it is none. */
static struct nj_shared_spec *share_spec(struct nj_node_probes *probes, const struct nj_wanted *wanted)
{
    struct nj_shared_spec *shared = NULL;
    struct nj_err err = {0};
    size_t len = strlen(wanted->json);
    HASH_FIND(hh, probes->specs, wanted->json, len, shared);
    if (shared == NULL) {
        struct nj_spec *spec = NULL;
        if (nj_spec_parse("spec", wanted->json, len, false, &spec, &err) < 0) {
            nj_counter_add(probes->metrics.bad_specs, 1);
            nj_warn("probes", "monitor %s cannot be run on %s: %s", wanted->monitor, wanted->target,
                    err.text);
            return NULL;
        }
        shared = NJ_NEW(struct nj_shared_spec);
        shared->spec = spec;
        HASH_ADD_KEYPTR(hh, probes->specs, spec->json, spec->json_len, shared);
    }
    shared->users++;
    return shared;
}

static void unshare_spec(struct nj_node_probes *probes, struct nj_shared_spec *shared)
{
    if (--shared->users > 0)
        return;
    NJ_TABLE_REMOVE(probes->specs, shared);
    nj_spec_unref(shared->spec);
    free(shared);
}

static void mix(uint64_t *signature, const char *text)
{
    uint64_t both[2] = {*signature, nj_hash64(text, strlen(text))};
    *signature = nj_hash64(both, sizeof(both));
}

static uint64_t sign(const struct nj_wanted *wanted)
{
    uint64_t signature = wanted->port + ((uint64_t)wanted->service_port << 16);
    mix(&signature, wanted->host);
    mix(&signature, wanted->scheme);
    mix(&signature, wanted->json);
    mix(&signature, wanted->ca_pem);
    for (size_t i = 0; i < wanted->secrets_count; i++) {
        mix(&signature, wanted->secrets[i].name);
        mix(&signature, wanted->secrets[i].value);
    }
    return signature;
}

/* A pod is asked for its Service as a client would ask, so that what answers by name does; without the port
 * that the scheme has anyway. The pod's own probes name nothing. */
static char *authority_of(const struct nj_node_target *target, const struct nj_wanted *wanted,
                          const struct nj_spec *spec)
{
    const struct nj_buf *domain = &target->probes->domain;
    char port[8] = "";
    if (wanted->service_port == 0 || target->pod == NULL)
        return nj_strdup("");
    if (wanted->service_port != (nj_streq(spec->target.scheme, "https") ? HTTPS_PORT : HTTP_PORT))
        (void)snprintf(port, sizeof(port), ":%d", wanted->service_port);
    return nj_asprintf("%s.%s.svc.%s%s", wanted->service, target->pod->facts->meta.namespace,
                       domain->len > 0 ? nj_buf_str(domain) : "cluster.local", port);
}

static int add_check(struct nj_node_target *target, const struct nj_wanted *wanted,
                     struct nj_shared_spec *shared, struct nj_err *err)
{
    struct nj_node_probes *probes = target->probes;
    struct nj_probe_value *secrets = nj_calloc(wanted->secrets_count + 1, sizeof(*secrets));
    for (size_t i = 0; i < wanted->secrets_count; i++)
        secrets[i] =
            (struct nj_probe_value){.name = wanted->secrets[i].name, .value = wanted->secrets[i].value};
    NJ_CLEANUP_FREE char *authority = authority_of(target, wanted, shared->spec);
    struct nj_check_options options = {
        .id = target->id,
        .spec = shared->spec,
        .target = {.host = wanted->by_resolver ? "" : wanted->host,
                   .port = wanted->port,
                   .scheme = wanted->scheme[0] != '\0' ? wanted->scheme : shared->spec->target.scheme,
                   .path = "",
                   .authority = authority,
                   .trust = NJ_TRUST_CLUSTER},
        .secrets = secrets,
        .secrets_count = wanted->secrets_count,
        .ca_pem = wanted->ca_pem[0] == '\0' ? NULL : wanted->ca_pem,
        .data = target,
    };
    int rc = nj_checks_add(probes->checks, &options, &target->check, err);
    free(secrets);
    return rc;
}

static const char *print_address(const struct nj_wanted *wanted, char text[ADDRESS_MAX])
{
    bool is_six = strchr(wanted->host, ':') != NULL;
    (void)snprintf(text, ADDRESS_MAX, is_six ? "[%s]:%d" : "%s:%d", wanted->host, wanted->port);
    return text;
}

static struct nj_node_target *fill(struct nj_pack *pack, const char *id, const struct nj_wanted *wanted)
{
    char address[ADDRESS_MAX];
    struct nj_node_target *room = nj_pack_room(pack, 1, sizeof(*room));
    struct nj_node_target target = {
        .source = wanted->source,
        .id = nj_pack_text(pack, id),
        .monitor = nj_pack_text(pack, wanted->monitor),
        .target = nj_pack_text(pack, wanted->target),
        .service = nj_pack_text(pack, wanted->service),
        .component = nj_pack_text(pack, wanted->component),
        .address = nj_pack_text(pack, print_address(wanted, address)),
        .port = wanted->port,
        .service_hash = nj_hash64(wanted->service, strlen(wanted->service)),
        .signature = sign(wanted),
    };
    if (room != NULL)
        *room = target;
    return room;
}

static struct nj_node_target *new_target(const char *id, const struct nj_wanted *wanted)
{
    struct nj_pack pack = {0};
    (void)fill(&pack, id, wanted);
    nj_pack_open(&pack);
    return fill(&pack, id, wanted);
}

void nj_target_hold(struct nj_node_target *target, bool held)
{
    target->held = held;
    nj_check_hold(target->check, held);
}

static struct nj_node_target **list_of(struct nj_node_target *target)
{
    return target->pod != NULL ? &target->pod->targets : &target->probes->components;
}

/* Its check has ended. */
static void take_out(struct nj_node_target *target)
{
    struct nj_node_probes *probes = target->probes;
    nj_tell_forget(target);
    nj_exposition_remove(probes->exposition, target->id);
    DL_DELETE(*list_of(target), target);
    NJ_TABLE_REMOVE(probes->targets, target);
    nj_gauge_set(probes->metrics.targets, (int64_t)HASH_COUNT(probes->targets));
}

static void free_target(struct nj_node_target *target)
{
    take_out(target);
    unshare_spec(target->probes, target->shared);
    free(target);
}

static struct nj_node_target *add_target(struct nj_node_probes *probes, struct nj_node_pod *pod,
                                         const char *id, const struct nj_wanted *wanted)
{
    struct nj_err err = {0};
    struct nj_shared_spec *shared = share_spec(probes, wanted);
    if (shared == NULL)
        return NULL;
    struct nj_node_target *target = new_target(id, wanted);
    target->probes = probes;
    target->pod = pod;
    target->shared = shared;
    if (add_check(target, wanted, shared, &err) < 0) {
        nj_counter_add(probes->metrics.refused, 1);
        nj_debug("probes", "no check of %s: %s", id, err.text);
        unshare_spec(probes, shared);
        free(target);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, probes->targets, target->id, strlen(target->id), target);
    DL_APPEND(*list_of(target), target);
    /* A component that never answered cannot be reached from here, which is nobody's failure. */
    nj_target_hold(target, pod == NULL || pod->starting);
    nj_gauge_set(probes->metrics.targets, (int64_t)HASH_COUNT(probes->targets));
    return target;
}

/* What is asked of it has changed, or where it is: another check, with the same state. */
static struct nj_node_target *replace(struct nj_node_target *old, const struct nj_wanted *wanted)
{
    struct nj_node_probes *probes = old->probes;
    struct nj_check_memory memory = *nj_check_memory(old->check);
    nj_checks_remove(probes->checks, old->check);
    nj_tell_flush(probes); /* what is packed points to the old one's strings */
    take_out(old);         /* what waited is told anew if it still fails */
    struct nj_node_target *added = add_target(probes, old->pod, old->id, wanted);
    if (added == NULL) {
        nj_tell_gone(old);
    } else {
        added->told = old->told;
        added->known = old->known;
        added->failing_since_ns = old->failing_since_ns;
        added->last_run_ns = old->last_run_ns;
        added->last_pass_ns = old->last_pass_ns;
        nj_target_hold(added, old->held);
        if (memory.state != NJ_CHECK_STARTING)
            nj_check_restore(added->check, memory.state, memory.since_ns);
    }
    unshare_spec(probes, old->shared);
    free(old);
    return added;
}

struct nj_node_target *nj_target_want(struct nj_node_probes *probes, struct nj_node_pod *pod,
                                      const struct nj_wanted *wanted)
{
    struct nj_node_target *target = NULL;
    NJ_CLEANUP_FREE char *id = nj_asprintf("%s|%s", wanted->monitor, wanted->target);
    HASH_FIND(hh, probes->targets, id, strlen(id), target);
    if (target == NULL)
        target = add_target(probes, pod, id, wanted);
    else if (!target->wanted && target->signature != sign(wanted))
        target = replace(target, wanted);
    if (target != NULL)
        target->wanted = true;
    return target;
}

void nj_targets_sweep(struct nj_node_probes *probes, struct nj_node_target **list)
{
    bool some_end = false;
    struct nj_node_target *target = NULL;
    struct nj_node_target *next = NULL;
    DL_FOREACH (*list, target) {
        if (target->wanted)
            continue;
        nj_checks_remove(probes->checks, target->check);
        some_end = true;
    }
    if (some_end)
        nj_tell_flush(probes); /* before they are gone: a minute must not come after its target's end */
    DL_FOREACH_SAFE (*list, target, next) {
        if (target->wanted) {
            target->wanted = false;
            continue;
        }
        nj_tell_gone(target);
        free_target(target);
    }
    if (some_end)
        nj_tell_judge(probes);
}

void nj_targets_free(struct nj_node_probes *probes)
{
    struct nj_node_target *target = NULL;
    struct nj_node_target *next = NULL;
    HASH_ITER (hh, probes->targets, target, next) {
        free_target(target);
    }
}
