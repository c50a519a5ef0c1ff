#include "collector/notify/matchers.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    DEPTH_MAX = 4,
    STEPS_MAX = 20000, /* of one match, as the writer's worker waits for it */
    HEAP_MAX_KIB = 512,
    NEST_MAX = 32,
    JSON_BYTES_MAX = 64 << 10,
};

enum label {
    LABEL_KIND,
    LABEL_ALERTNAME,
    LABEL_SEVERITY,
    LABEL_CLUSTER,
    LABEL_PROJECT,
    LABEL_NAMESPACE,
    LABEL_WORKLOAD,
    LABEL_SERVICE,
    LABEL_POD,
    LABEL_CONTAINER,
    LABEL_NODE,
    LABEL_REASON,
    LABEL_GROUP,
    LABELS
};

static const char *const names[] = {"kind",      "alertname", "severity", "cluster", "project",
                                    "namespace", "workload",  "service",  "pod",     "container",
                                    "node",      "reason",    "group"};

struct matcher {
    enum label label;
    char *value;
    bool is_equal;
    pcre2_code *code; /* NULL: the text itself */
};

struct nj_matchers {
    struct matcher items[NJ_MATCHERS_MAX];
    size_t count;
    pcre2_match_context *context;
    pcre2_match_data *match;
};

/* What a label has beside its value: an outage is of its Service, and of the workload behind it. */
static const char *other_value_of(const struct nj_incident *incident, enum label label)
{
    const char *slash = strchr(nj_str(incident->detail), '/');
    bool is_outage = incident->kind == NJ_INCIDENT_SERVICE_OUTAGE;
    return label == LABEL_WORKLOAD && is_outage && slash != NULL ? slash + 1 : NULL;
}

static const char *value_of(const struct nj_incident *incident, enum label label)
{
    switch (label) {
    case LABEL_KIND:
    case LABEL_ALERTNAME:
        return nj_incident_kind_name(incident->kind);
    case LABEL_SEVERITY:
        return nj_severity_name(incident->severity);
    case LABEL_CLUSTER:
        return nj_str(incident->cluster);
    case LABEL_PROJECT:
        return nj_str(incident->project);
    case LABEL_NAMESPACE:
        return nj_str(incident->namespace);
    case LABEL_WORKLOAD:
        return nj_str(incident->workload);
    case LABEL_SERVICE:
        return nj_streq(incident->workload_kind, "Service") ? nj_str(incident->workload) : "";
    case LABEL_POD:
        return nj_str(incident->pod);
    case LABEL_CONTAINER:
        return nj_str(incident->container);
    case LABEL_NODE:
        return nj_str(incident->node);
    case LABEL_REASON:
        return nj_str(incident->reason);
    case LABEL_GROUP:
        return nj_str(incident->group);
    case LABELS:
        break;
    }
    return "";
}

static int compile(struct nj_matchers *matchers, struct matcher *matcher, struct nj_err *err)
{
    int code = 0;
    size_t at = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL)
        nj_out_of_memory();
    (void)pcre2_set_parens_nest_limit(context, NEST_MAX);
    matcher->code = pcre2_compile((PCRE2_SPTR)matcher->value, PCRE2_ZERO_TERMINATED,
                                  PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
                                      PCRE2_NEVER_BACKSLASH_C,
                                  &code, &at, context);
    pcre2_compile_context_free(context);
    if (matcher->code == NULL) {
        unsigned char text[128] = "";
        (void)pcre2_get_error_message(code, text, sizeof(text));
        return nj_err_set(err, -EINVAL, "matchers[%zu].value: no regular expression: %s at byte %zu",
                          (size_t)(matcher - matchers->items), (const char *)text, at);
    }
    if (matchers->context == NULL) {
        matchers->context = pcre2_match_context_create(NULL);
        matchers->match = pcre2_match_data_create(1, NULL);
        if (matchers->context == NULL || matchers->match == NULL)
            nj_out_of_memory();
        (void)pcre2_set_match_limit(matchers->context, STEPS_MAX);
        (void)pcre2_set_heap_limit(matchers->context, HEAP_MAX_KIB);
    }
    return 0;
}

static int parse_label(size_t at, const char *name, enum label *ret_label, struct nj_err *err)
{
    for (size_t i = 0; i < LABELS; i++) {
        if (nj_streq(names[i], name)) {
            *ret_label = (enum label)i;
            return 0;
        }
    }
    return nj_err_set(
        err, -EINVAL,
        "matchers[%zu].name: '%s' is none of kind, alertname, severity, cluster, project, namespace, "
        "workload, service, pod, container, node, reason, group",
        at, name);
}

static int parse_one(struct nj_matchers *matchers, struct json_object *object, struct nj_err *err)
{
    size_t at = matchers->count;
    struct matcher *matcher = &matchers->items[at];
    struct json_object *name = NULL, *value = NULL;
    bool is_regex = false;
    matcher->is_equal = true;
    if (!json_object_is_type(object, json_type_object))
        return nj_err_set(err, -EINVAL, "matchers[%zu]: an object with name and value is needed", at);
    json_object_object_foreach(object, key, field)
    {
        bool is_flag = json_object_is_type(field, json_type_boolean);
        if (strcmp(key, "name") == 0 && json_object_is_type(field, json_type_string))
            name = field;
        else if (strcmp(key, "value") == 0 && json_object_is_type(field, json_type_string))
            value = field;
        else if (strcmp(key, "isRegex") == 0 && is_flag)
            is_regex = json_object_get_boolean(field);
        else if (strcmp(key, "isEqual") == 0 && is_flag)
            matcher->is_equal = json_object_get_boolean(field);
        else
            return nj_err_set(
                err, -EINVAL,
                "matchers[%zu]: '%.64s' is none of name and value (strings), isRegex and isEqual "
                "(true or false)",
                at, key);
    }
    if (name == NULL || value == NULL)
        return nj_err_set(err, -EINVAL, "matchers[%zu]: name and value are needed", at);
    const char *text = json_object_get_string(value);
    size_t len = (size_t)json_object_get_string_len(value);
    if (len > NJ_MATCHER_VALUE_MAX || strlen(text) != len)
        return nj_err_set(err, -EINVAL, "matchers[%zu].value: at most %d bytes, none of them 0", at,
                          NJ_MATCHER_VALUE_MAX);
    int rc = parse_label(at, json_object_get_string(name), &matcher->label, err);
    if (rc < 0)
        return rc;
    matchers->count++;
    matcher->value = nj_strdup(text);
    return is_regex ? compile(matchers, matcher, err) : 0;
}

static bool fits(const struct nj_matchers *matchers, const struct matcher *matcher, const char *value)
{
    if (matcher->code == NULL)
        return nj_streq(matcher->value, value) == matcher->is_equal;
    int rc = pcre2_match(matcher->code, (PCRE2_SPTR)value, strlen(value), 0, 0, matchers->match,
                         matchers->context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        return false;
    return (rc >= 0) == matcher->is_equal;
}

/* Of two values, one is to be it, or neither. */
static bool fits_incident(const struct nj_matchers *matchers, const struct matcher *matcher,
                          const struct nj_incident *incident)
{
    const char *other = other_value_of(incident, matcher->label);
    bool fit = fits(matchers, matcher, value_of(incident, matcher->label));
    if (other == NULL || fit == matcher->is_equal)
        return fit;
    return fits(matchers, matcher, other);
}

static bool fits_nothing_in_particular(const struct nj_matchers *matchers)
{
    for (size_t i = 0; i < matchers->count; i++) {
        if (!fits(matchers, &matchers->items[i], ""))
            return false;
    }
    return true;
}

int nj_matchers_check_services(const struct nj_matchers *matchers, struct nj_err *err)
{
    for (size_t i = 0; i < matchers->count; i++) {
        switch (matchers->items[i].label) {
        case LABEL_CLUSTER:
        case LABEL_PROJECT:
        case LABEL_NAMESPACE:
        case LABEL_WORKLOAD:
        case LABEL_SERVICE:
            break;
        default:
            return nj_err_set(err, -EINVAL,
                              "maintenance: goes with matchers of cluster, project, namespace, service and "
                              "workload alone, as it is services whose time counts as planned: "
                              "matchers[%zu] is of %s",
                              i, names[matchers->items[i].label]);
        }
    }
    return 0;
}

static int parse_all(struct nj_matchers *matchers, struct json_object *list, struct nj_err *err)
{
    if (!json_object_is_type(list, json_type_array))
        return nj_err_set(err, -EINVAL, "matchers: a list is needed");
    size_t count = json_object_array_length(list);
    if (count < 1 || count > NJ_MATCHERS_MAX)
        return nj_err_set(err, -EINVAL, "matchers: 1 to %d are needed", NJ_MATCHERS_MAX);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = parse_one(matchers, json_object_array_get_idx(list, i), err);
    if (rc == 0 && fits_nothing_in_particular(matchers))
        rc = nj_err_set(err, -EINVAL,
                        "matchers: at least one must not match an empty value: these would match all");
    return rc;
}

int nj_matchers_parse(const char *json, size_t len, struct nj_matchers **ret_matchers, struct nj_err *err)
{
    if (len > JSON_BYTES_MAX)
        return nj_err_set(err, -EINVAL, "matchers: are larger than %d bytes", JSON_BYTES_MAX);
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    if (tokener == NULL)
        nj_out_of_memory();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *list = json_tokener_parse_ex(tokener, json, (int)len);
    json_tokener_free(tokener);
    struct nj_matchers *matchers = NJ_NEW(struct nj_matchers);
    int rc = parse_all(matchers, list, err);
    (void)json_object_put(list);
    if (rc < 0) {
        nj_matchers_free(matchers);
        return rc;
    }
    *ret_matchers = matchers;
    return 0;
}

void nj_matchers_free(struct nj_matchers *matchers)
{
    if (matchers == NULL)
        return;
    for (size_t i = 0; i < matchers->count; i++) {
        free(matchers->items[i].value);
        pcre2_code_free(matchers->items[i].code);
    }
    pcre2_match_data_free(matchers->match);
    pcre2_match_context_free(matchers->context);
    free(matchers);
}

void nj_matchers_json(const struct nj_matchers *matchers, struct nj_buf *out)
{
    nj_buf_append_char(out, '[');
    for (size_t i = 0; i < matchers->count; i++) {
        const struct matcher *matcher = &matchers->items[i];
        nj_buf_printf(out, "%s{\"name\":\"%s\",\"value\":", i == 0 ? "" : ",", names[matcher->label]);
        nj_json_append_string(out, matcher->value, strlen(matcher->value));
        nj_buf_printf(out, ",\"isRegex\":%s,\"isEqual\":%s}", matcher->code != NULL ? "true" : "false",
                      matcher->is_equal ? "true" : "false");
    }
    nj_buf_append_char(out, ']');
}

bool nj_matchers_match(const struct nj_matchers *matchers, const struct nj_incident *incident)
{
    for (size_t i = 0; i < matchers->count; i++) {
        if (!fits_incident(matchers, &matchers->items[i], incident))
            return false;
    }
    return true;
}
