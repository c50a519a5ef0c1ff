#include "agent/probes/deadline.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/get.h"

enum { KNOWN_MAX = 256 };

static const int64_t timeout_ns = 5 * NJ_SEC;
static const int64_t kept_ns = 10 * NJ_MIN;
static const int64_t unknown_kept_ns = NJ_MIN; /* then it is asked for again */

struct deadline {
    struct deadline *prev, *next; /* the one used last comes first */
    struct nj_deadlines *deadlines;
    struct nj_http_request *request; /* NULL: answered */
    int64_t seconds;
    int64_t expires_ns; /* monotonic */
    char *namespace, *name;
};

struct nj_deadlines {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    void (*on_known)(void *data);
    void *data;
    struct deadline *list; /* few enough to look through */
    size_t count, asked;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

struct nj_deadlines *nj_deadlines_new(struct nj_loop *loop, struct nj_kube_client *client,
                                      void (*on_known)(void *data), void *data)
{
    struct nj_deadlines *deadlines = NJ_NEW(struct nj_deadlines);
    *deadlines = (struct nj_deadlines){.loop = loop, .client = client, .on_known = on_known, .data = data};
    return deadlines;
}

static void forget(struct nj_deadlines *deadlines, struct deadline *deadline)
{
    DL_DELETE(deadlines->list, deadline);
    deadlines->count--;
    free(deadline->namespace);
    free(deadline->name);
    free(deadline);
}

static void finish_closing(struct nj_deadlines *deadlines)
{
    if (!deadlines->closing || deadlines->asked > 0)
        return;
    void (*on_closed)(void *data) = deadlines->on_closed;
    void *data = deadlines->on_closed_data;
    while (deadlines->list != NULL)
        forget(deadlines, deadlines->list);
    free(deadlines);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_done(void *data, const struct nj_http_result *result, const struct nj_kube_object *object)
{
    struct deadline *deadline = data;
    struct nj_deadlines *deadlines = deadline->deadlines;
    (void)result;
    deadline->request = NULL;
    deadlines->asked--;
    if (!deadlines->closing) {
        deadline->seconds = object == NULL ? 0 : object->workload.progress_deadline_seconds;
        deadline->expires_ns =
            nj_loop_mono_ns(deadlines->loop) + (deadline->seconds > 0 ? kept_ns : unknown_kept_ns);
        deadlines->on_known(deadlines->data);
    }
    finish_closing(deadlines);
}

static void ask(struct deadline *deadline)
{
    struct nj_deadlines *deadlines = deadline->deadlines;
    const struct nj_kube_get_options options = {.api_version = "apps/v1",
                                                .plural = "deployments",
                                                .namespace = deadline->namespace,
                                                .name = deadline->name,
                                                .kind = NJ_KUBE_DEPLOYMENT,
                                                .timeout_ns = timeout_ns,
                                                .on_done = on_done,
                                                .data = deadline};
    if (nj_kube_get(deadlines->client, &options, &deadline->request, NULL) == 0)
        deadlines->asked++;
    else
        deadline->expires_ns = nj_loop_mono_ns(deadlines->loop) + unknown_kept_ns;
}

static struct deadline *find(struct nj_deadlines *deadlines, const char *namespace, const char *name)
{
    struct deadline *deadline = NULL;
    DL_FOREACH (deadlines->list, deadline) {
        if (strcmp(deadline->name, name) == 0 && strcmp(deadline->namespace, namespace) == 0)
            return deadline;
    }
    return NULL;
}

/* Makes room by the one that was unused longest and is not being asked for. */
static struct deadline *add(struct nj_deadlines *deadlines, const char *namespace, const char *name)
{
    if (deadlines->list != NULL && deadlines->count >= KNOWN_MAX) {
        struct deadline *oldest = deadlines->list->prev;
        if (oldest->request != NULL)
            return NULL;
        forget(deadlines, oldest);
    }
    struct deadline *deadline = NJ_NEW(struct deadline);
    deadline->deadlines = deadlines;
    deadline->namespace = nj_strdup(namespace);
    deadline->name = nj_strdup(name);
    DL_PREPEND(deadlines->list, deadline);
    deadlines->count++;
    return deadline;
}

int64_t nj_deadlines_get(struct nj_deadlines *deadlines, const char *namespace, const char *name)
{
    if (deadlines->client == NULL)
        return 0;
    struct deadline *deadline = find(deadlines, namespace, name);
    if (deadline == NULL) {
        deadline = add(deadlines, namespace, name);
    } else {
        DL_DELETE(deadlines->list, deadline);
        DL_PREPEND(deadlines->list, deadline);
    }
    if (deadline == NULL)
        return 0;
    if (deadline->request == NULL && nj_loop_mono_ns(deadlines->loop) >= deadline->expires_ns)
        ask(deadline);
    return deadline->seconds;
}

void nj_deadlines_close(struct nj_deadlines *deadlines, void (*on_closed)(void *data), void *data)
{
    if (deadlines == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    deadlines->closing = true;
    deadlines->on_closed = on_closed;
    deadlines->on_closed_data = data;
    struct deadline *deadline = NULL;
    DL_FOREACH (deadlines->list, deadline) {
        if (deadline->request != NULL)
            nj_http_cancel(deadline->request);
    }
    finish_closing(deadlines);
}
