#include "tests/unit/agent/fake_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note_query(void *data, const char *name, const char *value)
{
    struct fake_api *api = data;
    size_t len = strlen(api->query);
    (void)snprintf(api->query + len, sizeof(api->query) - len, "%s=%s&", name, value);
}

static void answer(struct nj_httpd_request *request, const struct fake_answer *answer)
{
    nj_httpd_reply(request, answer->status, answer->type, NULL, answer->body,
                   answer->len != 0 ? answer->len : strlen(answer->body));
}

static bool matches(const struct fake_answer *answer, struct nj_httpd_request *request)
{
    const char *previous = nj_httpd_query(request, "previous");
    return strcmp(answer->path, nj_httpd_path(request)) == 0 &&
           answer->watch == (nj_httpd_query(request, "watch") != NULL) &&
           (answer->previous == NULL || (previous != NULL && strcmp(answer->previous, previous) == 0));
}

static void handle(void *data, struct nj_httpd_request *request)
{
    struct fake_api *api = data;
    const char *accept = nj_httpd_header(request, "Accept");
    api->asked++;
    (void)snprintf(api->accept, sizeof(api->accept), "%s", accept == NULL ? "" : accept);
    api->query[0] = '\0';
    nj_httpd_each_query(request, note_query, api);
    for (int i = 0; i < api->answers_count; i++) {
        struct fake_answer *found = &api->answers[i];
        if (!matches(found, request))
            continue;
        found->asked++;
        if (found->hold) {
            assert_true(api->held_count < FAKE_ANSWERS);
            api->held_for[api->held_count] = found;
            api->held[api->held_count++] = request;
        } else {
            answer(request, found);
        }
        return;
    }
    static const char status[] =
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"nobody knows this\",\"reason\":\"NotFound\",\"code\":404}";
    nj_httpd_reply(request, 404, "application/json", NULL, status, strlen(status));
}

void fake_api_open(struct fake_api *api, struct test_loop *test)
{
    *api = (struct fake_api){.test = test};
    (void)snprintf(api->folder, sizeof(api->folder), "/tmp/nj-agent-XXXXXX");
    assert_non_null(mkdtemp(api->folder));
    struct nj_httpd_options options = {.listen = "127.0.0.1:0",
                                       .max_connections = 32,
                                       .max_body_bytes = 1024,
                                       .idle_timeout_s = 60,
                                       .handle = handle,
                                       .data = api};
    assert_int_equal(nj_httpd_start(&test->loop, &options, &api->httpd, NULL), 0);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/kubeconfig", api->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(
        file,
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, "
        "user: u}\n"
        "clusters:\n- name: k\n  cluster: {server: \"http://127.0.0.1:%d\"}\nusers:\n- name: u\n  user: {}\n",
        nj_httpd_port(api->httpd));
    assert_int_equal(fclose(file), 0);
    api->http = nj_http_new(&test->loop, 8);
    assert_non_null(api->http);
    struct nj_err err = {0};
    if (nj_kube_client_new(&test->loop, api->http, path, &api->client, &err) < 0)
        fail_msg("%s", err.text);
}

void fake_api_close(struct fake_api *api)
{
    bool closed = false;
    nj_http_close(api->http, test_set_flag, &closed);
    test_run_until(api->test, &closed);
    nj_kube_client_free(api->client);
    closed = false;
    nj_httpd_close(api->httpd, test_set_flag, &closed);
    for (int i = 0; i < api->held_count; i++) /* a no-op that frees */
        answer(api->held[i], api->held_for[i]);
    test_run_until(api->test, &closed);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", api->folder);
    assert_int_equal(system(command), 0);
}

struct fake_answer *fake_on(struct fake_api *api, const char *path, unsigned status, const char *type,
                            const char *body)
{
    assert_true(api->answers_count < FAKE_ANSWERS);
    struct fake_answer *added = &api->answers[api->answers_count++];
    *added = (struct fake_answer){.path = path, .status = status, .type = type, .body = body};
    return added;
}

void fake_release(struct fake_api *api)
{
    for (int i = 0; i < api->held_count; i++)
        answer(api->held[i], api->held_for[i]);
    api->held_count = 0;
}
