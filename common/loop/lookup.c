#include "common/loop/lookup.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/alloc.h"

/* What the thread works on. It belongs to the thread and the lookup together; whoever lets go last frees it.
 */
struct question {
    pthread_mutex_t lock;
    struct nj_lookup *asker; /* NULL: cancelled, or answered */
    bool answered;
    char *host;
    int socket_type;
    int result; /* getaddrinfo()'s */
    struct addrinfo *addresses;
};

struct nj_lookup {
    uv_async_t answered;
    struct question *question;
    void (*on_done)(void *data, int error, const struct addrinfo *addresses);
    void *data;
};

static void question_free(struct question *question)
{
    if (question->addresses != NULL)
        freeaddrinfo(question->addresses);
    (void)pthread_mutex_destroy(&question->lock);
    free(question->host);
    free(question);
}

static void *ask(void *data)
{
    struct question *question = data;
    const struct addrinfo hints = {.ai_socktype = question->socket_type};
    struct addrinfo *addresses = NULL;
    int result = getaddrinfo(question->host, NULL, &hints, &addresses);
    (void)pthread_mutex_lock(&question->lock);
    question->result = result;
    question->addresses = result == 0 ? addresses : NULL;
    question->answered = true;
    bool cancelled = question->asker == NULL;
    if (!cancelled)
        (void)uv_async_send(&question->asker->answered);
    (void)pthread_mutex_unlock(&question->lock);
    if (cancelled)
        question_free(question);
    return NULL;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Parts the lookup from its question, which the thread then frees unless it has ended. */
static void let_go(struct nj_lookup *lookup)
{
    struct question *question = lookup->question;
    (void)pthread_mutex_lock(&question->lock);
    question->asker = NULL;
    bool answered = question->answered;
    (void)pthread_mutex_unlock(&question->lock);
    if (answered)
        question_free(question);
    uv_close((uv_handle_t *)&lookup->answered, on_closed);
}

static void on_answered(uv_async_t *async)
{
    struct nj_lookup *lookup = async->data;
    struct question *question = lookup->question;
    (void)pthread_mutex_lock(&question->lock); /* the thread has left it now */
    int result = question->result;
    struct addrinfo *addresses = question->addresses;
    question->addresses = NULL;
    (void)pthread_mutex_unlock(&question->lock);
    void (*on_done)(void *data, int error, const struct addrinfo *addresses) = lookup->on_done;
    void *data = lookup->data;
    let_go(lookup);
    if (result == 0)
        on_done(data, 0, addresses);
    else
        on_done(data, result == EAI_AGAIN ? -EAGAIN : -EHOSTUNREACH, NULL);
    if (addresses != NULL)
        freeaddrinfo(addresses);
}

static int start_thread(struct question *question)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, ask, question);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        (void)pthread_detach(thread);
    return -rc;
}

struct nj_lookup *nj_lookup_start(struct nj_loop *loop, const char *host, int socket_type,
                                  void (*on_done)(void *data, int error, const struct addrinfo *addresses),
                                  void *data)
{
    struct nj_lookup *lookup = NJ_NEW(struct nj_lookup);
    if (uv_async_init(&loop->uv, &lookup->answered, on_answered) < 0) {
        free(lookup);
        return NULL;
    }
    struct question *question = NJ_NEW(struct question);
    (void)pthread_mutex_init(&question->lock, NULL);
    question->asker = lookup;
    question->host = nj_strdup(host);
    question->socket_type = socket_type;
    lookup->answered.data = lookup;
    lookup->question = question;
    lookup->on_done = on_done;
    lookup->data = data;
    if (start_thread(question) < 0) {
        question->answered = true;
        let_go(lookup);
        return NULL;
    }
    return lookup;
}

void nj_lookup_cancel(struct nj_lookup *lookup)
{
    if (lookup != NULL)
        let_go(lookup);
}
