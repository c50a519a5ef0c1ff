#include "agent/probes/deadline.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode.h"

enum { KNOWN_MAX = 256, BODY_MAX = 2 << 20, ARENA_MAX = 8 << 20 };

static const int64_t timeout_ns = 5 * NJ_SEC;
static const int64_t kept_ns = 10 * NJ_MIN;
static const int64_t unknown_kept_ns = NJ_MIN; /* then it is asked for again */

struct deadline {
    struct deadline *prev, *next; /* the one used last comes first */
    struct nj_deadlines *deadlines;
    struct nj_http_request *request; /* NULL: answered */
    int64_t seconds;
    int64_t expires_ns; /* monotonic */
    bool protobuf;
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

static int on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    struct deadline *deadline = data;
    (void)status;
    (void)retry_after_ns;
    deadline->protobuf = nj_str_starts(nj_str(content_type), "application/vnd.kubernetes.protobuf");
    return 0;
}

/* 0 when the answer does not say. */
static int64_t read_answer(const struct deadline *deadline, const struct nj_http_result *result)
{
    struct nj_arena arena;
    struct nj_kube_object object;
    int64_t seconds = 0;
    if (result->error != 0 || result->status != 200 || result->body_cut)
        return 0;
    nj_arena_init(&arena, ARENA_MAX);
    if (nj_kube_decode(deadline->protobuf ? NJ_KUBE_PROTOBUF : NJ_KUBE_JSON, NJ_KUBE_DEPLOYMENT, result->body,
                       result->body_len, &arena, &object, NULL) == 0)
        seconds = object.deployment.progress_deadline_seconds;
    nj_arena_done(&arena);
    return seconds > 0 ? seconds : 0;
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct deadline *deadline = data;
    struct nj_deadlines *deadlines = deadline->deadlines;
    deadline->request = NULL;
    deadlines->asked--;
    if (!deadlines->closing) {
        deadline->seconds = read_answer(deadline, result);
        deadline->expires_ns =
            nj_loop_mono_ns(deadlines->loop) + (deadline->seconds > 0 ? kept_ns : unknown_kept_ns);
        deadlines->on_known(deadlines->data);
    }
    finish_closing(deadlines);
}

static void append_segment(struct nj_buf *path, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (isalnum((unsigned char)*c) != 0 || strchr("-._~", *c) != NULL)
            (void)nj_buf_append_char(path, *c);
        else
            (void)nj_buf_printf(path, "%%%02X", (unsigned char)*c);
    }
}

static void ask(struct deadline *deadline)
{
    struct nj_deadlines *deadlines = deadline->deadlines;
    struct nj_buf path = {0};
    (void)nj_buf_append_str(&path, "/apis/apps/v1/namespaces/");
    append_segment(&path, deadline->namespace);
    (void)nj_buf_append_str(&path, "/deployments/");
    append_segment(&path, deadline->name);
    struct nj_http_options options = {.timeout_ns = timeout_ns,
                                      .connect_timeout_ns = timeout_ns,
                                      .max_body_bytes = BODY_MAX,
                                      .on_status = on_status,
                                      .on_done = on_done,
                                      .data = deadline};
    static const char accept[] = "application/vnd.kubernetes.protobuf,application/json";
    if (nj_kube_client_start(deadlines->client, nj_buf_str(&path), accept, &options, &deadline->request,
                             NULL) == 0)
        deadlines->asked++;
    else
        deadline->expires_ns = nj_loop_mono_ns(deadlines->loop) + unknown_kept_ns;
    nj_buf_done(&path);
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
