#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "agent/crash/capture_internal.h"
#include "common/base/str.h"

static const char *without_scheme(const char *container_id)
{
    const char *scheme = strstr(container_id, "://");
    return scheme == NULL ? container_id : scheme + 3;
}

static void hold_free(struct nj_capture_hold *hold)
{
    struct nj_capture *capture = hold->capture;
    if (hold->files.fd >= 0) {
        nj_log_close(&hold->files);
        nj_capture_count_files(capture, 0, -1);
    }
    free(hold->namespace);
    free(hold->pod);
    free(hold->directory_uid);
    free(hold->container);
    free(hold);
}

void nj_capture_hold_release(struct nj_capture_hold *hold)
{
    if (hold == NULL)
        return;
    if (hold->opening)
        hold->released = true; /* the worker has it */
    else
        hold_free(hold);
}

/* Out of those that wait for their crash. */
static void forget(struct nj_capture *capture, struct nj_capture_hold *hold)
{
    DL_DELETE(capture->holds, hold);
    capture->holds_count--;
}

/* The oldest ones: those whose time is up, or `count` of them. */
static void let_go(struct nj_capture *capture, int64_t until_ns, size_t count, struct nj_counter *why)
{
    struct nj_capture_hold *hold = NULL;
    struct nj_capture_hold *next = NULL;
    DL_FOREACH_SAFE (capture->holds, hold, next) {
        if (count == 0 || hold->until_ns > until_ns)
            return;
        count--;
        nj_counter_add(why, 1);
        forget(capture, hold);
        nj_capture_hold_release(hold);
    }
}

static void arm(struct nj_capture *capture)
{
    if (capture->holds == NULL) {
        nj_timer_stop(&capture->hold_timer);
        return;
    }
    int64_t left_ns = capture->holds->until_ns - nj_loop_mono_ns(capture->loop);
    nj_timer_start(&capture->hold_timer, left_ns > 0 ? left_ns : 0, 0);
}

void nj_capture_holds_expire(struct nj_timer *timer)
{
    struct nj_capture *capture = timer->data;
    let_go(capture, nj_loop_mono_ns(capture->loop), SIZE_MAX, capture->metrics.held_unused);
    arm(capture);
}

void nj_capture_holds_close(struct nj_capture *capture)
{
    nj_timer_stop(&capture->hold_timer);
    let_go(capture, INT64_MAX, SIZE_MAX, capture->metrics.held_unused);
}

static void open_file(struct nj_job *work)
{
    struct nj_capture_hold *hold = work->data;
    if (hold->source.attempt < 0)
        hold->source.attempt = nj_log_newest(&hold->source);
    if (hold->source.attempt >= 0)
        (void)nj_log_open(&hold->source, &hold->files);
}

static void opened(struct nj_job *work)
{
    struct nj_capture_hold *hold = work->data;
    struct nj_capture *capture = hold->capture;
    hold->opening = false;
    capture->holds_opening--;
    if (hold->files.fd >= 0)
        nj_capture_count_files(capture, 0, 1);
    else
        nj_counter_add(capture->metrics.held_gone, 1);
    if (hold->released)
        hold_free(hold);
    nj_capture_finish_closing(capture);
}

static struct nj_capture_hold *find(struct nj_capture *capture, const char *id)
{
    struct nj_capture_hold *hold = NULL;
    DL_FOREACH (capture->holds, hold) { /* they are few */
        if (nj_streq(hold->id, id))
            return hold;
    }
    return NULL;
}

void nj_capture_container_ended(struct nj_capture *capture, const struct nj_capture_end *end)
{
    const char *id = without_scheme(end->container_id);
    if (capture->closing || end->exit_code == 0 || *id == '\0' || find(capture, id) != NULL)
        return;
    if (capture->holds_count >= capture->max_held)
        let_go(capture, INT64_MAX, 1, capture->metrics.held_dropped);
    size_t len = strlen(id);
    struct nj_capture_hold *hold = nj_calloc(1, sizeof(*hold) + len + 1);
    memcpy(hold->id, id, len);
    hold->capture = capture;
    hold->until_ns = nj_loop_mono_ns(capture->loop) + capture->hold_ns;
    hold->namespace = nj_strdup(end->namespace);
    hold->pod = nj_strdup(end->pod);
    hold->directory_uid = nj_strdup(end->directory_uid);
    hold->container = nj_strdup(end->container);
    hold->source = (struct nj_log_source){.log_dir = capture->log_dir,
                                          .namespace = hold->namespace,
                                          .pod = hold->pod,
                                          .directory_uid = hold->directory_uid,
                                          .container = hold->container,
                                          .attempt = end->attempt};
    hold->files.fd = -1;
    hold->opening = true;
    hold->work = (struct nj_job){.run = open_file, .done = opened, .data = hold};
    DL_APPEND(capture->holds, hold);
    capture->holds_count++;
    arm(capture);
    capture->holds_opening++;
    if (nj_worker_submit(capture->worker, &hold->work) < 0) { /* it is full: an open() can be afforded here */
        open_file(&hold->work);
        opened(&hold->work);
    }
}

struct nj_capture_hold *nj_capture_hold_take(struct nj_capture *capture, const char *container_id)
{
    struct nj_capture_hold *hold = find(capture, without_scheme(container_id));
    if (hold == NULL)
        return NULL;
    forget(capture, hold);
    arm(capture);
    nj_counter_add(capture->metrics.held_used, 1);
    return hold;
}
