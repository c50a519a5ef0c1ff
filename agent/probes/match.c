#include "agent/probes/match.h"

#include <string.h>

#include "common/base/str.h"

bool nj_match_selects(const struct nj_plan_check *check, const struct nj_pod_facts *pod)
{
    for (size_t i = 0; i < check->selector_count; i++) {
        const char *value = nj_kube_label(&pod->meta, check->selector[i].name);
        if (value == NULL || strcmp(value, check->selector[i].value) != 0)
            return false;
    }
    return check->selector_count > 0;
}

static const char *family_of(const char *address)
{
    return strchr(address, ':') != NULL ? "IPv6" : "IPv4";
}

static uint16_t translate(const struct nj_plan_port *port, const struct nj_pod_facts *pod)
{
    if (port->target_name[0] == '\0')
        return port->target_number;
    for (size_t i = 0; i < pod->ports_count; i++) {
        if (strcmp(pod->ports[i].name, port->target_name) == 0)
            return pod->ports[i].number;
    }
    return 0;
}

struct where {
    const struct nj_plan_check *check;
    const struct nj_pod_facts *pod;
    const char *address;
    void (*each)(void *data, const struct nj_match *match);
    void *data;
};

static void tell(const struct where *where, uint16_t port, uint16_t service_port, const char *scheme,
                 const char *json)
{
    struct nj_match match = {.check = where->check,
                             .address = where->address,
                             .family = family_of(where->address),
                             .port = port,
                             .service_port = service_port,
                             .scheme = scheme,
                             .json = json};
    if (port != 0)
        where->each(where->data, &match);
}

static void match_ports(const struct where *where)
{
    const struct nj_plan_check *check = where->check;
    const struct nj_pod_facts *pod = where->pod;
    bool derive = check->spec[0] == '\0';
    if (derive)
        tell(where, pod->probe.port, 0, pod->probe.scheme, pod->probe.json);
    for (size_t i = 0; i < check->ports_count; i++) {
        uint16_t port = translate(&check->ports[i], pod);
        if (!derive)
            tell(where, port, check->ports[i].number, "", check->spec);
        else if (port != pod->probe.port)
            tell(where, port, 0, "", nj_derive_tcp());
    }
}

void nj_match_check(const struct nj_plan_check *check, const struct nj_pod_facts *pod,
                    void (*each)(void *data, const struct nj_match *match), void *data)
{
    struct where where = {.check = check, .pod = pod, .each = each, .data = data};
    if (pod->over || pod->ips_count == 0 || check->trouble[0] != '\0' || !nj_match_selects(check, pod))
        return;
    if (check->families_count == 0) {
        where.address = pod->ips[0];
        match_ports(&where);
    }
    for (size_t i = 0; i < check->families_count; i++) {
        for (size_t j = 0; j < pod->ips_count; j++) {
            where.address = pod->ips[j];
            if (strcmp(family_of(where.address), check->families[i]) == 0)
                match_ports(&where);
        }
    }
}

void nj_match_metrics(const struct nj_pod_facts *pod, void (*each)(void *data, const struct nj_match *match),
                      void *data)
{
    struct where where = {.pod = pod, .each = each, .data = data};
    if (pod->over || pod->ips_count == 0)
        return;
    where.address = pod->ips[0];
    tell(&where, pod->metrics.port, 0, pod->metrics.scheme, pod->metrics.json);
}
