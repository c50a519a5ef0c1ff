#include "agent/probes/plan.h"

#include <stdlib.h>

#include "agent/probes/pack.h"

static const struct nj_plan_pair *copy_pairs(struct nj_pack *pack, const struct nj_plan_pair *pairs,
                                             size_t count)
{
    struct nj_plan_pair *room = nj_pack_room(pack, count, sizeof(*room));
    for (size_t i = 0; i < count; i++) {
        struct nj_plan_pair pair = {.name = nj_pack_text(pack, pairs[i].name),
                                    .value = nj_pack_text(pack, pairs[i].value)};
        if (room != NULL)
            room[i] = pair;
    }
    return room;
}

static const struct nj_plan_port *copy_ports(struct nj_pack *pack, const struct nj_plan_check *check)
{
    struct nj_plan_port *room = nj_pack_room(pack, check->ports_count, sizeof(*room));
    for (size_t i = 0; i < check->ports_count; i++) {
        struct nj_plan_port port = {
            .name = nj_pack_text(pack, check->ports[i].name),
            .number = check->ports[i].number,
            .target_name = nj_pack_text(pack, check->ports[i].target_name),
            .target_number = check->ports[i].target_number,
            .app_protocol = nj_pack_text(pack, check->ports[i].app_protocol),
        };
        if (room != NULL)
            room[i] = port;
    }
    return room;
}

static const char *const *copy_families(struct nj_pack *pack, const struct nj_plan_check *check)
{
    const char **room = nj_pack_room(pack, check->families_count, sizeof(*room));
    for (size_t i = 0; i < check->families_count; i++) {
        const char *family = nj_pack_text(pack, check->families[i]);
        if (room != NULL)
            room[i] = family;
    }
    return room;
}

static const struct nj_plan_check *copy_checks(struct nj_pack *pack,
                                               const struct nj_plan_namespace *namespace)
{
    struct nj_plan_check *room = nj_pack_room(pack, namespace->checks_count, sizeof(*room));
    for (size_t i = 0; i < namespace->checks_count; i++) {
        const struct nj_plan_check *from = &namespace->checks[i];
        struct nj_plan_check check = {
            .monitor = nj_pack_text(pack, from->monitor),
            .source = from->source,
            .service = nj_pack_text(pack, from->service),
            .selector = copy_pairs(pack, from->selector, from->selector_count),
            .selector_count = from->selector_count,
            .ports = copy_ports(pack, from),
            .ports_count = from->ports_count,
            .spec = nj_pack_text(pack, from->spec),
            .secrets = copy_pairs(pack, from->secrets, from->secrets_count),
            .secrets_count = from->secrets_count,
            .ca_pem = nj_pack_text(pack, from->ca_pem),
            .families = copy_families(pack, from),
            .families_count = from->families_count,
            .trouble = nj_pack_text(pack, from->trouble),
        };
        if (room != NULL)
            room[i] = check;
    }
    return room;
}

static int by_name(const void *a, const void *b)
{
    const struct nj_plan_namespace *first = a;
    const struct nj_plan_namespace *second = b;
    return strcmp(first->name, second->name);
}

static struct nj_plan_copy *fill(struct nj_pack *pack, const struct nj_plan *plan)
{
    struct nj_plan_copy *copy = nj_pack_room(pack, 1, sizeof(*copy));
    struct nj_plan_namespace *room = nj_pack_room(pack, plan->namespaces_count, sizeof(*room));
    const char *version = nj_pack_text(pack, plan->version);
    for (size_t i = 0; i < plan->namespaces_count; i++) {
        struct nj_plan_namespace namespace = {
            .name = nj_pack_text(pack, plan->namespaces[i].name),
            .derive = plan->namespaces[i].derive,
            .checks = copy_checks(pack, &plan->namespaces[i]),
            .checks_count = plan->namespaces[i].checks_count,
        };
        if (room != NULL)
            room[i] = namespace;
    }
    if (copy == NULL)
        return NULL;
    copy->plan =
        (struct nj_plan){.version = version, .namespaces = room, .namespaces_count = plan->namespaces_count};
    if (room != NULL)
        qsort(room, plan->namespaces_count, sizeof(*room), by_name);
    return copy;
}

struct nj_plan_copy *nj_plan_copy_new(const struct nj_plan *plan)
{
    struct nj_pack pack = {0};
    (void)fill(&pack, plan);
    nj_pack_open(&pack);
    struct nj_plan_copy *copy = fill(&pack, plan);
    copy->bytes = pack.used;
    return copy;
}

void nj_plan_copy_free(struct nj_plan_copy *copy)
{
    if (copy == NULL)
        return;
    explicit_bzero(copy, copy->bytes);
    free(copy);
}

const struct nj_plan_namespace *nj_plan_copy_find(const struct nj_plan_copy *copy, const char *name)
{
    struct nj_plan_namespace key = {.name = name};
    if (copy == NULL || copy->plan.namespaces_count == 0)
        return NULL;
    return bsearch(&key, copy->plan.namespaces, copy->plan.namespaces_count, sizeof(key), by_name);
}
