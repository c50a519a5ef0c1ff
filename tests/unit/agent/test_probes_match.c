/*
 * Which targets a pod gives to a plan, and which checks follow from a pod or a node by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probes/match.h"
#include "agent/probes/plan.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/agent/pod_json.h"
#include "tests/unit/test.h"

enum { ARENA_MAX = 1 << 20, LISTED_MAX = 4096 };

struct listed {
    char text[LISTED_MAX];
    size_t len;
};

/* "10.0.0.7:8080/IPv4", with what is checked where it is not `plain`. */
static void list(void *data, const struct nj_match *match)
{
    struct listed *listed = data;
    bool is_plain = nj_streq(match->json, "SPEC");
    bool is_tcp = nj_streq(match->json, nj_derive_tcp());
    int len = snprintf(listed->text + listed->len, sizeof(listed->text) - listed->len, "%s%s:%d/%s%s%s%s%s",
                       listed->len > 0 ? " " : "", match->address, match->port, match->family,
                       match->scheme[0] == '\0' ? "" : " ", match->scheme,
                       is_plain ? "" : (is_tcp ? " tcp" : " "), is_plain || is_tcp ? "" : match->json);
    assert_true(len > 0 && (size_t)len < sizeof(listed->text) - listed->len);
    listed->len += (size_t)len;
}

static struct nj_pod_facts *facts_of(const char *metadata, const char *spec, const char *status)
{
    struct nj_arena arena;
    nj_arena_init(&arena, ARENA_MAX);
    struct nj_kube_object pod = test_pod(
        &arena, "{'metadata':{'name':'web-1','namespace':'shop','uid':'u1'%s%s},'spec':{%s},'status':{%s}}",
        metadata[0] == '\0' ? "" : ",", metadata, spec, status);
    struct nj_pod_facts *facts = nj_pod_facts_new(&pod, NULL, false);
    nj_arena_done(&arena); /* the facts stand by themselves */
    return facts;
}

#define WEB "'labels':{'app':'web','tier':'front'}"
#define RUNS "'phase':'Running','podIPs':[{'ip':'10.0.0.7'}]"
#define PORT(name, number) "{'name':'" name "','containerPort':" number "}"
#define CONTAINERS(ports) "'containers':[{'name':'c','ports':[" ports "]}]"

static const struct nj_plan_pair app_web[] = {{"app", "web"}};
static const struct nj_plan_pair app_tier[] = {{"app", "web"}, {"tier", "front"}};
static const struct nj_plan_pair app_other[] = {{"app", "web"}, {"tier", "back"}};
static const struct nj_plan_pair no_label[] = {{"app", "web"}, {"zone", ""}};

static const struct {
    const char *what, *metadata, *spec, *status;
    const struct nj_plan_pair *selector;
    size_t selector_count;
    struct nj_plan_port ports[3];
    size_t ports_count;
    const char *families[2];
    size_t families_count;
    const char *wanted;
} matches[] = {
    {"by number",
     WEB,
     CONTAINERS(PORT("http", "8080")),
     RUNS,
     app_web,
     1,
     {{"", 8080, "", 8080, ""}},
     1,
     {0},
     0,
     "10.0.0.7:8080/IPv4"},
    {"by a number that no container declares",
     WEB,
     CONTAINERS(""),
     RUNS,
     app_web,
     1,
     {{"", 80, "", 9000, ""}},
     1,
     {0},
     0,
     "10.0.0.7:9000/IPv4"},
    {"remapped",
     WEB,
     CONTAINERS(PORT("http", "8080")),
     RUNS,
     app_web,
     1,
     {{"", 80, "", 8080, ""}},
     1,
     {0},
     0,
     "10.0.0.7:8080/IPv4"},
    {"by name",
     WEB,
     CONTAINERS(PORT("http", "8081")),
     RUNS,
     app_web,
     1,
     {{"", 80, "http", 0, ""}},
     1,
     {0},
     0,
     "10.0.0.7:8081/IPv4"},
    {"by name, another number in this pod",
     WEB,
     CONTAINERS(PORT("http", "9999")),
     RUNS,
     app_web,
     1,
     {{"", 80, "http", 0, ""}},
     1,
     {0},
     0,
     "10.0.0.7:9999/IPv4"},
    {"by a name that the pod has not",
     WEB,
     CONTAINERS(PORT("web", "8081")),
     RUNS,
     app_web,
     1,
     {{"", 80, "http", 0, ""}},
     1,
     {0},
     0,
     ""},
    {"by the name of a UDP port",
     WEB,
     "'containers':[{'name':'c','ports':[{'name':'dns','containerPort':53,'protocol':'UDP'}]}]",
     RUNS,
     app_web,
     1,
     {{"", 53, "dns", 0, ""}},
     1,
     {0},
     0,
     ""},
    {"by name, of a second container",
     WEB,
     "'containers':[{'name':'a'},{'name':'b','ports':[{'name':'http','containerPort':70}]}]",
     RUNS,
     app_web,
     1,
     {{"", 80, "http", 0, ""}},
     1,
     {0},
     0,
     "10.0.0.7:70/IPv4"},
    {"by name, of a sidecar",
     WEB,
     "'initContainers':[{'name':'s','restartPolicy':'Always','ports':[{'name':'proxy','containerPort':15}]},"
     "{'name':'i','ports':[{'name':'init','containerPort':16}]}],'containers':[{'name':'a'}]",
     RUNS,
     app_web,
     1,
     {{"", 80, "proxy", 0, ""}, {"", 81, "init", 0, ""}},
     2,
     {0},
     0,
     "10.0.0.7:15/IPv4"},
    {"several ports",
     WEB,
     CONTAINERS(PORT("http", "8080") "," PORT("admin", "9090")),
     RUNS,
     app_tier,
     2,
     {{"", 80, "http", 0, ""}, {"", 81, "", 7000, ""}, {"", 82, "admin", 0, "https"}},
     3,
     {0},
     0,
     "10.0.0.7:8080/IPv4 10.0.0.7:7000/IPv4 10.0.0.7:9090/IPv4"},
    {"hostNetwork",
     WEB,
     "'hostNetwork':true," CONTAINERS(PORT("http", "8080")),
     "'phase':'Running','hostIP':'192.168.0.5','podIPs':[{'ip':'192.168.0.5'}]",
     app_web,
     1,
     {{"", 80, "http", 0, ""}},
     1,
     {0},
     0,
     "192.168.0.5:8080/IPv4"},
    {"dual stack, the first",
     WEB,
     CONTAINERS(""),
     "'podIPs':[{'ip':'fd00::7'},{'ip':'10.0.0.7'}]",
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {0},
     0,
     "fd00::7:80/IPv6"},
    {"dual stack, both",
     WEB,
     CONTAINERS(""),
     "'podIPs':[{'ip':'fd00::7'},{'ip':'10.0.0.7'}]",
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {"IPv4", "IPv6"},
     2,
     "10.0.0.7:80/IPv4 fd00::7:80/IPv6"},
    {"a family that the pod has not",
     WEB,
     CONTAINERS(""),
     RUNS,
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {"IPv6"},
     1,
     ""},
    {"another label's value", WEB, CONTAINERS(""), RUNS, app_other, 2, {{"", 80, "", 80, ""}}, 1, {0}, 0, ""},
    {"a label that it has not",
     WEB,
     CONTAINERS(""),
     RUNS,
     no_label,
     2,
     {{"", 80, "", 80, ""}},
     1,
     {0},
     0,
     ""},
    {"no selector", WEB, CONTAINERS(""), RUNS, NULL, 0, {{"", 80, "", 80, ""}}, 1, {0}, 0, ""},
    {"no labels", "", CONTAINERS(""), RUNS, app_web, 1, {{"", 80, "", 80, ""}}, 1, {0}, 0, ""},
    {"no address yet",
     WEB,
     CONTAINERS(""),
     "'phase':'Pending'",
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {0},
     0,
     ""},
    {"being deleted",
     WEB ",'deletionTimestamp':'2026-11-21T09:00:00Z'",
     CONTAINERS(""),
     RUNS,
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {0},
     0,
     ""},
    {"done",
     WEB,
     CONTAINERS(""),
     "'phase':'Succeeded','podIPs':[{'ip':'10.0.0.7'}]",
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {0},
     0,
     ""},
    {"evicted",
     WEB,
     CONTAINERS(""),
     "'phase':'Failed','podIPs':[{'ip':'10.0.0.7'}]",
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {0},
     0,
     ""},
    {"a static pod",
     WEB ",'annotations':{'kubernetes.io/config.source':'file'}",
     CONTAINERS(""),
     RUNS,
     app_web,
     1,
     {{"", 80, "", 80, ""}},
     1,
     {0},
     0,
     "10.0.0.7:80/IPv4"},
};

static void test_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
        struct listed listed = {0};
        struct nj_plan_check check = {
            .monitor = "apimonitor.shop.m",
            .service = "web",
            .selector = matches[i].selector,
            .selector_count = matches[i].selector_count,
            .ports = matches[i].ports,
            .ports_count = matches[i].ports_count,
            .spec = "SPEC",
            .ca_pem = "",
            .families = matches[i].families,
            .families_count = matches[i].families_count,
            .trouble = "",
        };
        struct nj_pod_facts *pod = facts_of(matches[i].metadata, matches[i].spec, matches[i].status);
        nj_match_check(&check, pod, list, &listed);
        if (!nj_streq(listed.text, matches[i].wanted))
            fail_msg("%s: '%s' instead of '%s'", matches[i].what, listed.text, matches[i].wanted);
        check.trouble = "the Secret cannot be read";
        listed = (struct listed){0};
        nj_match_check(&check, pod, list, &listed);
        assert_string_equal(listed.text, "");
        free(pod);
    }
}

#define HTTP_GET "'httpGet':{'path':'/ok?a=1','port':'http'}"
#define TIMES "\"interval\":\"10s\",\"timeout\":\"5s\""

static const struct {
    const char *what, *metadata, *spec;
    const char *wanted; /* of a Service with port 80 -> http and 81 -> 9090, then of the metrics page */
} derived[] = {
    {"no probe", "", CONTAINERS(PORT("http", "8080")), "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp"},
    {"readiness by HTTP", "",
     "'containers':[{'name':'c','ports':[" PORT(
         "http", "8080") "],'readinessProbe':{" HTTP_GET "},'livenessProbe':{'tcpSocket':{'port':1}}}]",
     "10.0.0.7:8080/IPv4 http {" TIMES
     ",\"steps\":[{\"name\":\"readiness probe\",\"http\":{\"path\":\"/ok?a=1\","
     "\"followRedirects\":false}}]} 10.0.0.7:9090/IPv4 tcp"},
    {"liveness by HTTPS, with a header and a long timeout, on a port that the Service has not", "",
     "'containers':[{'name':'c','ports':[" PORT(
         "http", "8080") "],'livenessProbe':{'httpGet':{'path':'ok/"
                         "${x}','port':8443,'scheme':'HTTPS','httpHeaders':[{'name':'Host',"
                         "'value':'a.b'},{'name':'X','value':'$1 ${y}'}]},'timeoutSeconds':20}}]",
     "10.0.0.7:8443/IPv4 https "
     "{\"interval\":\"20s\",\"timeout\":\"20s\",\"tls\":{\"insecureSkipVerify\":true},"
     "\"steps\":[{\"name\":\"liveness probe\",\"http\":{\"path\":\"/ok/$${x}\",\"followRedirects\":false,"
     "\"headers\":[{\"name\":\"Host\",\"value\":\"a.b\"},{\"name\":\"X\",\"value\":\"$1 $${y}\"}]}}]} "
     "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp"},
    {"TCP", "",
     "'containers':[{'name':'c','ports':[" PORT("http",
                                                "8080") "],'readinessProbe':{'tcpSocket':{'port':9090}}}]",
     "10.0.0.7:9090/IPv4 {" TIMES ",\"steps\":[{\"name\":\"readiness probe\",\"tcp\":{}}]} "
     "10.0.0.7:8080/IPv4 tcp"},
    {"gRPC of the second container", "",
     "'containers':[{'name':'a','readinessProbe':{'exec':{'command':['x']}}},{'name':'c','ports':[" PORT(
         "http", "8080") "],'readinessProbe':{'grpc':{'port':8080,'service':'s'}}}]",
     "10.0.0.7:8080/IPv4 {" TIMES ",\"steps\":[{\"name\":\"readiness probe\",\"grpc\":{\"service\":\"s\"}}]} "
     "10.0.0.7:9090/IPv4 tcp"},
    {"exec cannot be made from here", "",
     "'containers':[{'name':'c','ports':[" PORT("http",
                                                "8080") "],'readinessProbe':{'exec':{'command':['x']}}}]",
     "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp"},
    {"a probe at another host", "",
     "'containers':[{'name':'c','ports':[" PORT(
         "http", "8080") "],'readinessProbe':{'httpGet':{'host':'127.0.0.1','port':8080}}}]",
     "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp"},
    {"a probe at a port that is not there", "",
     "'containers':[{'name':'c','ports':[" PORT("http",
                                                "8080") "],'readinessProbe':{'tcpSocket':{'port':'x'}}}]",
     "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp"},
    {"metrics at the first port", ",'annotations':{'prometheus.io/scrape':'true'}",
     CONTAINERS(PORT("http", "8080")),
     "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp 10.0.0.7:8080/IPv4 http "
     "{\"steps\":[{\"name\":\"metrics "
     "page\",\"http\":{\"path\":\"/metrics\"},\"expect\":{\"status\":[200]}}]}"},
    {"metrics at the port of that name", ",'annotations':{'prometheus.io/scrape':'true'}",
     CONTAINERS(PORT("http", "8080") "," PORT("metrics", "9100")),
     "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp 10.0.0.7:9100/IPv4 http "
     "{\"steps\":[{\"name\":\"metrics "
     "page\",\"http\":{\"path\":\"/metrics\"},\"expect\":{\"status\":[200]}}]}"},
    {"metrics as the annotations say",
     ",'annotations':{'prometheus.io/scrape':'true','prometheus.io/port':'7','prometheus.io/path':'m','"
     "prometheus.io/scheme':'https'}",
     CONTAINERS(PORT("http", "8080")),
     "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp 10.0.0.7:7/IPv4 https "
     "{\"steps\":[{\"name\":\"metrics page\",\"http\":{\"path\":\"/m\"},\"expect\":{\"status\":[200]}}],"
     "\"tls\":{\"insecureSkipVerify\":true}}"},
    {"no metrics: not a port", ",'annotations':{'prometheus.io/scrape':'true','prometheus.io/port':'http'}",
     CONTAINERS(PORT("http", "8080")), "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp"},
    {"no metrics: not asked for", ",'annotations':{'prometheus.io/scrape':'false','prometheus.io/port':'7'}",
     CONTAINERS(PORT("http", "8080")), "10.0.0.7:8080/IPv4 tcp 10.0.0.7:9090/IPv4 tcp"},
};

static void test_derived(void **state)
{
    (void)state;
    static const struct nj_plan_port ports[] = {{"", 80, "http", 0, ""}, {"", 81, "", 9090, ""}};
    const struct nj_plan_check check = {.monitor = "service.shop.web",
                                        .source = NJ_SOURCE_DERIVED,
                                        .service = "web",
                                        .selector = app_web,
                                        .selector_count = 1,
                                        .ports = ports,
                                        .ports_count = 2,
                                        .spec = "",
                                        .ca_pem = "",
                                        .trouble = ""};
    for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++) {
        char metadata[512];
        struct listed listed = {0};
        (void)snprintf(metadata, sizeof(metadata), WEB "%s", derived[i].metadata);
        struct nj_pod_facts *pod = facts_of(metadata, derived[i].spec, RUNS);
        nj_match_check(&check, pod, list, &listed);
        nj_match_metrics(pod, list, &listed);
        if (!nj_streq(listed.text, derived[i].wanted))
            fail_msg("%s:\n%s instead of\n%s", derived[i].what, listed.text, derived[i].wanted);
        free(pod);
    }
}

#define STATIC(component)                                                                                    \
    "{'metadata':{'name':'x','uid':'u','labels':{'tier':'control-plane','component':'" component "'}},"
#define PROBE(host)                                                                                          \
    "'livenessProbe':{'httpGet':{'host':'" host "','path':'/livez','port':10259,'scheme':'HTTPS'}}"
#define ON_HOST "'status':{'podIPs':[{'ip':'10.1.1.1'}]}}"

static void expect_component(const char *pod_json, bool shares_host, const char *wanted)
{
    struct nj_arena arena;
    struct nj_builtin builtin;
    struct nj_buf out = {0};
    char text[256] = "";
    nj_arena_init(&arena, ARENA_MAX);
    struct nj_kube_object pod = test_pod(&arena, "%s", pod_json);
    nj_builtin_component(&pod.meta, &pod.pod, shares_host, &out, &builtin);
    if (builtin.name != NULL)
        (void)snprintf(text, sizeof(text), "%s %s://%s:%d", builtin.name, builtin.scheme, builtin.host,
                       builtin.port);
    assert_string_equal(text, wanted);
    nj_buf_done(&out);
    nj_arena_done(&arena);
}

static void test_control_plane(void **state)
{
    (void)state;
    expect_component(
        STATIC("kube-scheduler") "'spec':{'containers':[{'name':'c'," PROBE("10.1.1.1") "}]}," ON_HOST, false,
        "scheduler https://10.1.1.1:10259");
    expect_component(
        STATIC("kube-scheduler") "'spec':{'containers':[{'name':'c'," PROBE("127.0.0.1") "}]}," ON_HOST,
        false, "");
    expect_component(
        STATIC("kube-scheduler") "'spec':{'containers':[{'name':'c'," PROBE("127.0.0.1") "}]}," ON_HOST, true,
        "scheduler https://127.0.0.1:10259");
    expect_component(
        STATIC("kube-controller-manager") "'spec':{'containers':[{'name':'c'," PROBE("") "}]}," ON_HOST,
        false, "controller-manager https://10.1.1.1:10259");
    expect_component(STATIC("etcd") "'spec':{'containers':[{'name':'c'," PROBE("::1") "}]}," ON_HOST, false,
                     "");
    expect_component(STATIC("etcd") "'spec':{'containers':[{'name':'c'}]}," ON_HOST, true, "");
    expect_component(STATIC("other") "'spec':{'containers':[{'name':'c'," PROBE("") "}]}," ON_HOST, false,
                     "");
    expect_component("{'metadata':{'name':'x','uid':'u','labels':{'component':'etcd'}},"
                     "'spec':{'containers':[{'name':'c'," PROBE("") "}]}," ON_HOST,
                     false, "");
}

static void test_dns(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } table[] = {
        {"search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions "
         "ndots:5\n",
         "10.96.0.10 kubernetes.default.svc.cluster.local"},
        {"nameserver 10.96.0.10\nnameserver 10.96.0.11\nsearch a.svc.k8s.corp svc.k8s.corp",
         "10.96.0.10 kubernetes.default.svc.k8s.corp"},
        {"  nameserver\t fd00::a\r\nsearch svc.a\r\n", "fd00::a kubernetes.default.svc.a"},
        {"search a.svc.cluster.local svc.cluster.local\nnameserver 169.254.20.10\n",
         "169.254.20.10 kubernetes.default.svc.cluster.local"},
        {"search old svc.old\nsearch new\nnameserver 10.0.0.1\n", ""},
        {"search corp.example\nnameserver 192.168.1.1\n", ""},
        {"search svc.cluster.local\n", ""},
        {"search svc.\"}\nnameserver 10.0.0.1\n", ""},
        {"", ""},
        {"nameserver", ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct nj_buf host = {0};
        struct nj_buf out = {0};
        struct nj_builtin builtin;
        char text[256] = "";
        char wanted[256] = "";
        struct nj_buf domain = {0};
        nj_builtin_dns(table[i].text, &host, &domain, &out, &builtin);
        assert_int_equal(builtin.by_resolver, builtin.name != NULL);
        if (builtin.name != NULL)
            (void)snprintf(text, sizeof(text), "%s:%d %s", builtin.host, builtin.port, builtin.json);
        size_t space = strcspn(table[i].wanted, " ");
        if (table[i].wanted[0] != '\0')
            (void)snprintf(wanted, sizeof(wanted),
                           "%.*s:53 {\"steps\":[{\"name\":\"lookup\",\"dns\":{\"name\":\"%s\"}}]}",
                           (int)space, table[i].wanted, table[i].wanted + space + 1);
        assert_string_equal(text, wanted);
        nj_buf_done(&host);
        nj_buf_done(&domain);
        nj_buf_done(&out);
    }
}

/* The copy is whole, sorted, and stands by itself. */
static void test_plan_copy(void **state)
{
    (void)state;
    const char *families[] = {"IPv6"};
    struct nj_plan_pair secret = {"password", "s3cret"};
    struct nj_plan_port port = {"http", 80, "web", 0, "h2c"};
    struct nj_plan_check check = {.monitor = "m",
                                  .source = NJ_SOURCE_MONITOR,
                                  .service = "s",
                                  .selector = app_tier,
                                  .selector_count = 2,
                                  .ports = &port,
                                  .ports_count = 1,
                                  .spec = "{}",
                                  .secrets = &secret,
                                  .secrets_count = 1,
                                  .ca_pem = "PEM",
                                  .families = families,
                                  .families_count = 1,
                                  .trouble = "t"};
    struct nj_plan_namespace namespaces[] = {
        {.name = "zoo"}, {.name = "bar", .derive = true, .checks = &check, .checks_count = 1}};
    struct nj_plan plan = {.version = "v1", .namespaces = namespaces, .namespaces_count = 2};
    struct nj_plan_copy *copy = nj_plan_copy_new(&plan);
    assert_string_equal(copy->plan.version, "v1");
    assert_null(nj_plan_copy_find(copy, "foo"));
    assert_null(nj_plan_copy_find(NULL, "foo"));
    assert_int_equal(nj_plan_copy_find(copy, "zoo")->checks_count, 0);
    const struct nj_plan_namespace *bar = nj_plan_copy_find(copy, "bar");
    assert_true(bar->derive);
    const struct nj_plan_check *kept = bar->checks;
    assert_ptr_not_equal(kept, &check);
    assert_string_equal(kept->selector[1].value, "front");
    assert_string_equal(kept->ports[0].target_name, "web");
    assert_string_equal(kept->ports[0].app_protocol, "h2c");
    assert_string_equal(kept->secrets[0].value, "s3cret");
    assert_string_equal(kept->families[0], "IPv6");
    assert_string_equal(kept->trouble, "t");
    nj_plan_copy_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),       cmocka_unit_test(test_derived),
        cmocka_unit_test(test_control_plane), cmocka_unit_test(test_dns),
        cmocka_unit_test(test_plan_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
