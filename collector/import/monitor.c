#include "collector/import/monitor.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/probe/spec.h"

enum {
    LABEL_MAX = 63,      /* of a Kubernetes name that is a label */
    NAME_USED_MAX = 100, /* longer ones are unwieldy */
    AT_MOST_H = 1,       /* interval */
    TIMEOUT_MAX_M = 5,
};

static void append_note(struct nj_import *import, const char *where, const char *format, va_list arguments)
{
    char text[NJ_ERR_TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), format, arguments);
    (void)nj_buf_printf(import->notes, "%s: ", import->file);
    if (where[0] != '\0')
        (void)nj_buf_printf(import->notes, "%s: ", where);
    (void)nj_utf8_append_lossy(import->notes, text, strlen(text));
    (void)nj_buf_append_char(import->notes, '\n');
}

void nj_import_note(struct nj_import *import, const char *where, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_note(import, where, format, arguments);
    va_end(arguments);
}

void nj_imported_note(struct nj_imported *imported, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_note(imported->import, imported->where, format, arguments);
    va_end(arguments);
}

void nj_imported_drop(struct nj_imported *imported, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_note(imported->import, imported->where, format, arguments);
    va_end(arguments);
    imported->lost = true;
}

/* A name that Kubernetes takes: small letters, digits and '-', with a letter or digit at both ends (RFC
 * 1123). */
static void make_name(const char *text, char *name, size_t max)
{
    size_t len = 0;
    for (const char *at = text; *at != '\0' && len + 1 < max; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x80 && isalnum(c))
            name[len++] = (char)tolower(c);
        else if (len > 0 && name[len - 1] != '-')
            name[len++] = '-';
    }
    while (len > 0 && name[len - 1] == '-')
        len--;
    name[len] = '\0';
    if (len == 0)
        (void)snprintf(name, max, "imported");
}

void nj_imported_begin(struct nj_imported *imported, struct nj_import *import, const char *where)
{
    *imported = (struct nj_imported){.import = import};
    (void)snprintf(imported->where, sizeof(imported->where), "%s", where);
    make_name(where, imported->name, NAME_USED_MAX);
    (void)snprintf(imported->namespace, sizeof(imported->namespace), "%s", import->options->namespace);
    imported->spec = json_object_new_object();
    (void)json_object_object_add(imported->spec, "target", json_object_new_object());
}

void nj_imported_set_text(struct json_object *object, const char *name, const char *value)
{
    if (value != NULL)
        (void)json_object_object_add(object, name, json_object_new_string(value));
}

void nj_imported_set_literal(struct json_object *object, const char *name, const char *value)
{
    struct nj_buf escaped = {0};
    if (value == NULL)
        return;
    for (const char *at = value; *at != '\0'; at++) {
        if (at[0] == '$' && at[1] == '{')
            (void)nj_buf_append_char(&escaped, '$');
        (void)nj_buf_append_char(&escaped, *at);
    }
    nj_imported_set_text(object, name, nj_buf_str(&escaped));
    nj_buf_done(&escaped);
}

void nj_imported_add(struct json_object *object, const char *list, struct json_object *entry)
{
    struct json_object *items = nj_tree_get(object, list);
    if (items == NULL) {
        items = json_object_new_array();
        (void)json_object_object_add(object, list, items);
    }
    (void)json_object_array_add(items, entry);
}

struct json_object *nj_imported_section(struct nj_imported *imported, const char *name)
{
    struct json_object *section = nj_tree_get(imported->spec, name);
    if (section == NULL) {
        section = json_object_new_object();
        (void)json_object_object_add(imported->spec, name, section);
    }
    return section;
}

struct json_object *nj_imported_step(struct nj_imported *imported, const char *kind)
{
    if (imported->step == NULL) {
        imported->step = json_object_new_object();
        nj_imported_set_text(imported->step, "name", "check");
        nj_imported_add(imported->spec, "steps", imported->step);
    }
    struct json_object *settings = nj_tree_get(imported->step, kind);
    if (settings == NULL) {
        settings = json_object_new_object();
        (void)json_object_object_add(imported->step, kind, settings);
    }
    return settings;
}

struct json_object *nj_imported_expect(struct nj_imported *imported)
{
    if (imported->expect == NULL) {
        imported->expect = json_object_new_object();
        (void)json_object_object_add(imported->step, "expect", imported->expect);
    }
    return imported->expect;
}

/* ---- Where it goes */

struct url {
    char scheme[16], host[NJ_IMPORT_NAME_MAX];
    long port;        /* 0: the scheme's own */
    const char *rest; /* path, query */
};

static bool split_url(const char *text, struct url *ret_url)
{
    const char *mark = strstr(text, "://");
    if (mark == NULL || (size_t)(mark - text) >= sizeof(ret_url->scheme))
        return false;
    (void)snprintf(ret_url->scheme, sizeof(ret_url->scheme), "%.*s", (int)(mark - text), text);
    const char *host = mark + 3;
    size_t len = strcspn(host, "/?#");
    ret_url->rest = host + len;
    const char *at = memchr(host, '@', len);
    if (at != NULL)
        return false;
    size_t host_len = len;
    const char *colon = host[0] == '[' ? memchr(host, ']', len) : memchr(host, ':', len);
    if (colon != NULL && *colon == ']')
        colon = colon[1] == ':' ? colon + 1 : NULL;
    ret_url->port = 0;
    if (colon != NULL) {
        int64_t port = 0;
        char digits[8];
        (void)snprintf(digits, sizeof(digits), "%.*s", (int)(host + len - colon - 1), colon + 1);
        if (nj_parse_int(digits, 1, UINT16_MAX, &port) < 0)
            return false;
        ret_url->port = (long)port;
        host_len = (size_t)(colon - host);
    }
    if (host_len == 0 || host_len >= sizeof(ret_url->host))
        return false;
    (void)snprintf(ret_url->host, sizeof(ret_url->host), "%.*s", (int)host_len, host);
    return true;
}

/* "web.shop.svc" and with a cluster's domain after it: Kubernetes' DNS names of Services. */
static bool split_service(const char *host, char *name, char *namespace)
{
    const char *dot = strchr(host, '.');
    const char *second = dot == NULL ? NULL : strchr(dot + 1, '.');
    if (second == NULL || (!nj_streq(second, ".svc") && !nj_str_starts(second, ".svc.")))
        return false;
    size_t name_len = (size_t)(dot - host), namespace_len = (size_t)(second - dot - 1);
    if (name_len == 0 || name_len > LABEL_MAX || namespace_len == 0 || namespace_len > LABEL_MAX)
        return false;
    (void)snprintf(name, LABEL_MAX + 1, "%.*s", (int)name_len, host);
    (void)snprintf(namespace, LABEL_MAX + 1, "%.*s", (int)namespace_len, dot + 1);
    return true;
}

static void target_service(struct nj_imported *imported, const struct url *url, const char *name)
{
    struct json_object *service = json_object_new_object();
    bool secure = nj_streq(url->scheme, "https");
    nj_imported_set_text(service, "name", name);
    long port = url->port != 0 ? url->port : secure ? 443 : 80;
    (void)json_object_object_add(service, "port", json_object_new_int64(port));
    if (secure)
        nj_imported_set_text(service, "scheme", "https");
    (void)json_object_object_add(nj_tree_get(imported->spec, "target"), "service", service);
    if (nj_str_starts(url->scheme, "http") && url->rest[0] != '\0' && !nj_streq(url->rest, "/"))
        nj_imported_set_literal(nj_imported_step(imported, "http"), "path", url->rest);
}

void nj_imported_url(struct nj_imported *imported, const char *text)
{
    struct url url;
    char name[LABEL_MAX + 1], namespace[LABEL_MAX + 1];
    if (!split_url(text, &url)) {
        nj_imported_drop(
            imported, "the target is no URL of a host and, if need be, a port (a user and password in it go "
                      "into a Secret)");
        return;
    }
    if (split_service(url.host, name, namespace)) {
        (void)snprintf(imported->namespace, sizeof(imported->namespace), "%s", namespace);
        target_service(imported, &url, name);
        return;
    }
    nj_imported_set_text(nj_tree_get(imported->spec, "target"), "url", text);
    (void)json_object_object_add(imported->import->hosts, url.host, json_object_new_boolean(1));
}

/* ---- What is asked */

void nj_imported_header(struct nj_imported *imported, const char *name, const char *value)
{
    static const char *const secrets[] = {"authorization", "cookie", "proxy-authorization", "x-api-key",
                                          NULL};
    for (size_t i = 0; secrets[i] != NULL; i++) {
        if (strcasecmp(name, secrets[i]) == 0) {
            nj_imported_secret_header(imported, name, "", secrets[i]);
            return;
        }
    }
    if (strcasecmp(name, "host") == 0) {
        nj_imported_set_text(nj_imported_section(imported, "tls"), "serverName", value);
    }
    struct json_object *header = json_object_new_object();
    nj_imported_set_text(header, "name", name);
    nj_imported_set_literal(header, "value", value);
    nj_imported_add(nj_imported_step(imported, "http"), "headers", header);
}

void nj_imported_secret_header(struct nj_imported *imported, const char *name, const char *before,
                               const char *key)
{
    char secret[NJ_IMPORT_NAME_MAX + 16], variable[64], value[128];
    struct json_object *header = json_object_new_object();
    struct json_object *entry = json_object_new_object();
    struct json_object *from = json_object_new_object();
    struct json_object *reference = json_object_new_object();
    size_t len = 0;
    for (const char *at = key; *at != '\0' && len + 1 < sizeof(variable); at++)
        variable[len++] = isalnum((unsigned char)*at) ? *at : '_';
    variable[len] = '\0';
    (void)snprintf(secret, sizeof(secret), "%s-probe", imported->name);
    (void)snprintf(value, sizeof(value), "%s${%s}", before, variable);
    nj_imported_set_text(reference, "name", secret);
    nj_imported_set_text(reference, "key", key);
    (void)json_object_object_add(from, "secretKeyRef", reference);
    nj_imported_set_text(entry, "name", variable);
    (void)json_object_object_add(entry, "valueFrom", from);
    nj_imported_add(imported->spec, "variables", entry);
    nj_imported_set_text(header, "name", name);
    nj_imported_set_text(header, "value", value);
    nj_imported_add(nj_imported_step(imported, "http"), "headers", header);
    nj_imported_note(
        imported, "the value of header %s is not copied: put it under key %s into Secret %s of namespace %s",
        name, key, secret, imported->namespace);
}

void nj_imported_basic_auth(struct nj_imported *imported, const char *user)
{
    nj_imported_secret_header(imported, "Authorization", "Basic ", "authorization");
    nj_imported_note(imported, "key authorization is base64 of USER:PASSWORD, the user was %s",
                     user == NULL ? "not given" : user);
}

void nj_imported_seconds(struct nj_imported *imported, const char *name, int64_t seconds)
{
    bool is_interval = nj_streq(name, "interval");
    int64_t most = is_interval ? AT_MOST_H * NJ_HOUR / NJ_SEC : TIMEOUT_MAX_M * NJ_MIN / NJ_SEC;
    char text[NJ_UNIT_TEXT_MAX];
    if (seconds < 1 || seconds > most) {
        int64_t taken = seconds < 1 ? 1 : most;
        nj_imported_note(imported, "%s of %lld s is not possible: it becomes %lld s", name,
                         (long long)seconds, (long long)taken);
        seconds = taken;
    }
    nj_imported_set_text(imported->spec, name, nj_duration_format(seconds * NJ_SEC, text));
}

void nj_imported_duration(struct nj_imported *imported, const char *name, const char *text)
{
    int64_t ns = 0;
    char spelled[NJ_UNIT_TEXT_MAX];
    if (text == NULL)
        return;
    if (nj_parse_duration(text, &ns) < 0) {
        nj_imported_note(imported, "%s '%s' is no duration: the default is used", name, text);
        return;
    }
    if (ns % NJ_SEC == 0 || ns > NJ_MIN)
        nj_imported_seconds(imported, name, ns / NJ_SEC);
    else
        nj_imported_set_text(imported->spec, name, nj_duration_format(ns, spelled));
}

/* ---- Writing */

/* Another one has the name: a number goes behind it. */
static void take_name(struct nj_imported *imported)
{
    char base[NAME_USED_MAX], key[2 * NJ_IMPORT_NAME_MAX + 1];
    (void)snprintf(base, sizeof(base), "%.*s", NAME_USED_MAX - 1, imported->name);
    for (int number = 2;; number++) {
        (void)snprintf(key, sizeof(key), "%s/%s", imported->namespace, imported->name);
        if (!json_object_object_get_ex(imported->import->names, key, NULL))
            break;
        (void)snprintf(imported->name, sizeof(imported->name), "%s-%d", base, number);
    }
    (void)json_object_object_add(imported->import->names, key, json_object_new_boolean(1));
}

/* An interval shorter than the timeout would be refused. */
static void fit_timeout(struct nj_imported *imported)
{
    int64_t interval_ns = 0, timeout_ns = 0;
    const char *interval = nj_tree_text(imported->spec, "interval"),
               *timeout = nj_tree_text(imported->spec, "timeout");
    if (interval == NULL || timeout == NULL || nj_parse_duration(interval, &interval_ns) < 0 ||
        nj_parse_duration(timeout, &timeout_ns) < 0 || timeout_ns <= interval_ns)
        return;
    nj_imported_note(imported, "the timeout of %s is longer than the interval of %s: it becomes %s", timeout,
                     interval, interval);
    nj_imported_set_text(imported->spec, "timeout", interval);
}

static bool is_valid(struct nj_imported *imported)
{
    struct nj_spec *spec = NULL;
    struct nj_err err = {0};
    const char *json = json_object_to_json_string_ext(imported->spec, JSON_C_TO_STRING_PLAIN);
    if (nj_spec_parse("spec", json, strlen(json), true, &spec, &err) < 0) {
        nj_imported_drop(imported, "left out, it cannot be said as an ApiMonitor: %s", err.text);
        return false;
    }
    nj_spec_unref(spec);
    return true;
}

static void write_manifest(struct nj_imported *imported)
{
    struct json_object *manifest = json_object_new_object();
    struct json_object *metadata = json_object_new_object();
    nj_imported_set_text(manifest, "apiVersion", "nightjar.dev/v1alpha1");
    nj_imported_set_text(manifest, "kind", "ApiMonitor");
    nj_imported_set_text(metadata, "name", imported->name);
    nj_imported_set_text(metadata, "namespace", imported->namespace);
    (void)json_object_object_add(manifest, "metadata", metadata);
    (void)json_object_object_add(manifest, "spec", json_object_get(imported->spec));
    (void)nj_buf_append_str(imported->import->out, "---\n");
    (void)nj_tree_write(manifest, imported->import->out);
    json_object_put(manifest);
    imported->import->written++;
}

void nj_imported_end(struct nj_imported *imported)
{
    if (!imported->lost) {
        fit_timeout(imported);
        if (is_valid(imported)) {
            take_name(imported);
            write_manifest(imported);
        }
    }
    json_object_put(imported->spec);
    *imported = (struct nj_imported){0};
}
