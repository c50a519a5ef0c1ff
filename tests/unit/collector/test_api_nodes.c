/*
 * Nodes, namespaces and the forecast, over HTTP.
 */
#include <string.h>

#include "common/base/str.h"
#include "tests/unit/collector/api_support.h"
#include "tests/unit/test.h"

static const struct nj_pod_condition conditions[] = {
    {.type = "Ready",
     .status = "True",
     .reason = "KubeletReady",
     .message = "kubelet is \"posting\"",
     .last_transition_ns = INT64_C(1763700000000000000)},
};
static const struct nj_taint taints[] = {{.key = "gpu", .value = "yes", .effect = "NoSchedule"}};
static const struct nj_node_object object = {.allocatable_cpu_millis = 4000,
                                             .allocatable_memory_bytes = INT64_C(8) << 30,
                                             .allocatable_pods = 110,
                                             .conditions = conditions,
                                             .conditions_count = 1,
                                             .taints = taints,
                                             .taints_count = 1,
                                             .kubelet_version = "v1.31.2"};
static const struct nj_nodes_node kube_node = {.name = "n1", .uid = "u1", .ready = true, .node = &object};
static const struct nj_capacity_refusal refusals[] = {
    {.namespace = "shop", .pod = "web-1", .why = "0/2 nodes are available: 2 Insufficient memory"}};
static const char *const falling[] = {"n2", "n3"};
static const struct nj_capacity_sum sum = {
    .pods = 12,
    .unmeasured = 1,
    .cpu_request_millis = 3000,
    .cpu_limit_millis = 9000,
    .cpu_use_micros = 1234567,
    .cpu_waste_micros = 1800000,
    .memory_request_bytes = INT64_C(4) << 30,
    .memory_limit_bytes = INT64_C(16) << 30,
    .memory_use_bytes = INT64_C(2) << 30,
    .memory_waste_bytes = INT64_C(3) << 30,
};
static const struct nj_capacity_pod_view pod = {.namespace = "shop",
                                                .name = "web-1",
                                                .uid = "p1",
                                                .workload_kind = "Deployment",
                                                .workload = "web",
                                                .cpu_request_millis = 250,
                                                .cpu_use_micros = -1,
                                                .memory_use_bytes = 1 << 20,
                                                .movable = true};
static const char *const namespaces[] = {"bank", "shop"};

struct known {
    struct nj_capacity capacity;
    struct nj_capacity_node_view nodes[3];
    struct nj_capacity_sum sums[2];
};

/* n1 is well and cannot be lost, n2 was only heard of, n3 can be lost. */
static void open_with_nodes(struct api_setup *setup, struct known *known)
{
    *known = (struct known){.sums = {sum, {.pods = 1}}};
    for (int i = 0; i < 3; i++)
        known->nodes[i] = (struct nj_capacity_node_view){
            .cpu_use_micros = -1, .memory_use_bytes = -1, .loss = {.next = ""}};
    known->nodes[0] = (struct nj_capacity_node_view){
        .name = "n1",
        .node = &kube_node,
        .bad = {"DiskPressure"},
        .bad_count = 1,
        .minute_ns = noon_ns,
        .cpu_use_micros = 2000000,
        .memory_use_bytes = INT64_C(5) << 30,
        .sum = sum,
        .loss = {.at_ns = noon_ns,
                 .movable = 9,
                 .fixed = 3,
                 .unplaceable = {[NJ_FORECAST_REQUESTS] = 2},
                 .refusals = {[NJ_FORECAST_REQUESTS] = refusals},
                 .refusals_count = {[NJ_FORECAST_REQUESTS] = 1},
                 .next = "n2",
                 .next_share = 1.25,
                 .fallen = falling,
                 .fallen_count = 2,
                 .fallen_unplaceable = 7,
                 .told = true},
    };
    known->nodes[1].name = "n2";
    known->nodes[1].minute_ns = noon_ns;
    known->nodes[2].name = "n3";
    known->nodes[2].loss.at_ns = noon_ns;
    known->capacity = (struct nj_capacity){
        .nodes = known->nodes,
        .nodes_count = 3,
        .namespaces = namespaces,
        .sums = known->sums,
        .namespaces_count = 2,
        .pods = &pod,
        .pods_count = 1,
        .summary = {.at_ns = noon_ns, .nodes = 3, .usable = 2, .critical = 1},
    };
    setup->capacity = &known->capacity;
    api_open(setup);
}

static json_object *at(json_object *parent, const char *name)
{
    json_object *value = NULL;
    if (!json_object_object_get_ex(parent, name, &value))
        fail_msg("no %s in %s", name, json_object_to_json_string(parent));
    return value;
}

static json_object *item(json_object *parent, const char *list, size_t i)
{
    json_object *found = json_object_array_get_idx(at(parent, list), i);
    assert_non_null(found);
    return found;
}

static void nodes_are_listed_page_by_page(void **state)
{
    struct api_setup *setup = *state;
    struct known known;
    struct nj_buf names = {0};
    char cursor[32];
    open_with_nodes(setup, &known);
    get_list(setup, "/api/v1/nodes?limit=2", "name", &names, cursor);
    assert_string_equal(nj_buf_str(&names), "n1 n2 ");
    assert_string_equal(cursor, "n2");
    nj_buf_clear(&names);
    get_list(setup, "/api/v1/nodes?limit=2&cursor=n2", "name", &names, cursor);
    assert_string_equal(nj_buf_str(&names), "n3 ");
    assert_string_equal(cursor, "");
    nj_buf_done(&names);
    assert_list(setup, "/api/v1/namespaces", "name", "bank shop ");
    assert_list(setup, "/api/v1/namespaces?cursor=bank", "name", "shop ");
    assert_get_problem(setup, "/api/v1/nodes?limit=0", 400, "limit");
    assert_get_problem(setup, "/api/v1/capacity/forecast?critical=yes", 400, "critical");
}

static void a_node_shows_what_is_promised_beside_what_there_is(void **state)
{
    struct api_setup *setup = *state;
    struct known known;
    struct reply reply;
    open_with_nodes(setup, &known);
    get(setup, &reply, "/api/v1/nodes");
    json_object *node = item(reply.json, "items", 0);
    assert_string_equal(field(node, "ready"), "true");
    assert_string_equal(field(node, "troubles"), "[ \"DiskPressure\" ]");
    assert_string_equal(field(node, "nodeCpuUseMillis"), "2000");
    assert_string_equal(field(node, "cpuUseMillis"), "1235");
    assert_string_equal(field(at(node, "ofAllocatable"), "cpuRequest"), "0.750000");
    assert_string_equal(field(at(node, "ofAllocatable"), "cpuLimit"), "2.250000");
    assert_string_equal(field(at(node, "ofAllocatable"), "memoryUse"), "0.250000");
    json_object *loss = at(node, "loss");
    assert_string_equal(field(at(loss, "byRequests"), "unplaceable"), "2");
    assert_string_equal(field(item(at(loss, "byRequests"), "examples", 0), "why"),
                        "0/2 nodes are available: 2 Insufficient memory");
    assert_string_equal(field(loss, "nextMemoryUse"), "1.250000");
    assert_string_equal(field(loss, "falling"), "[ \"n2\", \"n3\" ]");
    /* Of what is not a node of the cluster, little is known. */
    node = item(reply.json, "items", 1);
    assert_string_equal(field(node, "ready"), "");
    assert_string_equal(field(node, "loss"), "");
    assert_string_equal(field(node, "nodeMemoryUseBytes"), "");
    assert_string_equal(field(at(node, "ofAllocatable"), "cpuRequest"), "");
    reply_done(setup, &reply);
}

static void one_node_has_its_pods(void **state)
{
    struct api_setup *setup = *state;
    struct known known;
    struct reply reply;
    open_with_nodes(setup, &known);
    get(setup, &reply, "/api/v1/nodes/n1");
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "name"), "n1");
    assert_string_equal(field(item(reply.json, "conditions", 0), "message"), "kubelet is \"posting\"");
    assert_string_equal(field(item(reply.json, "taints", 0), "key"), "gpu");
    assert_string_equal(field(item(reply.json, "pods", 0), "name"), "web-1");
    assert_string_equal(field(item(reply.json, "pods", 0), "cpuUseMillis"), "");
    reply_done(setup, &reply);
    assert_get_problem(setup, "/api/v1/nodes/n9", 404, "n9");
}

static void a_namespace_shows_its_waste(void **state)
{
    struct api_setup *setup = *state;
    struct known known;
    struct reply reply;
    open_with_nodes(setup, &known);
    get(setup, &reply, "/api/v1/namespaces");
    json_object *namespace = item(reply.json, "items", 0);
    assert_string_equal(field(namespace, "cpuWasteMillis"), "1800");
    assert_string_equal(field(at(namespace, "ofRequest"), "memoryLimit"), "4.000000");
    assert_string_equal(field(at(item(reply.json, "items", 1), "ofRequest"), "memoryUse"), "");
    reply_done(setup, &reply);
}

static void the_forecast_is_of_nodes_that_can_be_lost(void **state)
{
    struct api_setup *setup = *state;
    struct known known;
    struct reply reply;
    open_with_nodes(setup, &known);
    get(setup, &reply, "/api/v1/capacity/forecast");
    assert_string_equal(field(reply.json, "nodesUsable"), "2");
    assert_string_equal(field(reply.json, "nodesCritical"), "1");
    reply_done(setup, &reply);
    assert_list(setup, "/api/v1/capacity/forecast", "node", "n1 n3 ");
    assert_list(setup, "/api/v1/capacity/forecast?critical=true", "node", "n1 ");
}

static void without_a_cluster_nothing_is_known(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    api_open(setup);
    assert_list(setup, "/api/v1/nodes", "name", "");
    assert_list(setup, "/api/v1/namespaces", "name", "");
    get(setup, &reply, "/api/v1/capacity/forecast");
    assert_string_equal(field(reply.json, "at"), "");
    reply_done(setup, &reply);
    assert_get_problem(setup, "/api/v1/nodes/n1", 404, "n1");
}

static void an_answer_that_is_too_large_is_refused(void **state)
{
    struct api_setup *setup = *state;
    struct known known;
    setup->max_answer_bytes = 1000;
    open_with_nodes(setup, &known);
    assert_get_problem(setup, "/api/v1/nodes", 400, "limit");
    assert_get_problem(setup, "/api/v1/nodes/n1", 400, "larger");
}

/* ---- openapi.json */

static json_object *schema_of(json_object *schemas, json_object *schema)
{
    json_object *reference = json_object_object_get(schema, "$ref");
    json_object *all = json_object_object_get(schema, "allOf");
    if (all != NULL)
        reference = at(json_object_array_get_idx(all, 0), "$ref");
    return reference == NULL ? schema : at(schemas, strrchr(json_object_get_string(reference), '/') + 1);
}

/* Exactly what the schema describes is there, all the way down. */
static void assert_described(json_object *schemas, json_object *schema, json_object *value)
{
    schema = schema_of(schemas, schema);
    if (json_object_is_type(value, json_type_array)) {
        assert_string_equal(field(schema, "type"), "array");
        for (size_t i = 0; i < json_object_array_length(value); i++)
            assert_described(schemas, at(schema, "items"), json_object_array_get_idx(value, i));
    }
    if (!json_object_is_type(value, json_type_object))
        return;
    json_object *properties = at(schema, "properties");
    json_object_object_foreach(value, name, inner)
    {
        if (json_object_object_get(properties, name) == NULL)
            fail_msg("%s is not described", name);
        assert_described(schemas, at(properties, name), inner);
    }
    assert_int_equal(json_object_object_length(value), json_object_object_length(properties));
    assert_int_equal(json_object_object_length(value), json_object_array_length(at(schema, "required")));
}

static void what_is_answered_is_described(void **state)
{
    static const struct {
        const char *target, *schema;
    } answers[] = {{"/api/v1/nodes", "NodeList"},
                   {"/api/v1/nodes/n1", "NodeDetail"},
                   {"/api/v1/namespaces", "NamespaceUseList"},
                   {"/api/v1/capacity/forecast", "Forecast"}};
    struct api_setup *setup = *state;
    struct known known;
    struct reply document, reply;
    open_with_nodes(setup, &known);
    get(setup, &document, "/openapi.json");
    json_object *schemas = at(at(document.json, "components"), "schemas");
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        get(setup, &reply, answers[i].target);
        assert_described(schemas, at(schemas, answers[i].schema), reply.json);
        reply_done(setup, &reply);
    }
    reply_done(setup, &document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(nodes_are_listed_page_by_page),
        api_case(a_node_shows_what_is_promised_beside_what_there_is),
        api_case(one_node_has_its_pods),
        api_case(a_namespace_shows_its_waste),
        api_case(the_forecast_is_of_nodes_that_can_be_lost),
        api_case(without_a_cluster_nothing_is_known),
        api_case(an_answer_that_is_too_large_is_refused),
        api_case(what_is_answered_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
