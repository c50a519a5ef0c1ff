/*
 * Other monitors' files become manifests that the collector takes, and what could not be carried over is
 * named.
 */
#include "collector/import/import.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "collector/import/tree.h"
#include "common/base/str.h"
#include "common/probe/spec.h"
#include "tests/unit/test.h"

struct imported {
    struct nj_buf out, notes;
    size_t count;
    int rc;
    struct nj_err err;
};

static struct imported import(struct nj_import_options options, const char *file)
{
    struct imported imported = {0};
    char path[512], modules[512];
    (void)snprintf(path, sizeof(path), "%s/%s", IMPORT_FIXTURES, file);
    const char *files[] = {path};
    options.files = files;
    options.files_count = 1;
    options.namespace = "default";
    if (options.modules != NULL) {
        (void)snprintf(modules, sizeof(modules), "%s/%s", IMPORT_FIXTURES, options.modules);
        options.modules = modules;
    }
    imported.rc = nj_import(&options, &imported.out, &imported.notes, &imported.count, &imported.err);
    return imported;
}

static void done(struct imported *imported)
{
    nj_buf_done(&imported->out);
    nj_buf_done(&imported->notes);
}

/* The manifest with this name: its spec as JSON; every manifest must be one that the collector takes. */
static struct json_object *manifest(const struct imported *imported, const char *namespace, const char *name)
{
    struct json_object *found = NULL;
    const char *text = nj_buf_str(&imported->out);
    while (nj_str_starts(text, "---\n")) {
        const char *next = strstr(text + 4, "\n---\n");
        size_t len = next == NULL ? strlen(text + 4) : (size_t)(next + 1 - text - 4);
        struct json_object *tree = NULL;
        struct nj_spec *spec = NULL;
        struct nj_err err = {0};
        assert_int_equal(0, nj_tree_parse(text + 4, len, &tree, &err));
        const char *json = json_object_to_json_string(nj_tree_get(tree, "spec"));
        if (nj_spec_parse("spec", json, strlen(json), true, &spec, &err) < 0)
            fail_msg("%s\n%s", err.text, json);
        nj_spec_unref(spec);
        struct json_object *metadata = nj_tree_get(tree, "metadata");
        if (nj_streq(nj_tree_text(metadata, "name"), name) &&
            nj_streq(nj_tree_text(metadata, "namespace"), namespace)) {
            assert_null(found);
            found = json_object_get(nj_tree_get(tree, "spec"));
        }
        json_object_put(tree);
        text = next == NULL ? "" : next + 1;
    }
    if (found == NULL)
        fail_msg("no %s/%s in\n%s", namespace, name, nj_buf_str(&imported->out));
    return found;
}

static void assert_spec(const struct imported *imported, const char *namespace, const char *name,
                        const char *expected)
{
    struct json_object *spec = manifest(imported, namespace, name), *wanted = json_tokener_parse(expected);
    assert_non_null(wanted);
    if (!json_object_equal(spec, wanted))
        fail_msg("%s/%s is\n%s\nnot\n%s", namespace, name, json_object_to_json_string(spec), expected);
    json_object_put(spec);
    json_object_put(wanted);
}

static void assert_noted(const struct imported *imported, const char *text)
{
    if (strstr(nj_buf_str(&imported->notes), text) == NULL)
        fail_msg("'%s' is not in\n%s", text, nj_buf_str(&imported->notes));
}

static void blackbox_modules_and_a_prometheus_configuration(void **state)
{
    (void)state;
    struct imported imported =
        import((struct nj_import_options){.format = NJ_IMPORT_BLACKBOX, .modules = "blackbox.yml"},
               "prometheus.yml");
    assert_int_equal(0, imported.rc);
    assert_int_equal(6, imported.count);
    assert_spec(
        &imported, "default", "http-2xx-https-www-example-com-health",
        "{\"target\":{\"url\":\"https://www.example.com/health\"},\"steps\":[{\"name\":\"check\",\"http\":"
        "{\"followRedirects\":true},\"expect\":{\"status\":[\"2xx\"]}}],\"interval\":\"1m\",\"timeout\":"
        "\"5s\"}");
    assert_spec(
        &imported, "shop", "http-2xx-http-web-shop-svc-cluster-local-8080-ready-deep-1",
        "{\"target\":{\"service\":{\"name\":\"web\",\"port\":8080}},\"steps\":[{\"name\":\"check\",\"http\":"
        "{\"followRedirects\":true,\"path\":\"/ready?deep=1\"},\"expect\":{\"status\":[\"2xx\"]}}],"
        "\"interval\":\"1m\",\"timeout\":\"5s\"}");
    assert_spec(
        &imported, "default", "dns-a-10-96-0-10-53",
        "{\"target\":{\"url\":\"dns://10.96.0.10:53\"},\"steps\":[{\"name\":\"check\",\"dns\":{\"name\":"
        "\"kubernetes.default.svc.cluster.local\",\"type\":\"A\"},\"expect\":{\"answers\":[{\"regex\":"
        "\"10\\\\..*\"}]}}],"
        "\"interval\":\"30s\",\"timeout\":\"10s\"}");
    struct json_object *login = manifest(&imported, "default", "login-https-login-example-session");
    const char *text = json_object_to_json_string_ext(login, JSON_C_TO_STRING_PLAIN);
    assert_non_null(strstr(text, "$${5}"));
    assert_non_null(strstr(
        text,
        "\"secretKeyRef\":{\"name\":\"login-https-login-example-session-probe\",\"key\":\"authorization\"}"));
    json_object_put(login);
    assert_null(strstr(nj_buf_str(&imported.out), "hunter2"));
    assert_null(strstr(nj_buf_str(&imported.notes), "hunter2"));
    assert_noted(&imported, "cert_file is not carried over");
    assert_noted(&imported, "prober icmp is not possible");
    assert_noted(&imported, "kubernetes_sd_configs is not carried over");
    assert_noted(
        &imported,
        "probes.allowed_hosts must have [www.example.com, login.example, git.example.com, 10.96.0.10, "
        "cart.example.com]");
    done(&imported);
}

static void blackbox_with_a_file_of_targets(void **state)
{
    (void)state;
    struct imported imported = import(
        (struct nj_import_options){.format = NJ_IMPORT_BLACKBOX, .modules = "blackbox.yml"}, "targets.json");
    assert_int_equal(0, imported.rc);
    assert_int_equal(2, imported.count); /* the second gets a name of its own */
    json_object_put(manifest(&imported, "default", "http-2xx-api-example-com"));
    json_object_put(manifest(&imported, "default", "http-2xx-api-example-com-2"));
    done(&imported);
}

static void gatus_conditions(void **state)
{
    (void)state;
    struct imported imported = import((struct nj_import_options){.format = NJ_IMPORT_GATUS}, "gatus.yaml");
    assert_int_equal(0, imported.rc);
    assert_int_equal(5, imported.count);
    struct json_object *front = manifest(&imported, "default", "shop-front");
    struct json_object *expect =
        nj_tree_get(json_object_array_get_idx(nj_tree_get(front, "steps"), 0), "expect");
    assert_string_equal(
        "{\"status\":[200],\"maxLatency\":\"300ms\",\"json\":[{\"pointer\":\"/status\",\"equals\":\"UP\"},"
        "{\"pointer\":\"/items/0/count\",\"greaterOrEqual\":3}],\"body\":[{\"regex\":"
        "\"^[\\\\s\\\\S]*ready[\\\\s\\\\S]*$\"}]}",
        json_object_to_json_string_ext(expect, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    assert_int_equal(2, nj_tree_int(nj_tree_get(front, "tls"), "minDaysLeft", 0));
    json_object_put(front);
    assert_spec(&imported, "shop", "any",
                "{\"target\":{\"service\":{\"name\":\"web\",\"port\":8080}},\"steps\":[{\"name\":\"check\","
                "\"http\":{},"
                "\"expect\":{\"status\":[200,429]}}],\"interval\":\"1m\"}");
    struct json_object *redis = manifest(&imported, "default", "redis");
    assert_true(nj_tree_bool(redis, "suspend", false));
    json_object_put(redis);
    assert_null(strstr(nj_buf_str(&imported.out), "topsecret"));
    assert_noted(&imported, "len([BODY].items)");
    assert_noted(&imported, "icmp cannot be probed");
    assert_noted(&imported, "not by slack");
    done(&imported);
}

static void uptime_kuma_backup(void **state)
{
    (void)state;
    struct imported imported =
        import((struct nj_import_options){.format = NJ_IMPORT_UPTIME_KUMA}, "kuma.json");
    assert_int_equal(0, imported.rc);
    assert_int_equal(5, imported.count);
    assert_spec(
        &imported, "shop", "search",
        "{\"target\":{\"service\":{\"name\":\"search\",\"port\":80}},\"steps\":[{\"name\":\"check\",\"http\":"
        "{\"followRedirects\":true},\"expect\":{\"status\":[\"2xx\"],\"body\":[{\"contains\":\"results\"}]}}]"
        ","
        "\"interval\":\"30s\",\"alert\":{\"failures\":{\"count\":3}},\"suspend\":true}");
    assert_spec(
        &imported, "default", "state",
        "{\"target\":{\"url\":\"https://api.example.com/state\"},\"steps\":[{\"name\":\"check\",\"http\":"
        "{\"followRedirects\":true},\"expect\":{\"status\":[\"2xx\"],\"json\":[{\"pointer\":\"/data/nodes/0/"
        "state\","
        "\"equals\":\"green\"}]}}],\"interval\":\"1m\"}");
    assert_null(strstr(nj_buf_str(&imported.out), "kuma-secret"));
    assert_noted(&imported, "Router: left out: a check of type ping");
    assert_noted(&imported, "Must fail: left out");
    done(&imported);
}

static void a_csv_with_quotes_and_unknown_columns(void **state)
{
    (void)state;
    struct imported imported = import((struct nj_import_options){.format = NJ_IMPORT_CSV}, "checks.csv");
    assert_int_equal(0, imported.rc);
    assert_int_equal(2, imported.count);
    assert_spec(
        &imported, "shop", "front",
        "{\"target\":{\"url\":\"https://www.example.com/"
        "\"},\"steps\":[{\"name\":\"check\",\"http\":{},\"expect\":"
        "{\"status\":[200,204],\"body\":[{\"contains\":\"ok, \\\"really\\\"\"}]}}],\"interval\":\"15s\"}");
    assert_noted(&imported, "column 'owner' is not carried over");
    assert_noted(&imported, "bad: the target is no URL");
    done(&imported);
}

static void a_file_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct imported imported =
        import((struct nj_import_options){.format = NJ_IMPORT_UPTIME_KUMA}, "gatus.yaml");
    assert_int_equal(-EBADMSG, imported.rc);
    assert_non_null(strstr(imported.err.text, "no monitorList"));
    done(&imported);
    imported = import((struct nj_import_options){.format = NJ_IMPORT_GATUS}, "none.yaml");
    assert_int_equal(-ENOENT, imported.rc);
    done(&imported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blackbox_modules_and_a_prometheus_configuration),
        cmocka_unit_test(blackbox_with_a_file_of_targets),
        cmocka_unit_test(gatus_conditions),
        cmocka_unit_test(uptime_kuma_backup),
        cmocka_unit_test(a_csv_with_quotes_and_unknown_columns),
        cmocka_unit_test(a_file_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
