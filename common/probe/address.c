#include "common/probe/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "common/base/err.h"
#include "common/base/str.h"

enum { ENTRY_MAX = 255 + sizeof("*.:65535"), PORT_MAX = 65535, V4_BYTES = 4, V6_BYTES = 16, BYTE_BITS = 8 };

/* An address without its family's differences: IPv4 is ::ffff:a.b.c.d. */
struct address {
    uint8_t bytes[V6_BYTES];
    bool is_v4;
};

struct range {
    const char *text;
    unsigned bits;
    const char *what;
};

static const struct range never_v4[] = {
    {"0.0.0.0", 8, "an unspecified address"},
    {"169.254.169.254", 32, "a cloud's metadata address"},
    {"100.100.100.200", 32, "a cloud's metadata address"},
    {"168.63.129.16", 32, "a cloud's metadata address"},
    {"192.0.0.192", 32, "a cloud's metadata address"},
    {"169.254.0.0", 16, "a link-local address"},
    {"224.0.0.0", 4, "a multicast address"},
    {"255.255.255.255", 32, "the broadcast address"},
    {"240.0.0.0", 4, "a reserved address"},
};
static const struct range never_v6[] = {
    {"::", 128, "an unspecified address"},
    {"fd00:ec2::254", 128, "a cloud's metadata address"},
    {"fd20:ce::254", 128, "a cloud's metadata address"},
    {"fd00:c1::a9fe:a9fe", 128, "a cloud's metadata address"},
    {"fe80::", 10, "a link-local address"},
    {"ff00::", 8, "a multicast address"},
};
static const struct range inside_v4[] = {
    {"127.0.0.0", 8, "a loopback address that the allow-list does not have"},
    {"10.0.0.0", 8, "a private address that the allow-list does not have"},
    {"172.16.0.0", 12, "a private address that the allow-list does not have"},
    {"192.168.0.0", 16, "a private address that the allow-list does not have"},
    {"100.64.0.0", 10, "a private address that the allow-list does not have"},
};
static const struct range inside_v6[] = {
    {"::1", 128, "a loopback address that the allow-list does not have"},
    {"fc00::", 7, "a private address that the allow-list does not have"},
    {"fec0::", 10, "a private address that the allow-list does not have"},
};

/* Prefixes whose addresses lead to an IPv4 one: where that stands in them. */
static const struct {
    const char *text;
    unsigned bits, at;
} carriers[] = {
    {"::ffff:0:0", 96, 12}, /* IPv4-mapped */
    {"::", 96, 12},         /* IPv4-compatible */
    {"64:ff9b::", 96, 12},  /* NAT64, RFC 6052 */
    {"64:ff9b:1::", 48, 12} /* RFC 8215 */,
    {"::ffff:0:0:0", 96, 12}, /* SIIT, RFC 2765 */
    {"2002::", 16, 2},        /* 6to4 */
};

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / BYTE_BITS;
    unsigned rest = bits % BYTE_BITS;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (BYTE_BITS - rest) == 0;
}

static struct address from_v4(const uint8_t *bytes)
{
    struct address address = {.is_v4 = true};
    address.bytes[10] = address.bytes[11] = UINT8_MAX;
    memcpy(address.bytes + V6_BYTES - V4_BYTES, bytes, V4_BYTES);
    return address;
}

static const uint8_t *bytes_of(const struct address *address)
{
    return address->is_v4 ? address->bytes + V6_BYTES - V4_BYTES : address->bytes;
}

static bool parse_address(const char *text, struct address *ret_address)
{
    uint8_t bytes[V6_BYTES];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        *ret_address = from_v4(bytes);
        return true;
    }
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return false;
    *ret_address = (struct address){0};
    memcpy(ret_address->bytes, bytes, V6_BYTES);
    return true;
}

static bool is_within(const struct address *address, const char *text, unsigned bits)
{
    struct address range;
    return parse_address(text, &range) && range.is_v4 == address->is_v4 &&
           same_prefix(bytes_of(address), bytes_of(&range), bits);
}

static const char *find_range(const struct address *address, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_within(address, ranges[i].text, ranges[i].bits))
            return ranges[i].what;
    }
    return NULL;
}

/* What an IPv6 address leads to by translation. */
static bool carried(const struct address *address, struct address *ret_inner)
{
    static const uint8_t loopback[V6_BYTES] = {[V6_BYTES - 1] = 1};
    static const uint8_t none[V6_BYTES];
    if (address->is_v4 || memcmp(address->bytes, loopback, V6_BYTES) == 0 ||
        memcmp(address->bytes, none, V6_BYTES) == 0)
        return false;
    for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
        uint8_t prefix[V6_BYTES];
        if (inet_pton(AF_INET6, carriers[i].text, prefix) == 1 &&
            same_prefix(address->bytes, prefix, carriers[i].bits)) {
            *ret_inner = from_v4(address->bytes + carriers[i].at);
            return true;
        }
    }
    return false;
}

/* One entry of the allow-list. */
struct entry {
    char host[ENTRY_MAX]; /* a name without "*."; "" when it is an address */
    bool below;           /* "*.": what is below the name */
    struct address address;
    unsigned bits;
    uint16_t port; /* 0: any */
};

/* Cuts ":port" off; false when it is none. IPv6 needs brackets to have one. */
static bool take_port(char *text, uint16_t *ret_port)
{
    size_t len = strlen(text);
    char *colon = strrchr(text, ':');
    *ret_port = 0;
    if (text[0] == '[') {
        char *end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end + 1 != colon))
            return false;
        colon = end[1] == '\0' ? NULL : colon;
        *end = '\0';
        memmove(text, text + 1, len);
        if (colon != NULL)
            colon--; /* moved with the text; the ']' before it is '\0' now */
    } else if (colon != NULL && strchr(text, ':') != colon) {
        return true; /* IPv6 without brackets */
    }
    if (colon == NULL)
        return true;
    int64_t port = 0;
    if (nj_parse_int(colon + 1, 1, PORT_MAX, &port) < 0)
        return false;
    *colon = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

static bool is_name(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(text);
    return len > 0 && len <= 255 && strspn(text, allowed) == len && text[0] != '.' &&
           strstr(text, "..") == NULL;
}

static void cut_final_dot(char *name)
{
    size_t len = strlen(name);
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
}

static bool parse_entry(const char *text, struct entry *ret_entry)
{
    *ret_entry = (struct entry){0};
    char copy[ENTRY_MAX];
    if (strlen(text) >= sizeof(copy))
        return false;
    memcpy(copy, text, strlen(text) + 1);
    if (!take_port(copy, &ret_entry->port))
        return false;
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    if (parse_address(copy, &ret_entry->address)) {
        int64_t most = ret_entry->address.is_v4 ? V4_BYTES * BYTE_BITS : V6_BYTES * BYTE_BITS;
        int64_t bits = most;
        if (slash != NULL && nj_parse_int(slash + 1, 0, most, &bits) < 0)
            return false;
        ret_entry->bits = (unsigned)bits;
        return true;
    }
    const char *name = copy;
    if (nj_str_starts(name, "*.")) {
        ret_entry->below = true;
        name += 2;
    }
    if (slash != NULL || !is_name(name))
        return false;
    memcpy(ret_entry->host, name, strlen(name) + 1);
    cut_final_dot(ret_entry->host);
    return true;
}

static bool entry_has_address(const struct entry *entry, const struct address *address, uint16_t port)
{
    return entry->host[0] == '\0' && (entry->port == 0 || entry->port == port) &&
           entry->address.is_v4 == address->is_v4 &&
           same_prefix(bytes_of(&entry->address), bytes_of(address), entry->bits);
}

static bool entry_has_name(const struct entry *entry, const char *name, uint16_t port)
{
    if (entry->host[0] == '\0' || (entry->port != 0 && entry->port != port))
        return false;
    if (!entry->below)
        return strcasecmp(entry->host, name) == 0;
    size_t len = strlen(name);
    size_t below = strlen(entry->host);
    return len > below + 1 && name[len - below - 1] == '.' &&
           strcasecmp(name + len - below, entry->host) == 0;
}

static bool list_has_address(const struct address *address, uint16_t port, char *const *allowed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        if (parse_entry(allowed[i], &entry) && entry_has_address(&entry, address, port))
            return true;
    }
    return false;
}

static const char *never(const struct address *address)
{
    if (address->is_v4)
        return find_range(address, never_v4, sizeof(never_v4) / sizeof(never_v4[0]));
    return find_range(address, never_v6, sizeof(never_v6) / sizeof(never_v6[0]));
}

static const char *inside(const struct address *address)
{
    if (address->is_v4)
        return find_range(address, inside_v4, sizeof(inside_v4) / sizeof(inside_v4[0]));
    return find_range(address, inside_v6, sizeof(inside_v6) / sizeof(inside_v6[0]));
}

const char *nj_address_refusal(const struct sockaddr *address, enum nj_trust trust, char *const *allowed,
                               size_t count)
{
    struct address whom = {0};
    uint16_t port = 0;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        whom = from_v4((const uint8_t *)&v4.sin_addr);
        port = ntohs(v4.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        memcpy(whom.bytes, &v6.sin6_addr, V6_BYTES);
        port = ntohs(v6.sin6_port);
    } else {
        return "neither an IPv4 nor an IPv6 address";
    }
    struct address inner = whom;
    bool is_carried = carried(&whom, &inner);
    const char *why = never(&whom);
    if (why == NULL && is_carried)
        why = never(&inner);
    if (why != NULL || trust == NJ_TRUST_CLUSTER)
        return why;
    why = inside(&whom);
    if (why == NULL && is_carried)
        why = inside(&inner);
    if (why == NULL || list_has_address(&whom, port, allowed, count) ||
        (is_carried && list_has_address(&inner, port, allowed, count)))
        return NULL;
    return why;
}

bool nj_host_allowed(const char *host, uint16_t port, char *const *allowed, size_t count)
{
    char name[ENTRY_MAX];
    size_t len = strlen(host);
    bool bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (bracketed) {
        host++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(name))
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    struct address address;
    if (parse_address(name, &address))
        return list_has_address(&address, port, allowed, count);
    cut_final_dot(name);
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        if (parse_entry(allowed[i], &entry) && entry_has_name(&entry, name, port))
            return true;
    }
    return false;
}

int nj_allowed_check(const char *entry, struct nj_err *err)
{
    struct entry parsed;
    if (parse_entry(entry, &parsed))
        return 0;
    return nj_err_set(err, -EINVAL,
                      "\"%s\" is no host to be allowed: a name (api.example.com), all below one "
                      "(*.example.com), an address or a range of them (10.1.0.0/16), each with or without "
                      ":port ([fd00::1]:443)",
                      entry);
}
