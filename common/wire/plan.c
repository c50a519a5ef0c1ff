#include "common/wire/plan.h"

#include <errno.h>
#include <string.h>

#include "common/base/str.h"
#include "common/wire/codec.h"

static const char *const source_names[NJ_SOURCES] = {
    [NJ_SOURCE_MONITOR] = "apimonitor", [NJ_SOURCE_ANNOTATION] = "annotation",
    [NJ_SOURCE_DERIVED] = "derived",    [NJ_SOURCE_METRICS] = "metrics",
    [NJ_SOURCE_BUILTIN] = "builtin",
};

const char *nj_monitor_source_name(enum nj_monitor_source source)
{
    return source_names[source];
}

int nj_monitor_source_parse(const char *name, enum nj_monitor_source *ret_source)
{
    for (int i = 0; i < NJ_SOURCES; i++) {
        if (nj_streq(source_names[i], name)) {
            *ret_source = (enum nj_monitor_source)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Encoding: messages and their arrays live in an arena for as long as it takes. NULL: out of memory. */

static Nightjar__Pair **fill_pairs(const struct nj_plan_pair *from, size_t count, struct nj_arena *arena)
{
    Nightjar__Pair **pointers = nj_arena_zalloc(arena, count, sizeof(Nightjar__Pair *));
    Nightjar__Pair *pairs = nj_arena_zalloc(arena, count, sizeof(*pairs));
    if (pointers == NULL || pairs == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        nightjar__pair__init(&pairs[i]);
        pairs[i].name = nj_codec_text(arena, from[i].name);
        pairs[i].value = nj_codec_text(arena, from[i].value);
        pointers[i] = &pairs[i];
    }
    return pointers;
}

static Nightjar__PlanPort **fill_ports(const struct nj_plan_port *from, size_t count, struct nj_arena *arena)
{
    Nightjar__PlanPort **pointers = nj_arena_zalloc(arena, count, sizeof(Nightjar__PlanPort *));
    Nightjar__PlanPort *ports = nj_arena_zalloc(arena, count, sizeof(*ports));
    if (pointers == NULL || ports == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        nightjar__plan_port__init(&ports[i]);
        ports[i].name = nj_codec_text(arena, from[i].name);
        ports[i].number = from[i].number;
        ports[i].target_name = nj_codec_text(arena, from[i].target_name);
        ports[i].target_number = from[i].target_number;
        ports[i].app_protocol = nj_codec_text(arena, from[i].app_protocol);
        pointers[i] = &ports[i];
    }
    return pointers;
}

static int fill_check(Nightjar__PlanCheck *to, const struct nj_plan_check *from, struct nj_arena *arena)
{
    if ((unsigned)from->source >= NJ_SOURCES)
        return -EINVAL;
    nightjar__plan_check__init(to);
    to->monitor = nj_codec_text(arena, from->monitor);
    to->source = (char *)source_names[from->source];
    to->service = nj_codec_text(arena, from->service);
    to->spec = nj_codec_text(arena, from->spec);
    to->ca_pem = nj_codec_text(arena, from->ca_pem);
    to->trouble = nj_codec_text(arena, from->trouble);
    to->n_selector = from->selector_count;
    to->selector = fill_pairs(from->selector, from->selector_count, arena);
    to->n_secrets = from->secrets_count;
    to->secrets = fill_pairs(from->secrets, from->secrets_count, arena);
    to->n_ports = from->ports_count;
    to->ports = fill_ports(from->ports, from->ports_count, arena);
    to->n_families = from->families_count;
    to->families = nj_codec_texts(arena, from->families, from->families_count);
    return to->selector == NULL || to->secrets == NULL || to->ports == NULL || to->families == NULL ? -ENOMEM
                                                                                                    : 0;
}

static int fill_namespace(Nightjar__PlanNamespace *to, const struct nj_plan_namespace *from,
                          struct nj_arena *arena)
{
    Nightjar__PlanCheck *checks = nj_arena_zalloc(arena, from->checks_count, sizeof(*checks));
    nightjar__plan_namespace__init(to);
    to->name = nj_codec_text(arena, from->name);
    to->derive = from->derive;
    to->n_checks = from->checks_count;
    to->checks = nj_arena_zalloc(arena, from->checks_count, sizeof(Nightjar__PlanCheck *));
    if (checks == NULL || to->checks == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < from->checks_count; i++) {
        int rc = fill_check(&checks[i], &from->checks[i], arena);
        if (rc < 0)
            return rc;
        to->checks[i] = &checks[i];
    }
    return 0;
}

int nj_plan_namespace_encode(const struct nj_plan_namespace *namespace, struct nj_buf *out)
{
    if (namespace->checks_count > NJ_PLAN_CHECKS_MAX)
        return -EINVAL;
    struct nj_arena arena;
    Nightjar__PlanNamespace part;
    Nightjar__PlanNamespace *parts[] = {&part};
    Nightjar__Plan plan = NIGHTJAR__PLAN__INIT;
    nj_arena_init(&arena, SIZE_MAX);
    int rc = fill_namespace(&part, namespace, &arena);
    plan.namespaces = parts;
    plan.n_namespaces = 1;
    if (rc == 0)
        rc = nj_codec_pack(&plan.base, out);
    nj_arena_done(&arena);
    return rc;
}

int nj_plan_version_encode(const char *version, struct nj_buf *out)
{
    struct nj_arena arena;
    Nightjar__Plan plan = NIGHTJAR__PLAN__INIT;
    nj_arena_init(&arena, NJ_PLAN_BYTES_MAX);
    plan.version = nj_codec_text(&arena, version);
    int rc = strlen(plan.version) >= NJ_PLAN_VERSION_MAX ? -EINVAL : nj_codec_pack(&plan.base, out);
    nj_arena_done(&arena);
    return rc;
}

/* Decoding: strings are the message's, arrays are made in the same arena. */

static void *make(struct nj_codec_check *check, struct nj_arena *arena, size_t count, size_t size)
{
    void *array = check->rc < 0 ? NULL : nj_arena_zalloc(arena, count, size);
    if (array == NULL && check->rc == 0)
        check->rc = nj_err_set(check->err, arena->starved ? -ENOMEM : -EOVERFLOW,
                               "the plan needs more memory than there is, or than %zu bytes", arena->max);
    return array;
}

static const struct nj_plan_pair *take_pairs(struct nj_codec_check *check, struct nj_arena *arena,
                                             Nightjar__Pair *const *from, size_t count)
{
    struct nj_plan_pair *pairs = make(check, arena, count, sizeof(*pairs));
    for (size_t i = 0; i < count && pairs != NULL; i++) {
        pairs[i].name = nj_codec_take(check, from[i]->name, "plan.name");
        pairs[i].value = nj_codec_take(check, from[i]->value, "plan.value");
    }
    return pairs;
}

static const struct nj_plan_port *take_ports(struct nj_codec_check *check, struct nj_arena *arena,
                                             Nightjar__PlanPort *const *from, size_t count)
{
    struct nj_plan_port *ports = make(check, arena, count, sizeof(*ports));
    for (size_t i = 0; i < count && ports != NULL; i++) {
        if (check->rc == 0 && (from[i]->number > UINT16_MAX || from[i]->target_number > UINT16_MAX))
            check->rc = nj_err_set(check->err, -EPROTO, "plan: a port above %d", UINT16_MAX);
        ports[i] = (struct nj_plan_port){
            .name = nj_codec_take(check, from[i]->name, "plan.port.name"),
            .number = (uint16_t)from[i]->number,
            .target_name = nj_codec_take(check, from[i]->target_name, "plan.port.target_name"),
            .target_number = (uint16_t)from[i]->target_number,
            .app_protocol = nj_codec_take(check, from[i]->app_protocol, "plan.port.app_protocol"),
        };
    }
    return ports;
}

static void take_check(struct nj_codec_check *check, struct nj_arena *arena, const Nightjar__PlanCheck *from,
                       struct nj_plan_check *to)
{
    *to = (struct nj_plan_check){
        .monitor = nj_codec_take(check, from->monitor, "plan.monitor"),
        .service = nj_codec_take(check, from->service, "plan.service"),
        .selector = take_pairs(check, arena, from->selector, from->n_selector),
        .selector_count = from->n_selector,
        .ports = take_ports(check, arena, from->ports, from->n_ports),
        .ports_count = from->n_ports,
        .spec = nj_codec_take(check, from->spec, "plan.spec"),
        .secrets = take_pairs(check, arena, from->secrets, from->n_secrets),
        .secrets_count = from->n_secrets,
        .ca_pem = nj_codec_take(check, from->ca_pem, "plan.ca_pem"),
        .families = nj_codec_take_texts(check, arena, from->families, from->n_families, "plan.families"),
        .families_count = from->n_families,
        .trouble = nj_codec_take(check, from->trouble, "plan.trouble"),
    };
}

static void take_namespace(struct nj_codec_check *check, struct nj_arena *arena,
                           const Nightjar__PlanNamespace *from, struct nj_plan_namespace *to)
{
    if (check->rc == 0 && from->n_checks > NJ_PLAN_CHECKS_MAX)
        check->rc =
            nj_err_set(check->err, -EPROTO, "plan of %zu checks in one namespace, at most %d are taken",
                       from->n_checks, NJ_PLAN_CHECKS_MAX);
    struct nj_plan_check *checks = make(check, arena, from->n_checks, sizeof(*checks));
    size_t count = 0;
    for (size_t i = 0; i < from->n_checks && check->rc == 0; i++) {
        enum nj_monitor_source source;
        if (nj_monitor_source_parse(from->checks[i]->source, &source) < 0)
            continue; /* a newer collector's kind of monitor, which this agent cannot run */
        take_check(check, arena, from->checks[i], &checks[count]);
        checks[count++].source = source;
    }
    *to = (struct nj_plan_namespace){
        .name = nj_codec_take(check, from->name, "plan.namespace"),
        .derive = from->derive != 0,
        .checks = checks,
        .checks_count = count,
    };
}

int nj_codec_plan(const Nightjar__Plan *message, struct nj_arena *arena, struct nj_plan *ret_plan,
                  struct nj_err *err)
{
    struct nj_codec_check check = {.err = err};
    if (message->n_namespaces > NJ_PLAN_NAMESPACES_MAX)
        return nj_err_set(err, -EPROTO, "plan of %zu namespaces, at most %d are taken", message->n_namespaces,
                          NJ_PLAN_NAMESPACES_MAX);
    struct nj_plan_namespace *namespaces = make(&check, arena, message->n_namespaces, sizeof(*namespaces));
    for (size_t i = 0; i < message->n_namespaces && check.rc == 0; i++)
        take_namespace(&check, arena, message->namespaces[i], &namespaces[i]);
    struct nj_plan plan = {
        .version = nj_codec_take(&check, message->version, "plan.version"),
        .namespaces = namespaces,
        .namespaces_count = message->n_namespaces,
    };
    if (check.rc == 0 && strlen(plan.version) >= NJ_PLAN_VERSION_MAX)
        check.rc =
            nj_err_set(err, -EPROTO, "the plan's version has more than %d bytes", NJ_PLAN_VERSION_MAX - 1);
    if (check.rc == 0)
        *ret_plan = plan;
    return check.rc;
}
