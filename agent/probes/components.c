/*
 * The node's own checks.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/probes/probes_internal.h"
#include "common/base/str.h"

enum {
    RESOLV_CONF_MAX = 16 << 10,
    TARGET_TEXT = 320, /* "node/NAME" */
};

static void want_component(struct nj_node_probes *probes, const struct nj_builtin *builtin)
{
    char target[TARGET_TEXT];
    if (builtin->name == NULL || builtin->host[0] == '\0')
        return;
    NJ_CLEANUP_FREE char *monitor = nj_asprintf("builtin.%s", builtin->name);
    (void)snprintf(target, sizeof(target), "node/%s", probes->node);
    struct nj_wanted wanted = {.source = NJ_SOURCE_BUILTIN,
                               .monitor = monitor,
                               .target = target,
                               .service = "",
                               .component = builtin->name,
                               .host = builtin->host,
                               .by_resolver = builtin->by_resolver,
                               .port = builtin->port,
                               .scheme = builtin->scheme,
                               .json = builtin->json,
                               .ca_pem = ""};
    (void)nj_target_want(probes, NULL, &wanted);
}

void nj_components_match(struct nj_node_probes *probes)
{
    struct nj_node_pod *pod = NULL;
    struct nj_node_pod *next = NULL;
    bool has_kube_proxy = false;
    struct nj_builtin builtin;
    if (!probes->options.builtin)
        return;
    HASH_ITER (hh, probes->pods, pod, next) {
        if (pod->facts->over)
            continue;
        want_component(probes, &pod->facts->builtin);
        has_kube_proxy = has_kube_proxy || pod->facts->is_kube_proxy;
    }
    want_component(probes, &probes->dns);
    if (probes->host_ip != NULL) {
        nj_builtin_kubelet(probes->host_ip, &builtin);
        want_component(probes, &builtin);
    }
    if (probes->host_ip != NULL && has_kube_proxy) {
        nj_builtin_kube_proxy(probes->host_ip, &builtin);
        want_component(probes, &builtin);
    }
    nj_targets_sweep(probes, &probes->components);
}

static bool is_own_address(const char *address)
{
    uv_interface_address_t *interfaces = NULL;
    int count = 0;
    bool is_own = false;
    if (uv_interface_addresses(&interfaces, &count) < 0)
        return false;
    for (int i = 0; i < count; i++) {
        char text[INET6_ADDRSTRLEN] = "";
        bool is_six = interfaces[i].address.address4.sin_family == AF_INET6;
        if (is_six)
            (void)uv_ip6_name(&interfaces[i].address.address6, text, sizeof(text));
        else
            (void)uv_ip4_name(&interfaces[i].address.address4, text, sizeof(text));
        is_own = is_own || strcmp(text, address) == 0;
    }
    uv_free_interface_addresses(interfaces, count);
    return is_own;
}

bool nj_components_note_host(struct nj_node_probes *probes, const char *host_ip)
{
    if (host_ip[0] == '\0' || nj_streq(probes->host_ip, host_ip))
        return false;
    free(probes->host_ip);
    probes->host_ip = nj_strdup(host_ip);
    probes->shares_host = is_own_address(host_ip);
    return true;
}

void nj_components_read_resolver(struct nj_node_probes *probes)
{
    const char *path = probes->options.resolv_conf != NULL ? probes->options.resolv_conf : "/etc/resolv.conf";
    char *text = nj_calloc(1, RESOLV_CONF_MAX);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        text[fread(text, 1, RESOLV_CONF_MAX - 1, file)] = '\0';
        (void)fclose(file);
    }
    nj_builtin_dns(text, &probes->dns_host, &probes->domain, &probes->dns_json, &probes->dns);
    free(text);
}
