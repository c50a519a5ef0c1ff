/*
 * Where the API server is and who to be: kubeconfig files and the pod's own environment.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/kube/kubeconfig.h"

static int parse(const char *text, struct nj_kubeconfig *config, struct nj_err *err)
{
    return nj_kubeconfig_parse("/etc/kube/config", text, strlen(text), config, err);
}

#define CONTEXT                                                                                              \
    "apiVersion: v1\nkind: Config\ncurrent-context: here\n"                                                  \
    "contexts:\n- name: there\n  context: {cluster: far, user: nobody}\n"                                    \
    "- name: here\n  context:\n    cluster: near\n    user: me\n    namespace: shop\n"

static void a_whole_file_is_read(void **state)
{
    (void)state;
    struct nj_kubeconfig config;
    struct nj_err err;
    assert_int_equal(parse(CONTEXT "clusters:\n- name: far\n  cluster: {server: 'https://far'}\n"
                                   "- cluster:\n    certificate-authority-data: aGVs\n      bG8=\n"
                                   "    server: https://10.0.0.1:6443/k8s/clusters/c-1//\n"
                                   "    tls-server-name: kubernetes\n    proxy-url: null\n  name: near\n"
                                   "users:\n- name: me\n  user:\n    client-certificate: certs/me.crt\n"
                                   "    client-key-data: c2VjcmV0\n    token: abc\n    exec: ~\n",
                           &config, &err),
                     0);
    assert_string_equal(config.server, "https://10.0.0.1:6443/k8s/clusters/c-1");
    assert_string_equal(config.ca_pem, "hello");
    assert_null(config.ca_file);
    assert_string_equal(config.server_name, "kubernetes");
    assert_string_equal(config.cert_file, "/etc/kube/certs/me.crt");
    assert_string_equal(config.key_pem, "secret");
    assert_null(config.key_file);
    assert_string_equal(config.token, "abc");
    assert_false(config.insecure_skip_verify);
    nj_kubeconfig_done(&config);
    nj_kubeconfig_done(&config);
}

static void json_is_yaml_and_paths_are_relative_to_the_file(void **state)
{
    (void)state;
    struct nj_kubeconfig config;
    struct nj_err err;
    static const char text[] =
        "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\",\"user\":"
        "\"u\"}}],"
        "\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"http://127.0.0.1:8001\","
        "\"insecure-skip-tls-verify\":true}}],"
        "\"users\":[{\"name\":\"u\",\"user\":{\"tokenFile\":\"token\",\"token\":\"older\"}}]}";
    assert_int_equal(nj_kubeconfig_parse("sub/config", text, strlen(text), &config, &err), 0);
    assert_string_equal(config.token_file, "sub/token");
    assert_null(config.token); /* the file is what is kept up to date */
    assert_true(config.insecure_skip_verify);
    nj_kubeconfig_done(&config);
    assert_int_equal(nj_kubeconfig_parse("config", text, strlen(text), &config, &err), 0);
    assert_string_equal(config.token_file, "token");
    nj_kubeconfig_done(&config);
}

#define NEAR(fields) "clusters:\n- name: near\n  cluster:\n    server: https://near\n" fields
#define ME(fields) "users:\n- name: me\n  user:\n" fields

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "no current-context"},
        {"current-context: [", "not valid YAML"},
        {"current-context: here\n", "no context 'here'"},
        {CONTEXT, "no cluster 'near'"},
        {CONTEXT NEAR(""), "no user 'me'"},
        {CONTEXT "clusters: [{name: near, cluster: {server: ftp://x}}]\n" ME("    {}\n"), "https://"},
        {CONTEXT "clusters: [{name: near, cluster: {}}]\n" ME("    {}\n"), "https://"},
        {CONTEXT NEAR("    proxy-url: http://p\n") ME("    {}\n"), "proxy-url"},
        {CONTEXT NEAR("    certificate-authority-data: '***'\n") ME("    {}\n"),
         "certificate-authority-data"},
        {CONTEXT NEAR("    certificate-authority: ca\n    insecure-skip-tls-verify: true\n") ME("    {}\n"),
         "exclude each other"},
        {CONTEXT NEAR("") ME("    exec: {command: aws}\n"), "'exec' is not supported"},
        {CONTEXT NEAR("") ME("    auth-provider: {name: gcp}\n"), "'auth-provider' is not supported"},
        {CONTEXT NEAR("") ME("    username: admin\n    password: hunter2\n"), "'username' is not supported"},
        {CONTEXT NEAR("") ME("    client-key-data: aHVudGVyMg==\n"), "need each other"},
        {CONTEXT NEAR("") ME("    client-certificate: c\n    token: hunter2\n"), "need each other"},
        {CONTEXT NEAR("") ME("    client-key-data: hunter2?\n"), "client-key-data"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct nj_kubeconfig config = {.server = (char *)bad};
        struct nj_err err = {0};
        assert_int_equal(parse(bad[i].text, &config, &err), -EINVAL);
        assert_ptr_equal(config.server, bad); /* untouched */
        if (strstr(err.text, bad[i].words) == NULL || strstr(err.text, "/etc/kube/config") == NULL ||
            strstr(err.text, "hunter2") != NULL)
            fail_msg("%zu: %s", i, err.text);
    }
    struct nj_kubeconfig config;
    struct nj_err err;
    assert_int_equal(nj_kubeconfig_load("/nonexistent/config", &config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/config"));
}

static void a_user_is_not_needed(void **state)
{
    (void)state;
    struct nj_kubeconfig config;
    struct nj_err err;
    assert_int_equal(parse("current-context: c\ncontexts: [{name: c, context: {cluster: near}}]\n" NEAR(""),
                           &config, &err),
                     0);
    assert_null(config.token);
    assert_null(config.cert_file);
    nj_kubeconfig_done(&config);
}

static void a_pod_finds_its_cluster(void **state)
{
    (void)state;
    static const struct {
        const char *host, *server;
    } hosts[] = {{"10.96.0.1", "https://10.96.0.1:443"},
                 {"fd00::1", "https://[fd00::1]:443"},
                 {"[fd00::1]", "https://[fd00::1]:443"},
                 {"kubernetes.default.svc", "https://kubernetes.default.svc:443"}};
    struct nj_kubeconfig config;
    struct nj_err err;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        assert_int_equal(nj_kubeconfig_in_cluster(hosts[i].host, "443", "/sa", &config, &err), 0);
        assert_string_equal(config.server, hosts[i].server);
        assert_string_equal(config.token_file, "/sa/token");
        assert_string_equal(config.ca_file, "/sa/ca.crt");
        nj_kubeconfig_done(&config);
    }
    assert_int_equal(nj_kubeconfig_in_cluster(NULL, "443", "/sa", &config, &err), -ENOENT);
    assert_int_equal(nj_kubeconfig_in_cluster("h", "", "/sa", &config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "KUBERNETES_SERVICE_HOST"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(json_is_yaml_and_paths_are_relative_to_the_file),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_user_is_not_needed),
        cmocka_unit_test(a_pod_finds_its_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
