/*
 * Gatus' endpoints (https://github.com/TwiN/gatus#configuration): conditions such as "[STATUS] == 200" become
 * expectations.
 */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/import/monitor.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { URL_MAX = 2048, TEXT_MAX = 1024 };

/* LEFT SIGN RIGHT. */
struct condition {
    char left[TEXT_MAX], right[TEXT_MAX];
    const char *sign;
};

static bool split_condition(const char *text, struct condition *ret_condition)
{
    static const char *const operators[] = {" == ", " != ", " <= ", " >= ", " < ", " > "};
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        const char *at = strstr(text, operators[i]);
        if (at == NULL)
            continue;
        (void)snprintf(ret_condition->left, TEXT_MAX, "%.*s", (int)(at - text), text);
        (void)snprintf(ret_condition->right, TEXT_MAX, "%s", at + strlen(operators[i]));
        ret_condition->sign = operators[i];
        return true;
    }
    return false;
}

static bool is_sign(const struct condition *condition, const char *sign)
{
    return strncmp(condition->sign + 1, sign, strlen(condition->sign) - 2) == 0 &&
           strlen(sign) == strlen(condition->sign) - 2;
}

/* The inside of "pat(...)" or "any(...)"; false: it is no such function. */
static bool function_argument(const char *text, const char *name, char argument[TEXT_MAX])
{
    size_t len = strlen(name), all = strlen(text);
    if (strncmp(text, name, len) != 0 || all < len + 2 || text[len] != '(' || text[all - 1] != ')')
        return false;
    (void)snprintf(argument, TEXT_MAX, "%.*s", (int)(all - len - 2), text + len + 1);
    return true;
}

/* Gatus' pattern: '*' stands for anything. */
static void pattern_regex(const char *pattern, char regex[TEXT_MAX])
{
    size_t len = 0;
    regex[len++] = '^';
    for (const char *at = pattern; *at != '\0' && len + 8 < TEXT_MAX; at++) {
        if (*at == '*') {
            len += (size_t)snprintf(regex + len, TEXT_MAX - len, "[\\s\\S]*");
        } else {
            if (strchr("\\^$.|?+()[]{}", *at) != NULL)
                regex[len++] = '\\';
            regex[len++] = *at;
        }
    }
    regex[len++] = '$';
    regex[len] = '\0';
}

static void take_status(struct nj_imported *imported, const struct condition *condition)
{
    char argument[TEXT_MAX];
    int64_t status = 0;
    struct json_object *expect = nj_imported_expect(imported);
    if (is_sign(condition, "==") && function_argument(condition->right, "any", argument)) {
        for (const char *at = argument; *at != '\0';) {
            char part[TEXT_MAX];
            size_t len = strcspn(at, ", ");
            (void)snprintf(part, sizeof(part), "%.*s", (int)len, at);
            if (nj_parse_int(part, 100, 599, &status) == 0)
                nj_imported_add(expect, "status", json_object_new_int64(status));
            at += len + strspn(at + len, ", ");
        }
        return;
    }
    if (nj_parse_int(condition->right, 100, 600, &status) < 0) {
        nj_imported_note(imported, "condition on [STATUS] with '%s' is not carried over", condition->right);
        return;
    }
    if (is_sign(condition, "==")) {
        nj_imported_add(expect, "status", json_object_new_int64(status));
    } else if ((is_sign(condition, "<") && status % 100 == 0) ||
               (is_sign(condition, "<=") && status % 100 == 99)) {
        for (int64_t class = 1; class * 100 < status; class ++) {
            char text[8];
            (void)snprintf(text, sizeof(text), "%dxx", (int)class);
            nj_imported_add(expect, "status", json_object_new_string(text));
        }
    } else {
        nj_imported_note(
            imported,
            "condition [STATUS]%s%s is not carried over: name the statuses or classes that are good",
            condition->sign, condition->right);
    }
}

/* "[BODY].data[0].name" as a JSON pointer. */
static void body_pointer(const char *left, char pointer[TEXT_MAX])
{
    size_t len = 0;
    for (const char *at = left + strlen("[BODY]"); *at != '\0' && len + 2 < TEXT_MAX; at++) {
        if (*at == '.' || *at == '[')
            pointer[len++] = '/';
        else if (*at != ']')
            pointer[len++] = *at;
    }
    pointer[len] = '\0';
}

static struct json_object *right_value(const char *text)
{
    struct json_object *value = json_tokener_parse(text);
    enum json_type type = json_object_get_type(value);
    if (type == json_type_int || type == json_type_double || type == json_type_boolean)
        return value;
    json_object_put(value);
    return json_object_new_string(text);
}

static void take_body(struct nj_imported *imported, const struct condition *condition)
{
    static const char *const names[][2] = {{"==", "equals"},     {"!=", "notEquals"},
                                           {"<", "lessThan"},    {"<=", "lessOrEqual"},
                                           {">", "greaterThan"}, {">=", "greaterOrEqual"}};
    char argument[TEXT_MAX], regex[TEXT_MAX], pointer[TEXT_MAX];
    bool is_pattern = function_argument(condition->right, "pat", argument);
    struct json_object *entry = json_object_new_object();
    if (is_pattern)
        pattern_regex(argument, regex);
    if (nj_streq(condition->left, "[BODY]")) {
        bool equal = is_sign(condition, "==");
        if (is_pattern)
            nj_imported_set_text(entry, equal ? "regex" : "notRegex", regex);
        else
            nj_imported_set_text(entry, equal ? "contains" : "notContains", condition->right);
        nj_imported_add(nj_imported_expect(imported), "body", entry);
        return;
    }
    body_pointer(condition->left, pointer);
    nj_imported_set_text(entry, "pointer", pointer);
    if (is_pattern && is_sign(condition, "==")) {
        nj_imported_set_text(entry, "matches", regex);
        nj_imported_add(nj_imported_expect(imported), "json", entry);
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !is_pattern; i++) {
        if (is_sign(condition, names[i][0])) {
            (void)json_object_object_add(entry, names[i][1], right_value(condition->right));
            nj_imported_add(nj_imported_expect(imported), "json", entry);
            return;
        }
    }
    json_object_put(entry);
    nj_imported_note(imported, "condition %s%s%s is not carried over", condition->left, condition->sign,
                     condition->right);
}

static void take_expiry(struct nj_imported *imported, const struct condition *condition)
{
    int64_t ns = 0;
    if (!is_sign(condition, ">") || nj_parse_duration(condition->right, &ns) < 0) {
        nj_imported_note(imported, "condition [CERTIFICATE_EXPIRATION]%s%s is not carried over",
                         condition->sign, condition->right);
        return;
    }
    (void)json_object_object_add(nj_imported_section(imported, "tls"), "minDaysLeft",
                                 json_object_new_int64((ns + NJ_DAY - 1) / NJ_DAY));
}

static void take_condition(struct nj_imported *imported, const char *text)
{
    struct condition condition = {0};
    char milliseconds[NJ_UNIT_TEXT_MAX];
    int64_t number = 0;
    if (nj_streq(text, "[CONNECTED] == true"))
        return; /* every check asks that */
    if (!split_condition(text, &condition))
        condition.sign = "";
    if (nj_streq(condition.left, "[STATUS]")) {
        take_status(imported, &condition);
    } else if (nj_streq(condition.left, "[RESPONSE_TIME]") && condition.sign[1] == '<' &&
               nj_parse_int(condition.right, 1, INT32_MAX, &number) == 0) {
        (void)snprintf(milliseconds, sizeof(milliseconds), "%lldms", (long long)number);
        nj_imported_set_text(nj_imported_expect(imported), "maxLatency", milliseconds);
    } else if (nj_streq(condition.left, "[CERTIFICATE_EXPIRATION]")) {
        take_expiry(imported, &condition);
    } else if (nj_streq(condition.left, "[DNS_RCODE]") && is_sign(&condition, "==")) {
        nj_imported_set_text(nj_imported_expect(imported), "rcode", condition.right);
    } else if (nj_str_starts(condition.left, "[BODY]") && nj_tree_get(imported->step, "dns") == NULL) {
        take_body(imported, &condition);
    } else if (nj_streq(condition.left, "[BODY]") && is_sign(&condition, "==")) {
        char argument[TEXT_MAX], regex[TEXT_MAX];
        struct json_object *entry = json_object_new_object();
        bool is_pattern = function_argument(condition.right, "pat", argument);
        pattern_regex(is_pattern ? argument : condition.right, regex);
        nj_imported_set_text(entry, "regex", regex);
        nj_imported_add(nj_imported_expect(imported), "answers", entry);
    } else {
        nj_imported_note(imported, "condition '%s' is not carried over", text);
    }
}

static void take_client(struct nj_imported *imported, struct json_object *client, bool is_http)
{
    nj_imported_duration(imported, "timeout", nj_tree_text(client, "timeout"));
    if (nj_tree_bool(client, "insecure", false))
        (void)json_object_object_add(nj_imported_section(imported, "tls"), "insecureSkipVerify",
                                     json_object_new_boolean(1));
    if (is_http && nj_tree_bool(client, "ignore-redirect", false))
        (void)json_object_object_add(nj_imported_step(imported, "http"), "followRedirects",
                                     json_object_new_boolean(0));
    if (nj_tree_get(client, "proxy-url") != NULL || nj_tree_get(client, "oauth2") != NULL ||
        nj_tree_get(client, "tls") != NULL)
        nj_imported_note(imported, "client: proxy-url, oauth2 and client certificates are not carried over");
}

static void take_alerts(struct nj_imported *imported, struct json_object *alerts)
{
    struct json_object *alert = json_object_array_get_idx(alerts, 0);
    struct json_object *section = nj_imported_section(imported, "alert");
    struct json_object *failures = json_object_new_object(), *recovery = json_object_new_object();
    (void)json_object_object_add(failures, "count",
                                 json_object_new_int64(nj_tree_int(alert, "failure-threshold", 3)));
    (void)json_object_object_add(recovery, "count",
                                 json_object_new_int64(nj_tree_int(alert, "success-threshold", 2)));
    (void)json_object_object_add(section, "failures", failures);
    (void)json_object_object_add(section, "recovery", recovery);
    nj_imported_note(
        imported, "who is told is said by the collector's routes (notify.routes) or alert.group, not by %s",
        nj_str(nj_tree_text(alert, "type")));
}

static void take_kind(struct nj_imported *imported, struct json_object *endpoint, const char *url)
{
    struct json_object *dns = nj_tree_get(endpoint, "dns");
    if (dns != NULL) {
        char target[URL_MAX];
        struct json_object *step = nj_imported_step(imported, "dns");
        nj_imported_set_text(step, "name", nj_tree_text(dns, "query-name"));
        nj_imported_set_text(step, "type", nj_tree_text(dns, "query-type"));
        (void)snprintf(target, sizeof(target), "dns://%s", url);
        nj_imported_url(imported, target);
        return;
    }
    if (nj_str_starts(url, "http://") || nj_str_starts(url, "https://")) {
        struct json_object *http = nj_imported_step(imported, "http");
        nj_imported_set_text(http, "method", nj_tree_text(endpoint, "method"));
        nj_imported_set_literal(http, "body", nj_tree_text(endpoint, "body"));
        struct json_object *headers = nj_tree_get(endpoint, "headers");
        if (json_object_get_type(headers) == json_type_object) {
            json_object_object_foreach(headers, name, value)
                nj_imported_header(imported, name, nj_str(json_object_get_string(value)));
        }
        if (nj_tree_bool(endpoint, "graphql", false))
            nj_imported_note(imported, "graphql is not carried over: write the query as JSON into the body");
        nj_imported_url(imported, url);
        return;
    }
    if (nj_str_starts(url, "tcp://") || nj_str_starts(url, "tls://")) {
        char target[URL_MAX];
        struct json_object *tcp = nj_imported_step(imported, "tcp");
        if (nj_str_starts(url, "tls://"))
            (void)json_object_object_add(tcp, "tls", json_object_new_boolean(1));
        (void)snprintf(target, sizeof(target), "tcp://%s", url + strlen("tcp://"));
        nj_imported_url(imported, target);
        return;
    }
    nj_imported_drop(imported, "left out: %.*s cannot be probed (http, https, tcp, tls and dns can)",
                     (int)strcspn(url, ":"), url);
}

static void take_endpoint(struct nj_import *import, struct json_object *endpoint)
{
    struct nj_imported imported;
    char where[NJ_IMPORT_WHERE_MAX];
    const char *group = nj_tree_text(endpoint, "group"), *name = nj_tree_text(endpoint, "name");
    (void)snprintf(where, sizeof(where), "%s%s%s", nj_str(group), group == NULL ? "" : " ", nj_str(name));
    nj_imported_begin(&imported, import, where);
    const char *url = nj_str(nj_tree_text(endpoint, "url"));
    take_kind(&imported, endpoint, url);
    if (!imported.lost) {
        struct json_object *conditions = nj_tree_get(endpoint, "conditions"),
                           *alerts = nj_tree_get(endpoint, "alerts");
        const char *interval = nj_tree_text(endpoint, "interval");
        nj_imported_duration(&imported, "interval", interval == NULL ? "60s" : interval);
        take_client(&imported, nj_tree_get(endpoint, "client"), nj_str_starts(url, "http"));
        for (size_t i = 0; i < nj_tree_count(conditions); i++)
            take_condition(&imported,
                           nj_str(json_object_get_string(json_object_array_get_idx(conditions, i))));
        if (nj_tree_count(alerts) > 0)
            take_alerts(&imported, alerts);
        if (!nj_tree_bool(endpoint, "enabled", true))
            (void)json_object_object_add(imported.spec, "suspend", json_object_new_boolean(1));
    }
    nj_imported_end(&imported);
}

int nj_import_gatus(struct nj_import *import, struct json_object *tree, struct nj_err *err)
{
    struct json_object *endpoints = nj_tree_get(tree, "endpoints");
    if (endpoints == NULL)
        endpoints = nj_tree_get(tree, "services"); /* as it was called before version 3 */
    if (json_object_get_type(endpoints) != json_type_array)
        return nj_err_set(err, -EBADMSG, "no list of endpoints: it is no configuration of Gatus");
    for (size_t i = 0; i < nj_tree_count(endpoints); i++)
        take_endpoint(import, json_object_array_get_idx(endpoints, i));
    if (nj_tree_count(nj_tree_get(tree, "external-endpoints")) > 0)
        nj_import_note(import, "external-endpoints", "not carried over: nothing is probed there");
    return 0;
}
