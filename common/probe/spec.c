#include "common/probe/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/probe/spec_reader.h"
#include "common/probe/state.h"

enum {
    JSON_DEPTH_MAX = 24,
    SPEC_MEMORY_MAX = 1 << 20,
    SPEC_BLOCK_BYTES = 2 << 10, /* most are small, and all are kept */
    RETRIES_MAX = 10,
    DAYS_LEFT_MAX = 3650,
    GROUP_MAX = 128,
};

const char *nj_scope_name(enum nj_scope scope)
{
    static const char *const names[] = {
        [NJ_SCOPE_BOTH] = "both", [NJ_SCOPE_SERVICE] = "service", [NJ_SCOPE_PODS] = "pods"};
    return names[scope];
}

const char *nj_step_kind_name(enum nj_step_kind kind)
{
    static const char *const names[] = {
        [NJ_STEP_HTTP] = "http", [NJ_STEP_TCP] = "tcp", [NJ_STEP_GRPC] = "grpc", [NJ_STEP_DNS] = "dns"};
    return names[kind];
}

static int read_timing(const struct nj_spec_reader *reader, const struct nj_spec_node *root,
                       struct nj_spec *spec)
{
    static const char *const scopes[] = {
        [NJ_SCOPE_BOTH] = "both", [NJ_SCOPE_SERVICE] = "service", [NJ_SCOPE_PODS] = "pods", NULL};
    static const char *const members[] = {"count", "delay", NULL};
    size_t scope = 0;
    int rc = nj_spec_choice(reader, root, "scope", scopes, &scope);
    spec->scope = (enum nj_scope)scope;
    if (rc == 0)
        rc = nj_spec_bool(reader, root, "suspend", false, &spec->suspend);
    if (rc == 0)
        rc = nj_spec_duration(reader, root, "interval", NJ_SEC, NJ_HOUR, 10 * NJ_SEC, &spec->interval_ns);
    if (rc == 0)
        rc =
            nj_spec_duration(reader, root, "timeout", 100 * NJ_MS, 5 * NJ_MIN, 5 * NJ_SEC, &spec->timeout_ns);
    spec->retries_count = 2;
    spec->retries_delay_ns = 2 * NJ_SEC;
    struct nj_spec_node retries;
    if (rc < 0 || !nj_spec_member(root, "retries", &retries))
        return rc;
    rc = nj_spec_check_members(reader, &retries, members);
    if (rc == 0)
        rc = nj_spec_int(reader, &retries, "count", 0, RETRIES_MAX, 2, &spec->retries_count);
    if (rc == 0)
        rc = nj_spec_duration(reader, &retries, "delay", 0, 5 * NJ_MIN, 2 * NJ_SEC, &spec->retries_delay_ns);
    return rc;
}

static int read_value_from(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                           struct nj_spec_variable *variable)
{
    static const char *const members[] = {"secretKeyRef", NULL};
    struct nj_spec_node source;
    struct nj_spec_node reference;
    (void)nj_spec_member(item, "valueFrom", &source);
    int rc = nj_spec_check_members(reader, &source, members);
    if (rc < 0)
        return rc;
    if (!nj_spec_member(&source, "secretKeyRef", &reference))
        return nj_spec_fail_at(reader, &source, "secretKeyRef", "is required");
    return nj_spec_secret_ref(reader, &reference, &variable->secret_name, &variable->secret_key);
}

static int read_variable(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                         struct nj_spec_variable *variable)
{
    static const char *const members[] = {"name", "value", "valueFrom", NULL};
    static const struct nj_spec_text_rule name_rule = {
        .min = 1,
        .max = NJ_SPEC_NAME_MAX,
        .is_valid = nj_spec_is_variable,
        .wanted = "letters, digits and '_', not beginning with a digit"};
    static const struct nj_spec_text_rule value_rule = {.max = NJ_SPEC_VALUE_MAX};
    *variable = (struct nj_spec_variable){.name = "", .value = "", .secret_name = "", .secret_key = ""};
    size_t which = 0;
    int rc = nj_spec_check_members(reader, item, members);
    if (rc == 0)
        rc = nj_spec_text(reader, item, "name", &name_rule, &variable->name);
    if (rc == 0)
        rc = nj_spec_one_of(reader, item, members + 1, &which);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < reader->variables_count; i++) {
        if (strcmp(reader->variables[i], variable->name) == 0)
            return nj_spec_fail(reader, item, "there is another variable '%s'", variable->name);
    }
    rc = which == 0 ? nj_spec_text(reader, item, "value", &value_rule, &variable->value)
                    : read_value_from(reader, item, variable);
    if (rc == 0)
        nj_spec_add_variable(reader, variable->name);
    return rc;
}

static int read_variables(struct nj_spec_reader *reader, const struct nj_spec_node *root,
                          struct nj_spec *spec)
{
    struct nj_spec_node list;
    size_t count = 0;
    void *variables = NULL;
    int rc = nj_spec_list(reader, root, "variables", NJ_SPEC_ITEMS_MAX, &list, &count);
    if (rc == 0 && count > 0)
        rc = nj_spec_alloc(reader, count, sizeof(struct nj_spec_variable), &variables);
    spec->variables = variables;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct nj_spec_node item = nj_spec_item(&list, i);
        rc = read_variable(reader, &item, (struct nj_spec_variable *)variables + i);
        spec->variables_count = i + 1;
    }
    return rc;
}

static bool is_pem(const char *text)
{
    return strstr(text, "-----BEGIN CERTIFICATE-----") != NULL;
}

static int read_ca(struct nj_spec_reader *reader, const struct nj_spec_node *tls, struct nj_spec_tls *ret_tls)
{
    static const char *const members[] = {"pem", "secretKeyRef", NULL};
    static const struct nj_spec_text_rule rule = {
        .min = 1, .max = NJ_SPEC_BODY_MAX, .is_valid = is_pem, .wanted = "certificates in PEM"};
    struct nj_spec_node ca;
    struct nj_spec_node reference;
    size_t which = 0;
    if (!nj_spec_member(tls, "ca", &ca))
        return 0;
    int rc = nj_spec_check_members(reader, &ca, members);
    if (rc == 0)
        rc = nj_spec_one_of(reader, &ca, members, &which);
    if (rc < 0)
        return rc;
    if (nj_spec_member(&ca, "secretKeyRef", &reference))
        return nj_spec_secret_ref(reader, &reference, &ret_tls->ca_secret_name, &ret_tls->ca_secret_key);
    return nj_spec_text(reader, &ca, "pem", &rule, &ret_tls->ca_pem);
}

static bool is_server_name(const char *text)
{
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:")] == '\0';
}

static int read_tls(struct nj_spec_reader *reader, const struct nj_spec_node *root,
                    struct nj_spec_tls *ret_tls)
{
    static const char *const members[] = {"insecureSkipVerify", "serverName", "ca", "minDaysLeft", NULL};
    static const struct nj_spec_text_rule rule = {.fallback = "",
                                                  .max = NJ_SPEC_OBJECT_NAME_MAX,
                                                  .is_valid = is_server_name,
                                                  .wanted = "a host name or an IP address"};
    struct nj_spec_node tls;
    *ret_tls =
        (struct nj_spec_tls){.server_name = "", .ca_pem = "", .ca_secret_name = "", .ca_secret_key = ""};
    if (!nj_spec_member(root, "tls", &tls))
        return 0;
    int rc = nj_spec_check_members(reader, &tls, members);
    if (rc == 0)
        rc = nj_spec_bool(reader, &tls, "insecureSkipVerify", false, &ret_tls->insecure_skip_verify);
    if (rc == 0)
        rc = nj_spec_text(reader, &tls, "serverName", &rule, &ret_tls->server_name);
    if (rc == 0)
        rc = nj_spec_int(reader, &tls, "minDaysLeft", 0, DAYS_LEFT_MAX, 0, &ret_tls->min_days_left);
    return rc < 0 ? rc : read_ca(reader, &tls, ret_tls);
}

static int read_alert_counts(struct nj_spec_reader *reader, const struct nj_spec_node *alert,
                             struct nj_spec_alert *ret_alert)
{
    static const char *const failures_members[] = {"count", "within", NULL};
    static const char *const recovery_members[] = {"count", NULL};
    struct nj_spec_node node;
    int rc = 0;
    if (nj_spec_member(alert, "failures", &node)) {
        rc = nj_spec_check_members(reader, &node, failures_members);
        if (rc == 0)
            rc = nj_spec_int(reader, &node, "count", 1, NJ_CHECK_WINDOW_MAX, 1, &ret_alert->failures);
        if (rc == 0)
            rc = nj_spec_duration(reader, &node, "within", NJ_SEC, NJ_DAY, 0, &ret_alert->window_ns);
    }
    if (rc == 0 && nj_spec_member(alert, "recovery", &node)) {
        rc = nj_spec_check_members(reader, &node, recovery_members);
        if (rc == 0)
            rc = nj_spec_int(reader, &node, "count", 1, NJ_CHECK_WINDOW_MAX, 1, &ret_alert->successes);
    }
    return rc;
}

static int read_alert(struct nj_spec_reader *reader, const struct nj_spec_node *root,
                      struct nj_spec_alert *ret_alert)
{
    static const char *const members[] = {"group", "severity", "failures", "recovery", NULL};
    static const char *const severities[] = {"warning", "info", "critical", NULL};
    static const struct nj_spec_text_rule rule = {
        .fallback = "", .max = GROUP_MAX, .is_valid = nj_spec_is_line, .wanted = "one line of text"};
    struct nj_spec_node alert;
    *ret_alert = (struct nj_spec_alert){.group = "", .severity = "warning", .failures = 1, .successes = 1};
    if (!nj_spec_member(root, "alert", &alert))
        return 0;
    size_t severity = 0;
    int rc = nj_spec_check_members(reader, &alert, members);
    if (rc == 0)
        rc = nj_spec_text(reader, &alert, "group", &rule, &ret_alert->group);
    if (rc == 0)
        rc = nj_spec_choice(reader, &alert, "severity", severities, &severity);
    ret_alert->severity = severities[severity];
    return rc < 0 ? rc : read_alert_counts(reader, &alert, ret_alert);
}

static int read_spec(struct nj_spec_reader *reader, const struct nj_spec_node *root, bool needs_target,
                     struct nj_spec *spec)
{
    static const char *const members[] = {"target",  "scope",   "suspend", "interval",  "timeout", "steps",
                                          "finally", "retries", "tls",     "variables", "alert",   NULL};
    struct nj_spec_node target;
    int rc = nj_spec_check_members(reader, root, members);
    spec->target = (struct nj_spec_target){
        .name = "", .port_name = "", .scheme = "http", .url = "", .host = "", .path = ""};
    if (rc == 0 && (needs_target || nj_spec_member(root, "target", &target)))
        rc = nj_spec_read_target(reader, root, &spec->target);
    if (rc == 0)
        rc = read_timing(reader, root, spec);
    if (rc == 0)
        rc = read_variables(reader, root, spec);
    if (rc == 0)
        rc = nj_spec_read_steps(reader, root, spec);
    if (rc == 0)
        rc = read_tls(reader, root, &spec->tls);
    return rc < 0 ? rc : read_alert(reader, root, &spec->alert);
}

static int parse_json(const char *where, const char *json, size_t len, struct json_object **ret_root,
                      struct nj_err *err)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (tokener == NULL)
        nj_out_of_memory();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *root = json_tokener_parse_ex(tokener, json, (int)len);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    if (error == json_tokener_success && json_object_is_type(root, json_type_object)) {
        *ret_root = root;
        return 0;
    }
    json_object_put(root);
    if (error == json_tokener_success)
        return nj_err_set(err, -EINVAL, "%s: must be an object", where);
    return nj_err_set(err, -EINVAL, "%s: is no JSON, at byte %zu: %s", where, end,
                      error == json_tokener_continue ? "it ends early" : json_tokener_error_desc(error));
}

int nj_spec_parse(const char *where, const char *json, size_t len, bool needs_target,
                  struct nj_spec **ret_spec, struct nj_err *err)
{
    if (len > NJ_SPEC_BYTES_MAX)
        return nj_err_set(err, -E2BIG, "%s: has %zu bytes, at most %d are allowed", where, len,
                          (int)NJ_SPEC_BYTES_MAX);
    struct json_object *object = NULL;
    int rc = parse_json(where, json, len, &object, err);
    if (rc < 0)
        return rc;
    struct nj_spec_memory *memory = NJ_NEW(struct nj_spec_memory);
    memory->spec.memory = memory;
    memory->spec.owners = 1;
    nj_arena_init(&memory->arena, SPEC_MEMORY_MAX);
    memory->arena.block_bytes = SPEC_BLOCK_BYTES;
    struct nj_spec_reader reader = {.where = where, .memory = memory, .err = err};
    struct nj_spec_node root = {.value = object};
    rc = read_spec(&reader, &root, needs_target, &memory->spec);
    json_object_put(object);
    free(reader.variables);
    if (rc == 0)
        rc = nj_spec_copy(&reader, json, len, &memory->spec.json);
    if (rc < 0) {
        nj_spec_unref(&memory->spec);
        return rc;
    }
    memory->spec.json_len = len;
    *ret_spec = &memory->spec;
    return 0;
}

struct nj_spec *nj_spec_ref(struct nj_spec *spec)
{
    spec->owners++;
    return spec;
}

void nj_spec_unref(struct nj_spec *spec)
{
    if (spec == NULL || --spec->owners > 0)
        return;
    struct nj_spec_memory *memory = spec->memory;
    for (size_t i = 0; i < memory->patterns_count; i++)
        nj_pattern_free(memory->patterns[i]);
    free(memory->patterns);
    nj_arena_done(&memory->arena);
    free(memory);
}
