#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/lines.h"
#include "agent/inspect/node_internal.h"
#include "agent/inspect/proc.h"
#include "common/base/str.h"

/* What the network plugins call the host's ends: most CNIs, Calico, Cilium. Others' are found by what they
 * are. A node that is itself a container ("kind") has a veth too: eth0. */
static const char *const pods_prefixes[] = {"veth", "cali", "lxc"};
static const char own_prefix[] = "eth";

static ssize_t read_class(const char *root, const char *name, const char *file, char *text, size_t size)
{
    char path[NJ_NODE_PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/sys/class/net/%s/%s", root, name, file);
    return len > 0 && (size_t)len < sizeof(path) ? nj_proc_read(AT_FDCWD, path, text, size) : -1;
}

/* A veth has another index at its far end, and is the one kind of interface with that which has no name for
 * its kind (a VLAN, VXLAN or macvlan has one). */
static bool is_veth(const char *root, const char *name)
{
    enum { SMALL = 32, EVENT = 1024 };
    char index[SMALL], link[SMALL], event[EVENT];
    const char *at = link;
    uint64_t peer;
    return read_class(root, name, "ifindex", index, sizeof(index)) > 0 &&
           read_class(root, name, "iflink", link, sizeof(link)) > 0 && strcmp(index, link) != 0 &&
           nj_text_number(&at, &peer) && peer != 0 &&
           read_class(root, name, "uevent", event, sizeof(event)) > 0 && strstr(event, "DEVTYPE=") == NULL;
}

static bool is_of_pod(const char *root, const char *name)
{
    for (size_t i = 0; i < sizeof(pods_prefixes) / sizeof(pods_prefixes[0]); i++) {
        if (nj_str_starts(name, pods_prefixes[i]))
            return true;
    }
    return !nj_str_starts(name, own_prefix) && is_veth(root, name);
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop ..." */
static bool parse(char *line, struct nj_interface_figures *ret_interface)
{
    enum { UNUSED = 4 };
    struct nj_interface_figures *to = ret_interface;
    uint64_t unused[UNUSED];
    uint64_t *const columns[] = {
        &to->received_bytes, &to->received_packets,
        &to->receive_errors, &to->receive_drops,
        &unused[0],          &unused[1],
        &unused[2],          &unused[3],
        &to->sent_bytes,     &to->sent_packets,
        &to->send_errors,    &to->send_drops,
    };
    char *name = line + strspn(line, " "), *colon = strchr(name, ':');
    if (colon == NULL || colon == name || (size_t)(colon - name) >= sizeof(to->name))
        return false;
    memset(to->name, 0, sizeof(to->name));
    memcpy(to->name, name, (size_t)(colon - name));
    const char *at = colon + 1;
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        if (!nj_text_number(&at, columns[i]))
            return false;
    }
    return strchr(to->name, '/') == NULL && to->name[0] != '.';
}

void nj_node_read_interfaces(int proc, const struct nj_node_options *options, struct nj_node_figures *node)
{
    struct nj_lines lines;
    if (nj_lines_open(&lines, proc, options->own_network ? "1/net/dev" : "net/dev") < 0)
        return;
    for (char *line; (line = nj_lines_next(&lines)) != NULL;) {
        struct nj_interface_figures interface;
        if (!parse(line, &interface) || is_of_pod(options->root, interface.name))
            continue;
        if (node->interfaces_count < NJ_INTERFACES_MAX)
            node->interfaces[node->interfaces_count++] = interface;
        else
            node->interfaces_left_out++;
    }
    nj_lines_close(&lines);
}
