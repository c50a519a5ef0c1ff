/*
 * Which monitors come of what the cluster has, what agents are told to do for them, and what the collector
 * checks itself.
 */
#include "collector/probes/monitors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/probes/plans.h"
#include "collector/probes/states.h"
#include "collector/probes/status.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"

/* The only Service and Ingress there are. */
struct world {
    struct nj_model_service service;
    struct nj_service_object object;
    struct nj_service_port ports[3];
    struct nj_model_slice slice;
    struct nj_slice_object slice_object;
    struct nj_endpoint endpoint;
    struct nj_endpoint_port endpoint_ports[2];
    struct nj_model_ingress ingress;
    struct nj_ingress_object ingress_object;
    const char *foreign; /* address of another namespace's pod */
    enum nj_secret_answer secret;
    const char *secret_text;
    char *allowed[1];
    struct nj_monitors_context context;
};

static const char *const cluster_ips[] = {"10.0.0.1", "fd00::1"};
static const char *const headless[] = {"None"};
static const char *const addresses[] = {"10.1.0.7"};
static const struct nj_kube_pair selector[] = {{"app", "web"}};

static const struct nj_model_service *find_service(void *data, const char *namespace, const char *name)
{
    struct world *world = data;
    return nj_streq(namespace, "shop") && nj_streq(name, "web") ? &world->service : NULL;
}

static const struct nj_model_ingress *find_ingress(void *data, const char *namespace, const char *name)
{
    struct world *world = data;
    return nj_streq(namespace, "shop") && nj_streq(name, "front") ? &world->ingress : NULL;
}

static const char *address_namespace(void *data, const char *address, const char *besides)
{
    struct world *world = data;
    return nj_streq(world->foreign, address) && !nj_streq(besides, "bank") ? "bank" : NULL;
}

static enum nj_secret_answer find_secret(void *data, const char *namespace, const char *name, const char *key,
                                         const char **ret_text)
{
    struct world *world = data;
    assert_string_equal("shop", namespace);
    assert_string_equal("login", name);
    assert_string_equal("password", key);
    *ret_text = world->secret_text;
    return world->secret;
}

static struct nj_spec *find_spec(void *data, const char *id, const char *json, size_t len)
{
    (void)data;
    (void)id;
    (void)json;
    (void)len;
    return NULL;
}

static int setup(void **state)
{
    struct world *world = NJ_NEW(struct world);
    world->ports[0] = (struct nj_service_port){
        .name = "http", .protocol = "TCP", .app_protocol = "", .number = 80, .target_name = "web"};
    world->ports[1] = (struct nj_service_port){
        .name = "dns", .protocol = "UDP", .app_protocol = "", .number = 53, .target_name = ""};
    world->ports[2] = (struct nj_service_port){.name = "admin",
                                               .protocol = "TCP",
                                               .app_protocol = "",
                                               .number = 9000,
                                               .target_name = "",
                                               .target_number = 9001};
    world->object = (struct nj_service_object){.type = "ClusterIP",
                                               .cluster_ips = cluster_ips,
                                               .cluster_ips_count = 1,
                                               .selector = selector,
                                               .selector_count = 1,
                                               .ports = world->ports,
                                               .ports_count = 3,
                                               .external_name = ""};
    world->endpoint = (struct nj_endpoint){.addresses = addresses,
                                           .addresses_count = 1,
                                           .ready = true,
                                           .serving = true,
                                           .node = "",
                                           .target_kind = "Pod",
                                           .target_name = "web-1",
                                           .target_uid = "u1"};
    world->endpoint_ports[0] = (struct nj_endpoint_port){.name = "http", .protocol = "TCP", .number = 8080};
    world->endpoint_ports[1] = (struct nj_endpoint_port){.name = "admin", .protocol = "TCP", .number = 9001};
    world->slice_object = (struct nj_slice_object){.address_type = "IPv4",
                                                   .endpoints = &world->endpoint,
                                                   .endpoints_count = 1,
                                                   .ports = world->endpoint_ports,
                                                   .ports_count = 2};
    world->slice = (struct nj_model_slice){.name = "web-a", .managed = true, .slice = &world->slice_object};
    world->service = (struct nj_model_service){
        .namespace = "shop", .name = "web", .uid = "s1", .service = &world->object, .slices = &world->slice};
    world->ingress =
        (struct nj_model_ingress){.namespace = "shop", .name = "front", .ingress = &world->ingress_object};
    world->allowed[0] = nj_strdup("api.example.com");
    world->context = (struct nj_monitors_context){.cluster_domain = "cluster.local",
                                                  .allowed = world->allowed,
                                                  .allowed_count = 1,
                                                  .service = find_service,
                                                  .ingress = find_ingress,
                                                  .address_namespace = address_namespace,
                                                  .secret = find_secret,
                                                  .known = find_spec,
                                                  .data = world};
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    free(world->allowed[0]);
    free(world);
    return 0;
}

static struct nj_monitor *custom(struct world *world, const char *spec)
{
    const struct nj_model_monitor record = {.namespace = "shop",
                                            .name = "mine",
                                            .uid = "m1",
                                            .generation = 3,
                                            .spec = spec,
                                            .spec_len = strlen(spec)};
    return nj_monitor_of_custom(&world->context, &record);
}

/* "service/80/IPv4@10.0.0.1:80;" of each target. */
static void assert_targets(const struct nj_monitor *monitor, const char *expected)
{
    struct nj_buf text = {0};
    for (const struct nj_target *target = monitor->targets; target != NULL; target = target->next)
        (void)nj_buf_printf(&text, "%s@%s:%u;", target->id, target->host, target->port);
    if (!nj_streq(nj_buf_str(&text), expected))
        fail_msg("\"%s\" instead of \"%s\" (%s)", nj_buf_str(&text), expected, monitor->trouble_text);
    nj_buf_done(&text);
}

static void assert_trouble(struct world *world, const char *spec, enum nj_monitor_trouble trouble,
                           const char *words)
{
    struct nj_monitor *monitor = custom(world, spec);
    assert_int_equal(trouble, monitor->trouble);
    if (strstr(monitor->trouble_text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", monitor->trouble_text, words);
    assert_null(monitor->targets);
    nj_monitor_free(monitor);
}

static void a_service_without_a_monitor_has_a_derived_check_of_every_tcp_port(void **state)
{
    struct world *world = *state;
    struct nj_monitor *monitor = nj_monitor_of_service(&world->context, &world->service, true);
    struct nj_plan_pair pairs[4];
    struct nj_plan_check check;
    assert_string_equal("service.shop.web", monitor->id);
    assert_int_equal(NJ_SOURCE_DERIVED, monitor->source);
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;service/9000/IPv4@10.0.0.1:9000;");
    assert_true(nj_monitor_plan(monitor, pairs, &check));
    assert_string_equal("", check.spec);
    assert_string_equal("web", check.service);
    assert_int_equal(2, check.ports_count);
    assert_string_equal("web", check.ports[0].target_name);
    assert_int_equal(9001, check.ports[1].target_number);
    assert_string_equal("app", check.selector[0].name);
    nj_monitor_free(monitor);
    assert_null(nj_monitor_of_service(&world->context, &world->service, false));
}

static void annotations_say_how_a_service_is_checked_or_that_it_is_not(void **state)
{
    struct world *world = *state;
    struct nj_kube_pair annotations[] = {{"nightjar.dev/probe", "http"},
                                         {"nightjar.dev/probe-interval", "30s"},
                                         {"nightjar.dev/probe-path", "/he\"alth"},
                                         {"nightjar.dev/probe-port", "http"}};
    world->service.annotations = annotations;
    world->service.annotations_count = 4;
    struct nj_monitor *monitor = nj_monitor_of_service(&world->context, &world->service, false);
    struct nj_plan_pair pairs[4];
    struct nj_plan_check check;
    assert_int_equal(NJ_SOURCE_ANNOTATION, monitor->source);
    assert_string_equal("", monitor->trouble_text);
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;");
    assert_string_equal("web.shop.svc.cluster.local", monitor->targets->authority);
    assert_int_equal(30 * NJ_SEC, monitor->spec->interval_ns);
    assert_string_equal("/he\"alth", monitor->spec->steps[0].path);
    assert_true(nj_monitor_plan(monitor, pairs, &check));
    assert_string_equal(monitor->spec->json, check.spec);
    nj_monitor_free(monitor);

    annotations[0].value = "ftp";
    monitor = nj_monitor_of_service(&world->context, &world->service, true);
    assert_int_equal(NJ_MONITOR_INVALID, monitor->trouble);
    assert_non_null(strstr(monitor->trouble_text, "\"ftp\" is none of"));
    nj_monitor_free(monitor);

    annotations[0].value = "off";
    assert_null(nj_monitor_of_service(&world->context, &world->service, true));
}

static void services_without_tcp_ports_and_external_names_have_no_derived_check(void **state)
{
    struct world *world = *state;
    world->object.ports = &world->ports[1];
    world->object.ports_count = 1;
    assert_null(nj_monitor_of_service(&world->context, &world->service, true));
    world->object.ports = world->ports;
    world->object.type = "ExternalName";
    assert_null(nj_monitor_of_service(&world->context, &world->service, true));
}

static void a_services_address_is_checked_only_while_it_leads_anywhere(void **state)
{
    struct world *world = *state;
    world->endpoint.ready = false;
    world->endpoint.serving = false;
    struct nj_monitor *monitor = nj_monitor_of_service(&world->context, &world->service, true);
    assert_targets(monitor, "");
    nj_monitor_free(monitor);
    /* Serving while it ends, as kube-proxy sees it; and each family by itself. */
    world->endpoint.serving = world->endpoint.terminating = true;
    world->object.cluster_ips_count = 2;
    monitor = nj_monitor_of_service(&world->context, &world->service, true);
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;service/9000/IPv4@10.0.0.1:9000;");
    nj_monitor_free(monitor);
    world->slice_object.address_type = "IPv6";
    monitor = nj_monitor_of_service(&world->context, &world->service, true);
    assert_targets(monitor, "service/80/IPv6@fd00::1:80;service/9000/IPv6@fd00::1:9000;");
    nj_monitor_free(monitor);
    world->object.cluster_ips = headless;
    world->object.cluster_ips_count = 1;
    monitor = nj_monitor_of_service(&world->context, &world->service, true);
    assert_targets(monitor, "");
    assert_int_equal(1, monitor->plan_selector_count);
    nj_monitor_free(monitor);
}

#define SPEC(more) "{\"target\":{\"service\":{\"name\":\"web\",\"port\":\"http\"}}" more "}"

static void a_monitor_checks_the_service_and_its_pods_as_its_scope_says(void **state)
{
    struct world *world = *state;
    struct nj_plan_pair pairs[4];
    struct nj_plan_check check;
    struct nj_monitor *monitor = custom(world, SPEC(""));
    assert_string_equal("apimonitor.shop.mine", monitor->id);
    assert_string_equal("service web:http", monitor->description);
    assert_true(nj_monitor_replaces(monitor, NJ_TARGET_SERVICE, "web"));
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;");
    assert_true(nj_monitor_plan(monitor, pairs, &check));
    assert_int_equal(1, check.ports_count);
    nj_monitor_free(monitor);
    monitor = custom(world, SPEC(",\"scope\":\"pods\""));
    assert_targets(monitor, "");
    assert_true(nj_monitor_plan(monitor, pairs, &check));
    nj_monitor_free(monitor);
    monitor = custom(world, SPEC(",\"scope\":\"service\""));
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;");
    assert_false(nj_monitor_plan(monitor, pairs, &check));
    nj_monitor_free(monitor);
    monitor = custom(world, SPEC(",\"suspend\":true"));
    assert_targets(monitor, "");
    assert_true(monitor->suspended);
    assert_true(nj_monitor_replaces(monitor, NJ_TARGET_SERVICE, "web"));
    assert_false(nj_monitor_plan(monitor, pairs, &check));
    nj_monitor_free(monitor);
}

static void what_is_wrong_with_a_monitor_is_said(void **state)
{
    struct world *world = *state;
    assert_trouble(world, "{\"target\":{\"service\":{\"name\":\"web\"}},\"colour\":1}", NJ_MONITOR_INVALID,
                   "colour");
    assert_trouble(world, "{\"target\":{\"service\":{\"name\":\"none\"}}}", NJ_MONITOR_NOT_FOUND,
                   "there is no Service none in namespace shop");
    assert_trouble(world, "{\"target\":{\"service\":{\"name\":\"web\",\"port\":81}}}", NJ_MONITOR_NOT_FOUND,
                   "has no TCP port 81");
    assert_trouble(world, "{\"target\":{\"service\":{\"name\":\"web\",\"port\":\"dns\"}}}",
                   NJ_MONITOR_NOT_FOUND, "has no TCP port named dns");
    assert_trouble(world, "{\"target\":{\"ingress\":{\"name\":\"none\"}}}", NJ_MONITOR_NOT_FOUND,
                   "there is no Ingress none");
    assert_trouble(world, "{\"target\":{\"url\":\"https://evil.example.com/\"}}", NJ_MONITOR_HOST,
                   "evil.example.com:443 is not allowed");
    assert_trouble(world, "{\"target\":{\"url\":\"http://169.254.169.254/\"}}", NJ_MONITOR_HOST,
                   "is not allowed");
    world->object.type = "ExternalName";
    assert_trouble(world, SPEC(""), NJ_MONITOR_NOT_FOUND, "ExternalName");
}

static void a_url_is_checked_where_the_list_allows_it(void **state)
{
    struct world *world = *state;
    struct nj_monitor *monitor =
        custom(world, "{\"target\":{\"url\":\"https://api.example.com/health?x=1\"}}");
    assert_targets(monitor, "url@api.example.com:443;");
    assert_string_equal("https", monitor->targets->scheme);
    assert_string_equal("/health?x=1", monitor->targets->path);
    assert_int_equal(NJ_TRUST_ALLOWED, monitor->targets->trust);
    assert_string_equal("ApiMonitor", monitor->workload_kind);
    assert_string_equal("mine", monitor->workload);
    assert_false(nj_monitor_replaces(monitor, NJ_TARGET_SERVICE, "web"));
    nj_monitor_free(monitor);
}

static void an_ingress_is_asked_for_each_host_and_path_at_its_address(void **state)
{
    struct world *world = *state;
    static const char *const at[] = {"10.9.0.1"};
    const struct nj_ingress_path paths[] = {
        {.host = "shop.example", .path = "/pay", .tls = true},
        {.host = "shop.example", .path = "/pay", .tls = true},
        {.host = "old.example", .path = "/cart(/|$)(.*)"},
        {.host = "*.example", .path = "/"},
        {.host = "", .path = ""},
    };
    world->ingress_object =
        (struct nj_ingress_object){.paths = paths, .paths_count = 5, .addresses = at, .addresses_count = 1};
    struct nj_monitor *monitor = custom(world, "{\"target\":{\"ingress\":{\"name\":\"front\"}}}");
    assert_targets(monitor, "ingress/shop.example/pay@10.9.0.1:443;ingress/old.example/cart@10.9.0.1:80;"
                            "ingress/10.9.0.1/@10.9.0.1:80;");
    assert_string_equal("shop.example", monitor->targets->authority);
    assert_string_equal("https", monitor->targets->scheme);
    assert_string_equal("/pay", monitor->targets->path);
    nj_monitor_free(monitor);
    world->ingress_object.addresses_count = 0;
    assert_trouble(world, "{\"target\":{\"ingress\":{\"name\":\"front\"}}}", NJ_MONITOR_NOT_FOUND,
                   "has no address yet");
}

static void an_ingress_without_a_monitor_has_a_derived_check_of_its_hosts_and_paths(void **state)
{
    struct world *world = *state;
    static const char *const at[] = {"", "10.9.0.1"};
    const struct nj_ingress_path paths[] = {
        {.host = "shop.example", .path = "/pay", .service = "web", .tls = true},
        {.host = "shop.example", .path = "/typo", .service = "none", .tls = true},
        {.host = "", .path = "", .service = "web", .tls = true},
    };
    struct nj_kube_pair annotations[] = {{"nightjar.dev/probe-interval", "30s"}, {"nightjar.dev/probe", ""}};
    struct nj_plan_pair pairs[4];
    struct nj_plan_check check;
    world->ingress_object =
        (struct nj_ingress_object){.paths = paths, .paths_count = 3, .addresses = at, .addresses_count = 2};
    world->ingress.annotations = annotations;
    world->ingress.annotations_count = 1;
    struct nj_monitor *monitor = nj_monitor_of_ingress(&world->context, &world->ingress, true);
    assert_string_equal("ingress.shop.front", monitor->id);
    assert_int_equal(NJ_SOURCE_DERIVED, monitor->source);
    assert_string_equal("Ingress", monitor->workload_kind);
    assert_string_equal("front", monitor->workload);
    assert_targets(monitor, "ingress/shop.example/pay@10.9.0.1:443;ingress/shop.example/typo@10.9.0.1:443;"
                            "ingress/10.9.0.1/@10.9.0.1:80;");
    assert_string_equal("", monitor->trouble_text);
    assert_int_equal(30 * NJ_SEC, monitor->spec->interval_ns);
    assert_false(monitor->spec->steps[0].follow_redirects);
    assert_int_equal(499, monitor->spec->steps[0].expect.statuses[2].to);
    assert_false(nj_monitor_plan(monitor, pairs, &check));
    nj_monitor_free(monitor);

    /* A Service without endpoints answers nothing: it may be scaled to zero. One that is not there may not.
     */
    world->endpoint.ready = world->endpoint.serving = false;
    monitor = nj_monitor_of_ingress(&world->context, &world->ingress, true);
    assert_targets(monitor, "ingress/shop.example/typo@10.9.0.1:443;");
    assert_string_equal("", monitor->trouble_text);
    nj_monitor_free(monitor);
    world->ingress_object.addresses_count = 1;
    monitor = nj_monitor_of_ingress(&world->context, &world->ingress, true);
    assert_targets(monitor, "");
    assert_non_null(strstr(monitor->trouble_text, "has no address yet"));
    nj_monitor_free(monitor);
}

static void annotations_say_how_an_ingress_is_checked_or_that_it_is_not(void **state)
{
    struct world *world = *state;
    static const char *const at[] = {"10.9.0.1"};
    char texts[NJ_INGRESS_PATHS_MAX + 2][8];
    struct nj_ingress_path paths[NJ_INGRESS_PATHS_MAX + 2];
    struct nj_kube_pair annotations[] = {{"nightjar.dev/probe-path", "/up"}, {"nightjar.dev/probe", "http"}};
    for (size_t i = 0; i < NJ_INGRESS_PATHS_MAX + 2; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "/%zu", i);
        paths[i] = (struct nj_ingress_path){.host = "shop.example", .path = texts[i], .service = ""};
    }
    world->ingress_object = (struct nj_ingress_object){
        .paths = paths, .paths_count = NJ_INGRESS_PATHS_MAX + 2, .addresses = at, .addresses_count = 1};
    struct nj_monitor *monitor = nj_monitor_of_ingress(&world->context, &world->ingress, true);
    assert_int_equal(NJ_INGRESS_PATHS_MAX, monitor->targets_count);
    assert_string_equal("only the first 8 paths of shop.example are checked", monitor->trouble_text);
    nj_monitor_free(monitor);
    assert_null(nj_monitor_of_ingress(&world->context, &world->ingress, false));

    world->ingress.annotations = annotations;
    world->ingress.annotations_count = 1;
    monitor = nj_monitor_of_ingress(&world->context, &world->ingress, true);
    assert_targets(monitor, "ingress/shop.example/up@10.9.0.1:80;");
    assert_string_equal("/up", monitor->targets->path);
    nj_monitor_free(monitor);
    world->ingress.annotations_count = 2;
    monitor = nj_monitor_of_ingress(&world->context, &world->ingress, false);
    assert_int_equal(NJ_SOURCE_ANNOTATION, monitor->source);
    nj_monitor_free(monitor);
    annotations[0].value = "up";
    annotations[1].value = "tcp";
    monitor = nj_monitor_of_ingress(&world->context, &world->ingress, true);
    assert_non_null(strstr(monitor->trouble_text, "\"tcp\" is none of off, http"));
    nj_monitor_free(monitor);
    annotations[1].value = "";
    monitor = nj_monitor_of_ingress(&world->context, &world->ingress, true);
    assert_int_equal(NJ_MONITOR_INVALID, monitor->trouble);
    assert_targets(monitor, "");
    nj_monitor_free(monitor);
    annotations[1].value = "off";
    assert_null(nj_monitor_of_ingress(&world->context, &world->ingress, true));
    annotations[1] = (struct nj_kube_pair){"nginx.ingress.kubernetes.io/backend-protocol", "GRPC"};
    assert_null(nj_monitor_of_ingress(&world->context, &world->ingress, true));
}

static void endpoints_that_nobody_selects_are_checked_by_the_collector(void **state)
{
    struct world *world = *state;
    world->object.selector_count = 0;
    world->slice.managed = false;
    struct nj_monitor *monitor = custom(world, SPEC(""));
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;endpoint/10.1.0.7/8080@10.1.0.7:8080;");
    nj_monitor_free(monitor);
    /* Another namespace's pod is reached neither straight nor by way of the Service's address. */
    world->foreign = "10.1.0.7";
    assert_trouble(world, SPEC(""), NJ_MONITOR_HOST, "belongs to namespace bank");
    /* Nor by a slice that somebody adds to those of a Service with a selector, or labels as the controller's.
     */
    world->slice.managed = true;
    assert_trouble(world, SPEC(",\"scope\":\"service\""), NJ_MONITOR_HOST, "belongs to namespace bank");
    world->object.selector_count = 1;
    world->slice.managed = false;
    assert_trouble(world, SPEC(""), NJ_MONITOR_HOST, "belongs to namespace bank");
    /* Nor by an address that Kubernetes reads in one way and a lookup in another. */
    const char *odd[] = {"010.1.0.7"};
    const char *const *plain = world->endpoint.addresses;
    world->endpoint.addresses = odd;
    assert_trouble(world, SPEC(""), NJ_MONITOR_HOST, "is no IP address");
    world->endpoint.addresses = plain;
    /* What the controller made of the selector is this namespace's, also on a node's address. */
    world->slice.managed = true;
    monitor = custom(world, SPEC(""));
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;");
    nj_monitor_free(monitor);
}

#define WITH_SECRET                                                                                          \
    SPEC(",\"variables\":[{\"name\":\"pw\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"login\",\"key\":"     \
         "\"password\"}}}],\"steps\":[{\"http\":{\"path\":\"/x?${pw}\"}}]")

static void secrets_go_with_the_check_and_without_them_it_is_not_run(void **state)
{
    struct world *world = *state;
    struct nj_plan_pair pairs[4];
    struct nj_plan_check check;
    world->secret = NJ_SECRET_READY;
    world->secret_text = "hunter2";
    struct nj_monitor *monitor = custom(world, WITH_SECRET);
    assert_string_equal("", monitor->trouble_text);
    assert_targets(monitor, "service/80/IPv4@10.0.0.1:80;");
    assert_true(nj_monitor_plan(monitor, pairs, &check));
    assert_int_equal(1, check.secrets_count);
    assert_string_equal("pw", check.secrets[0].name);
    assert_string_equal("hunter2", check.secrets[0].value);
    assert_null(strstr(monitor->json, "hunter2"));
    nj_monitor_free(monitor);

    world->secret = NJ_SECRET_PENDING;
    monitor = custom(world, WITH_SECRET);
    assert_true(monitor->pending);
    assert_targets(monitor, "");
    assert_false(nj_monitor_plan(monitor, pairs, &check));
    nj_monitor_free(monitor);

    world->secret = NJ_SECRET_FAILED;
    world->secret_text = "may not be read";
    monitor = custom(world, WITH_SECRET);
    assert_targets(monitor, "");
    assert_string_equal("SecretUnreadable", nj_status_accepted_reason(monitor));
    assert_true(nj_monitor_plan(monitor, pairs, &check));
    assert_string_equal("may not be read", check.trouble);
    nj_monitor_free(monitor);
}

static void a_test_tries_pods_too_whether_ready_or_not(void **state)
{
    struct world *world = *state;
    struct nj_spec *spec = NULL;
    const char *json = SPEC(",\"suspend\":true");
    assert_int_equal(0, nj_spec_parse("spec", json, strlen(json), true, &spec, NULL));
    world->endpoint.ready = false;
    struct nj_monitor *monitor = nj_monitor_of_spec(&world->context, "shop", "test", spec);
    nj_monitor_pod_targets(&world->context, monitor, &world->service, 10);
    assert_targets(monitor, "endpoint/10.1.0.7/8080@10.1.0.7:8080;");
    assert_string_equal("web-1", monitor->targets->name);
    nj_monitor_free(monitor);
    nj_spec_unref(spec);
}

/* --- plans */

static void put_plan(struct nj_plans *plans, const char *namespace, const char *service)
{
    const struct nj_plan_pair pair = {"app", "web"};
    const struct nj_plan_check check = {
        .monitor = "service.shop.web", .service = service, .selector = &pair, .selector_count = 1};
    const struct nj_plan_namespace part = {.name = namespace, .checks = &check, .checks_count = 1};
    nj_plans_put(plans, &part);
}

static void an_agent_gets_its_namespaces_when_its_copy_is_old(void **state)
{
    static const char *const both[] = {"bank", "shop"};
    static const char *const shop[] = {"shop"};
    struct nj_plans *plans = nj_plans_new(NULL);
    struct nj_buf first = {0};
    struct nj_buf second = {0};
    (void)state;
    put_plan(plans, "shop", "web");
    /* Nothing is handed out before everything is known. */
    assert_false(nj_plans_append(plans, shop, 1, "", &first));
    nj_plans_open(plans);
    assert_true(nj_plans_append(plans, shop, 1, "", &first));
    assert_true(nj_plans_append(plans, both, 2, "", &second));
    assert_int_equal(first.len, second.len); /* the other has no checks */
    assert_memory_equal(first.data, second.data, first.len);
    /* The version is the last field; 64 hex digits. */
    char version[NJ_PLAN_VERSION_MAX] = "";
    memcpy(version, first.data + first.len - (NJ_PLAN_VERSION_MAX - 1), NJ_PLAN_VERSION_MAX - 1);
    nj_buf_clear(&second);
    assert_false(nj_plans_append(plans, shop, 1, version, &second));
    put_plan(plans, "bank", "pay");
    assert_false(nj_plans_append(plans, shop, 1, version, &second));
    assert_true(nj_plans_append(plans, both, 2, version, &second));
    assert_true(second.len > first.len);
    const struct nj_plan_namespace none = {.name = "shop"};
    nj_plans_put(plans, &none);
    assert_false(nj_plans_has(plans, "shop"));
    assert_true(nj_plans_append(plans, shop, 1, version, &second));
    nj_buf_done(&first);
    nj_buf_done(&second);
    nj_plans_free(plans);
}

static void a_namespace_that_is_too_large_takes_nobody_elses_place(void **state)
{
    enum { LARGE_CHECKS = 34, LARGE_SPEC = 60 << 10 };
    static const char *const all[] = {"a-large", "b-large", "shop"};
    static char spec[LARGE_SPEC + 1];
    struct nj_plan_check checks[LARGE_CHECKS];
    struct nj_plans *plans = nj_plans_new(NULL);
    struct nj_buf plan = {0};
    (void)state;
    memset(spec, ' ', LARGE_SPEC);
    for (size_t i = 0; i < LARGE_CHECKS; i++)
        checks[i] = (struct nj_plan_check){.monitor = "apimonitor.large.one", .service = "one", .spec = spec};
    struct nj_plan_namespace large = {.name = "a-large", .checks = checks, .checks_count = LARGE_CHECKS};
    nj_plans_put(plans, &large);
    large.name = "b-large";
    nj_plans_put(plans, &large);
    put_plan(plans, "shop", "web");
    nj_plans_open(plans);
    assert_true(nj_plans_append(plans, all, 3, "", &plan));
    assert_true(plan.len <= NJ_PLAN_BYTES_MAX);
    assert_non_null(memmem(plan.data, plan.len, "a-large", strlen("a-large")));
    assert_null(memmem(plan.data, plan.len, "b-large", strlen("b-large")));
    assert_non_null(memmem(plan.data, plan.len, "service.shop.web", strlen("service.shop.web")));
    nj_buf_done(&plan);
    nj_plans_free(plans);
}

/* --- states */

static struct nj_store_target target_of(const char *target, const char *state, int64_t since_ns)
{
    return (struct nj_store_target){.cluster = "c",
                                    .key = {.monitor = "service.shop.web", .target = target},
                                    .source = "derived",
                                    .namespace = "shop",
                                    .service = "web",
                                    .state = state,
                                    .since_ns = since_ns};
}

static void states_are_counted_until_their_target_is_gone(void **state)
{
    struct nj_states *states = nj_states_new(NULL);
    struct nj_store_target target = target_of("pod/1/80/IPv4", "passing", 5);
    (void)state;
    assert_true(nj_states_put(states, &target));
    assert_false(nj_states_put(states, &target));
    target = target_of("pod/2/80/IPv4", "failing", 7);
    assert_true(nj_states_put(states, &target));
    const struct nj_states_of *of = nj_states_of(states, "service.shop.web");
    assert_int_equal(1, of->counts[NJ_CHECK_PASSING]);
    assert_int_equal(1, of->counts[NJ_CHECK_FAILING]);
    assert_int_equal(7, of->changed_ns);
    target = target_of("pod/1/80/IPv4", "failing", 9);
    assert_true(nj_states_put(states, &target));
    assert_int_equal(2, of->counts[NJ_CHECK_FAILING]);
    assert_int_equal(NJ_CHECK_FAILING, nj_states_find(states, "service.shop.web", "pod/1/80/IPv4")->state);
    target = target_of("pod/1/80/IPv4", "gone", 9);
    assert_true(nj_states_put(states, &target));
    assert_false(nj_states_put(states, &target));
    target = target_of("pod/2/80/IPv4", "gone", 9);
    assert_true(nj_states_put(states, &target));
    assert_null(nj_states_of(states, "service.shop.web"));
    nj_states_free(states);
}

static void the_reason_says_how_many_pass(void **state)
{
    (void)state;
    assert_string_equal("NoTargets", nj_status_passing_reason(&(struct nj_status_counts){0}));
    assert_string_equal("AllPass",
                        nj_status_passing_reason(&(struct nj_status_counts){.targets = 2, .passing = 2}));
    assert_string_equal("SomeFail",
                        nj_status_passing_reason(&(struct nj_status_counts){.targets = 2, .failing = 1}));
    assert_string_equal("AllFail",
                        nj_status_passing_reason(&(struct nj_status_counts){.targets = 2, .failing = 2}));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_service_without_a_monitor_has_a_derived_check_of_every_tcp_port),
        TEST(annotations_say_how_a_service_is_checked_or_that_it_is_not),
        TEST(services_without_tcp_ports_and_external_names_have_no_derived_check),
        TEST(a_services_address_is_checked_only_while_it_leads_anywhere),
        TEST(a_monitor_checks_the_service_and_its_pods_as_its_scope_says),
        TEST(what_is_wrong_with_a_monitor_is_said),
        TEST(a_url_is_checked_where_the_list_allows_it),
        TEST(an_ingress_is_asked_for_each_host_and_path_at_its_address),
        TEST(an_ingress_without_a_monitor_has_a_derived_check_of_its_hosts_and_paths),
        TEST(annotations_say_how_an_ingress_is_checked_or_that_it_is_not),
        TEST(endpoints_that_nobody_selects_are_checked_by_the_collector),
        TEST(secrets_go_with_the_check_and_without_them_it_is_not_run),
        TEST(a_test_tries_pods_too_whether_ready_or_not),
        TEST(an_agent_gets_its_namespaces_when_its_copy_is_old),
        TEST(a_namespace_that_is_too_large_takes_nobody_elses_place),
        TEST(states_are_counted_until_their_target_is_gone),
        TEST(the_reason_says_how_many_pass),
    };
    return cmocka_run_group_tests_name("collector/probes/monitors", tests, NULL, NULL);
}
