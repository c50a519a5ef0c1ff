#include "collector/sla/slo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/base/table.h"

#define FIVE_MINUTES (5 * NJ_MIN)

const struct nj_slo_pair nj_slo_pairs[NJ_SLO_PAIRS] = {
    {NJ_HOUR, FIVE_MINUTES, 14.4, "critical"},
    {6 * NJ_HOUR, 30 * NJ_MIN, 6, "critical"},
    {3 * NJ_DAY, 6 * NJ_HOUR, 1, "warning"},
};

enum { NO_PAIR = -1, UNKNOWN_PAIR = -2 /* told before the start */ };
enum span_class { SPAN_BAD, SPAN_PLANNED, SPAN_UNOBSERVED, SPAN_CLASSES };

/* A time that was not simply good. */
struct span {
    int64_t from_ns, until_ns; /* 0: it lasts */
    enum span_class class;
    uint64_t reference; /* of its cause */
};

struct service {
    char *key, *namespace, *name;
    double objective; /* its own; 0: none */
    uint64_t wrong;   /* hash of an annotation that is none; 0: it is not wrong */
    int64_t first_ns; /* known since */
    enum nj_service_state state;
    struct span *spans; /* by from_ns */
    size_t count, room;
    int told; /* the pair, or NO_PAIR */
    int64_t since_ns;
    UT_hash_handle hh;
};

struct nj_slo_book {
    struct nj_slo_options options;
    char *cluster;
    struct service *services;
    int64_t blind_ns; /* nobody looks since; 0: somebody does */
};

int nj_slo_parse(const char *text, double *ret_objective)
{
    char *end = NULL;
    double percent = strtod(text, &end);
    if (end == text || !(percent > 0 && percent < 100))
        return -EINVAL;
    if (*end == '%')
        end++;
    if (*end != '\0')
        return -EINVAL;
    *ret_objective = percent / 100;
    return 0;
}

struct nj_slo_book *nj_slo_new(const struct nj_slo_options *options)
{
    struct nj_slo_book *slo = NJ_NEW(struct nj_slo_book);
    slo->options = *options;
    slo->cluster = nj_strdup(nj_str(options->cluster));
    return slo;
}

static void drop(struct nj_slo_book *slo, struct service *service)
{
    NJ_TABLE_REMOVE(slo->services, service);
    free(service->key);
    free(service->namespace);
    free(service->name);
    free(service->spans);
    free(service);
}

void nj_slo_free(struct nj_slo_book *slo)
{
    struct service *service = NULL, *next = NULL;
    if (slo == NULL)
        return;
    HASH_ITER (hh, slo->services, service, next)
        drop(slo, service);
    free(slo->cluster);
    free(slo);
}

static struct service *find(const struct nj_slo_book *slo, const char *namespace, const char *name)
{
    struct service *service = NULL;
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s", namespace, name);
    HASH_FIND_STR(slo->services, key, service);
    return service;
}

static struct service *get(struct nj_slo_book *slo, const char *namespace, const char *name)
{
    struct service *service = find(slo, namespace, name);
    if (service != NULL)
        return service;
    service = NJ_NEW(struct service);
    service->key = nj_asprintf("%s/%s", namespace, name);
    service->namespace = nj_strdup(namespace);
    service->name = nj_strdup(name);
    service->told = NO_PAIR;
    HASH_ADD_KEYPTR(hh, slo->services, service->key, strlen(service->key), service);
    return service;
}

/* False: it was available, there is nothing to remember. */
static bool classify(const struct nj_interval *interval, enum span_class *ret_class)
{
    switch (interval->state) {
    case NJ_SERVICE_UP:
    case NJ_SERVICE_DEGRADED:
    case NJ_SERVICE_DRAINING:
        return false;
    case NJ_SERVICE_DOWN:
        *ret_class = nj_outage_cause_is_planned(interval->cause) ? SPAN_PLANNED : SPAN_BAD;
        return true;
    case NJ_SERVICE_SCALED_TO_ZERO:
        *ret_class = SPAN_PLANNED;
        return true;
    default:
        *ret_class = SPAN_UNOBSERVED;
        return true;
    }
}

/* Where the first span lies that begins at from_ns or later. */
static size_t place_of(const struct service *service, int64_t from_ns)
{
    size_t at = service->count;
    while (at > 0 && service->spans[at - 1].from_ns >= from_ns)
        at--;
    return at;
}

static struct span *insert(struct service *service, size_t at)
{
    if (service->count == NJ_SLO_SPANS_MAX) {
        if (at == 0)
            return NULL;
        /* What is before the second oldest is no longer known. */
        service->first_ns = service->spans[1].from_ns;
        service->count--;
        at--;
        memmove(service->spans, service->spans + 1, service->count * sizeof(*service->spans));
    }
    if (service->count == service->room) {
        service->room = service->room == 0 ? 4 : 2 * service->room;
        service->spans = nj_realloc(service->spans, service->room, sizeof(*service->spans));
    }
    memmove(service->spans + at + 1, service->spans + at, (service->count - at) * sizeof(*service->spans));
    service->count++;
    service->spans[at] = (struct span){0};
    return &service->spans[at];
}

static void take_out(struct service *service, size_t at)
{
    service->count--;
    memmove(service->spans + at, service->spans + at + 1, (service->count - at) * sizeof(*service->spans));
}

static uint64_t hash_of(const char *text)
{
    return nj_str(text)[0] == '\0' ? 0 : nj_hash64(text, strlen(text));
}

/* `correct`: what is known of it already is corrected. One that had no length may be another one now. */
static void take(struct service *service, const struct nj_interval *interval, bool correct)
{
    enum span_class class;
    if (service->first_ns == 0 || interval->from_ns < service->first_ns)
        service->first_ns = interval->from_ns;
    bool counts = classify(interval, &class);
    size_t at = place_of(service, interval->from_ns);
    bool known = at < service->count && service->spans[at].from_ns == interval->from_ns;
    if (known && !correct)
        return;
    if (!counts) {
        if (known)
            take_out(service, at);
        return;
    }
    struct span *span = known ? &service->spans[at] : insert(service, at);
    if (span != NULL)
        *span = (struct span){.from_ns = interval->from_ns,
                              .until_ns = interval->until_ns,
                              .class = class,
                              .reference = hash_of(interval->reference)};
}

void nj_slo_interval(struct nj_slo_book *slo, const struct nj_interval *interval)
{
    struct service *service = get(slo, interval->namespace, interval->service);
    if (interval->until_ns == 0)
        service->state = interval->state;
    take(service, interval, true);
}

void nj_slo_history(struct nj_slo_book *slo, const struct nj_interval *interval)
{
    /* Of one that is gone nobody asks any more. */
    struct service *service = find(slo, interval->namespace, interval->service);
    /* What lasted at the start was told then, and may be over. */
    if (service != NULL && interval->until_ns != 0)
        take(service, interval, false);
}

void nj_slo_recause(struct nj_slo_book *slo, const char *namespace, const char *reference,
                    enum nj_outage_cause cause)
{
    uint64_t hash = hash_of(reference);
    enum span_class class = nj_outage_cause_is_planned(cause) ? SPAN_PLANNED : SPAN_BAD;
    if (hash == 0)
        return;
    for (struct service *service = slo->services; service != NULL; service = service->hh.next) {
        if (!nj_streq(service->namespace, namespace))
            continue;
        for (size_t i = 0; i < service->count; i++) {
            if (service->spans[i].reference == hash && service->spans[i].class != SPAN_UNOBSERVED)
                service->spans[i].class = class;
        }
    }
}

int nj_slo_set_objective(struct nj_slo_book *slo, const char *namespace, const char *name, const char *text)
{
    double objective = 0;
    struct service *service = text != NULL ? get(slo, namespace, name) : find(slo, namespace, name);
    if (service == NULL)
        return 0;
    bool wrong = text != NULL && nj_slo_parse(text, &objective) < 0;
    uint64_t hash = wrong ? nj_hash64(text, strlen(text)) | 1 : 0;
    bool news = hash != 0 && hash != service->wrong;
    service->objective = objective;
    service->wrong = hash;
    return news ? -EINVAL : 0;
}

void nj_slo_blind(struct nj_slo_book *slo, int64_t since_ns)
{
    slo->blind_ns = since_ns;
}

static double objective_of(const struct nj_slo_book *slo, const struct service *service)
{
    return service->objective > 0 ? service->objective : slo->options.objective;
}

double nj_slo_objective(const struct nj_slo_book *slo, const char *namespace, const char *name)
{
    const struct service *service = find(slo, namespace, name);
    return service == NULL ? slo->options.objective : objective_of(slo, service);
}

/* --- figures */

struct sums {
    int64_t whole_ns, ns[SPAN_CLASSES];
};

/* Since when nobody looks, all is unobserved. */
static struct sums sum(const struct nj_slo_book *slo, const struct service *service, int64_t window_ns,
                       int64_t now_ns)
{
    struct sums sums = {0};
    int64_t from_ns = now_ns - window_ns;
    int64_t end_ns = slo->blind_ns > 0 && slo->blind_ns < now_ns ? slo->blind_ns : now_ns;
    if (service->first_ns == 0)
        return sums;
    if (from_ns < service->first_ns)
        from_ns = service->first_ns;
    sums.whole_ns = now_ns > from_ns ? now_ns - from_ns : 0;
    if (end_ns < from_ns)
        end_ns = from_ns;
    if (now_ns > end_ns)
        sums.ns[SPAN_UNOBSERVED] = now_ns - end_ns;
    for (size_t i = service->count; i-- > 0;) {
        const struct span *span = &service->spans[i];
        int64_t until_ns = span->until_ns == 0 || span->until_ns > end_ns ? end_ns : span->until_ns;
        if (until_ns <= from_ns)
            break; /* they follow each other */
        int64_t begin_ns = span->from_ns > from_ns ? span->from_ns : from_ns;
        if (until_ns > begin_ns)
            sums.ns[span->class] += until_ns - begin_ns;
    }
    return sums;
}

static double availability(const struct nj_slo_book *slo, const struct service *service, int64_t window_ns,
                           int64_t now_ns)
{
    struct sums sums = sum(slo, service, window_ns, now_ns);
    int64_t counted_ns = sums.whole_ns - sums.ns[SPAN_UNOBSERVED] - sums.ns[SPAN_PLANNED];
    return counted_ns > 0 ? (double)(counted_ns - sums.ns[SPAN_BAD]) / (double)counted_ns : -1;
}

double nj_slo_availability(const struct nj_slo_book *slo, const char *namespace, const char *name,
                           int64_t window_ns, int64_t now_ns)
{
    const struct service *service = find(slo, namespace, name);
    return service == NULL ? -1 : availability(slo, service, window_ns, now_ns);
}

/* How often too fast it burns. Time that nobody looked, and before the service was there, counts as good: an
 * outage soon after a start is no worse than another. */
static double burn(const struct nj_slo_book *slo, const struct service *service, double objective,
                   int64_t window_ns, int64_t now_ns)
{
    struct sums sums = sum(slo, service, window_ns, now_ns);
    return (double)sums.ns[SPAN_BAD] / (double)window_ns / (1 - objective);
}

static double budget_left(const struct nj_slo_book *slo, const struct service *service, int64_t now_ns)
{
    return 1 - burn(slo, service, objective_of(slo, service), slo->options.window_ns, now_ns);
}

double nj_slo_budget_left(const struct nj_slo_book *slo, const char *namespace, const char *name,
                          int64_t now_ns)
{
    const struct service *service = find(slo, namespace, name);
    return service == NULL || objective_of(slo, service) == 0 ? 1 : budget_left(slo, service, now_ns);
}

/* --- alerts */

static void tell(struct nj_slo_book *slo, const struct service *service, int number, int64_t now_ns)
{
    char id[NJ_EVENT_ID_MAX], since[24];
    bool over = number == NO_PAIR;
    const struct nj_slo_pair *pair = &nj_slo_pairs[over || number < 0 ? 0 : number];
    double objective = objective_of(slo, service);
    (void)snprintf(since, sizeof(since), "%lld", (long long)service->since_ns);
    struct nj_event event = {.at_ns = now_ns,
                             .seen_ns = now_ns,
                             .type = NJ_EVENT_SLO,
                             .subject = {.namespace = service->namespace,
                                         .pod = "",
                                         .pod_uid = "",
                                         .node = "",
                                         .workload_kind = "Service",
                                         .workload = service->name,
                                         .container = ""},
                             .slo = {.over = over,
                                     .objective = 100 * objective,
                                     .budget_ns = slo->options.window_ns,
                                     .budget_left = objective > 0 ? budget_left(slo, service, now_ns) : 1,
                                     .window_ns = pair->long_ns,
                                     .short_window_ns = pair->short_ns,
                                     .burn_limit = pair->burn,
                                     .severity = pair->severity,
                                     .since_ns = service->since_ns}};
    if (!over) {
        event.slo.burn = burn(slo, service, objective, pair->long_ns, now_ns);
        event.slo.short_burn = burn(slo, service, objective, pair->short_ns, now_ns);
    }
    event.id = nj_event_id(id, "slo", slo->cluster, service->namespace, service->name, since,
                           over ? "over" : pair->severity,
                           over          ? ""
                           : number == 0 ? "fast"
                                         : "slow",
                           NULL);
    slo->options.on_event(slo->options.data, &event);
}

static int burning_pair(const struct nj_slo_book *slo, const struct service *service, double objective,
                        int64_t now_ns)
{
    for (int i = 0; i < NJ_SLO_PAIRS; i++) {
        if (burn(slo, service, objective, nj_slo_pairs[i].short_ns, now_ns) > nj_slo_pairs[i].burn &&
            burn(slo, service, objective, nj_slo_pairs[i].long_ns, now_ns) > nj_slo_pairs[i].burn)
            return i;
    }
    return NO_PAIR;
}

static void decide(struct nj_slo_book *slo, struct service *service, int64_t now_ns)
{
    double objective = objective_of(slo, service);
    int pair = objective > 0 && service->count > 0 ? burning_pair(slo, service, objective, now_ns) : NO_PAIR;
    if (pair == service->told)
        return;
    if (service->told == NO_PAIR)
        service->since_ns = now_ns;
    service->told = pair;
    tell(slo, service, pair, now_ns);
}

/* What no window holds any more. */
static void forget(const struct nj_slo_book *slo, struct service *service, int64_t now_ns)
{
    int64_t keep_ns = slo->options.window_ns > 3 * NJ_DAY ? slo->options.window_ns : 3 * NJ_DAY;
    size_t old = 0;
    while (old < service->count && service->spans[old].until_ns != 0 &&
           service->spans[old].until_ns < now_ns - keep_ns)
        old++;
    if (old == 0)
        return;
    service->count -= old;
    memmove(service->spans, service->spans + old, service->count * sizeof(*service->spans));
}

void nj_slo_tick(struct nj_slo_book *slo, int64_t now_ns)
{
    for (struct service *service = slo->services; service != NULL; service = service->hh.next) {
        forget(slo, service, now_ns);
        decide(slo, service, now_ns);
    }
}

void nj_slo_gone(struct nj_slo_book *slo, const char *namespace, const char *name)
{
    struct service *service = find(slo, namespace, name);
    if (service == NULL)
        return;
    if (service->told != NO_PAIR)
        tell(slo, service, NO_PAIR, service->since_ns);
    drop(slo, service);
}

void nj_slo_remember(struct nj_slo_book *slo, const char *namespace, const char *name, int64_t since_ns)
{
    struct service *service = get(slo, namespace, name);
    service->told = UNKNOWN_PAIR;
    service->since_ns = since_ns;
}

/* --- Prometheus */

static int add_up(struct nj_buf *out, const struct service *service)
{
    bool up = false;
    switch (service->state) {
    case NJ_SERVICE_UP:
    case NJ_SERVICE_DEGRADED:
    case NJ_SERVICE_DRAINING:
        up = true;
        break;
    case NJ_SERVICE_DOWN:
        break;
    default: /* nobody knows, or nobody wants it */
        return 0;
    }
    return nj_buf_printf(out, "nightjar_service_up{namespace=\"%s\",service=\"%s\"} %d\n", service->namespace,
                         service->name, up);
}

static int add_ratios(struct nj_buf *out, const struct nj_slo_book *slo, const struct service *service,
                      int64_t now_ns)
{
    const int64_t windows[] = {NJ_HOUR, NJ_DAY, slo->options.window_ns};
    int rc = 0;
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]) && rc == 0; i++) {
        char text[NJ_UNIT_TEXT_MAX];
        double ratio = availability(slo, service, windows[i], now_ns);
        if (ratio >= 0)
            rc = nj_buf_printf(
                out,
                "nightjar_service_availability_ratio{namespace=\"%s\",service=\"%s\",window=\"%s\"} %.9g\n",
                service->namespace, service->name, nj_duration_format(windows[i], text), ratio);
    }
    return rc;
}

static int add_objective(struct nj_buf *out, const struct nj_slo_book *slo, const struct service *service)
{
    double objective = objective_of(slo, service);
    if (objective <= 0 || service->state == NJ_SERVICE_NONE_BY_DESIGN)
        return 0;
    return nj_buf_printf(out, "nightjar_service_objective_ratio{namespace=\"%s\",service=\"%s\"} %.9g\n",
                         service->namespace, service->name, objective);
}

static int add_budget(struct nj_buf *out, const struct nj_slo_book *slo, const struct service *service,
                      int64_t now_ns)
{
    if (objective_of(slo, service) <= 0 || service->state == NJ_SERVICE_NONE_BY_DESIGN)
        return 0;
    return nj_buf_printf(out,
                         "nightjar_service_error_budget_left_ratio{namespace=\"%s\",service=\"%s\"} %.9g\n",
                         service->namespace, service->name, budget_left(slo, service, now_ns));
}

static int add_wrong(struct nj_buf *out, const struct service *service)
{
    return service->wrong == 0
               ? 0
               : nj_buf_printf(out, "nightjar_service_objective_invalid{namespace=\"%s\",service=\"%s\"} 1\n",
                               service->namespace, service->name);
}

enum metric { METRIC_UP, METRIC_RATIO, METRIC_OBJECTIVE, METRIC_BUDGET, METRIC_INVALID, METRICS };

static const char *const heads[METRICS] = {
    [METRIC_UP] =
        "# HELP nightjar_service_up Whether a Service is available: 1 when some endpoint is ready, or "
        "serves while terminating.\n# TYPE nightjar_service_up gauge\n",
    [METRIC_RATIO] = "# HELP nightjar_service_availability_ratio Share of the window in which a Service was "
                     "available, without what was planned or not observed.\n"
                     "# TYPE nightjar_service_availability_ratio gauge\n",
    [METRIC_OBJECTIVE] =
        "# HELP nightjar_service_objective_ratio Share of the time in which a Service shall be "
        "available.\n# TYPE nightjar_service_objective_ratio gauge\n",
    [METRIC_BUDGET] =
        "# HELP nightjar_service_error_budget_left_ratio Share of a Service's error budget that is "
        "left; below 0 it is overdrawn.\n"
        "# TYPE nightjar_service_error_budget_left_ratio gauge\n",
    [METRIC_INVALID] = "# HELP nightjar_service_objective_invalid 1 for a Service whose annotation "
                       "nightjar.dev/slo is no percentage between 0 and 100.\n"
                       "# TYPE nightjar_service_objective_invalid gauge\n",
};

static int add_metric(struct nj_buf *out, enum metric metric, const struct nj_slo_book *slo,
                      const struct service *service, int64_t now_ns)
{
    switch (metric) {
    case METRIC_UP:
        return slo->blind_ns > 0 ? 0 : add_up(out, service);
    case METRIC_RATIO:
        return add_ratios(out, slo, service, now_ns);
    case METRIC_OBJECTIVE:
        return add_objective(out, slo, service);
    case METRIC_BUDGET:
        return add_budget(out, slo, service, now_ns);
    default:
        return add_wrong(out, service);
    }
}

int nj_slo_exposition(const struct nj_slo_book *slo, int64_t now_ns, struct nj_buf *out)
{
    int rc = 0;
    for (int metric = 0; metric < METRICS && rc == 0; metric++) {
        rc = nj_buf_append_str(out, heads[metric]);
        for (const struct service *service = slo->services; service != NULL && rc == 0;
             service = service->hh.next)
            rc = add_metric(out, (enum metric)metric, slo, service, now_ns);
    }
    return rc;
}
