/*
 * Where a check may go. A monitor is written by whoever owns a namespace, while the prober sits in the middle
 * of the cluster: it must be no way to what they cannot reach themselves.
 *
 * Never, for anybody: link-local (169.254.0.0/16, fe80::/10), the clouds' metadata addresses
 * (169.254.169.254, fd00:ec2::254, fd20:ce::254, fd00:c1::a9fe:a9fe, 100.100.100.200, 168.63.129.16,
 * 192.0.0.192), multicast, broadcast,
 * unspecified, and IPv4-mapped or NAT64 forms of these. Addresses that the cluster itself gave out (a pod's,
 * a Service's clusterIP) are trusted beyond that. Others also may not be loopback, and their host must be on
 * the allow-list. Pure; any thread.
 */
#ifndef NJ_PROBE_ADDRESS_H
#define NJ_PROBE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum nj_trust {
    NJ_TRUST_CLUSTER, /* the address is a pod's, a Service's or a node's own */
    NJ_TRUST_ALLOWED, /* the host is on the allow-list by its name: loopback and private ones only if the list
                         has the IP */
};

/* NULL: it may be probed; else what it is, for people: "a link-local address". `allowed` are the allow-list's
 * entries. */
const char *nj_address_refusal(const struct sockaddr *address, enum nj_trust trust, char *const *allowed,
                               size_t count);

/* Does the allow-list have this host? Entries: "api.example.com", "*.example.com" (any depth below),
 * "10.1.2.3", "10.1.0.0/16", "fd00::/8", each with ":port" to allow one port only ("[fd00::1]:443"). Names
 * are compared without case and without a final dot. */
bool nj_host_allowed(const char *host, uint16_t port, char *const *allowed, size_t count);

/* 0, or -EINVAL with a text: an entry that is none of the above. */
struct nj_err;
int nj_allowed_check(const char *entry, struct nj_err *err);

#endif
