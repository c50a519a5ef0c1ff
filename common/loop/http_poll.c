#include "common/loop/http_poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/alloc.h"

enum { EVENTS_AT_ONCE = 64, ROOM_FIRST = 64 };

struct watched {
    int events; /* 0: not watched; the kernel may still have the socket */
    void *owner;
};

struct nj_http_poll {
    uv_poll_t poll; /* of the set */
    int epoll_fd;
    struct watched *sockets; /* by descriptor */
    size_t room, count;
    void (*on_ready)(void *data, int fd, int events, void *owner);
    void (*on_round)(void *data);
    void (*on_closed)(void *data);
    void *data;
};

static int from_epoll(uint32_t events)
{
    if ((events & EPOLLERR) != 0)
        return NJ_HTTP_POLL_IN | NJ_HTTP_POLL_OUT | NJ_HTTP_POLL_ERR;
    if ((events & EPOLLHUP) != 0)
        return NJ_HTTP_POLL_IN | NJ_HTTP_POLL_OUT;
    return ((events & EPOLLIN) != 0 ? NJ_HTTP_POLL_IN : 0) |
           ((events & EPOLLOUT) != 0 ? NJ_HTTP_POLL_OUT : 0);
}

/* An event may be of a socket that was closed in this very round and whose number is another's by now: both
 * who reads and who writes finds out by trying. */
static void on_events(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    struct nj_http_poll *poll = handle->data;
    struct epoll_event ready[EVENTS_AT_ONCE];
    int count = epoll_wait(poll->epoll_fd, ready, EVENTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++) {
        int fd = ready[i].data.fd;
        const struct watched *socket = &poll->sockets[fd];
        if (socket->events == 0)
            (void)epoll_ctl(poll->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        else
            poll->on_ready(poll->data, fd, from_epoll(ready[i].events), socket->owner);
    }
    poll->on_round(poll->data);
}

struct nj_http_poll *nj_http_poll_new(struct nj_loop *loop,
                                      void (*on_ready)(void *data, int fd, int events, void *owner),
                                      void (*on_round)(void *data), void *data)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct nj_http_poll *poll = NJ_NEW(struct nj_http_poll);
    if (uv_poll_init(&loop->uv, &poll->poll, fd) < 0) {
        (void)close(fd);
        free(poll);
        return NULL;
    }
    poll->poll.data = poll;
    poll->epoll_fd = fd;
    poll->on_ready = on_ready;
    poll->on_round = on_round;
    poll->data = data;
    (void)uv_poll_start(&poll->poll, UV_READABLE, on_events);
    uv_unref((uv_handle_t *)&poll->poll);
    return poll;
}

static void make_room(struct nj_http_poll *poll, size_t fd)
{
    if (fd < poll->room)
        return;
    size_t room = poll->room == 0 ? ROOM_FIRST : poll->room;
    while (room <= fd)
        room *= 2;
    poll->sockets = nj_realloc(poll->sockets, room, sizeof(*poll->sockets));
    memset(poll->sockets + poll->room, 0, (room - poll->room) * sizeof(*poll->sockets));
    poll->room = room;
}

int nj_http_poll_watch(struct nj_http_poll *poll, int fd, int events, void *owner)
{
    make_room(poll, (size_t)fd);
    struct watched *socket = &poll->sockets[fd];
    struct epoll_event wanted = {.events = ((events & NJ_HTTP_POLL_IN) != 0 ? EPOLLIN : 0U) |
                                           ((events & NJ_HTTP_POLL_OUT) != 0 ? EPOLLOUT : 0U),
                                 .data.fd = fd};
    bool known = socket->events != 0;
    if (known && socket->events == events) {
        socket->owner = owner;
        return 0;
    }
    int rc = epoll_ctl(poll->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &wanted);
    if (rc < 0 && !known && errno == EEXIST) /* it was forgotten, but not closed */
        rc = epoll_ctl(poll->epoll_fd, EPOLL_CTL_MOD, fd, &wanted);
    if (rc < 0)
        return -errno;
    socket->events = events;
    socket->owner = owner;
    if (!known && poll->count++ == 0)
        uv_ref((uv_handle_t *)&poll->poll);
    return 0;
}

/* The kernel forgets it when it is closed, which mostly comes next; else its next event reminds us. */
void nj_http_poll_forget(struct nj_http_poll *poll, int fd)
{
    if ((size_t)fd >= poll->room || poll->sockets[fd].events == 0)
        return;
    poll->sockets[fd] = (struct watched){0};
    if (--poll->count == 0)
        uv_unref((uv_handle_t *)&poll->poll);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct nj_http_poll *poll = handle->data;
    void (*on_closed)(void *data) = poll->on_closed;
    void *data = poll->data;
    (void)close(poll->epoll_fd);
    free(poll->sockets);
    free(poll);
    on_closed(data);
}

void nj_http_poll_close(struct nj_http_poll *poll, void (*on_closed)(void *data))
{
    poll->on_closed = on_closed;
    uv_close((uv_handle_t *)&poll->poll, on_poll_closed);
}
