/*
 * Who may ask for what, in which manner; and that openapi.json says what is served.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/api_support.h"

enum { TEXT_MAX = 512 };

#define READ_TOKEN "read-0123456789abcdef"
#define WRITE_TOKEN "write-0123456789abcdef"

static const char *const read_paths[] = {
    "/api/v1/incidents",      "/api/v1/incidents/1", "/api/v1/incidents/1/notifications",
    "/api/v1/notifications",  "/api/v1/crashes",     "/api/v1/crashes/c1",
    "/api/v1/crashes/c1/log", "/api/v1/agents",      "/api/v1/series?monitor=m",
    "/api/v1/errors",         "/api/v1/monitors",
};
static const char *const open_paths[] = {"/openapi.json",
                                         "/livez",
                                         "/readyz",
                                         "/metrics",
                                         "/",
                                         "/app.js",
                                         "/care.js",
                                         "/chart.js",
                                         "/elements.js",
                                         "/incident.js",
                                         "/incidents.js",
                                         "/matchers.js",
                                         "/monitor.js",
                                         "/monitors.js",
                                         "/node.js",
                                         "/nodes.js",
                                         "/resource.js",
                                         "/resources.js",
                                         "/rest.js",
                                         "/service.js",
                                         "/services.js",
                                         "/silences.js",
                                         "/terms.js",
                                         "/trend.js",
                                         "/words.js",
                                         "/style.css",
                                         "/icon.svg",
                                         "/incidents/7",
                                         "/nodes",
                                         "/nodes/n1",
                                         "/resources?by=pod",
                                         "/resources/shop/web",
                                         "/services?state=down",
                                         "/services/shop/web",
                                         "/silences",
                                         "/monitors",
                                         "/monitors/service.shop.web?range=7d",
                                         "/?state=&namespace=a",
                                         "/incidents/7?lang=zh"};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void open_with_data(struct api_setup *setup)
{
    struct nj_incident incident = make_incident(1, "a");
    struct nj_store_crash crash = make_crash("c1");
    const struct nj_store_agent agent = {.cluster = "prod", .node = "n", .stream = "s"};
    const struct nj_notification notification = {
        .incident_id = 1, .transition = "opened", .occurrence = 1, .channel = "oncall", .group = "g"};
    int64_t id = 0;
    crash.incident_id = 1;
    api_put_incident(setup, &incident);
    api_put_crash(setup, &crash);
    api_begin(setup);
    assert_int_equal(setup->writer->ops->put_agent(setup->writer, &agent, NULL), 0);
    assert_int_equal(setup->writer->ops->add_notification(setup->writer, &notification, &id, NULL), 0);
    api_commit(setup);
    api_open(setup);
}

static void set(char **setting, char *value)
{
    free(*setting);
    *setting = value;
}

static void with_tokens(struct api_setup *setup, bool read, bool write)
{
    if (read)
        set(&setup->config.api.read_token_file, api_file(setup, "read", READ_TOKEN "\n"));
    if (write)
        set(&setup->config.api.write_token_file, api_file(setup, "write", WRITE_TOKEN));
}

static int status_of(struct api_setup *setup, const char *method, const char *path, const char *headers)
{
    struct reply reply;
    request(setup, &reply, method, path, headers);
    int status = reply.status;
    reply_done(setup, &reply);
    return status;
}

/* ---- tokens */

static void without_a_right_token_nothing_is_read(void **state)
{
    struct api_setup *setup = *state;
    static const char *const wrong[] = {
        "Host: x\r\n",
        "Host: x\r\nAuthorization: Bearer\r\n",
        "Host: x\r\nAuthorization: Bearer \r\n",
        "Host: x\r\nAuthorization: Bearer read-0123456789abcdeg\r\n",
        "Host: x\r\nAuthorization: Bearer " READ_TOKEN "x\r\n",
        "Host: x\r\nAuthorization: Bearer READ-0123456789ABCDEF\r\n",
        "Host: x\r\nAuthorization: Basic " READ_TOKEN "\r\n",
        "Host: x\r\nAuthorization: " READ_TOKEN "\r\n",
        "Host: x\r\nAuthorization: Bearer " READ_TOKEN " " READ_TOKEN "\r\n",
        "Host: localhost\r\nCookie: token=" READ_TOKEN "\r\n",
    };
    with_tokens(setup, true, true);
    open_with_data(setup);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        for (size_t p = 0; p < COUNT(read_paths); p++) {
            struct reply reply;
            request(setup, &reply, "GET", read_paths[p], wrong[i]);
            assert_true(reply_has(&reply, "WWW-Authenticate: Bearer realm=\"nightjar\""));
            assert_null(strstr(reply.body, "cart"));
            assert_problem(setup, &reply, 401, "Authorization: Bearer TOKEN");
        }
        assert_int_equal(status_of(setup, "GET", "/api/v1/incidents/stream", wrong[i]), 401);
    }
    assert_int_equal(api_metric(setup, "nightjar_api_refused_total"), COUNT(wrong) * (COUNT(read_paths) + 1));
    /* Not in the address either, where logs would keep it. */
    assert_int_equal(status_of(setup, "GET", "/api/v1/incidents?token=" READ_TOKEN, NULL), 401);
}

static void either_token_reads_under_any_host(void **state)
{
    struct api_setup *setup = *state;
    static const char *const right[] = {
        "Host: nightjar.example\r\nAuthorization: Bearer " READ_TOKEN "\r\n",
        "Host: nightjar.example\r\nauthorization: bearer   " READ_TOKEN "\r\n",
        "Host: nightjar.example\r\nAuthorization: Bearer " WRITE_TOKEN "\r\n",
    };
    with_tokens(setup, true, true);
    open_with_data(setup);
    for (size_t i = 0; i < COUNT(right); i++) {
        for (size_t p = 0; p < COUNT(read_paths); p++)
            assert_int_equal(status_of(setup, "GET", read_paths[p], right[i]), 200);
    }
}

static void one_token_alone_guards_as_well(void **state)
{
    struct api_setup *setup = *state;
    with_tokens(setup, false, true);
    open_with_data(setup);
    assert_int_equal(status_of(setup, "GET", "/api/v1/incidents", NULL), 401);
    assert_int_equal(
        status_of(setup, "GET", "/api/v1/incidents", "Host: x\r\nAuthorization: Bearer " READ_TOKEN "\r\n"),
        401);
    assert_int_equal(
        status_of(setup, "GET", "/api/v1/incidents", "Host: x\r\nAuthorization: Bearer " WRITE_TOKEN "\r\n"),
        200);
}

static void health_metrics_and_the_page_need_no_token(void **state)
{
    struct api_setup *setup = *state;
    with_tokens(setup, true, true);
    open_with_data(setup);
    for (size_t i = 0; i < COUNT(open_paths); i++)
        assert_int_equal(status_of(setup, "GET", open_paths[i], "Host: 10.1.2.3:8645\r\n"), 200);
}

static void a_bad_token_file_stops_the_start(void **state)
{
    struct api_setup *setup = *state;
    struct nj_err err = {0};
    struct nj_api *api = NULL;
    set(&setup->config.api.read_token_file, api_file(setup, "read", "short"));
    const struct nj_api_options options = {.loop = &setup->test->loop,
                                           .store = setup->reader,
                                           .metrics = setup->metrics,
                                           .config = &setup->config,
                                           .ready = NULL};
    assert_true(nj_api_start(&options, &api, &err) < 0);
    assert_null(api);
    assert_non_null(strstr(err.text, "api.read_token_file"));
    assert_null(strstr(err.text, "short\n"));
}

/* ---- DNS rebinding */

static void without_tokens_only_this_machine_is_served(void **state)
{
    struct api_setup *setup = *state;
    static const struct {
        const char *host;
        bool allowed;
    } cases[] = {
        {"localhost", true},
        {"localhost:8645", true},
        {"LocalHost:1", true},
        {"127.0.0.1", true},
        {"127.0.0.1:8645", true},
        {"127.0.0.2:8645", true},
        {"127.255.255.254", true},
        {"[::1]", true},
        {"[::1]:8645", true},
        {"evil.example", false},
        {"evil.example:8645", false},
        {"localhost.evil.example", false},
        {"localhostx", false},
        {"127.0.0.1.evil.example", false},
        {"127.0.0.1x", false},
        {"10.0.0.1", false},
        {"128.0.0.1", false},
        {"[::2]", false},
        {"[::1", false},
        {"[::1]x", false},
        {"::1", false},
        {"0.0.0.0", false},
        {"user@localhost", false},
        {"[", false},
    };
    open_with_data(setup);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char headers[TEXT_MAX];
        (void)snprintf(headers, sizeof(headers), "Host: %s\r\n", cases[i].host);
        int status = status_of(setup, "GET", "/api/v1/incidents", headers);
        if (status != (cases[i].allowed ? 200 : 403))
            fail_msg("Host %s gets %d", cases[i].host, status);
    }
    struct reply reply;
    request(setup, &reply, "GET", "/api/v1/crashes/c1/log", "Host: evil.example\r\n");
    assert_null(strstr(reply.body, "panic"));
    assert_problem(setup, &reply, 403, "api.read_token_file");
    assert_int_equal(status_of(setup, "GET", "/api/v1/incidents/stream", "Host: evil.example\r\n"), 403);
}

/* ---- methods and headers */

/* Whether an endpoint of the path takes the method; and the header that says which are. */
static bool allowed_at(const char *path, const char *method, char *ret_allow, size_t size)
{
    bool allowed = false;
    struct nj_buf all = {0};
    for (const struct nj_api_endpoint *endpoint = nj_api_endpoints; endpoint->path != NULL; endpoint++) {
        if (strcmp(endpoint->path, path) != 0)
            continue;
        const char *takes = endpoint->method == NULL ? "GET" : endpoint->method;
        allowed |= strcmp(takes, method) == 0;
        nj_buf_printf(&all, "%s%s", all.len == 0 ? "Allow: " : ", ",
                      endpoint->method == NULL ? "GET, HEAD" : takes);
    }
    (void)snprintf(ret_allow, size, "%s", nj_buf_str(&all));
    nj_buf_done(&all);
    return allowed;
}

static void only_what_is_described_is_allowed(void **state)
{
    struct api_setup *setup = *state;
    static const char *const methods[] = {"POST",    "PUT",   "PATCH", "DELETE",
                                          "OPTIONS", "TRACE", "BREW",  "GET"};
    open_with_data(setup);
    for (const struct nj_api_endpoint *endpoint = nj_api_endpoints; endpoint->path != NULL; endpoint++) {
        for (size_t i = 0; i < COUNT(methods); i++) {
            struct reply reply;
            char allow[64];
            if (allowed_at(endpoint->path, methods[i], allow, sizeof(allow)))
                continue;
            request(setup, &reply, methods[i], endpoint->path, "Host: localhost\r\nContent-Length: 0\r\n");
            assert_true(reply_has(&reply, allow));
            assert_problem(setup, &reply, 405, methods[i]);
        }
    }
}

static void assert_same_head(struct api_setup *setup, const char *path)
{
    struct reply with_body, head;
    char length[64];
    get(setup, &with_body, path);
    request(setup, &head, "HEAD", path, NULL);
    assert_int_equal(head.status, with_body.status);
    assert_int_equal(head.body_len, 0);
    (void)snprintf(length, sizeof(length), "Content-Length: %zu", with_body.body_len);
    if (strcmp(path, "/metrics") != 0) /* which counts this very request */
        assert_true(reply_has(&head, length));
    reply_done(setup, &with_body);
    reply_done(setup, &head);
}

static void head_is_get_without_the_body(void **state)
{
    struct api_setup *setup = *state;
    open_with_data(setup);
    for (size_t i = 0; i < COUNT(read_paths); i++)
        assert_same_head(setup, read_paths[i]);
    for (size_t i = 0; i < COUNT(open_paths); i++)
        assert_same_head(setup, open_paths[i]);
    assert_same_head(setup, "/api/v1/incidents/99");

    struct reply head;
    request(setup, &head, "HEAD", "/api/v1/incidents/stream", NULL);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.body_len, 0);
    reply_done(setup, &head);
    assert_int_equal(api_metric(setup, "nightjar_api_streams"), 0);
}

static void every_answer_tells_browsers_to_be_careful(void **state)
{
    struct api_setup *setup = *state;
    static const char *const more[] = {"/nowhere", "/api/v1/incidents?x=y"};
    open_with_data(setup);
    for (size_t i = 0; i < COUNT(read_paths) + COUNT(open_paths) + COUNT(more); i++) {
        struct reply reply;
        get(setup, &reply,
            i < COUNT(read_paths)                       ? read_paths[i]
            : i < COUNT(read_paths) + COUNT(open_paths) ? open_paths[i - COUNT(read_paths)]
                                                        : more[i - COUNT(read_paths) - COUNT(open_paths)]);
        assert_true(reply_has(&reply, "X-Content-Type-Options: nosniff"));
        assert_true(reply_has(&reply, "Referrer-Policy: no-referrer"));
        assert_true(reply_has(&reply, "Cache-Control: no-store"));
        assert_non_null(
            strstr(nj_buf_str(&reply.bytes), "\r\nContent-Security-Policy: default-src 'self'; "));
        assert_null(strstr(nj_buf_str(&reply.bytes), "Access-Control-Allow-Origin"));
        reply_done(setup, &reply);
    }
}

/* ---- health, metrics, the page */

static void readiness_says_what_is_not_ready(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_data(setup);
    get(setup, &reply, "/readyz?verbose");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "[+]store ok\nreadyz check passed\n");
    reply_done(setup, &reply);
    setup->ready = false;
    get(setup, &reply, "/readyz");
    assert_int_equal(reply.status, 503);
    assert_string_equal(reply.body, "[-]store failed: no space\nreadyz check failed\n");
    reply_done(setup, &reply);
    get(setup, &reply, "/livez");
    assert_string_equal(reply.body, "ok\n");
    reply_done(setup, &reply);
}

static void metrics_count_what_was_answered(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_data(setup);
    assert_int_equal(status_of(setup, "GET", "/api/v1/incidents", NULL), 200);
    assert_int_equal(status_of(setup, "GET", "/api/v1/incidents/9", NULL), 404);
    assert_int_equal(status_of(setup, "GET", "/api/v1/incidents?a=%zz", NULL), 400);
    get(setup, &reply, "/metrics");
    assert_true(reply_has(&reply, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    reply_done(setup, &reply);
    assert_int_equal(setup->collected, 1);
    assert_int_equal(api_metric(setup, "nightjar_api_requests_total{code=\"404\"}"), 1);
    assert_int_equal(api_metric(setup, "nightjar_api_requests_total{code=\"200\"}"), 3);
    assert_int_equal(api_metric(setup, "nightjar_api_rejected_requests_total{reason=\"malformed\"}"), 1);
    assert_int_equal(api_metric(setup, "nightjar_api_connections"), 1); /* this one */
}

static void the_link_of_an_alert_opens_the_page(void **state)
{
    struct api_setup *setup = *state;
    struct reply page, incident;
    open_with_data(setup);
    get(setup, &page, "/");
    get(setup, &incident, "/incidents/7");
    assert_true(reply_has(&page, "Content-Type: text/html; charset=utf-8"));
    assert_string_equal(page.body, incident.body);
    /* The policy allows no script and no style within the document. */
    assert_null(strstr(page.body, "<script>"));
    assert_null(strstr(page.body, " style="));
    assert_null(strstr(page.body, "<style"));
    reply_done(setup, &page);
    reply_done(setup, &incident);
    for (size_t i = 0; i < COUNT(open_paths); i++) {
        if (strstr(open_paths[i], ".js") == NULL || nj_streq(open_paths[i], "/openapi.json"))
            continue;
        get(setup, &page, open_paths[i]);
        assert_true(reply_has(&page, "Content-Type: text/javascript; charset=utf-8"));
        assert_null(strstr(page.body, "innerHTML"));
        reply_done(setup, &page);
    }
}

static void new_settings_are_used_from_then_on(void **state)
{
    struct api_setup *setup = *state;
    struct nj_collector_config config = setup->config;
    struct reply reply;
    open_with_data(setup);
    config.notify.public_url = nj_strdup("https://new.example");
    get(setup, &reply, "/api/v1/incidents/1");
    assert_string_equal(field(reply.json, "url"), "");
    reply_done(setup, &reply);
    nj_api_reload(setup->api, &config);
    get(setup, &reply, "/api/v1/incidents/1");
    assert_non_null(strstr(field(reply.json, "url"), "https://new.example/"));
    reply_done(setup, &reply);
    api_close(setup);
    free(config.notify.public_url);
}

/* ---- openapi.json */

static json_object *at(json_object *object, const char *name)
{
    json_object *value = NULL;
    if (!json_object_object_get_ex(object, name, &value))
        fail_msg("openapi.json has no %s here: %s", name, json_object_to_json_string(object));
    return value;
}

static json_object *openapi(struct api_setup *setup, struct reply *reply)
{
    get(setup, reply, "/openapi.json");
    assert_int_equal(reply->status, 200);
    assert_string_equal(field(reply->json, "openapi"), "3.0.3");
    return reply->json;
}

/* A parameter's description, or NULL. */
static json_object *find_parameter(json_object *operation, const char *name, const char *in)
{
    json_object *list = json_object_object_get(operation, "parameters");
    for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
        json_object *parameter = json_object_array_get_idx(list, i);
        if (strcmp(field(parameter, "name"), name) == 0 && strcmp(field(parameter, "in"), in) == 0)
            return parameter;
    }
    return NULL;
}

static void check_operation(const struct nj_api_endpoint *endpoint, json_object *operation)
{
    size_t known = 0;
    json_object *list = json_object_object_get(operation, "parameters");
    size_t described = list == NULL ? 0 : json_object_array_length(list);
    for (; known < NJ_API_PARAMS_MAX && endpoint->params[known] != NULL; known++) {
        if (find_parameter(operation, endpoint->params[known], "query") == NULL)
            fail_msg("%s: the parameter %s is not described", endpoint->path, endpoint->params[known]);
    }
    size_t in_path = 0;
    for (const char *brace = strchr(endpoint->path, '{'); brace != NULL; brace = strchr(brace + 1, '{')) {
        char name[32];
        in_path++;
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(brace + 1, "}"), brace + 1);
        assert_string_equal(field(find_parameter(operation, name, "path"), "required"), "true");
    }
    if (described != known + in_path)
        fail_msg("%s: %zu parameters are described, %zu are known", endpoint->path, described,
                 known + in_path);
    json_object *security = json_object_object_get(operation, "security");
    bool open = security != NULL && json_object_array_length(security) == 0;
    assert_int_equal(open, endpoint->access == NJ_API_OPEN);
    json_object *responses = at(operation, "responses");
    (void)at(responses, "200");
    if (!open) {
        (void)at(responses, "401");
        (void)at(responses, "403");
    }
    if (in_path > 0)
        (void)at(responses, "404");
    if (known > 0 && !open)
        (void)at(responses, "400");
}

static const char *operation_of(const struct nj_api_endpoint *endpoint)
{
    if (endpoint->method == NULL)
        return "get";
    return strcmp(endpoint->method, "DELETE") == 0 ? "delete" : "post";
}

static void openapi_describes_exactly_what_is_served(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    size_t served = 0, described = 0;
    open_with_data(setup);
    json_object *paths = at(openapi(setup, &reply), "paths");
    for (const struct nj_api_endpoint *endpoint = nj_api_endpoints; endpoint->path != NULL; endpoint++) {
        if (endpoint->is_page) {
            assert_null(json_object_object_get(paths, endpoint->path));
            continue;
        }
        json_object *item = at(paths, endpoint->path);
        check_operation(endpoint, at(item, operation_of(endpoint)));
        served++;
    }
    json_object_object_foreach(paths, path, item)
    {
        (void)path;
        described += (size_t)json_object_object_length(item);
    }
    assert_int_equal(described, served);
    reply_done(setup, &reply);
}

/* The object has exactly the properties of the schema, and all of them are required. */
static void check_properties(json_object *schemas, const char *schema, json_object *object,
                             const char *optional)
{
    json_object *properties = at(at(schemas, schema), "properties");
    json_object *required = at(at(schemas, schema), "required");
    json_object_object_foreach(object, name, value)
    {
        (void)value;
        if (json_object_object_get(properties, name) == NULL)
            fail_msg("%s: %s is not described", schema, name);
    }
    for (size_t i = 0; i < json_object_array_length(required); i++) {
        const char *wanted = json_object_get_string(json_object_array_get_idx(required, i));
        if (!json_object_object_get_ex(object, wanted, NULL))
            fail_msg("%s: %s is not served", schema, wanted);
    }
    int all = json_object_object_length(properties) - (*optional == '\0' ? 0 : 1);
    assert_int_equal(json_object_array_length(required), all);
}

static json_object *first(struct api_setup *setup, struct reply *reply, const char *target)
{
    get(setup, reply, target);
    return json_object_array_get_idx(at(reply->json, "items"), 0);
}

static void the_schemas_have_the_fields_that_are_served(void **state)
{
    struct api_setup *setup = *state;
    struct reply description, reply;
    open_with_data(setup);
    json_object *schemas = at(at(openapi(setup, &description), "components"), "schemas");
    check_properties(schemas, "Incident", first(setup, &reply, "/api/v1/incidents"), "");
    check_properties(schemas, "IncidentList", reply.json, "");
    reply_done(setup, &reply);
    check_properties(schemas, "Crash", first(setup, &reply, "/api/v1/crashes"), "");
    check_properties(schemas, "CrashList", reply.json, "");
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/crashes/c1");
    check_properties(schemas, "Log", at(reply.json, "log"), "text");
    reply_done(setup, &reply);
    check_properties(schemas, "Agent", first(setup, &reply, "/api/v1/agents"), "");
    check_properties(schemas, "AgentList", reply.json, "");
    reply_done(setup, &reply);
    check_properties(schemas, "Notification", first(setup, &reply, "/api/v1/notifications"), "");
    check_properties(schemas, "NotificationList", reply.json, "");
    reply_done(setup, &reply);
    get(setup, &reply, "/nowhere");
    check_properties(schemas, "Problem", reply.json, "type");
    reply_done(setup, &reply);
    reply_done(setup, &description);
}

static void the_described_words_are_those_that_are_known(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    struct nj_buf kinds = {0}, statuses = {0};
    char number[16];
    open_with_data(setup);
    json_object *document = openapi(setup, &reply);
    json_object *incidents = at(at(at(document, "paths"), "/api/v1/incidents"), "get");
    for (int kind = 0; kind < NJ_INCIDENT_KINDS; kind++)
        (void)nj_buf_printf(&kinds, "%s\"%s\"", kind == 0 ? "[" : ",",
                            nj_incident_kind_name((enum nj_incident_kind)kind));
    (void)nj_buf_append_char(&kinds, ']');
    json_object *words = at(at(find_parameter(incidents, "kind", "query"), "schema"), "enum");
    assert_string_equal(json_object_to_json_string_ext(words, JSON_C_TO_STRING_PLAIN), nj_buf_str(&kinds));
    json_object *schemas = at(at(document, "components"), "schemas");
    words = at(at(at(at(schemas, "Incident"), "properties"), "kind"), "enum");
    assert_string_equal(json_object_to_json_string_ext(words, JSON_C_TO_STRING_PLAIN), nj_buf_str(&kinds));
    for (int i = 0; i <= NJ_NOTIFICATION_HELD; i++)
        (void)nj_buf_printf(&statuses, "%s\"%s\"", i == 0 ? "[" : ",",
                            nj_notification_status_name((enum nj_notification_status)i));
    (void)nj_buf_append_char(&statuses, ']');
    words = at(at(at(at(schemas, "Notification"), "properties"), "status"), "enum");
    assert_string_equal(json_object_to_json_string_ext(words, JSON_C_TO_STRING_PLAIN), nj_buf_str(&statuses));
    json_object *limit = at(find_parameter(incidents, "limit", "query"), "schema");
    (void)snprintf(number, sizeof(number), "%d", NJ_STORE_LIMIT_MAX);
    assert_string_equal(field(limit, "maximum"), number);
    (void)snprintf(number, sizeof(number), "%d", NJ_API_LIMIT_DEFAULT);
    assert_string_equal(field(limit, "default"), number);
    nj_buf_done(&kinds);
    nj_buf_done(&statuses);
    reply_done(setup, &reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(without_a_right_token_nothing_is_read),
        api_case(either_token_reads_under_any_host),
        api_case(one_token_alone_guards_as_well),
        api_case(health_metrics_and_the_page_need_no_token),
        api_case(a_bad_token_file_stops_the_start),
        api_case(without_tokens_only_this_machine_is_served),
        api_case(only_what_is_described_is_allowed),
        api_case(head_is_get_without_the_body),
        api_case(every_answer_tells_browsers_to_be_careful),
        api_case(readiness_says_what_is_not_ready),
        api_case(metrics_count_what_was_answered),
        api_case(the_link_of_an_alert_opens_the_page),
        api_case(new_settings_are_used_from_then_on),
        api_case(openapi_describes_exactly_what_is_served),
        api_case(the_schemas_have_the_fields_that_are_served),
        api_case(the_described_words_are_those_that_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
