/*
 * What a run does: its steps, and those that end it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/probe/spec_reader.h"

static const char *const kinds[] = {
    [NJ_STEP_HTTP] = "http", [NJ_STEP_TCP] = "tcp", [NJ_STEP_GRPC] = "grpc", [NJ_STEP_DNS] = "dns", NULL};

/* ---- http */

static bool is_path(const char *text)
{
    if (*text != '/')
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7F || *c == '#')
            return false;
    }
    return true;
}

/* Those that say how the request is framed are the prober's own. */
static bool is_header_name(const char *text)
{
    static const char *const own[] = {"connection", "content-length", "expect",  "keep-alive",
                                      "te",         "trailer",        "upgrade", "transfer-encoding",
                                      NULL};
    for (size_t i = 0; own[i] != NULL; i++) {
        if (strcasecmp(own[i], text) == 0)
            return false;
    }
    return nj_spec_is_token(text);
}

static int read_header(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                       struct nj_spec_pair *header)
{
    static const char *const members[] = {"name", "value", NULL};
    static const struct nj_spec_text_rule name_rule = {
        .min = 1,
        .max = NJ_SPEC_HEADER_NAME_MAX,
        .is_valid = is_header_name,
        .wanted =
            "the name of a header other than Content-Length, Transfer-Encoding, Connection and the like"};
    static const struct nj_spec_text_rule value_rule = {.max = NJ_SPEC_VALUE_MAX,
                                                        .is_valid = nj_spec_is_header_value,
                                                        .wanted = "text without control characters"};
    int rc = nj_spec_check_members(reader, item, members);
    if (rc == 0)
        rc = nj_spec_text(reader, item, "name", &name_rule, &header->name);
    if (rc == 0)
        rc = nj_spec_text(reader, item, "value", &value_rule, &header->value);
    if (rc == 0)
        rc = nj_spec_check_variables(reader, item, header->value);
    if (rc == 0 && strcasecmp(header->name, "host") == 0 && strstr(header->value, "${") != NULL)
        return nj_spec_fail(reader, item, "the Host header may hold no variable");
    return rc;
}

static int read_headers(struct nj_spec_reader *reader, const struct nj_spec_node *http, struct nj_step *step)
{
    struct nj_spec_node list = {0};
    size_t count = 0;
    void *headers = NULL;
    int rc = nj_spec_list(reader, http, "headers", NJ_SPEC_ITEMS_MAX, &list, &count);
    if (rc == 0 && count > 0)
        rc = nj_spec_alloc(reader, count, sizeof(struct nj_spec_pair), &headers);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct nj_spec_node item = nj_spec_item(&list, i);
        rc = read_header(reader, &item, (struct nj_spec_pair *)headers + i);
    }
    step->headers = headers;
    step->headers_count = count;
    return rc;
}

/* A text with variables. */
static int read_template(struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                         const struct nj_spec_text_rule *rule, const char **ret_text)
{
    struct nj_spec_node node = {.parent = parent, .key = key};
    int rc = nj_spec_text(reader, parent, key, rule, ret_text);
    return rc < 0 ? rc : nj_spec_check_variables(reader, &node, *ret_text);
}

static int read_http(struct nj_spec_reader *reader, const struct nj_spec_node *http, struct nj_step *step)
{
    static const char *const members[] = {"method",          "path", "headers", "body", "version",
                                          "followRedirects", NULL};
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", NULL};
    static const char *const versions[] = {
        [NJ_HTTP_ANY] = "any", [NJ_HTTP_1_1] = "1.1", [NJ_HTTP_2] = "2", NULL};
    static const struct nj_spec_text_rule path_rule = {
        .fallback = "",
        .min = 1,
        .max = NJ_SPEC_PATH_MAX,
        .is_valid = is_path,
        .wanted = "a path that begins with '/', percent-encoded, without '#'"};
    static const struct nj_spec_text_rule body_rule = {.fallback = "", .max = NJ_SPEC_BODY_MAX};
    size_t method = 0;
    size_t version = 0;
    int rc = nj_spec_check_members(reader, http, members);
    if (rc == 0)
        rc = nj_spec_choice(reader, http, "method", methods, &method);
    if (rc == 0)
        rc = nj_spec_choice(reader, http, "version", versions, &version);
    if (rc == 0)
        rc = read_template(reader, http, "path", &path_rule, &step->path);
    if (rc == 0)
        rc = read_template(reader, http, "body", &body_rule, &step->body);
    if (rc == 0)
        rc = nj_spec_bool(reader, http, "followRedirects", true, &step->follow_redirects);
    step->method = methods[method];
    step->version = (enum nj_http_version)version;
    return rc < 0 ? rc : read_headers(reader, http, step);
}

/* ---- the others */

static int read_tcp(struct nj_spec_reader *reader, const struct nj_spec_node *tcp, struct nj_step *step)
{
    static const char *const members[] = {"send", "tls", NULL};
    static const struct nj_spec_text_rule rule = {.fallback = "", .max = NJ_SPEC_VALUE_MAX};
    int rc = nj_spec_check_members(reader, tcp, members);
    if (rc == 0)
        rc = read_template(reader, tcp, "send", &rule, &step->send);
    return rc < 0 ? rc : nj_spec_bool(reader, tcp, "tls", false, &step->tls);
}

static bool is_grpc_service(const char *text)
{
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/")] == '\0';
}

static int read_grpc(struct nj_spec_reader *reader, const struct nj_spec_node *grpc, struct nj_step *step)
{
    static const char *const members[] = {"service", "tls", NULL};
    static const struct nj_spec_text_rule rule = {.fallback = "",
                                                  .max = NJ_SPEC_OBJECT_NAME_MAX,
                                                  .is_valid = is_grpc_service,
                                                  .wanted = "letters, digits, '.', '_', '-' and '/'"};
    int rc = nj_spec_check_members(reader, grpc, members);
    if (rc == 0)
        rc = nj_spec_text(reader, grpc, "service", &rule, &step->grpc_service);
    return rc < 0 ? rc : nj_spec_bool(reader, grpc, "tls", false, &step->tls);
}

static bool is_dns_name(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    do {
        size_t len = strspn(text, allowed);
        if (len == 0 || len > NJ_SPEC_NAME_MAX)
            return false;
        text += len;
        if (*text == '.')
            text++;
        else if (*text != '\0')
            return false;
    } while (*text != '\0');
    return true;
}

static int read_dns(struct nj_spec_reader *reader, const struct nj_spec_node *dns, struct nj_step *step)
{
    static const char *const members[] = {"name", "type", "tcp", NULL};
    static const char *const types[] = {"A", "AAAA", "CNAME", "SRV", "TXT", "MX", "NS", NULL};
    static const struct nj_spec_text_rule rule = {.min = 1,
                                                  .max = NJ_SPEC_OBJECT_NAME_MAX,
                                                  .is_valid = is_dns_name,
                                                  .wanted =
                                                      "labels of letters, digits, '-' and '_' with dots"};
    size_t type = 0;
    int rc = nj_spec_check_members(reader, dns, members);
    if (rc == 0)
        rc = nj_spec_text(reader, dns, "name", &rule, &step->dns_name);
    if (rc == 0)
        rc = nj_spec_choice(reader, dns, "type", types, &type);
    step->dns_type = types[type];
    return rc < 0 ? rc : nj_spec_bool(reader, dns, "tcp", false, &step->dns_tcp);
}

/* ---- a step */

/* What a step does that does not say it. */
static enum nj_step_kind usual_kind(const struct nj_spec_target *target)
{
    if (strcmp(target->scheme, "tcp") == 0)
        return NJ_STEP_TCP;
    if (nj_str_starts(target->scheme, "grpc"))
        return NJ_STEP_GRPC;
    return strcmp(target->scheme, "dns") == 0 ? NJ_STEP_DNS : NJ_STEP_HTTP;
}

/* NULL, or which kinds of step a target has when not this one. */
static const char *kinds_instead(const struct nj_spec_target *target, enum nj_step_kind kind)
{
    if (target->kind == NJ_TARGET_INGRESS)
        return kind == NJ_STEP_HTTP ? NULL : "an Ingress has http steps only";
    if (target->kind != NJ_TARGET_URL)
        return NULL;
    if (strcmp(target->scheme, "dns") == 0)
        return kind == NJ_STEP_DNS ? NULL : "a dns: target has dns steps only";
    if (strcmp(target->scheme, "tcp") == 0)
        return kind == NJ_STEP_TCP ? NULL : "a tcp:// target has tcp steps only";
    if (nj_str_starts(target->scheme, "grpc"))
        return kind == NJ_STEP_GRPC || kind == NJ_STEP_TCP ? NULL
                                                           : "a grpc:// target has grpc and tcp steps only";
    return kind != NJ_STEP_DNS ? NULL : "an http:// target has no dns steps";
}

static int read_kind(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                     const struct nj_spec_target *target, struct nj_step *step)
{
    /* A step that does not say what it does reads as one with an empty object of the target's kind. */
    struct nj_spec_node node = {.parent = item, .value = NULL};
    size_t kind = usual_kind(target);
    size_t count = nj_spec_count_members(item, kinds, &kind);
    if (count > 1)
        return nj_spec_fail(reader, item, "needs one of http, tcp, grpc or dns, has %zu", count);
    step->kind = (enum nj_step_kind)kind;
    node.key = kinds[kind];
    const char *refusal = kinds_instead(target, step->kind);
    if (refusal != NULL)
        return nj_spec_fail(reader, &node, "%s", refusal);
    struct json_object *empty = NULL;
    if (count == 0) {
        empty = json_object_new_object();
        if (empty == NULL)
            nj_out_of_memory();
        node.value = empty;
    } else {
        (void)nj_spec_member(item, kinds[kind], &node);
    }
    int rc;
    if (step->kind == NJ_STEP_HTTP)
        rc = read_http(reader, &node, step);
    else if (step->kind == NJ_STEP_TCP)
        rc = read_tcp(reader, &node, step);
    else if (step->kind == NJ_STEP_GRPC)
        rc = read_grpc(reader, &node, step);
    else
        rc = read_dns(reader, &node, step);
    json_object_put(empty);
    if (step->kind == NJ_STEP_GRPC &&
        (strcmp(target->scheme, "grpcs") == 0 || strcmp(target->scheme, "https") == 0))
        step->tls = true;
    return rc;
}

static int read_step(struct nj_spec_reader *reader, const struct nj_spec_node *item,
                     const struct nj_spec_target *target, struct nj_step *step)
{
    static const char *const members[] = {
        "name", "http", "tcp", "grpc", "dns", "extract", "expect", "continueOnFailure", NULL};
    const struct nj_spec_text_rule rule = {.fallback = step->name,
                                           .min = 1,
                                           .max = NJ_SPEC_NAME_MAX,
                                           .is_valid = nj_spec_is_line,
                                           .wanted = "one line of text"};
    int rc = nj_spec_check_members(reader, item, members);
    if (rc == 0)
        rc = nj_spec_text(reader, item, "name", &rule, &step->name);
    if (rc == 0)
        rc = nj_spec_bool(reader, item, "continueOnFailure", false, &step->continue_on_failure);
    if (rc == 0)
        rc = read_kind(reader, item, target, step);
    if (rc == 0)
        rc = nj_spec_read_expect(reader, item, step->kind, &step->expect);
    /* Last: what it takes out of the answer is for the steps after it. */
    return rc < 0 ? rc : nj_spec_read_extracts(reader, item, step);
}

static int name_step(struct nj_spec_reader *reader, struct nj_step *step, size_t number)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s %zu", step->is_finally ? "finally" : "step", number);
    return nj_spec_copy(reader, name, strlen(name), &step->name);
}

static int check_name(const struct nj_spec_reader *reader, const struct nj_spec_node *item,
                      const struct nj_spec *spec, const struct nj_step *step)
{
    for (const struct nj_step *other = spec->steps; other < step; other++) {
        if (strcmp(other->name, step->name) == 0)
            return nj_spec_fail_at(reader, item, "name", "another step has this name");
    }
    return 0;
}

/* Steps of a list, from steps[from] on. */
static int read_list(struct nj_spec_reader *reader, const struct nj_spec_node *list, size_t count,
                     struct nj_spec *spec, struct nj_step *steps, bool is_finally)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct nj_spec_node item = nj_spec_item(list, i);
        struct nj_step *step = steps + i;
        *step = (struct nj_step){.is_finally = is_finally,
                                 .method = "",
                                 .path = "",
                                 .body = "",
                                 .send = "",
                                 .grpc_service = "",
                                 .dns_name = "",
                                 .dns_type = ""};
        rc = name_step(reader, step, i + 1);
        if (rc == 0)
            rc = read_step(reader, &item, &spec->target, step);
        if (rc == 0)
            rc = check_name(reader, &item, spec, step);
    }
    return rc;
}

/* Where there are none, one of the target's kind. */
static int read_only_step(struct nj_spec_reader *reader, const struct nj_spec_node *root,
                          struct nj_spec *spec, struct nj_step *step)
{
    if (usual_kind(&spec->target) == NJ_STEP_DNS)
        return nj_spec_fail_at(reader, root, "steps", "is required: a dns step says which name is looked up");
    struct nj_spec_node list = {.parent = root, .key = "steps", .value = json_tokener_parse("[{}]")};
    if (list.value == NULL)
        nj_out_of_memory();
    int rc = read_list(reader, &list, 1, spec, step, false);
    json_object_put(list.value);
    return rc;
}

int nj_spec_read_steps(struct nj_spec_reader *reader, const struct nj_spec_node *root, struct nj_spec *spec)
{
    struct nj_spec_node list = {0};
    struct nj_spec_node last = {0};
    size_t count = 0;
    size_t last_count = 0;
    void *memory = NULL;
    int rc = nj_spec_list(reader, root, "steps", NJ_SPEC_STEPS_MAX, &list, &count);
    if (rc == 0)
        rc = nj_spec_list(reader, root, "finally", NJ_SPEC_STEPS_MAX, &last, &last_count);
    if (rc == 0 && list.value != NULL && count == 0)
        rc = nj_spec_fail(reader, &list, "may not be empty");
    if (rc == 0 && count + last_count > NJ_SPEC_STEPS_MAX)
        rc = nj_spec_fail(reader, root, "has %zu steps, at most %d in steps and finally together are allowed",
                          count + last_count, (int)NJ_SPEC_STEPS_MAX);
    size_t first = count == 0 ? 1 : count;
    if (rc == 0)
        rc = nj_spec_alloc(reader, first + last_count, sizeof(struct nj_step), &memory);
    if (rc < 0 || memory == NULL)
        return rc;
    struct nj_step *steps = memory;
    spec->steps = steps;
    spec->steps_count = first + last_count;
    rc = count == 0 ? read_only_step(reader, root, spec, steps)
                    : read_list(reader, &list, count, spec, steps, false);
    return rc < 0 ? rc : read_list(reader, &last, last_count, spec, steps + first, true);
}
