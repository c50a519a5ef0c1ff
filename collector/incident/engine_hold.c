/* Why nobody is told of an incident, when that is asked, and what follows. See engine.h. */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/incident/engine_internal.h"
#include "common/base/str.h"

static const char *const names[NJ_SUPPRESSIONS] = {
    [NJ_SUPPRESSION_NODE] = "node",
    [NJ_SUPPRESSION_INCIDENT] = "incident",
    [NJ_SUPPRESSION_ROLLOUT_FAILED] = "rollout failed",
    [NJ_SUPPRESSION_REGISTRY] = "registry",
    [NJ_SUPPRESSION_ROLLOUT] = "rollout",
    [NJ_SUPPRESSION_SILENCE] = "silence",
    [NJ_SUPPRESSION_MAINTENANCE] = "maintenance",
    [NJ_SUPPRESSION_SCALE_DOWN] = "scale-down",
    [NJ_SUPPRESSION_DELETION] = "deletion",
    [NJ_SUPPRESSION_NAMESPACE] = "namespace deleted",
    [NJ_SUPPRESSION_DRAIN] = "drain",
    [NJ_SUPPRESSION_COMPLETION] = "job completed",
    [NJ_SUPPRESSION_STARTING] = "starting",
    [NJ_SUPPRESSION_OTHER] = "other",
};

const char *nj_suppression_name(enum nj_suppression suppression)
{
    return names[suppression];
}

/* By the longest name that it begins with, and that ends there or at a word's end. */
enum nj_suppression nj_suppression_of(const char *reason)
{
    enum nj_suppression found = NJ_SUPPRESSION_OTHER;
    size_t longest = 0;
    for (int i = 0; i < NJ_SUPPRESSION_OTHER; i++) {
        size_t len = strlen(names[i]);
        bool begins = strncmp(reason, names[i], len) == 0 &&
                      (reason[len] == '\0' || reason[len] == ' ' || reason[len] == ':');
        if (begins && len > longest) {
            longest = len;
            found = (enum nj_suppression)i;
        }
    }
    return found;
}

static void list_held(struct nj_engine *engine, struct nj_open *open)
{
    bool held = open->record.suppressed[0] != '\0';
    if (held && !open->held)
        DL_APPEND2(engine->held, open, held_prev, held_next);
    else if (!held && open->held)
        DL_DELETE2(engine->held, open, held_prev, held_next);
    if (held != open->held)
        engine->held_count += held ? 1 : (size_t)-1;
    open->held = held;
}

void nj_hold_loaded(struct nj_engine *engine, struct nj_open *open)
{
    list_held(engine, open);
}

void nj_hold_removed(struct nj_engine *engine, struct nj_open *open)
{
    if (!open->held)
        return;
    DL_DELETE2(engine->held, open, held_prev, held_next);
    engine->held_count--;
    open->held = false;
}

/* Sets the reason, "" for none; true when it is another than before. */
static bool set_reason(struct nj_engine *engine, struct nj_open *open, const char *reason)
{
    char before[NJ_ENGINE_SUPPRESSED_MAX];
    (void)snprintf(before, sizeof(before), "%s", open->record.suppressed);
    if (!nj_open_set(&open->record.suppressed, reason, NJ_ENGINE_SUPPRESSED_MAX - 1))
        return false;
    list_held(engine, open);
    enum nj_suppression suppression = nj_suppression_of(reason);
    bool counts = reason[0] != '\0' && (before[0] == '\0' || nj_suppression_of(before) != suppression);
    if (counts && engine->options.on_suppressed != NULL)
        engine->options.on_suppressed(engine->options.data, &open->record, suppression);
    nj_explain_changed(engine, open, before);
    return true;
}

static bool lingers(enum nj_suppression suppression)
{
    return suppression == NJ_SUPPRESSION_INCIDENT || suppression == NJ_SUPPRESSION_ROLLOUT_FAILED ||
           suppression == NJ_SUPPRESSION_REGISTRY;
}

/* What explained it is over: what ends with that has a moment to do so. */
static bool has_let_go(struct nj_engine *engine, struct nj_open *open, enum nj_asked asked)
{
    const char *reason = open->record.suppressed;
    if (reason[0] == '\0' || !lingers(nj_suppression_of(reason)))
        return true;
    if (asked == NJ_ASKED_BY_EVENT && open->record.kind != NJ_INCIDENT_SERVICE_OUTAGE)
        return true; /* of a pod that nothing explains */
    if (open->let_go_ns == 0 || open->let_go_ns > engine->now_ns)
        open->let_go_ns = engine->now_ns;
    return engine->now_ns - open->let_go_ns >= NJ_ENGINE_LET_GO_NS;
}

/* The reason to hold it back now, "" for none. */
static void ask(struct nj_engine *engine, struct nj_open *open, enum nj_asked asked,
                char reason[NJ_ENGINE_SUPPRESSED_MAX])
{
    const struct nj_engine_options *options = &engine->options;
    reason[0] = '\0';
    if (nj_absorb_holds(engine, open, asked, reason) || nj_explain_holds(engine, open, reason)) {
        open->let_go_ns = 0;
        return;
    }
    if (options->suppress != NULL &&
        options->suppress(options->data, &open->record, engine->now_ns, reason, NJ_ENGINE_SUPPRESSED_MAX))
        return;
    reason[0] = '\0';
    if (!has_let_go(engine, open, asked))
        (void)snprintf(reason, NJ_ENGINE_SUPPRESSED_MAX, "%s", open->record.suppressed);
}

void nj_hold_opened(struct nj_engine *engine, struct nj_open *open)
{
    char reason[NJ_ENGINE_SUPPRESSED_MAX];
    ask(engine, open, NJ_ASKED_AT_OPENING, reason);
    (void)set_reason(engine, open, reason);
}

static void review(struct nj_engine *engine, struct nj_open *open, enum nj_asked asked)
{
    char reason[NJ_ENGINE_SUPPRESSED_MAX];
    ask(engine, open, asked, reason);
    if (!set_reason(engine, open, reason))
        return;
    open->record.revision++;
    nj_open_changed(engine, open);
    if (reason[0] == '\0')
        nj_open_transition(engine, open, NJ_TRANSITION_OPENED);
}

void nj_hold_joined(struct nj_engine *engine, struct nj_open *open, bool left_node)
{
    if (!open->held)
        return;
    engine->asked = open;
    engine->left_node = left_node;
}

void nj_hold_settle(struct nj_engine *engine)
{
    struct nj_open *open = engine->asked;
    engine->asked = NULL;
    if (open != NULL && !open->resolved)
        review(engine, open, NJ_ASKED_BY_EVENT);
    engine->left_node = false;
}

void nj_hold_review(struct nj_engine *engine)
{
    struct nj_open *open = NULL, *next = NULL;
    DL_FOREACH_SAFE2(engine->held, open, next, held_next)
    review(engine, open, NJ_ASKED_AGAIN);
}

void nj_engine_review(struct nj_engine *engine, int64_t now_ns)
{
    engine->now_ns = now_ns;
    nj_hold_review(engine);
}

size_t nj_engine_suppressed_count(const struct nj_engine *engine)
{
    return engine->held_count;
}
