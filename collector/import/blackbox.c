/*
 * blackbox_exporter's modules (https://github.com/prometheus/blackbox_exporter/blob/master/CONFIGURATION.md)
 * with their targets: a Prometheus configuration whose jobs scrape /probe, or a file of file_sd_configs.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/import/monitor.h"
#include "common/base/str.h"

enum { URL_MAX = 2048, PATTERN_MAX = 1024 };

struct job {
    struct nj_import *import;
    struct json_object *modules;
    const char *module; /* name */
    const char *interval, *timeout;
};

/* Settings of a module that have no counterpart, each with what to do about it. */
struct unknown {
    const char *name, *advice;
};

static void note_unknown(struct nj_imported *imported, struct json_object *section,
                         const struct unknown *unknown)
{
    for (size_t i = 0; unknown[i].name != NULL; i++) {
        if (nj_tree_get(section, unknown[i].name) != NULL)
            nj_imported_note(imported, "%s is not carried over: %s", unknown[i].name, unknown[i].advice);
    }
}

/* "fail if it matches" turned into what must not match, and so on. */
static void add_bodies(struct nj_imported *imported, struct json_object *list, const char *name)
{
    for (size_t i = 0; i < nj_tree_count(list); i++) {
        struct json_object *entry = json_object_new_object();
        nj_imported_set_text(entry, name, json_object_get_string(json_object_array_get_idx(list, i)));
        nj_imported_add(nj_imported_expect(imported), "body", entry);
    }
}

static void add_headers(struct nj_imported *imported, struct json_object *list, bool must_match)
{
    for (size_t i = 0; i < nj_tree_count(list); i++) {
        struct json_object *from = json_object_array_get_idx(list, i), *entry = json_object_new_object();
        const char *name = nj_tree_text(from, "header"), *regexp = nj_tree_text(from, "regexp");
        if (must_match) {
            nj_imported_set_text(entry, "regex", regexp);
            if (nj_tree_bool(from, "allow_missing", false))
                nj_imported_note(imported,
                                 "header %s may not be missing any more: allow_missing has no counterpart",
                                 nj_str(name));
        } else {
            /* A look-ahead over the whole value: it is there and does not match. */
            char pattern[PATTERN_MAX];
            (void)snprintf(pattern, sizeof(pattern), "^(?![\\s\\S]*(?:%s))", nj_str(regexp));
            nj_imported_set_text(entry, "regex", pattern);
            nj_imported_note(imported, "header %s must be there now, and not match", nj_str(name));
        }
        nj_imported_set_text(entry, "name", name);
        nj_imported_add(nj_imported_expect(imported), "headers", entry);
    }
}

static void take_tls(struct nj_imported *imported, struct json_object *tls)
{
    static const struct unknown unknown[] = {
        {"ca_file", "put the certificate into a Secret and name it in tls.ca.secretKeyRef"},
        {"cert_file", "client certificates are not possible"},
        {"key_file", "client certificates are not possible"},
        {"min_version", "libcurl's default is used"},
        {"max_version", "libcurl's default is used"},
        {NULL, NULL}};
    if (tls == NULL)
        return;
    struct json_object *section = nj_imported_section(imported, "tls");
    if (nj_tree_bool(tls, "insecure_skip_verify", false))
        (void)json_object_object_add(section, "insecureSkipVerify", json_object_new_boolean(1));
    nj_imported_set_text(section, "serverName", nj_tree_text(tls, "server_name"));
    note_unknown(imported, tls, unknown);
}

static void take_credentials(struct nj_imported *imported, struct json_object *section)
{
    struct json_object *basic = nj_tree_get(section, "basic_auth");
    struct json_object *authorization = nj_tree_get(section, "authorization");
    if (basic != NULL)
        nj_imported_basic_auth(imported, nj_tree_text(basic, "username"));
    if (authorization != NULL) {
        char before[64];
        const char *type = nj_tree_text(authorization, "type");
        (void)snprintf(before, sizeof(before), "%s ", type == NULL ? "Bearer" : type);
        nj_imported_secret_header(imported, "Authorization", before, "credentials");
    } else if (nj_tree_get(section, "bearer_token") != NULL ||
               nj_tree_get(section, "bearer_token_file") != NULL) {
        nj_imported_secret_header(imported, "Authorization", "Bearer ", "token");
    }
}

static void take_statuses(struct nj_imported *imported, struct json_object *codes)
{
    struct json_object *expect = nj_imported_expect(imported);
    if (nj_tree_count(codes) == 0) { /* blackbox_exporter's default */
        nj_imported_add(expect, "status", json_object_new_string("2xx"));
        return;
    }
    for (size_t i = 0; i < nj_tree_count(codes); i++)
        nj_imported_add(expect, "status", json_object_get(json_object_array_get_idx(codes, i)));
}

static void take_versions(struct nj_imported *imported, struct json_object *http,
                          struct json_object *versions)
{
    if (nj_tree_count(versions) != 1) {
        if (nj_tree_count(versions) > 1)
            nj_imported_note(imported, "valid_http_versions is not carried over: any version is taken");
        return;
    }
    const char *version = json_object_get_string(json_object_array_get_idx(versions, 0));
    nj_imported_set_text(http, "version", strstr(version, "/2") != NULL ? "2" : "1.1");
}

static void take_http(struct nj_imported *imported, struct json_object *section)
{
    static const struct unknown unknown[] = {
        {"body_file", "write the body into the step"},
        {"proxy_url", "probes connect directly"},
        {"proxy_from_environment", "probes connect directly"},
        {"oauth2", "make a first step that fetches the token, and extract it"},
        {"compression", "compressed bodies are read as they are"},
        {"preferred_ip_protocol", "the first address that the name has is taken"},
        {"source_ip_address", "the system chooses"},
        {"http_headers", "name them under headers"},
        {NULL, NULL}};
    struct json_object *http = nj_imported_step(imported, "http");
    nj_imported_set_text(http, "method", nj_tree_text(section, "method"));
    nj_imported_set_literal(http, "body", nj_tree_text(section, "body"));
    struct json_object *headers = nj_tree_get(section, "headers");
    if (json_object_get_type(headers) == json_type_object) {
        json_object_object_foreach(headers, name, value)
            nj_imported_header(imported, name, nj_str(json_object_get_string(value)));
    }
    bool follows =
        nj_tree_bool(section, "follow_redirects", !nj_tree_bool(section, "no_follow_redirects", false));
    (void)json_object_object_add(http, "followRedirects", json_object_new_boolean(follows));
    take_statuses(imported, nj_tree_get(section, "valid_status_codes"));
    take_versions(imported, http, nj_tree_get(section, "valid_http_versions"));
    add_bodies(imported, nj_tree_get(section, "fail_if_body_matches_regexp"), "notRegex");
    add_bodies(imported, nj_tree_get(section, "fail_if_body_not_matches_regexp"), "regex");
    add_headers(imported, nj_tree_get(section, "fail_if_header_not_matches"), true);
    add_headers(imported, nj_tree_get(section, "fail_if_header_matches"), false);
    if (nj_tree_bool(section, "fail_if_ssl", false) || nj_tree_bool(section, "fail_if_not_ssl", false))
        nj_imported_note(imported, "whether TLS is used is said by the URL now");
    take_tls(imported, nj_tree_get(section, "tls_config"));
    take_credentials(imported, section);
    note_unknown(imported, section, unknown);
}

static void take_tcp(struct nj_imported *imported, struct json_object *section)
{
    struct json_object *tcp = nj_imported_step(imported, "tcp"),
                       *dialogue = nj_tree_get(section, "query_response");
    if (nj_tree_bool(section, "tls", false))
        (void)json_object_object_add(tcp, "tls", json_object_new_boolean(1));
    take_tls(imported, nj_tree_get(section, "tls_config"));
    bool has_sent = false, has_expected = false;
    for (size_t i = 0; i < nj_tree_count(dialogue); i++) {
        struct json_object *turn = json_object_array_get_idx(dialogue, i);
        const char *send = nj_tree_text(turn, "send"), *expect = nj_tree_text(turn, "expect");
        if (nj_tree_bool(turn, "starttls", false) || (send != NULL && has_sent) ||
            (expect != NULL && has_expected)) {
            nj_imported_note(
                imported,
                "query_response is cut after its first question and answer: a step has one of each, and "
                "no STARTTLS");
            return;
        }
        if (send != NULL) {
            struct nj_buf line = {0};
            (void)nj_buf_printf(&line, "%s\n", send);
            nj_imported_set_literal(tcp, "send", nj_buf_str(&line));
            nj_buf_done(&line);
            has_sent = true;
        }
        if (expect != NULL) {
            struct json_object *body = json_object_new_object();
            nj_imported_set_text(body, "regex", expect);
            nj_imported_add(nj_imported_expect(imported), "body", body);
            has_expected = true;
        }
    }
}

static void take_dns(struct nj_imported *imported, struct json_object *section)
{
    static const char *const pairs[][2] = {{"fail_if_matches_regexp", "notRegex"},
                                           {"fail_if_not_matches_regexp", "regex"}};
    struct json_object *dns = nj_imported_step(imported, "dns");
    nj_imported_set_text(dns, "name", nj_tree_text(section, "query_name"));
    nj_imported_set_text(dns, "type", nj_tree_text(section, "query_type"));
    if (nj_streq(nj_tree_text(section, "transport_protocol"), "tcp"))
        (void)json_object_object_add(dns, "tcp", json_object_new_boolean(1));
    struct json_object *answers = nj_tree_get(section, "validate_answer_rrs");
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct json_object *patterns = nj_tree_get(answers, pairs[i][0]);
        for (size_t j = 0; j < nj_tree_count(patterns); j++) {
            struct json_object *entry = json_object_new_object();
            nj_imported_set_text(entry, pairs[i][1],
                                 json_object_get_string(json_object_array_get_idx(patterns, j)));
            nj_imported_add(nj_imported_expect(imported), "answers", entry);
        }
    }
    if (nj_tree_get(section, "validate_authority_rrs") != NULL ||
        nj_tree_get(section, "validate_additional_rrs") != NULL)
        nj_imported_note(imported, "only the answer section is looked at");
    struct json_object *rcodes = nj_tree_get(section, "valid_rcodes");
    if (nj_tree_count(rcodes) > 0)
        nj_imported_set_text(nj_imported_expect(imported), "rcode",
                             json_object_get_string(json_object_array_get_idx(rcodes, 0)));
    if (nj_tree_count(rcodes) > 1)
        nj_imported_note(imported, "only the first of valid_rcodes is taken");
}

/* The URL for a target as the prober of the module reads it. */
static void target_url(const char *prober, struct json_object *section, const char *target, char url[URL_MAX])
{
    const char *scheme = "http";
    if (strstr(target, "://") != NULL) {
        (void)snprintf(url, URL_MAX, "%s", target);
        return;
    }
    if (nj_streq(prober, "tcp"))
        scheme = "tcp";
    else if (nj_streq(prober, "dns"))
        scheme = "dns";
    else if (nj_streq(prober, "grpc"))
        scheme = nj_tree_bool(section, "tls", false) ? "grpcs" : "grpc";
    (void)snprintf(url, URL_MAX, "%s://%s", scheme, target);
}

static void take_module(struct nj_imported *imported, struct json_object *module, const char *target)
{
    char url[URL_MAX];
    const char *prober = nj_tree_text(module, "prober");
    struct json_object *section = nj_tree_get(module, nj_str(prober));
    if (nj_streq(prober, "http"))
        take_http(imported, section);
    else if (nj_streq(prober, "tcp"))
        take_tcp(imported, section);
    else if (nj_streq(prober, "dns"))
        take_dns(imported, section);
    else if (nj_streq(prober, "grpc"))
        nj_imported_set_text(nj_imported_step(imported, "grpc"), "service",
                             nj_str(nj_tree_text(section, "service")));
    else {
        nj_imported_drop(imported, "left out: prober %s is not possible (http, tcp, dns and grpc are)",
                         nj_str(prober));
        return;
    }
    if (nj_streq(prober, "grpc"))
        take_tls(imported, nj_tree_get(section, "tls_config"));
    target_url(prober, section, target, url);
    nj_imported_url(imported, url);
}

static void take_target(const struct job *job, const char *target, struct json_object *labels)
{
    struct nj_imported imported;
    char where[NJ_IMPORT_WHERE_MAX];
    const char *label_module = nj_tree_text(labels, "__param_module");
    const char *module = label_module != NULL ? label_module : job->module;
    (void)snprintf(where, sizeof(where), "%s %s", module, target);
    nj_imported_begin(&imported, job->import, where);
    struct json_object *found = nj_tree_get(job->modules, module);
    if (found == NULL) {
        nj_imported_drop(&imported, "left out: there is no module %s (name its file by --modules)", module);
    } else {
        const char *timeout = nj_tree_text(found, "timeout");
        take_module(&imported, found, target);
        nj_imported_duration(&imported, "interval", job->interval);
        nj_imported_duration(&imported, "timeout", timeout != NULL ? timeout : job->timeout);
    }
    nj_imported_end(&imported);
}

/* [{targets: [...], labels: {...}}], of static_configs and of files alike. */
static void take_groups(const struct job *job, struct json_object *groups)
{
    for (size_t i = 0; i < nj_tree_count(groups); i++) {
        struct json_object *group = json_object_array_get_idx(groups, i),
                           *targets = nj_tree_get(group, "targets");
        for (size_t j = 0; j < nj_tree_count(targets); j++)
            take_target(job, nj_str(json_object_get_string(json_object_array_get_idx(targets, j))),
                        nj_tree_get(group, "labels"));
    }
}

static void take_target_file(const struct job *job, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    struct json_object *tree = NULL;
    struct nj_err err = {0};
    int rc = nj_tree_read_file(path, &text, &len, &err);
    if (rc == 0)
        rc = nj_tree_parse(text, len, &tree, &err);
    if (rc < 0)
        nj_import_note(job->import, path,
                       "its targets are not carried over: %s; give the file as an argument", err.text);
    else
        take_groups(job, tree);
    json_object_put(tree);
    free(text);
}

static void take_job(struct nj_import *import, struct json_object *modules, struct json_object *config,
                     struct json_object *global)
{
    static const struct unknown discoveries[] = {
        {"kubernetes_sd_configs", "Services and pods are found by Nightjar itself"},
        {"dns_sd_configs", "write an ApiMonitor for each name"},
        {"consul_sd_configs", "write an ApiMonitor for each"},
        {"http_sd_configs", "save its answer to a file and give that as an argument"},
        {NULL, NULL}};
    const char *name = nj_str(nj_tree_text(config, "job_name"));
    struct json_object *module = nj_tree_get(nj_tree_get(config, "params"), "module");
    if (!nj_streq(nj_tree_text(config, "metrics_path"), "/probe"))
        return; /* it scrapes an exporter of its own */
    struct job job = {.import = import,
                      .modules = modules,
                      .module = nj_tree_count(module) > 0
                                    ? json_object_get_string(json_object_array_get_idx(module, 0))
                                    : "http_2xx",
                      .interval = nj_tree_text(config, "scrape_interval"),
                      .timeout = nj_tree_text(config, "scrape_timeout")};
    if (job.interval == NULL)
        job.interval = nj_tree_text(global, "scrape_interval");
    if (job.timeout == NULL)
        job.timeout = nj_tree_text(global, "scrape_timeout");
    take_groups(&job, nj_tree_get(config, "static_configs"));
    struct json_object *files = nj_tree_get(config, "file_sd_configs");
    for (size_t i = 0; i < nj_tree_count(files); i++) {
        struct json_object *paths = nj_tree_get(json_object_array_get_idx(files, i), "files");
        for (size_t j = 0; j < nj_tree_count(paths); j++)
            take_target_file(&job, nj_str(json_object_get_string(json_object_array_get_idx(paths, j))));
    }
    for (size_t i = 0; discoveries[i].name != NULL; i++) {
        if (nj_tree_get(config, discoveries[i].name) != NULL)
            nj_import_note(import, name, "%s is not carried over: %s", discoveries[i].name,
                           discoveries[i].advice);
    }
}

int nj_import_blackbox(struct nj_import *import, struct json_object *tree, struct json_object *modules,
                       struct nj_err *err)
{
    struct json_object *jobs = nj_tree_get(tree, "scrape_configs"), *named = nj_tree_get(modules, "modules");
    if (named == NULL)
        return nj_err_set(err, -EBADMSG,
                          "the file given by --modules has no modules: it is blackbox_exporter's own "
                          "configuration, blackbox.yml");
    if (jobs != NULL) {
        for (size_t i = 0; i < nj_tree_count(jobs); i++)
            take_job(import, named, json_object_array_get_idx(jobs, i), nj_tree_get(tree, "global"));
        return 0;
    }
    if (json_object_get_type(tree) != json_type_array)
        return nj_err_set(
            err, -EBADMSG,
            "neither a Prometheus configuration (scrape_configs) nor a list of targets (file_sd)");
    const char *module = import->options->module;
    const struct job job = {
        .import = import, .modules = named, .module = module != NULL ? module : "http_2xx"};
    take_groups(&job, tree);
    return 0;
}
