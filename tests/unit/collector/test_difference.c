/*
 * What differs between two templates, in words that people read and without what must not be read.
 */
#include "collector/sla/difference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "tests/unit/test.h"

static void assert_difference(const char *from, const char *to, const char *expected)
{
    NJ_CLEANUP_FREE char *text = nj_difference(from, strlen(from), to, strlen(to));
    assert_string_equal(text, expected);
}

#define POD(spec) "{\"spec\":{\"containers\":[{\"name\":\"c\"," spec "}]}}"

static void fields_are_named_by_their_path(void **state)
{
    (void)state;
    assert_difference(POD("\"image\":\"web:1\",\"command\":[\"httpd\"]"),
                      POD("\"image\":\"web:2\",\"command\":[\"httpd\",\"-f\"]"),
                      "containers[c].image: \"web:1\" -> \"web:2\"\n"
                      "containers[c].command: [\"httpd\"] -> [\"httpd\",\"-f\"]");
    assert_difference(POD("\"resources\":{}"), POD("\"resources\":{\"limits\":{\"memory\":\"64Mi\"}}"),
                      "containers[c].resources.limits: none -> {\"memory\":\"64Mi\"}");
    assert_difference(POD("\"readinessProbe\":{\"periodSeconds\":1}"), POD("\"x\":null"),
                      "containers[c].readinessProbe: {\"periodSeconds\":1} -> none");
    assert_difference(POD("\"image\":\"web:1\""), POD("\"image\":\"web:1\""), "");
}

static void what_comes_and_goes_is_said_by_its_name(void **state)
{
    (void)state;
    assert_difference("{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"a:1\"},{\"name\":\"b\"}]}}",
                      "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"d\",\"image\":\"d:1\"}],"
                      "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
                      "containers[a]: removed (\"a:1\")\ncontainers[d]: added (\"d:1\")\n"
                      "volumes: none -> [{\"name\":\"v\",\"emptyDir\":{}}]");
    assert_difference(POD("\"ports\":[{\"containerPort\":80},{\"containerPort\":81}]"),
                      POD("\"ports\":[{\"containerPort\":80}]"), "containers[c].ports[81]: removed");
    assert_difference(
        POD("\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/a\"},{\"name\":\"v\",\"mountPath\":\"/b\"}]"),
        POD("\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/a\"},{\"name\":\"w\",\"mountPath\":\"/b\"}]"),
        "containers[c].volumeMounts[/b].name: \"v\" -> \"w\"");
}

static void values_of_variables_and_secrets_stay_out(void **state)
{
    (void)state;
    assert_difference(
        POD("\"env\":[{\"name\":\"A\",\"value\":\"hush\"},{\"name\":\"B\",\"value\":\"b\"},{\"name\":\"D\"}"
            "]"),
        POD("\"env\":[{\"name\":\"A\",\"value\":\"quiet\"},{\"name\":\"C\",\"value\":\"hush\"},{\"name\":"
            "\"D\"}]"),
        "containers[c].env[A]: changed\ncontainers[c].env[B]: removed\ncontainers[c].env[C]: added");
    assert_difference(POD("\"image\":\"i\""),
                      POD("\"image\":\"i\",\"env\":[{\"name\":\"A\",\"value\":\"hush\"}]"),
                      "containers[c].env: added");
    assert_difference(
        "{\"spec\":{\"imagePullSecrets\":[{\"name\":\"hush\"}],\"x\":{\"dbPassword\":\"hush\"}}}",
        "{\"spec\":{\"imagePullSecrets\":[],\"x\":{\"dbPassword\":\"quiet\"}}}",
        "imagePullSecrets[hush]: removed\nx.dbPassword: changed");
    assert_difference(
        POD("\"livenessProbe\":{\"httpGet\":{\"httpHeaders\":[{\"name\":\"X\",\"value\":\"hush\"}]}}"),
        POD("\"livenessProbe\":{\"httpGet\":{\"httpHeaders\":[{\"name\":\"X\",\"value\":\"quiet\"}]}}"),
        "containers[c].livenessProbe.httpGet.httpHeaders[X]: changed");
    assert_difference(
        POD("\"args\":[]"),
        POD("\"args\":[\"--password\",\"hush\",\"--db-token=hush\",\"-v\",\"export API_KEY='hush'; "
            "run\",\"https://me:hush@host/x\",\"https://host\"]"),
        "containers[c].args: [] -> [\"--password\",\"***\",\"--db-token=***\",\"-v\",\"export "
        "API_KEY='***'; run\",\"https://***@host/x\",\"https://host\"]");
    assert_difference(
        "{\"spec\":{}}",
        "{\"spec\":{\"initContainers\":[{\"name\":\"i\",\"env\":[{\"name\":\"A\",\"value\":\"hush\"}]}]}}",
        "initContainers: none -> [{\"name\":\"i\",\"env\":\"***\"}]");
}

static void labels_and_annotations_are_shown_without_the_controllers_own(void **state)
{
    (void)state;
    assert_difference(
        "{\"metadata\":{\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"a\"}}}",
        "{\"metadata\":{\"labels\":{\"app\":\"www\",\"pod-template-hash\":\"b\"},\"annotations\":{"
        "\"kubectl.kubernetes.io/restartedAt\":\"2026\"}}}",
        "labels[app]: \"web\" -> \"www\"\n"
        "annotations[kubectl.kubernetes.io/restartedAt]: none -> \"2026\"");
}

static void the_template_is_found_in_what_holds_it(void **state)
{
    (void)state;
    assert_difference(
        "{\"kind\":\"ReplicaSet\",\"spec\":{\"replicas\":1,\"template\":" POD("\"image\":\"a\"") "}}",
        "{\"kind\":\"ControllerRevision\",\"data\":{\"spec\":{\"template\":" POD("\"image\":\"b\"") "}}}",
        "containers[c].image: \"a\" -> \"b\"");
    assert_difference("nonsense", "{\"spec\":{\"a\":1}}", "a: none -> 1");
    assert_difference("[]", "3", "");
    assert_difference("", "{\"metadata\":7,\"spec\":[]}", "");
}

static void the_text_is_bounded(void **state)
{
    (void)state;
    struct nj_buf from = {0}, to = {0};
    (void)nj_buf_printf(&from, "{\"spec\":{\"s\":\"%0400d\"", 1);
    (void)nj_buf_printf(&to, "{\"spec\":{\"s\":\"%0400d\"", 2);
    for (int i = 0; i < 50; i++) {
        (void)nj_buf_printf(&from, ",\"f%d\":1", i);
        (void)nj_buf_printf(&to, ",\"f%d\":2", i);
    }
    (void)nj_buf_append(&from, "}}", 2);
    (void)nj_buf_append(&to, "}}", 2);
    NJ_CLEANUP_FREE char *text = nj_difference(from.data, from.len, to.data, to.len);
    assert_non_null(strstr(text, "000... -> \"000"));
    assert_non_null(strstr(text, "\nf38: 1 -> 2\nand 11 more"));
    assert_true(strlen(text) < 2000);
    nj_buf_done(&from);
    nj_buf_done(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_named_by_their_path),
        cmocka_unit_test(what_comes_and_goes_is_said_by_its_name),
        cmocka_unit_test(values_of_variables_and_secrets_stay_out),
        cmocka_unit_test(labels_and_annotations_are_shown_without_the_controllers_own),
        cmocka_unit_test(the_template_is_found_in_what_holds_it),
        cmocka_unit_test(the_text_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
