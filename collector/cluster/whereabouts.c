#include "collector/cluster/whereabouts.h"

#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode.h"

enum {
    TIMEOUT_S = 10,
    POD_BYTES_MAX = 4 << 20,
};

static const char JSON[] = "application/json"; /* one pod: no matter how it is written */

struct question {
    struct nj_whereabouts *owner;
    char *uid;
    struct nj_http_request *request;
    enum nj_whereabout answer;
    void (*on_answer)(void *data, enum nj_whereabout answer);
    void *data;
    struct question *prev, *next;
};

struct nj_whereabouts {
    struct nj_kube_client *client;
    struct question *questions;
    size_t count, max;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

struct nj_whereabouts *nj_whereabouts_new(struct nj_kube_client *client, size_t max)
{
    struct nj_whereabouts *whereabouts = NJ_NEW(struct nj_whereabouts);
    whereabouts->client = client;
    whereabouts->max = max;
    return whereabouts;
}

static int on_item(void *data, const struct nj_kube_object *object)
{
    struct question *question = data;
    if (nj_streq(object->meta.uid, question->uid))
        question->answer = NJ_WHEREABOUT_ON_NODE;
    return 0;
}

/* A pod of the same name but another uid is another pod. */
static void read_list(struct question *question, const struct nj_http_result *result)
{
    struct nj_list_end end;
    struct nj_list_decoder *decoder =
        nj_list_decoder_new(NJ_KUBE_JSON, NJ_KUBE_META, POD_BYTES_MAX, on_item, question);
    question->answer = NJ_WHEREABOUT_GONE;
    if (nj_list_decoder_feed(decoder, result->body, result->body_len, NULL) < 0 ||
        nj_list_decoder_end(decoder, &end, NULL) < 0)
        question->answer = NJ_WHEREABOUT_UNKNOWN;
    nj_list_decoder_free(decoder);
}

static void finish_close(struct nj_whereabouts *whereabouts)
{
    void (*on_closed)(void *data) = whereabouts->on_closed;
    void *data = whereabouts->on_closed_data;
    free(whereabouts);
    if (on_closed != NULL)
        on_closed(data);
}

static void free_question(struct question *question)
{
    free(question->uid);
    free(question);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct question *question = data;
    struct nj_whereabouts *owner = question->owner;
    if (result->error == 0 && result->status == 200 && !result->body_cut)
        read_list(question, result);
    DL_DELETE(owner->questions, question);
    owner->count--;
    question->on_answer(question->data, question->answer);
    free_question(question);
    if (owner->closing && owner->questions == NULL)
        finish_close(owner);
}

bool nj_whereabouts_ask(struct nj_whereabouts *whereabouts, const char *namespace, const char *name,
                        const char *uid, void (*on_answer)(void *data, enum nj_whereabout answer), void *data)
{
    if (whereabouts->closing || whereabouts->count >= whereabouts->max || !nj_kube_is_name(namespace) ||
        !nj_kube_is_name(name))
        return false;
    struct question *question = NJ_NEW(struct question);
    question->owner = whereabouts;
    question->on_answer = on_answer;
    question->data = data;
    question->uid = nj_strdup(uid);
    NJ_CLEANUP_FREE char *path =
        nj_asprintf("/api/v1/namespaces/%s/pods?fieldSelector=metadata.name%%3D%s", namespace, name);
    const struct nj_http_options options = {.timeout_ns = TIMEOUT_S * NJ_SEC,
                                            .max_body_bytes = POD_BYTES_MAX,
                                            .on_done = on_done,
                                            .data = question};
    if (nj_kube_client_start(whereabouts->client, path, JSON, &options, &question->request, NULL) < 0) {
        free_question(question);
        return false;
    }
    DL_APPEND(whereabouts->questions, question);
    whereabouts->count++;
    return true;
}

void nj_whereabouts_close(struct nj_whereabouts *whereabouts, void (*on_closed)(void *data), void *data)
{
    struct question *question = NULL;
    whereabouts->closing = true;
    whereabouts->on_closed = on_closed;
    whereabouts->on_closed_data = data;
    DL_FOREACH (whereabouts->questions, question)
        nj_http_cancel(question->request);
    if (whereabouts->questions == NULL)
        finish_close(whereabouts);
}
