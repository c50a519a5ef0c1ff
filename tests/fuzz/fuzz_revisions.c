/*
 * Whatever the API server answers as a workload's ControllerRevisions: those that are taken are the
 * workload's own, the newest first, each found by its name and its hash, and their templates carry no
 * directive.
 *
 * Input: the list as JSON.
 */
#include "collector/sla/rollouts_revisions.h"
#include "tests/fuzz/input.h"

static void check_revisions(const struct nj_revisions *revisions)
{
    for (size_t i = 0; i < nj_revisions_count(revisions); i++) {
        const struct nj_revision *revision = nj_revisions_at(revisions, i);
        struct json_object *directive = NULL;
        check(revision->name[0] != '\0' && revision->hash[0] != '\0');
        check(i == 0 || nj_revisions_at(revisions, i - 1)->number >= revision->number);
        check(nj_revisions_find(revisions, revision->name) != NULL);
        check(nj_revisions_find(revisions, revision->hash) != NULL);
        if (revision->template == NULL)
            continue;
        check(!json_object_object_get_ex(revision->template, "$patch", &directive) ||
              !json_object_is_type(directive, json_type_string));
        free(nj_revision_images(revision));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum nj_workloads_kind kinds[] = {NJ_WORKLOADS_STATEFUL_SET, NJ_WORKLOADS_DAEMON_SET};
    for (size_t i = 0; i < 2; i++) {
        struct nj_revisions *revisions = NULL;
        if (nj_revisions_parse(kinds[i], "u", (const char *)data, size, &revisions) < 0)
            continue;
        check_revisions(revisions);
        nj_revisions_free(revisions);
    }
    return 0;
}
