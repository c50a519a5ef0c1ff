/*
 * What people say of an incident: that they look after it, and whether it was worth telling.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "collector/notify/pipeline.h"
#include "common/base/str.h"

enum { AUTHOR_MAX = 128, NOTE_MAX = 1024 };

static bool incident_id(struct nj_api_call *call)
{
    if (nj_parse_int(call->argument, 1, INT64_MAX, &call->id) == 0)
        return true;
    nj_api_problem(call, 404, "there is no incident '%s'", call->argument);
    return false;
}

/* The rule that the incident belongs to goes with the mark: its reason may change. */
struct rule {
    char kind[NJ_RULE_REASON_MAX], class[NJ_RULE_REASON_MAX];
};

static int take_rule(void *data, const struct nj_incident *incident)
{
    struct rule *rule = data;
    (void)snprintf(rule->kind, sizeof(rule->kind), "%s", nj_incident_kind_name(incident->kind));
    nj_rule_class(rule->kind, incident->reason, rule->class);
    return 0;
}

static int find_rule(struct nj_api_call *call, struct nj_store *store, struct rule *rule, struct nj_err *err)
{
    int rc = store->ops->get_incident(store, call->id, take_rule, rule, err);
    return rc == -ENOENT ? nj_err_set(err, rc, "there is no incident %lld", (long long)call->id) : rc;
}

int nj_api_write_acknowledgement(struct nj_api_call *call, struct nj_acknowledgement *ack, bool *ret_new,
                                 struct nj_err *err)
{
    struct nj_store *store = call->api->options.writer_store;
    struct rule rule;
    int rc = find_rule(call, store, &rule, err);
    *ack = (struct nj_acknowledgement){.incident_id = call->id,
                                       .author = call->writing.author,
                                       .note = nj_str(call->writing.reason),
                                       .at_ns = call->now_ns};
    if (rc == 0)
        rc = store->ops->add_acknowledgement(store, ack, ret_new, err);
    /* Nobody needs to be reminded any more. */
    return rc == 0 ? store->ops->delete_reminders(store, call->id, "", false, err) : rc;
}

int nj_api_write_mark(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.writer_store;
    struct rule rule;
    int rc = find_rule(call, store, &rule, err);
    const struct nj_mark mark = {.incident_id = call->id,
                                 .kind = rule.kind,
                                 .reason = rule.class,
                                 .useful = call->writing.useful,
                                 .author = call->writing.author,
                                 .note = nj_str(call->writing.reason),
                                 .at_ns = call->now_ns};
    return rc == 0 ? store->ops->put_mark(store, &mark, err) : rc;
}

/* ---- acknowledging */

static int append_ack(void *data, const struct nj_acknowledgement *ack)
{
    struct nj_buf *out = &((struct nj_api_call *)data)->body;
    nj_api_object_begin(out);
    nj_api_field_int(out, "incidentId", ack->incident_id);
    nj_api_field(out, "by", ack->author);
    nj_api_field(out, "note", ack->note);
    nj_api_field_time(out, "at", ack->at_ns);
    nj_api_object_end(out);
    return 0;
}

static int query_ack(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    return store->ops->get_acknowledgement(store, call->id, append_ack, call, err);
}

void nj_api_acknowledgement(struct nj_api_call *call)
{
    if (incident_id(call))
        nj_api_run(call, query_ack);
}

/* The first one counts; who comes later reads who was first. */
static int write_ack(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.writer_store;
    struct nj_acknowledgement ack;
    bool is_new = false;
    int rc = nj_api_write_acknowledgement(call, &ack, &is_new, err);
    if (rc < 0)
        return rc;
    call->status = is_new ? 201 : 200;
    return store->ops->get_acknowledgement(store, call->id, append_ack, call, err);
}

/* ---- what the bodies hold */

/* `verdict` NULL: there is none. False after a problem. */
static bool take_body(struct nj_api_call *call, struct json_object *body, char **verdict)
{
    bool good = true;
    json_object_object_foreach(body, name, value)
    {
        if (strcmp(name, "by") == 0)
            good = nj_api_text(call, value, name, AUTHOR_MAX, &call->writing.author);
        else if (strcmp(name, "note") == 0)
            good = nj_api_text(call, value, name, NOTE_MAX, &call->writing.reason);
        else if (verdict != NULL && strcmp(name, "verdict") == 0)
            good = nj_api_text(call, value, name, AUTHOR_MAX, verdict);
        else
            good = false, nj_api_problem(call, 400, "'%.64s' is none of by, note%s", name,
                                         verdict == NULL ? "" : ", verdict");
        if (!good)
            return false;
    }
    if (nj_str(call->writing.author)[0] != '\0')
        return true;
    nj_api_problem(call, 400, "by: who it is must be said");
    return false;
}

void nj_api_acknowledge(struct nj_api_call *call)
{
    struct json_object *body = incident_id(call) ? nj_api_body(call) : NULL;
    if (body != NULL && take_body(call, body, NULL))
        nj_api_run_write(call, write_ack);
    (void)json_object_put(body);
}

static int write_mark(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_buf *out = &call->body;
    int rc = nj_api_write_mark(call, err);
    nj_api_object_begin(out);
    nj_api_field_int(out, "incidentId", call->id);
    nj_api_field(out, "verdict", call->writing.useful ? "useful" : "noise");
    nj_api_field(out, "by", call->writing.author);
    nj_api_field(out, "note", nj_str(call->writing.reason));
    nj_api_field_time(out, "at", call->now_ns);
    nj_api_object_end(out);
    return rc;
}

void nj_api_mark(struct nj_api_call *call)
{
    struct json_object *body = incident_id(call) ? nj_api_body(call) : NULL;
    char *verdict = NULL;
    if (body != NULL && take_body(call, body, &verdict)) {
        call->writing.useful = nj_streq(verdict, "useful");
        if (call->writing.useful || nj_streq(verdict, "noise"))
            nj_api_run_write(call, write_mark);
        else
            nj_api_problem(call, 400, "verdict: useful or noise is needed");
    }
    free(verdict);
    (void)json_object_put(body);
}
