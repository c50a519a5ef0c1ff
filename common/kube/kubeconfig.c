#include "common/kube/kubeconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum { FILE_MAX = 1024 * 1024 }; /* bytes */

void nj_kube_wipe(char *text)
{
    if (text != NULL)
        sodium_memzero(text, strlen(text));
    free(text);
}

void nj_kubeconfig_done(struct nj_kubeconfig *config)
{
    free(config->server);
    free(config->ca_file);
    free(config->ca_pem);
    free(config->cert_file);
    free(config->cert_pem);
    free(config->key_file);
    nj_kube_wipe(config->key_pem);
    nj_kube_wipe(config->token);
    free(config->token_file);
    free(config->server_name);
    *config = (struct nj_kubeconfig){0};
}

/* Up to `size` bytes; how many, or a negative errno. */
static ssize_t read_all(int fd, char *text, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, text + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

int nj_kube_read_file(const char *path, char **ret_text, size_t *ret_len, struct nj_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int code = -errno;
        return nj_err_set(err, code, "%s: %s", path, strerror(-code));
    }
    char *text = nj_calloc(1, FILE_MAX + 2);
    ssize_t len = read_all(fd, text, FILE_MAX + 1);
    (void)close(fd);
    int rc = 0;
    if (len < 0)
        rc = nj_err_set(err, (int)len, "%s: %s", path, strerror((int)-len));
    else if (len > FILE_MAX)
        rc = nj_err_set(err, -EFBIG, "%s: larger than %d bytes", path, FILE_MAX);
    if (rc == 0) {
        *ret_text = nj_strndup(text, (size_t)len);
        *ret_len = (size_t)len;
    }
    sodium_memzero(text, len > 0 ? (size_t)len : 0);
    free(text);
    return rc;
}

/* Where the parser is in the file, for errors. */
struct reader {
    yaml_document_t document;
    const char *path;
    struct nj_err *err;
};

static const char *scalar_text(const yaml_node_t *node)
{
    if (node == NULL || node->type != YAML_SCALAR_NODE)
        return "";
    const char *text = (const char *)node->data.scalar.value;
    bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (nj_streq(text, "null") || nj_streq(text, "~")) ? "" : text;
}

static yaml_node_t *member(struct reader *reader, const yaml_node_t *node, const char *key)
{
    if (node == NULL || node->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        if (nj_streq(scalar_text(yaml_document_get_node(&reader->document, pair->key)), key))
            return yaml_document_get_node(&reader->document, pair->value);
    }
    return NULL;
}

/* "" when it is absent or null. */
static const char *text_of(struct reader *reader, const yaml_node_t *node, const char *key)
{
    return scalar_text(member(reader, node, key));
}

/* The `field` of the entry called `name` in the root's list `list`; NULL when there is none. */
static yaml_node_t *named(struct reader *reader, const char *list, const char *name, const char *field)
{
    yaml_node_t *node = member(reader, yaml_document_get_root_node(&reader->document), list);
    if (node == NULL || node->type != YAML_SEQUENCE_NODE)
        return NULL;
    for (const yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
         item++) {
        yaml_node_t *entry = yaml_document_get_node(&reader->document, *item);
        if (nj_streq(text_of(reader, entry, "name"), name))
            return member(reader, entry, field);
    }
    return NULL;
}

static char *copy_text(const char *text)
{
    return text[0] == '\0' ? NULL : nj_strdup(text);
}

/* A path as the kubeconfig means it: from the folder that the kubeconfig is in. */
static char *copy_path(const struct reader *reader, const char *path)
{
    const char *slash = strrchr(reader->path, '/');
    if (path[0] == '\0')
        return NULL;
    if (path[0] == '/' || slash == NULL)
        return nj_strdup(path);
    return nj_asprintf("%.*s/%s", (int)(slash - reader->path), reader->path, path);
}

/* The PEM text in `<key>-data` or the path in `key`; the former wins, as it does in client-go. */
static int read_pem(struct reader *reader, const yaml_node_t *node, const char *key, char **ret_file,
                    char **ret_pem)
{
    char data_key[64];
    (void)snprintf(data_key, sizeof(data_key), "%s-data", key);
    const char *data = text_of(reader, node, data_key);
    if (data[0] == '\0') {
        *ret_file = copy_path(reader, text_of(reader, node, key));
        return 0;
    }
    size_t room = strlen(data) + 1;
    size_t len;
    char *pem = nj_calloc(1, room);
    if (sodium_base642bin((unsigned char *)pem, room - 1, data, strlen(data), " \t\r\n", &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len == 0) {
        sodium_memzero(pem, room);
        free(pem);
        return nj_err_set(reader->err, -EINVAL, "kubeconfig %s: %s is not valid base64", reader->path,
                          data_key);
    }
    *ret_pem = pem;
    return 0;
}

static int copy_server(const char *where, const char *server, struct nj_kubeconfig *config,
                       struct nj_err *err)
{
    if (!nj_str_starts(server, "https://") && !nj_str_starts(server, "http://"))
        return nj_err_set(err, -EINVAL, "%s: the cluster's server must begin with https:// or http://",
                          where);
    size_t len = strlen(server);
    while (len > 0 && server[len - 1] == '/')
        len--;
    config->server = nj_strndup(server, len);
    return 0;
}

static int read_cluster(struct reader *reader, const yaml_node_t *cluster, struct nj_kubeconfig *config)
{
    char *where = nj_asprintf("kubeconfig %s", reader->path);
    int rc = copy_server(where, text_of(reader, cluster, "server"), config, reader->err);
    free(where);
    if (rc < 0)
        return rc;
    if (text_of(reader, cluster, "proxy-url")[0] != '\0')
        return nj_err_set(reader->err, -EINVAL, "kubeconfig %s: proxy-url is not supported", reader->path);
    config->server_name = copy_text(text_of(reader, cluster, "tls-server-name"));
    config->insecure_skip_verify = nj_streq(text_of(reader, cluster, "insecure-skip-tls-verify"), "true");
    rc = read_pem(reader, cluster, "certificate-authority", &config->ca_file, &config->ca_pem);
    if (rc < 0)
        return rc;
    if (config->insecure_skip_verify && (config->ca_file != NULL || config->ca_pem != NULL))
        return nj_err_set(
            reader->err, -EINVAL,
            "kubeconfig %s: insecure-skip-tls-verify and a certificate-authority exclude each other",
            reader->path);
    return 0;
}

static int read_user(struct reader *reader, const yaml_node_t *user, struct nj_kubeconfig *config)
{
    static const char *const refused[] = {"exec", "auth-provider", "username", "as"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const yaml_node_t *node = member(reader, user, refused[i]);
        if (node != NULL && (node->type != YAML_SCALAR_NODE || scalar_text(node)[0] != '\0'))
            return nj_err_set(
                reader->err, -EINVAL,
                "kubeconfig %s: the user's '%s' is not supported; use a client certificate, token or "
                "tokenFile",
                reader->path, refused[i]);
    }
    int rc = read_pem(reader, user, "client-certificate", &config->cert_file, &config->cert_pem);
    if (rc == 0)
        rc = read_pem(reader, user, "client-key", &config->key_file, &config->key_pem);
    if (rc < 0)
        return rc;
    bool has_cert = config->cert_file != NULL || config->cert_pem != NULL;
    if (has_cert != (config->key_file != NULL || config->key_pem != NULL))
        return nj_err_set(reader->err, -EINVAL,
                          "kubeconfig %s: client-certificate and client-key need each other", reader->path);
    config->token_file = copy_path(reader, text_of(reader, user, "tokenFile"));
    if (config->token_file == NULL)
        config->token = copy_text(text_of(reader, user, "token"));
    return 0;
}

static int read_current(struct reader *reader, struct nj_kubeconfig *config)
{
    const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    const char *name = text_of(reader, root, "current-context");
    if (name[0] == '\0')
        return nj_err_set(reader->err, -EINVAL, "kubeconfig %s: no current-context", reader->path);
    const yaml_node_t *context = named(reader, "contexts", name, "context");
    if (context == NULL)
        return nj_err_set(reader->err, -EINVAL, "kubeconfig %s: there is no context '%s'", reader->path,
                          name);
    const char *cluster_name = text_of(reader, context, "cluster");
    const char *user_name = text_of(reader, context, "user");
    const yaml_node_t *cluster = named(reader, "clusters", cluster_name, "cluster");
    if (cluster == NULL)
        return nj_err_set(reader->err, -EINVAL, "kubeconfig %s: there is no cluster '%s'", reader->path,
                          cluster_name);
    const yaml_node_t *user = named(reader, "users", user_name, "user");
    if (user == NULL && user_name[0] != '\0')
        return nj_err_set(reader->err, -EINVAL, "kubeconfig %s: there is no user '%s'", reader->path,
                          user_name);
    int rc = read_cluster(reader, cluster, config);
    return rc < 0 ? rc : read_user(reader, user, config);
}

int nj_kubeconfig_parse(const char *path, const char *text, size_t len, struct nj_kubeconfig *ret_config,
                        struct nj_err *err)
{
    struct reader reader = {.path = path, .err = err};
    struct nj_kubeconfig config = {0};
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return nj_err_set(err, -ENOMEM, "kubeconfig %s: out of memory", path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int rc;
    bool loaded = yaml_parser_load(&parser, &reader.document) != 0;
    /* libyaml's loader does not name an error when it lacks the memory for a tag. */
    if (!loaded && (parser.error == YAML_MEMORY_ERROR || parser.error == YAML_NO_ERROR)) {
        rc = nj_err_set(err, -ENOMEM, "kubeconfig %s: out of memory", path);
    } else if (!loaded) {
        rc = nj_err_set(err, -EINVAL, "kubeconfig %s:%zu: not valid YAML: %s", path,
                        parser.problem_mark.line + 1, nj_str(parser.problem));
    } else {
        rc = read_current(&reader, &config);
        yaml_document_delete(&reader.document);
    }
    yaml_parser_delete(&parser);
    if (rc < 0)
        nj_kubeconfig_done(&config);
    else
        *ret_config = config;
    return rc;
}

int nj_kubeconfig_load(const char *path, struct nj_kubeconfig *ret_config, struct nj_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = nj_kube_read_file(path, &text, &len, err);
    if (rc < 0)
        return nj_err_wrap(err, "kubeconfig");
    rc = nj_kubeconfig_parse(path, text, len, ret_config, err);
    sodium_memzero(text, len);
    free(text);
    return rc;
}

int nj_kubeconfig_in_cluster(const char *host, const char *port, const char *dir,
                             struct nj_kubeconfig *ret_config, struct nj_err *err)
{
    if (nj_str(host)[0] == '\0' || nj_str(port)[0] == '\0')
        return nj_err_set(
            err, -ENOENT,
            "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; name a "
            "kubeconfig file to run outside of a cluster");
    bool bare_ipv6 = strchr(host, ':') != NULL && host[0] != '[';
    *ret_config = (struct nj_kubeconfig){
        .server = nj_asprintf(bare_ipv6 ? "https://[%s]:%s" : "https://%s:%s", host, port),
        .ca_file = nj_asprintf("%s/ca.crt", dir),
        .token_file = nj_asprintf("%s/token", dir),
    };
    return 0;
}
