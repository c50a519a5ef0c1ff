#include "agent/probes/builtin.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "agent/probes/derive.h"
#include "common/base/str.h"

enum { KUBELET_PORT = 10250, KUBE_PROXY_PORT = 10256, DNS_PORT = 53, DOMAIN_MAX = 253 };

void nj_builtin_kubelet(const char *host_ip, struct nj_builtin *ret_builtin)
{
    *ret_builtin = (struct nj_builtin){
        .name = "kubelet",
        .host = host_ip,
        .port = KUBELET_PORT,
        .scheme = "https",
        .json =
            "{\"steps\":[{\"name\":\"healthz\",\"http\":{\"path\":\"/healthz\",\"followRedirects\":false},"
            "\"expect\":{\"status\":[200,401,403]}}],\"tls\":{\"insecureSkipVerify\":true}}"};
}

void nj_builtin_kube_proxy(const char *host_ip, struct nj_builtin *ret_builtin)
{
    *ret_builtin = (struct nj_builtin){
        .name = "kube-proxy",
        .host = host_ip,
        .port = KUBE_PROXY_PORT,
        .scheme = "http",
        .json =
            "{\"steps\":[{\"name\":\"healthz\",\"http\":{\"path\":\"/healthz\",\"followRedirects\":false},"
            "\"expect\":{\"status\":[200]}}]}"};
}

static bool is_loopback(const char *host)
{
    struct in6_addr six;
    struct in_addr four;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> IN_CLASSA_NSHIFT) == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strcmp(host, "localhost") == 0;
}

static const char *component_name(const struct nj_kube_meta *meta)
{
    static const char *const names[][2] = {{"kube-apiserver", "apiserver"},
                                           {"kube-scheduler", "scheduler"},
                                           {"kube-controller-manager", "controller-manager"},
                                           {"etcd", "etcd"}};
    if (!nj_streq(nj_kube_label(meta, "tier"), "control-plane"))
        return NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (nj_streq(nj_kube_label(meta, "component"), names[i][0]))
            return names[i][1];
    }
    return NULL;
}

void nj_builtin_component(const struct nj_kube_meta *meta, const struct nj_pod_object *pod, bool shares_host,
                          struct nj_buf *out, struct nj_builtin *ret_builtin)
{
    *ret_builtin = (struct nj_builtin){.host = "", .scheme = "", .json = ""};
    const char *name = component_name(meta);
    for (size_t i = 0; name != NULL && i < pod->containers_count; i++) {
        const struct nj_container_spec *container = &pod->containers[i];
        const struct nj_pod_probe *probe = &container->liveness;
        const char *own = pod->ips_count > 0 ? pod->ips[0] : "";
        const char *host = probe->kind != NJ_POD_PROBE_NONE && probe->host[0] != '\0' ? probe->host : own;
        if (container->type != NJ_CONTAINER_APP || host[0] == '\0' || (is_loopback(host) && !shares_host))
            continue;
        struct nj_derived derived;
        nj_derive_from_probe(container, probe, "liveness probe", out, &derived);
        if (derived.port == 0)
            continue;
        *ret_builtin = (struct nj_builtin){
            .name = name, .host = host, .port = derived.port, .scheme = derived.scheme, .json = derived.json};
        return;
    }
}

/* The next word of a line; NULL at its end. */
static const char *next_word(const char **at, size_t *ret_len)
{
    const char *c = *at;
    while (*c == ' ' || *c == '\t' || *c == '\r')
        c++;
    size_t len = strcspn(c, " \t\r\n");
    *at = c + len;
    *ret_len = len;
    return len == 0 ? NULL : c;
}

static bool word_is(const char *word, size_t len, const char *text)
{
    return word != NULL && len == strlen(text) && memcmp(word, text, len) == 0;
}

static bool is_domain(const char *text, size_t len)
{
    if (len == 0 || len > DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (isalnum((unsigned char)text[i]) == 0 && strchr("-._", text[i]) == NULL)
            return false;
    }
    return true;
}

static void note_search(const char *at, struct nj_buf *domain)
{
    static const char prefix[] = "svc.";
    size_t len = 0;
    nj_buf_clear(domain); /* the last line of its kind counts: resolv.conf(5) */
    for (const char *word = next_word(&at, &len); word != NULL; word = next_word(&at, &len)) {
        size_t skip = strlen(prefix);
        if (domain->len == 0 && len > skip && memcmp(word, prefix, skip) == 0 &&
            is_domain(word + skip, len - skip))
            (void)nj_buf_append(domain, word + skip, len - skip);
    }
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end == NULL ? NULL : end + 1;
}

void nj_builtin_dns(const char *resolv_conf, struct nj_buf *host, struct nj_buf *domain, struct nj_buf *out,
                    struct nj_builtin *ret_builtin)
{
    *ret_builtin = (struct nj_builtin){.host = "", .scheme = "", .json = ""};
    for (const char *line = resolv_conf; line != NULL; line = next_line(line)) {
        size_t len = 0;
        const char *at = line;
        const char *word = next_word(&at, &len);
        if (word_is(word, len, "search")) {
            note_search(at, domain);
        } else if (word_is(word, len, "nameserver") && host->len == 0) {
            word = next_word(&at, &len);
            if (word != NULL)
                (void)nj_buf_append(host, word, len);
        }
    }
    if (domain->len > 0 && host->len > 0) {
        (void)nj_buf_printf(
            out, "{\"steps\":[{\"name\":\"lookup\",\"dns\":{\"name\":\"kubernetes.default.svc.%s\"}}]}",
            nj_buf_str(domain));
        *ret_builtin = (struct nj_builtin){.name = "dns",
                                           .host = nj_buf_str(host),
                                           .by_resolver = true,
                                           .port = DNS_PORT,
                                           .scheme = "",
                                           .json = nj_buf_str(out)};
    }
}
