/*
 * The sockets of a pod's network namespace, which its containers share: leaks, and accept queues that
 * overflow. They are counted once for all of them; whose they are is looked up for a suspicion only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/container_trouble_internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { OVERFLOWS_TOLD = 2 /* counts in a row */ };
#define OVERFLOWS_QUIET_NS (5 * NJ_MIN) /* without one: it is over */

static const char ENDED[] = "the container has ended";

static bool is_of(const struct nj_pod_watch *pod, int i, const struct nj_container_figures *figures)
{
    return pod->told_for[i][0] == '\0' || strcmp(pod->told_for[i], figures->id) == 0;
}

/* Those that a program holds: what is in TIME_WAIT or not accepted yet is the kernel's. False: not known. */
static bool count_sockets(const struct nj_socket_figures *sockets, double *ret_count)
{
    double count = 0;
    for (int state = 1; state < NJ_TCP_STATES; state++) {
        if (sockets->tcp[state] == NJ_UNKNOWN)
            return false;
        if (state != NJ_TCP_TIME_WAIT && state != NJ_TCP_SYN_RECV)
            count += (double)sockets->tcp[state];
    }
    const uint64_t others[] = {sockets->udp, sockets->raw, sockets->unix_stream};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        count += others[i] == NJ_UNKNOWN ? 0 : (double)others[i];
    *ret_count = count;
    return true;
}

static bool sample_of(const struct nj_container_figures *figures, enum nj_leak_quantity quantity,
                      struct nj_leak_sample *ret_sample)
{
    const struct nj_socket_figures *sockets = &figures->sockets;
    *ret_sample =
        (struct nj_leak_sample){.quantity = quantity, .at_ns = sockets->at_ns, .process = figures->fullest};
    if (figures->fullest_limit != NJ_UNKNOWN)
        ret_sample->limit = (double)figures->fullest_limit;
    if (quantity == NJ_LEAK_OF_SOCKETS)
        return count_sockets(sockets, &ret_sample->value);
    ret_sample->value = (double)sockets->tcp[NJ_TCP_CLOSE_WAIT];
    return sockets->tcp[NJ_TCP_CLOSE_WAIT] != NJ_UNKNOWN;
}

/* Tells a suspicion of the container, if the sockets are its own, or of the pod once every container was
 * asked. */
static void settle(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod, int i,
                   const struct nj_leak_sample *sample)
{
    const struct nj_trouble_hooks *hooks = scan->hooks;
    struct nj_leak_sample own = *sample;
    struct nj_inspect_process process = {0};
    uint64_t count = 0;
    enum nj_tcp_state state = sample->quantity == NJ_LEAK_OF_CLOSE_WAIT ? NJ_TCP_CLOSE_WAIT : 0;
    bool seen = hooks->own_sockets != NULL &&
                hooks->own_sockets(hooks->data, scan->figures, state, &process, &count) == 0;
    bool is_its = pod->containers == 1 || (seen && 2 * (double)count >= sample->value);
    if (++pod->asked[i] < pod->containers && !is_its)
        return; /* the others come first */
    own.process = seen && is_its ? process : is_its ? sample->process : (struct nj_inspect_process){0};
    (void)snprintf(pod->told_for[i], sizeof(pod->told_for[i]), "%s", is_its ? scan->figures->id : "");
    nj_leak_tell(scan, &pod->leaks[i], &own, &pod->suspected[i], !is_its);
    pod->suspected[i].leaks = false;
}

/* Both quantities; `is_new`: the count was not looked at yet. True when one was settled or looked up. */
static void follow_leaks(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod, bool is_new)
{
    bool looked = false;
    for (enum nj_leak_quantity quantity = NJ_LEAK_OF_CLOSE_WAIT; quantity < NJ_LEAK_QUANTITIES; quantity++) {
        int i = (int)quantity - NJ_LEAKS_OF_CONTAINER;
        struct nj_leak_watch *watch = &pod->leaks[i];
        struct nj_leak_sample sample;
        struct nj_leak_verdict verdict;
        if (!sample_of(scan->figures, quantity, &sample))
            continue;
        if (is_new && nj_leak_watch_add(scan->troubles, watch, &sample, &verdict)) {
            if (!pod->suspected[i].leaks)
                pod->asked[i] = 0;
            pod->suspected[i] = verdict;
        }
        /* Sockets in CLOSE_WAIT are among all of them: told once, by their name. */
        bool told_already =
            quantity == NJ_LEAK_OF_SOCKETS && (pod->leaks[0].since_ns != 0 || pod->suspected[0].leaks);
        if (pod->suspected[i].leaks && !told_already && !looked) {
            settle(scan, pod, i, &sample);
            looked = true;
        } else if (nj_leak_watch_is_over(scan->troubles, watch, &sample) && is_of(pod, i, scan->figures)) {
            nj_leak_tell_over(scan, watch, quantity, "they were closed, or have stayed",
                              pod->told_for[i][0] == '\0');
        }
    }
}

static void tell_queue(const struct nj_trouble_scan *scan, const struct nj_pod_watch *pod, bool over,
                       const char *message)
{
    const struct nj_socket_figures *sockets = &scan->figures->sockets;
    char port[8] = "";
    if (pod->queue_port != 0)
        (void)snprintf(port, sizeof(port), "%u", pod->queue_port);
    const struct nj_trouble trouble = {
        .kind = NJ_TROUBLE_LISTEN_QUEUE,
        .detail = port,
        .over = over,
        .severity = over ? "info" : "warning",
        .message = message,
        .since_ns = pod->queue_since_ns,
        .value = over || sockets->queue_length == NJ_UNKNOWN ? 0 : (double)sockets->queue_length,
        .limit = over || sockets->queue_limit == NJ_UNKNOWN ? 0 : (double)sockets->queue_limit,
        .process = "",
    };
    scan->hooks->on_trouble(scan->hooks->data, scan->figures, &trouble, pod->queue_told_for[0] == '\0');
}

static void tell_overflow(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod, uint64_t overflows)
{
    const struct nj_socket_figures *sockets = &scan->figures->sockets;
    char text[NJ_TROUBLE_TEXT_MAX];
    pod->queue_since_ns = scan->wall_ns;
    pod->queue_port = sockets->queue_port;
    (void)snprintf(pod->queue_told_for, sizeof(pod->queue_told_for), "%s",
                   pod->containers == 1 ? scan->figures->id : "");
    int len = snprintf(text, sizeof(text),
                       "connections are dropped, for the program accepts them too slowly: %" PRIu64
                       " at the last look",
                       overflows);
    if (sockets->queue_port != 0 && sockets->queue_limit != NJ_UNKNOWN && sockets->queue_length != NJ_UNKNOWN)
        (void)snprintf(text + len, sizeof(text) - (size_t)len,
                       "; the fullest accept queue is port %u's, with %" PRIu64 " of %" PRIu64,
                       sockets->queue_port, sockets->queue_length, sockets->queue_limit);
    tell_queue(scan, pod, false, text);
}

static bool queue_is_of(const struct nj_pod_watch *pod, const struct nj_container_figures *figures)
{
    return pod->queue_told_for[0] == '\0' || strcmp(pod->queue_told_for, figures->id) == 0;
}

/* A new count: did the accept queue overflow since the one before? */
static void follow_queue(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod)
{
    const struct nj_socket_figures *sockets = &scan->figures->sockets;
    uint64_t before = pod->last.listen_overflows, now = sockets->listen_overflows;
    bool known = pod->last.at_ns != 0 && before != NJ_UNKNOWN && now != NJ_UNKNOWN;
    if (known && now > before) {
        pod->overflowing++;
        pod->overflowed_ns = sockets->at_ns;
        if (pod->overflowing >= OVERFLOWS_TOLD && pod->queue_since_ns == 0)
            tell_overflow(scan, pod, now - before);
        return;
    }
    pod->overflowing = 0;
    if (pod->queue_since_ns != 0 && known && queue_is_of(pod, scan->figures) &&
        sockets->at_ns - pod->overflowed_ns >= OVERFLOWS_QUIET_NS) {
        tell_queue(scan, pod, true, "no connection was dropped for 5 min");
        pod->queue_since_ns = 0;
    }
}

void nj_pod_sockets(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod)
{
    const struct nj_socket_figures *sockets = &scan->figures->sockets;
    if (scan->figures->network_is_host || sockets->at_ns == 0)
        return;
    bool is_new = sockets->at_ns > pod->last.at_ns;
    follow_leaks(scan, pod, is_new);
    if (!is_new)
        return;
    follow_queue(scan, pod);
    pod->last = *sockets;
}

void nj_pod_sockets_over(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod, bool pod_is_gone)
{
    for (int i = 0; i < NJ_LEAK_QUANTITIES - NJ_LEAKS_OF_CONTAINER; i++) {
        struct nj_leak_watch *watch = &pod->leaks[i];
        bool of_pod = pod->told_for[i][0] == '\0';
        if (watch->since_ns != 0 && is_of(pod, i, scan->figures) && (pod_is_gone || !of_pod))
            nj_leak_tell_over(scan, watch, (enum nj_leak_quantity)(i + NJ_LEAKS_OF_CONTAINER), ENDED, of_pod);
    }
    bool queue_of_pod = pod->queue_told_for[0] == '\0';
    if (pod->queue_since_ns == 0 || !queue_is_of(pod, scan->figures) || (queue_of_pod && !pod_is_gone))
        return;
    tell_queue(scan, pod, true, ENDED);
    pod->queue_since_ns = 0;
}

static void restore_queue(struct nj_pod_watch *pod, const struct nj_trouble_restored *restored,
                          int64_t now_ns)
{
    int64_t port = 0;
    if (nj_parse_int(restored->trouble->detail, 0, UINT16_MAX, &port) < 0)
        port = 0;
    pod->queue_port = (uint16_t)port;
    pod->queue_since_ns = restored->trouble->since_ns;
    pod->overflowed_ns = now_ns;
    (void)snprintf(pod->queue_told_for, sizeof(pod->queue_told_for), "%s",
                   restored->of_pod ? "" : restored->container_id);
}

void nj_pod_sockets_restore(struct nj_pod_watch *pod, const struct nj_trouble_restored *restored,
                            int64_t now_ns)
{
    const struct nj_trouble *trouble = restored->trouble;
    if (trouble->kind == NJ_TROUBLE_LISTEN_QUEUE)
        restore_queue(pod, restored, now_ns);
    for (int i = 0; i < NJ_LEAK_QUANTITIES - NJ_LEAKS_OF_CONTAINER; i++) {
        enum nj_leak_quantity quantity = (enum nj_leak_quantity)(i + NJ_LEAKS_OF_CONTAINER);
        if (nj_leak_kind(quantity) != trouble->kind || strcmp(nj_leak_detail(quantity), trouble->detail) != 0)
            continue;
        nj_leak_watch_restore(&pod->leaks[i], restored, now_ns);
        (void)snprintf(pod->told_for[i], sizeof(pod->told_for[i]), "%s",
                       restored->of_pod ? "" : restored->container_id);
    }
}
