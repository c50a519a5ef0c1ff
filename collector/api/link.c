/*
 * The links in messages: a small page with a button that acknowledges an incident, or two that mark it. The
 * link's token is all that is needed, and good for this incident and purpose alone. Looking at the page
 * changes nothing: what previews links must not acknowledge.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "collector/notify/pipeline.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum { LINKS_A_MINUTE_MAX = 300, FORM_BYTES_MAX = 256 };

enum words {
    WORDS_ACK_TITLE,
    WORDS_ACK_BUTTON,
    WORDS_ACK_DONE,
    WORDS_ACK_BEFORE,
    WORDS_MARK_TITLE,
    WORDS_USEFUL,
    WORDS_NOISE,
    WORDS_MARK_DONE,
    WORDS
};

static const char *const texts[WORDS][2] = {
    [WORDS_ACK_TITLE] = {"认领告警", "Acknowledge the alert"},
    [WORDS_ACK_BUTTON] = {"我来处理", "I look after it"},
    [WORDS_ACK_DONE] = {"已认领，不再重复提醒。", "Acknowledged: nobody is reminded of it any more."},
    [WORDS_ACK_BEFORE] = {"此前已被认领。", "It was acknowledged before."},
    [WORDS_MARK_TITLE] = {"评价告警", "Was this alert of use?"},
    [WORDS_USEFUL] = {"有用", "Useful"},
    [WORDS_NOISE] = {"误报", "Noise"},
    [WORDS_MARK_DONE] = {"已记录，谢谢。", "Noted, thank you."},
};

static const char *words(const struct nj_api_call *call, enum words which)
{
    return texts[which][call->config->notify.language == NJ_LANGUAGE_ZH ? 0 : 1];
}

static bool is_ack(const struct nj_api_call *call)
{
    return nj_str_starts(nj_httpd_path(call->request), "/ack/");
}

static void append_html(struct nj_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("<>&\"'", *text) != NULL)
            nj_buf_printf(out, "&#%d;", (int)(unsigned char)*text);
        else
            nj_buf_append_char(out, *text);
    }
}

static void begin_page(struct nj_api_call *call)
{
    struct nj_buf *out = &call->body;
    const char *title = words(call, call->writing.is_ack ? WORDS_ACK_TITLE : WORDS_MARK_TITLE);
    call->content_type = "text/html; charset=utf-8";
    nj_buf_printf(
        out,
        "<!doctype html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<title>%s</title><link rel=\"stylesheet\" href=\"../style.css\"></head><body><main><h1>%s</h1>\n",
        call->config->notify.language == NJ_LANGUAGE_ZH ? "zh" : "en", title, title);
}

static void end_page(struct nj_api_call *call)
{
    nj_buf_append_str(&call->body, "</main></body></html>\n");
}

static int append_incident(void *data, const struct nj_incident *incident)
{
    struct nj_api_call *call = data;
    struct nj_buf *out = &call->body;
    struct nj_buf name = {0};
    nj_incident_full_name(incident, &name);
    nj_buf_printf(out, "<p>#%lld %s ", (long long)incident->id, nj_incident_kind_name(incident->kind));
    append_html(out, nj_buf_str(&name));
    nj_buf_append_str(out, " ");
    append_html(out, incident->reason);
    nj_buf_append_str(out, "</p>\n");
    nj_buf_done(&name);
    return 0;
}

static int show_incident(struct nj_api_call *call, struct nj_store *store, struct nj_err *err)
{
    begin_page(call);
    int rc = store->ops->get_incident(store, call->id, append_incident, call, err);
    return rc == -ENOENT ? nj_err_set(err, rc, "the incident was deleted for its age") : rc;
}

static int query_page(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_buf *out = &call->body;
    int rc = show_incident(call, call->api->options.store, err);
    nj_buf_append_str(out, "<form method=\"post\">");
    if (call->writing.is_ack)
        nj_buf_printf(out, "<button>%s</button>", words(call, WORDS_ACK_BUTTON));
    else
        nj_buf_printf(out,
                      "<button name=\"verdict\" value=\"useful\">%s</button> "
                      "<button name=\"verdict\" value=\"noise\">%s</button>",
                      words(call, WORDS_USEFUL), words(call, WORDS_NOISE));
    nj_buf_append_str(out, "</form>\n");
    end_page(call);
    return rc;
}

static int write_link(struct nj_api_call *call, struct nj_err *err)
{
    int rc = show_incident(call, call->api->options.writer_store, err);
    enum words said = WORDS_MARK_DONE;
    if (rc == 0 && call->writing.is_ack) {
        struct nj_acknowledgement ack;
        bool is_new = false;
        rc = nj_api_write_acknowledgement(call, &ack, &is_new, err);
        said = is_new ? WORDS_ACK_DONE : WORDS_ACK_BEFORE;
    } else if (rc == 0) {
        rc = nj_api_write_mark(call, err);
    }
    nj_buf_printf(&call->body, "<p>%s</p>\n", words(call, said));
    end_page(call);
    return rc;
}

/* Links are followed by people, and guessed at by programs. */
static bool is_too_often(struct nj_api *api)
{
    int64_t now_ns = nj_loop_mono_ns(api->options.loop);
    if (api->links == 0 || now_ns - api->links_since_ns >= NJ_MIN) {
        api->links_since_ns = now_ns;
        api->links = 0;
    }
    return ++api->links > LINKS_A_MINUTE_MAX;
}

static bool is_refused(struct nj_api_call *call)
{
    struct nj_api *api = call->api;
    const char *purpose = is_ack(call) ? "ack" : "mark";
    if (is_too_often(api))
        nj_api_problem(call, 429, "too many links are followed: try again in a minute");
    else if (api->options.pipeline == NULL || nj_parse_int(call->argument, 1, INT64_MAX, &call->id) < 0 ||
             !nj_link_token_is(api->options.pipeline, purpose, call->id, nj_httpd_query(call->request, "t")))
        nj_api_problem(call, 403, "this link is not a right one");
    else
        return false;
    nj_counter_add(api->links_refused, 1);
    return true;
}

void nj_api_link(struct nj_api_call *call)
{
    size_t len = 0;
    const char *form = nj_httpd_body(call->request, &len);
    if (is_refused(call))
        return;
    call->writing.is_ack = is_ack(call);
    if (!nj_streq(nj_httpd_method(call->request), "POST")) {
        call->has_form = true;
        nj_api_run(call, query_page);
        return;
    }
    call->writing.author = nj_strdup("link");
    call->writing.useful = len < FORM_BYTES_MAX && nj_streq(form, "verdict=useful");
    if (!call->writing.is_ack && !call->writing.useful && !nj_streq(form, "verdict=noise"))
        nj_api_problem(call, 400, "verdict: useful or noise is needed");
    else
        nj_api_run_write(call, write_link);
}
