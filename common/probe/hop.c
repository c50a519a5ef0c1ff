/* Where a step goes: names looked up, addresses checked, redirects followed or refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/str.h"
#include "common/loop/http_url.h"
#include "common/probe/prober_internal.h"

enum {
    STATUS_MOVED = 301,
    STATUS_FOUND = 302,
    STATUS_SEE_OTHER = 303,
    STATUS_TEMPORARY = 307,
    STATUS_PERMANENT = 308
};

/* Of an IP literal; its length, 0 for a name. */
static size_t parse_literal(const char *host, uint16_t port, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    *ret_address = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret_address, &v4, sizeof(v4));
        return sizeof(v4);
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(ret_address, &v6, sizeof(v6));
        return sizeof(v6);
    }
    return 0;
}

static const char *refusal(const struct nj_probe_run *run, const struct sockaddr_storage *address)
{
    const struct nj_prober_options *options = &run->prober->options;
    return nj_address_refusal((const struct sockaddr *)address, run->target.trust, options->allowed,
                              options->allowed_count);
}

static void text_of(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, address, sizeof(v4));
    memcpy(&v6, address, sizeof(v6));
    const void *bytes =
        address->ss_family == AF_INET ? (const void *)&v4.sin_addr : (const void *)&v6.sin6_addr;
    if (inet_ntop(address->ss_family, bytes, text, INET6_ADDRSTRLEN) == NULL)
        text[0] = '\0';
}

static void forbidden(struct nj_probe_run *run, const char *what, const char *why)
{
    nj_chain_fail(run, run->hop.redirects > 0 ? NJ_CAUSE_REDIRECT : NJ_CAUSE_FORBIDDEN, NJ_PHASE_RESOLVE,
                  "%s is %s", what, why);
}

static void lookup_end(struct nj_probe_run *run)
{
    run->lookup = NULL;
    (void)uv_timer_stop(&run->timer);
    run->phase_ns[NJ_PHASE_RESOLVE] =
        (run->phase_ns[NJ_PHASE_RESOLVE] < 0 ? 0 : run->phase_ns[NJ_PHASE_RESOLVE]) +
        (int64_t)(uv_hrtime() - run->lookup_started_ns);
}

static void on_found(void *data, int error, const struct addrinfo *addresses)
{
    struct nj_probe_run *run = data;
    struct nj_hop *hop = &run->hop;
    lookup_end(run);
    if (error < 0) {
        nj_chain_fail(run, NJ_CAUSE_RESOLVE, NJ_PHASE_RESOLVE, "%s: %s", hop->host,
                      error == -EAGAIN ? "no name server answered" : "no such name");
        return;
    }
    const char *why = NULL;
    char text[INET6_ADDRSTRLEN] = "";
    for (const struct addrinfo *found = addresses; found != NULL && hop->addresses_count < NJ_ADDRESSES_MAX;
         found = found->ai_next) {
        struct sockaddr_storage address = {0};
        memcpy(&address, found->ai_addr, found->ai_addrlen);
        if (address.ss_family == AF_INET)
            ((struct sockaddr_in *)&address)->sin_port = htons(hop->port);
        else if (address.ss_family == AF_INET6)
            ((struct sockaddr_in6 *)&address)->sin6_port = htons(hop->port);
        const char *refused = refusal(run, &address);
        if (refused == NULL) {
            hop->addresses[hop->addresses_count++] = address;
        } else if (why == NULL) {
            why = refused;
            text_of(&address, text);
        }
    }
    if (hop->addresses_count == 0)
        forbidden(run, text, nj_str(why));
    else
        nj_chain_connect(run);
}

static void on_lookup_late(uv_timer_t *timer)
{
    struct nj_probe_run *run = timer->data;
    nj_lookup_cancel(run->lookup);
    lookup_end(run);
    nj_chain_fail(run, NJ_CAUSE_TIMEOUT, NJ_PHASE_RESOLVE, "no answer in time");
}

/* Whom the connection goes to: the URL of an own hop may name another. */
static const char *peer_of(const struct nj_probe_run *run)
{
    return run->hop.is_foreign ? run->hop.host : run->target.host;
}

void nj_hop_begin(struct nj_probe_run *run)
{
    struct nj_hop *hop = &run->hop;
    const struct nj_prober_options *options = &run->prober->options;
    const char *peer = peer_of(run);
    hop->addresses_count = hop->address_next = 0;
    if (peer[0] == '\0') { /* of a DNS step: the resolver's own servers, which it knows itself */
        hop->addresses[hop->addresses_count++] = (struct sockaddr_storage){0};
        nj_chain_connect(run);
        return;
    }
    if (run->target.trust == NJ_TRUST_ALLOWED &&
        !nj_host_allowed(peer, hop->port, options->allowed, options->allowed_count)) {
        forbidden(run, peer, "not on the list of hosts that may be probed");
        return;
    }
    struct sockaddr_storage address;
    if (parse_literal(peer, hop->port, &address) > 0) {
        const char *why = refusal(run, &address);
        if (why != NULL) {
            forbidden(run, peer, why);
            return;
        }
        hop->addresses[hop->addresses_count++] = address;
        nj_chain_connect(run);
        return;
    }
    run->lookup_started_ns = uv_hrtime();
    run->lookup = nj_lookup_start(options->loop, peer, SOCK_STREAM, on_found, run);
    if (run->lookup == NULL) {
        nj_chain_fail(run, NJ_CAUSE_INTERNAL, NJ_PHASE_RESOLVE, "no thread to look a name up");
        return;
    }
    uv_update_time(&options->loop->uv);
    (void)uv_timer_start(&run->timer, on_lookup_late, (uint64_t)(nj_run_left_ns(run) / NJ_MS) + 1, 0);
}

static bool is_redirect(int32_t status)
{
    return status == STATUS_MOVED || status == STATUS_FOUND || status == STATUS_SEE_OTHER ||
           status == STATUS_TEMPORARY || status == STATUS_PERMANENT;
}

static const char *location_of(const struct nj_step_response *response)
{
    for (size_t i = 0; i < response->headers_count; i++) {
        if (strcasecmp(response->headers[i].name, "Location") == 0)
            return response->headers[i].value[0] == '\0' ? NULL : response->headers[i].value;
    }
    return NULL;
}

/* The check is about the redirect itself. */
static bool expects(const struct nj_step *step, int32_t status)
{
    for (size_t i = 0; i < step->expect.statuses_count; i++) {
        if (status >= step->expect.statuses[i].from && status <= step->expect.statuses[i].to)
            return true;
    }
    return false;
}

/* The step's own scheme, host and port, by whichever of its names. */
static bool is_own(const struct nj_probe_run *run, const struct nj_http_url *url, uint16_t *ret_port)
{
    const struct nj_probe_target *target = &run->target;
    *ret_port = target->port;
    if (strcmp(url->scheme, target->scheme) != 0)
        return false;
    if (url->port == target->port && strcasecmp(url->host, target->host) == 0)
        return true;
    if (target->authority[0] == '\0')
        return false;
    struct nj_buf named = {0};
    (void)nj_buf_printf(&named, "%s://%s/", target->scheme, target->authority);
    struct nj_http_url authority = {0};
    int rc = nj_http_url_parse(NULL, nj_buf_str(&named), &authority, NULL);
    bool same = rc == 0 && strcmp(url->host, authority.host) == 0 &&
                (url->port == authority.port || url->port == target->port);
    nj_buf_done(&named);
    nj_http_url_done(&authority);
    return same;
}

__attribute__((format(printf, 2, 3))) static enum nj_redirect refuse(struct nj_probe_run *run,
                                                                     const char *format, ...)
{
    struct nj_step_response *response = &run->step_run.response;
    response->cause = NJ_CAUSE_REDIRECT;
    response->phase = NJ_PHASE_CHECK;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(response->got, sizeof(response->got), format, arguments);
    va_end(arguments);
    return NJ_REDIRECT_REFUSED;
}

/* A pod's or Service's check stays where it is. As with the kubelet's own probes, a redirect elsewhere is an
 * answer like any other, as long as nobody asked for what is behind it. */
static enum nj_redirect stay(struct nj_probe_run *run, const struct nj_http_url *url)
{
    struct sockaddr_storage address;
    const char *why = parse_literal(url->host, url->port, &address) > 0 ? refusal(run, &address) : NULL;
    if (why != NULL)
        return refuse(run, "a redirect to %s, which is %s", url->host, why);
    if (nj_run_step(run)->expect.statuses_count == 0)
        return NJ_REDIRECT_NONE;
    return refuse(run, "a redirect to %s://%s:%u, which is not this check's own host and port", url->scheme,
                  url->host, url->port);
}

/* RFC 9110, 15.4: 301 and 302 make a POST a GET, 303 everything but HEAD. */
static bool becomes_get(int32_t status, const char *method)
{
    if (status == STATUS_SEE_OTHER)
        return strcmp(method, "HEAD") != 0;
    return (status == STATUS_MOVED || status == STATUS_FOUND) && strcmp(method, "POST") == 0;
}

static enum nj_redirect go_to(struct nj_probe_run *run, const struct nj_http_url *url)
{
    struct nj_hop *hop = &run->hop;
    uint16_t own_port = 0;
    bool own = is_own(run, url, &own_port);
    if (!own && run->target.trust == NJ_TRUST_CLUSTER)
        return stay(run, url);
    if (hop->redirects == NJ_REDIRECTS_MAX)
        return refuse(run, "more than %d redirects", NJ_REDIRECTS_MAX);
    bool to_get = becomes_get(run->step_run.response.status, hop->method);
    if (!own && !to_get && hop->body[0] != '\0')
        return refuse(run, "a redirect that would take the request's body to another host, %s", url->host);
    struct nj_arena *arena = &run->step_arena;
    const char *scheme = nj_arena_strndup(arena, url->scheme, strlen(url->scheme));
    const char *host = nj_arena_strndup(arena, url->host, strlen(url->host));
    const char *path = nj_arena_strndup(arena, url->path, strlen(url->path));
    if (scheme == NULL || host == NULL || path == NULL)
        return refuse(run, "redirects that are too long");
    hop->redirects++;
    hop->scheme = scheme;
    hop->host = host;
    hop->path = path;
    hop->port = own ? own_port : url->port;
    hop->is_foreign = !own;
    hop->authority = own ? run->target.authority : "";
    if (to_get) {
        hop->method = "GET";
        hop->body = "";
    }
    return NJ_REDIRECT_FOLLOW;
}

enum nj_redirect nj_hop_redirect(struct nj_probe_run *run)
{
    const struct nj_step *step = nj_run_step(run);
    const struct nj_step_response *response = &run->step_run.response;
    const struct nj_hop *hop = &run->hop;
    const char *location = location_of(response);
    if (!step->follow_redirects || !is_redirect(response->status) || location == NULL ||
        expects(step, response->status))
        return NJ_REDIRECT_NONE;
    struct nj_buf base = {0};
    bool ipv6 = strchr(hop->host, ':') != NULL;
    (void)nj_buf_printf(&base, ipv6 ? "%s://[%s]:%u%s" : "%s://%s:%u%s", hop->scheme, hop->host, hop->port,
                        hop->path);
    struct nj_http_url url = {0};
    struct nj_err err = {0};
    int rc = nj_http_url_parse(nj_buf_str(&base), location, &url, &err);
    enum nj_redirect redirect = rc < 0 ? refuse(run, "a redirect to %s", err.text) : go_to(run, &url);
    nj_buf_done(&base);
    nj_http_url_done(&url);
    return redirect;
}
