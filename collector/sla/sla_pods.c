/* Since when some pod of a service has been ready without a break: what the cluster still knows of a time in
 * which nobody looked. */
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

enum { ITEM_MAX = 2 << 20, TIMEOUT_S = 10, PODS_MAX = 500 /* enough to tell */ };

struct nj_sla_ask {
    struct nj_sla *sla;
    char *namespace, *name, *path;
    struct nj_http_request *request;
    struct nj_list_decoder *decoder;
    int64_t ready_since_ns;
    bool begun, failed;
    struct nj_sla_ask *prev, *next;
};

static struct nj_sla_ask *find(const struct nj_sla *sla, const char *namespace, const char *name)
{
    struct nj_sla_ask *ask;
    DL_FOREACH (sla->asks, ask) {
        if (nj_streq(ask->namespace, namespace) && nj_streq(ask->name, name))
            return ask;
    }
    return NULL;
}

bool nj_sla_is_asking(const struct nj_sla *sla, const char *namespace, const char *name)
{
    return find(sla, namespace, name) != NULL;
}

static void drop(struct nj_sla_ask *ask)
{
    struct nj_sla *sla = ask->sla;
    DL_DELETE(sla->asks, ask);
    if (ask->begun)
        sla->asking--;
    nj_list_decoder_free(ask->decoder);
    free(ask->namespace);
    free(ask->name);
    free(ask->path);
    free(ask);
}

/* The earliest of the pods that are ready now. */
static int on_pod(void *data, const struct nj_kube_object *object)
{
    struct nj_sla_ask *ask = data;
    const struct nj_pod_condition *ready = nj_pod_condition(&object->pod, "Ready");
    if (object->meta.deleted_ns == 0 && ready != NULL && nj_streq(ready->status, "True") &&
        ready->last_transition_ns > 0 &&
        (ask->ready_since_ns == 0 || ready->last_transition_ns < ask->ready_since_ns))
        ask->ready_since_ns = ready->last_transition_ns;
    return 0;
}

static int on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    struct nj_sla_ask *ask = data;
    (void)retry_after_ns;
    bool protobuf = nj_str_starts(nj_str(content_type), "application/vnd.kubernetes.protobuf");
    if (status != 200) {
        ask->failed = true;
        return 0;
    }
    ask->decoder =
        nj_list_decoder_new(protobuf ? NJ_KUBE_PROTOBUF : NJ_KUBE_JSON, NJ_KUBE_POD, ITEM_MAX, on_pod, ask);
    return 0;
}

static int on_data(void *data, const char *bytes, size_t len)
{
    struct nj_sla_ask *ask = data;
    return ask->decoder == NULL ? 0 : nj_list_decoder_feed(ask->decoder, bytes, len, NULL);
}

static void begin_waiting(struct nj_sla *sla);

static void finish(struct nj_sla_ask *ask, int64_t since_ns)
{
    struct nj_sla *sla = ask->sla;
    const struct nj_model_service *view = nj_model_service(sla->options.model, ask->namespace, ask->name);
    drop(ask);
    if (view != NULL && view->service != NULL)
        nj_sla_feed(sla, view, since_ns);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct nj_sla_ask *ask = data;
    struct nj_sla *sla = ask->sla;
    ask->request = NULL;
    if (sla->stopped) {
        drop(ask);
        nj_sla_ended(sla);
        return;
    }
    bool heard = result->error == 0 && !ask->failed;
    finish(ask, heard && ask->ready_since_ns > 0 ? ask->ready_since_ns : -1);
    begin_waiting(sla);
    nj_sla_settle(sla);
}

static void begin_waiting(struct nj_sla *sla)
{
    struct nj_sla_ask *ask = NULL, *next = NULL;
    const struct nj_http_options options = {.timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .connect_timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .on_status = on_status,
                                            .on_data = on_data,
                                            .on_done = on_done};
    DL_FOREACH_SAFE (sla->asks, ask, next) {
        if (sla->asking >= NJ_SLA_ASKS_MAX)
            return;
        if (ask->begun)
            continue;
        struct nj_http_options own = options;
        own.data = ask;
        ask->begun = nj_kube_client_start(sla->options.client, ask->path,
                                          "application/vnd.kubernetes.protobuf,application/json", &own,
                                          &ask->request, NULL) == 0;
        if (!ask->begun) {
            finish(ask, -1);
            continue;
        }
        sla->asking++;
        nj_counter_add(sla->asked, 1);
    }
}

bool nj_sla_ask_pods(struct nj_sla *sla, const struct nj_model_service *view)
{
    struct nj_buf selector = {0};
    if (view->service->selector_count == 0 || !nj_kube_is_name(view->namespace))
        return false;
    for (size_t i = 0; i < view->service->selector_count; i++) {
        const struct nj_kube_pair *pair = &view->service->selector[i];
        (void)nj_buf_printf(&selector, "%s%s=%s", i == 0 ? "" : ",", pair->key, pair->value);
    }
    struct nj_buf path = {0};
    (void)nj_buf_printf(&path, "/api/v1/namespaces/%s/pods?limit=%d&labelSelector=", view->namespace,
                        PODS_MAX);
    (void)nj_url_append(&path, nj_buf_str(&selector), selector.len);
    nj_buf_done(&selector);
    struct nj_sla_ask *ask = NJ_NEW(struct nj_sla_ask);
    ask->sla = sla;
    ask->namespace = nj_strdup(view->namespace);
    ask->name = nj_strdup(view->name);
    ask->path = nj_strdup(nj_buf_str(&path));
    nj_buf_done(&path);
    DL_APPEND(sla->asks, ask);
    begin_waiting(sla);
    return find(sla, view->namespace, view->name) != NULL;
}

void nj_sla_asks_done(struct nj_sla *sla)
{
    struct nj_sla_ask *ask = NULL, *next = NULL;
    DL_FOREACH_SAFE (sla->asks, ask, next) {
        if (ask->request != NULL)
            nj_http_cancel(ask->request);
        else
            drop(ask);
    }
}
