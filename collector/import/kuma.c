/*
 * Uptime Kuma's JSON backup (Settings, Backup; its monitors are rows of the table in
 * https://github.com/louislam/uptime-kuma/blob/master/server/model/monitor.js).
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "collector/import/monitor.h"
#include "common/base/str.h"

enum { URL_MAX = 2048, TEXT_MAX = 1024 };

static void take_statuses(struct nj_imported *imported, struct json_object *codes)
{
    for (size_t i = 0; i < nj_tree_count(codes); i++) {
        const char *text = nj_str(json_object_get_string(json_object_array_get_idx(codes, i)));
        int64_t from = 0, until = 0;
        char first[8], last[8];
        const char *dash = strchr(text, '-');
        (void)snprintf(first, sizeof(first), "%.*s", dash == NULL ? 7 : (int)(dash - text), text);
        (void)snprintf(last, sizeof(last), "%s", dash == NULL ? text : dash + 1);
        if (nj_parse_int(first, 100, 599, &from) < 0 || nj_parse_int(last, from, 999, &until) < 0) {
            nj_imported_note(imported, "accepted status '%s' is not carried over", text);
            continue;
        }
        struct json_object *expect = nj_imported_expect(imported);
        if (from == until) {
            nj_imported_add(expect, "status", json_object_new_int64(from));
            continue;
        }
        for (int64_t class = from / 100; class <= until / 100 && class <= 5; class ++) {
            char name[8];
            (void)snprintf(name, sizeof(name), "%dxx", (int)class);
            nj_imported_add(expect, "status", json_object_new_string(name));
        }
        if (from % 100 != 0 || until % 100 != 99)
            nj_imported_note(imported, "accepted statuses %s become whole classes", text);
    }
}

/* Headers and bodies are kept as text. */
static void take_headers(struct nj_imported *imported, const char *text)
{
    struct json_object *headers = text == NULL || text[0] == '\0' ? NULL : json_tokener_parse(text);
    if (json_object_get_type(headers) == json_type_object) {
        json_object_object_foreach(headers, name, value)
            nj_imported_header(imported, name, nj_str(json_object_get_string(value)));
    }
    json_object_put(headers);
}

static void take_keyword(struct nj_imported *imported, struct json_object *monitor)
{
    struct json_object *entry = json_object_new_object();
    bool inverted = nj_tree_bool(monitor, "invertKeyword", false);
    nj_imported_set_text(entry, inverted ? "notContains" : "contains",
                         nj_str(nj_tree_text(monitor, "keyword")));
    nj_imported_add(nj_imported_expect(imported), "body", entry);
}

/* A JSONata path that is a plain one, such as "data.state", as a JSON pointer. */
static void take_json_query(struct nj_imported *imported, struct json_object *monitor)
{
    const char *path = nj_str(nj_tree_text(monitor, "jsonPath"));
    char pointer[TEXT_MAX];
    size_t len = 0;
    if (path[0] == '$')
        path += path[1] == '.' ? 2 : 1;
    if (path[strcspn(path, "()*?&|^%@{}\"'` ")] != '\0') {
        nj_imported_note(
            imported, "the JSON query '%s' is not carried over: say it as a JSON pointer under expect.json",
            path);
        return;
    }
    if (path[0] != '\0')
        pointer[len++] = '/';
    for (; *path != '\0' && len + 2 < sizeof(pointer); path++) {
        if (*path == '.' || *path == '[')
            pointer[len++] = '/';
        else if (*path != ']')
            pointer[len++] = *path;
    }
    pointer[len] = '\0';
    struct json_object *entry = json_object_new_object();
    nj_imported_set_text(entry, "pointer", pointer);
    nj_imported_set_text(entry, "equals", nj_str(nj_tree_text(monitor, "expectedValue")));
    nj_imported_add(nj_imported_expect(imported), "json", entry);
}

static void take_http(struct nj_imported *imported, struct json_object *monitor)
{
    struct json_object *http = nj_imported_step(imported, "http");
    const char *method = nj_str(nj_tree_text(monitor, "authMethod"));
    nj_imported_set_text(http, "method", nj_tree_text(monitor, "method"));
    nj_imported_set_literal(http, "body", nj_tree_text(monitor, "body"));
    take_headers(imported, nj_tree_text(monitor, "headers"));
    (void)json_object_object_add(http, "followRedirects",
                                 json_object_new_boolean(nj_tree_int(monitor, "maxredirects", 10) > 0));
    take_statuses(imported, nj_tree_get(monitor, "accepted_statuscodes"));
    if (nj_tree_text(monitor, "basic_auth_user") != NULL &&
        nj_tree_text(monitor, "basic_auth_user")[0] != '\0')
        nj_imported_basic_auth(imported, nj_tree_text(monitor, "basic_auth_user"));
    else if (method[0] != '\0' && !nj_streq(method, "basic") && !nj_streq(method, "null"))
        nj_imported_note(imported, "authentication by %s is not carried over", method);
    if (nj_tree_bool(monitor, "expiryNotification", false))
        (void)json_object_object_add(nj_imported_section(imported, "tls"), "minDaysLeft",
                                     json_object_new_int64(14));
    if (nj_tree_bool(monitor, "ignoreTls", false))
        (void)json_object_object_add(nj_imported_section(imported, "tls"), "insecureSkipVerify",
                                     json_object_new_boolean(1));
    nj_imported_url(imported, nj_str(nj_tree_text(monitor, "url")));
}

static void host_url(struct nj_imported *imported, const char *scheme, const char *host, int64_t port)
{
    char url[URL_MAX];
    bool is_ipv6 = strchr(host, ':') != NULL;
    (void)snprintf(url, sizeof(url), "%s://%s%s%s:%lld", scheme, is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
                   (long long)port);
    nj_imported_url(imported, url);
}

static void take_dns(struct nj_imported *imported, struct json_object *monitor)
{
    struct json_object *dns = nj_imported_step(imported, "dns");
    nj_imported_set_text(dns, "name", nj_str(nj_tree_text(monitor, "hostname")));
    nj_imported_set_text(dns, "type", nj_tree_text(monitor, "dns_resolve_type"));
    host_url(imported, "dns", nj_str(nj_tree_text(monitor, "dns_resolve_server")),
             nj_tree_int(monitor, "port", 53));
}

static void take_grpc(struct nj_imported *imported, struct json_object *monitor)
{
    char url[URL_MAX];
    const char *to = nj_str(nj_tree_text(monitor, "grpcUrl"));
    bool secure = nj_tree_bool(monitor, "grpcEnableTls", false);
    nj_imported_set_text(nj_imported_step(imported, "grpc"), "service", "");
    nj_imported_note(imported, "gRPC is asked by the health protocol (grpc.health.v1) now, not by %s/%s",
                     nj_str(nj_tree_text(monitor, "grpcServiceName")),
                     nj_str(nj_tree_text(monitor, "grpcMethod")));
    (void)snprintf(url, sizeof(url), "%s://%s", secure ? "grpcs" : "grpc", to);
    nj_imported_url(imported, url);
}

static void take_times(struct nj_imported *imported, struct json_object *monitor)
{
    char delay[NJ_UNIT_TEXT_MAX];
    int64_t retries = nj_tree_int(monitor, "maxretries", 0),
            pause = nj_tree_int(monitor, "retryInterval", 60);
    int64_t interval = nj_tree_int(monitor, "interval", 60);
    nj_imported_seconds(imported, "interval", interval);
    if (nj_tree_get(monitor, "timeout") != NULL)
        nj_imported_seconds(imported, "timeout", nj_tree_int(monitor, "timeout", 48));
    if (retries <= 0)
        return;
    if (pause >= interval) {
        /* Uptime Kuma's retries are runs of their own. */
        struct json_object *failures = json_object_new_object();
        (void)json_object_object_add(failures, "count", json_object_new_int64(retries + 1));
        (void)json_object_object_add(nj_imported_section(imported, "alert"), "failures", failures);
        return;
    }
    struct json_object *section = nj_imported_section(imported, "retries");
    (void)json_object_object_add(section, "count", json_object_new_int64(retries > 10 ? 10 : retries));
    (void)snprintf(delay, sizeof(delay), "%llds", (long long)(pause < 1 ? 1 : pause));
    nj_imported_set_text(section, "delay", delay);
}

static void take_monitor(struct nj_import *import, struct json_object *monitor)
{
    struct nj_imported imported;
    const char *type = nj_str(nj_tree_text(monitor, "type"));
    nj_imported_begin(&imported, import, nj_str(nj_tree_text(monitor, "name")));
    if (nj_streq(type, "http") || nj_streq(type, "keyword") || nj_streq(type, "json-query"))
        take_http(&imported, monitor);
    else if (nj_streq(type, "port")) {
        (void)nj_imported_step(&imported, "tcp");
        host_url(&imported, "tcp", nj_str(nj_tree_text(monitor, "hostname")),
                 nj_tree_int(monitor, "port", 0));
    } else if (nj_streq(type, "dns"))
        take_dns(&imported, monitor);
    else if (nj_streq(type, "grpc-keyword"))
        take_grpc(&imported, monitor);
    else
        nj_imported_drop(
            &imported,
            "left out: a check of type %s is not possible (http, keyword, json-query, port, dns and "
            "grpc-keyword are)",
            type);
    if (!imported.lost) {
        if (nj_streq(type, "keyword"))
            take_keyword(&imported, monitor);
        if (nj_streq(type, "json-query"))
            take_json_query(&imported, monitor);
        if (nj_tree_bool(monitor, "upsideDown", false))
            nj_imported_drop(
                &imported,
                "left out: a check that is to fail (upside down) is not possible; expect the status or "
                "text that is good");
        take_times(&imported, monitor);
        if (!nj_tree_bool(monitor, "active", true))
            (void)json_object_object_add(imported.spec, "suspend", json_object_new_boolean(1));
    }
    nj_imported_end(&imported);
}

int nj_import_uptime_kuma(struct nj_import *import, struct json_object *tree, struct nj_err *err)
{
    struct json_object *monitors = nj_tree_get(tree, "monitorList");
    if (json_object_get_type(monitors) != json_type_array)
        return nj_err_set(err, -EBADMSG,
                          "no monitorList: it is no backup of Uptime Kuma (Settings, Backup, Export)");
    for (size_t i = 0; i < nj_tree_count(monitors); i++)
        take_monitor(import, json_object_array_get_idx(monitors, i));
    if (nj_tree_count(nj_tree_get(tree, "notificationList")) > 0)
        nj_import_note(import, "notificationList",
                       "who is told is said by the collector's notify.channels and notify.routes");
    return 0;
}
