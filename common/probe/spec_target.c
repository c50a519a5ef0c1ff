/*
 * What a monitor is about: a Service, an Ingress or a URL.
 */
#include <errno.h>
#include <string.h>

#include "common/base/str.h"
#include "common/probe/spec_reader.h"

static const struct {
    const char *prefix, *scheme;
    uint16_t port; /* 0: it has to be written */
    bool has_path;
} schemes[] = {{"http://", "http", 80, true}, {"https://", "https", 443, true}, {"tcp://", "tcp", 0, false},
               {"grpc://", "grpc", 0, false}, {"grpcs://", "grpcs", 0, false},  {"dns://", "dns", 53, false}};

enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

static const char LETTERS_DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* [begin, end) of the host in an authority without user, and what follows it. */
static bool find_host(const char *text, const char **ret_begin, const char **ret_end, const char **ret_rest)
{
    const char *end;
    if (*text == '[') {
        *ret_begin = text + 1;
        end = text + 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        *ret_end = end;
        *ret_rest = end + 1;
        return *end == ']' && end > text + 1;
    }
    if (*text == '\0' || strchr(LETTERS_DIGITS, *text) == NULL)
        return false;
    end = text;
    while (*end != '\0' && (strchr(LETTERS_DIGITS, *end) != NULL || strchr("-._", *end) != NULL))
        end++;
    *ret_begin = text;
    *ret_end = *ret_rest = end;
    return end - text <= NJ_SPEC_OBJECT_NAME_MAX;
}

/* ":1" to ":65535", without leading zeros. */
static bool take_port(const char **at, uint16_t *ret_port)
{
    size_t digits = strspn(*at + 1, "0123456789");
    uint32_t port = 0;
    if (digits == 0 || digits > 5 || (*at)[1] == '0')
        return false;
    for (size_t i = 0; i < digits; i++)
        port = port * 10 + (uint32_t)((*at)[1 + i] - '0');
    if (port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    *at += 1 + digits;
    return true;
}

static bool is_path(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7F || *c == '#')
            return false;
    }
    return true;
}

static bool split_url(const char *url, struct nj_spec_target *target, const char **ret_host_end)
{
    if (strcmp(url, "dns:") == 0) {
        target->scheme = "dns";
        target->host = *ret_host_end = url + strlen(url);
        target->port = 53;
        return true;
    }
    size_t i = 0;
    while (i < SCHEMES && !nj_str_starts(url, schemes[i].prefix))
        i++;
    const char *rest;
    if (i == SCHEMES || !find_host(url + strlen(schemes[i].prefix), &target->host, ret_host_end, &rest))
        return false;
    target->scheme = schemes[i].scheme;
    target->port = schemes[i].port;
    if (*rest == ':' && !take_port(&rest, &target->port))
        return false;
    target->path = rest;
    if (*rest == '\0')
        return target->port != 0;
    return target->port != 0 && schemes[i].has_path && (*rest == '/' || *rest == '?') && is_path(rest);
}

static bool is_url(const char *text)
{
    struct nj_spec_target target;
    const char *end;
    return split_url(text, &target, &end);
}

static int read_url(struct nj_spec_reader *reader, const struct nj_spec_node *node,
                    struct nj_spec_target *target)
{
    static const struct nj_spec_text_rule rule = {
        .min = 1,
        .max = NJ_SPEC_PATH_MAX,
        .is_valid = is_url,
        .wanted =
            "http://host[:port]/path, https://..., tcp://host:port, grpc://host:port, grpcs://host:port, "
            "dns://server[:port] or dns:, without user and fragment"};
    int rc = nj_spec_text(reader, node, "url", &rule, &target->url);
    if (rc < 0)
        return rc;
    const char *host_end = NULL;
    target->path = "";
    if (!split_url(target->url, target, &host_end))
        return -EINVAL;
    size_t len = (size_t)(host_end - target->host);
    void *host = NULL;
    rc = nj_spec_alloc(reader, 1, len + 1, &host);
    if (rc < 0)
        return rc;
    memcpy(host, target->host, len);
    target->host = host;
    if (*target->path == '\0')
        target->path = "/";
    else if (*target->path == '?') {
        void *path = NULL;
        size_t query = strlen(target->path);
        rc = nj_spec_alloc(reader, 1, query + 2, &path);
        if (rc < 0)
            return rc;
        *(char *)path = '/';
        memcpy((char *)path + 1, target->path, query);
        target->path = path;
    }
    return 0;
}

static int read_port(struct nj_spec_reader *reader, const struct nj_spec_node *service,
                     struct nj_spec_target *target)
{
    static const struct nj_spec_text_rule rule = {.min = 1,
                                                  .max = NJ_SPEC_NAME_MAX,
                                                  .is_valid = nj_spec_is_label,
                                                  .wanted = "the name or number of a port of the Service"};
    struct nj_spec_node node;
    if (!nj_spec_member(service, "port", &node))
        return 0;
    if (json_object_is_type(node.value, json_type_string))
        return nj_spec_text_value(reader, &node, &rule, &target->port_name);
    int64_t port = 0;
    int rc = nj_spec_int_value(reader, &node, 1, UINT16_MAX, &port);
    target->port = (uint16_t)port;
    return rc;
}

static int read_service(struct nj_spec_reader *reader, const struct nj_spec_node *node,
                        struct nj_spec_target *target)
{
    static const char *const members[] = {"name", "port", "scheme", NULL};
    static const char *const service_schemes[] = {"http", "https", NULL};
    static const struct nj_spec_text_rule rule = {
        .min = 1, .max = NJ_SPEC_NAME_MAX, .is_valid = nj_spec_is_label, .wanted = "the name of a Service"};
    int rc = nj_spec_check_members(reader, node, members);
    if (rc == 0)
        rc = nj_spec_text(reader, node, "name", &rule, &target->name);
    if (rc == 0)
        rc = read_port(reader, node, target);
    size_t scheme = 0;
    if (rc == 0)
        rc = nj_spec_choice(reader, node, "scheme", service_schemes, &scheme);
    target->scheme = service_schemes[scheme];
    return rc;
}

static int read_ingress(struct nj_spec_reader *reader, const struct nj_spec_node *node,
                        struct nj_spec_target *target)
{
    static const char *const members[] = {"name", NULL};
    static const struct nj_spec_text_rule rule = {.min = 1,
                                                  .max = NJ_SPEC_OBJECT_NAME_MAX,
                                                  .is_valid = nj_spec_is_object_name,
                                                  .wanted = "the name of an Ingress"};
    int rc = nj_spec_check_members(reader, node, members);
    return rc < 0 ? rc : nj_spec_text(reader, node, "name", &rule, &target->name);
}

int nj_spec_read_target(struct nj_spec_reader *reader, const struct nj_spec_node *root,
                        struct nj_spec_target *ret_target)
{
    static const char *const kinds[] = {
        [NJ_TARGET_SERVICE] = "service", [NJ_TARGET_INGRESS] = "ingress", [NJ_TARGET_URL] = "url", NULL};
    struct nj_spec_node node;
    struct nj_spec_node kind_node;
    size_t kind = 0;
    if (!nj_spec_member(root, "target", &node))
        return nj_spec_fail_at(reader, root, "target", "is required: one of service, ingress or url");
    int rc = nj_spec_check_members(reader, &node, kinds);
    if (rc == 0)
        rc = nj_spec_one_of(reader, &node, kinds, &kind);
    if (rc < 0)
        return rc;
    (void)nj_spec_member(&node, kinds[kind], &kind_node);
    ret_target->kind = (enum nj_target_kind)kind;
    switch (ret_target->kind) {
    case NJ_TARGET_SERVICE:
        return read_service(reader, &kind_node, ret_target);
    case NJ_TARGET_INGRESS:
        return read_ingress(reader, &kind_node, ret_target);
    default:
        return read_url(reader, &node, ret_target);
    }
}
