/*
 * Where a pod may go, as the scheduler would say.
 */
#include <string.h>

#include "collector/capacity/capacity_placement.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

static const struct nj_kube_pair labels[] = {{"cores", "16"}, {"disk", "ssd"}, {"empty", ""}, {"zone", "a"}};

static enum nj_fit fit_of(const char *json, const struct nj_node_object *object)
{
    const struct nj_nodes_node node = {
        .name = "n1", .labels = labels, .labels_count = 4, .ready = true, .node = object};
    struct nj_placement *placement = nj_placement_parse(json);
    if (placement == NULL)
        fail_msg("cannot be read: %s", json);
    enum nj_fit fit = nj_placement_fit(placement, &node);
    nj_placement_free(placement);
    return fit;
}

static void assert_fit(enum nj_fit expected, const char *json)
{
    const struct nj_node_object plain = {0};
    if (fit_of(json, &plain) != expected)
        fail_msg("%s", json);
}

#define TERM(requirements) "{\"affinity\":[{\"matchExpressions\":[" requirements "]}]}"
#define WANTS(key, operator, values)                                                                         \
    "{\"key\":\"" key "\",\"operator\":\"" operator"\",\"values\":[" values "]}"

static void labels_are_asked_for_as_kubernetes_does(void **state)
{
    (void)state;
    assert_fit(NJ_FIT_OK, "");
    assert_fit(NJ_FIT_OK, "{}");
    assert_fit(NJ_FIT_OK, "{\"nodeSelector\":{\"disk\":\"ssd\",\"empty\":\"\"}}");
    assert_fit(NJ_FIT_AFFINITY, "{\"nodeSelector\":{\"disk\":\"ssd\",\"zone\":\"b\"}}");
    assert_fit(NJ_FIT_AFFINITY, "{\"nodeSelector\":{\"none\":\"\"}}");
    assert_fit(NJ_FIT_OK, TERM(WANTS("zone", "In", "\"b\",\"a\"")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("none", "In", "\"b\"")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("zone", "NotIn", "\"a\"")));
    assert_fit(NJ_FIT_OK, TERM(WANTS("none", "NotIn", "\"a\"")));
    assert_fit(NJ_FIT_OK, TERM(WANTS("empty", "Exists", "")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("none", "Exists", "")));
    assert_fit(NJ_FIT_OK, TERM(WANTS("none", "DoesNotExist", "")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("zone", "DoesNotExist", "")));
    assert_fit(NJ_FIT_OK, TERM(WANTS("cores", "Gt", "\"8\"")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("cores", "Gt", "\"16\"")));
    assert_fit(NJ_FIT_OK, TERM(WANTS("cores", "Lt", "\"17\"")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("cores", "Lt", "\"16\"")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("zone", "Gt", "\"1\"")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("cores", "Gt", "\"1\",\"2\"")));
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("cores", "Near", "\"16\"")));
}

static void terms_are_alternatives_and_requirements_are_not(void **state)
{
    (void)state;
    assert_fit(NJ_FIT_AFFINITY, TERM(WANTS("zone", "In", "\"a\"") "," WANTS("disk", "In", "\"hdd\"")));
    assert_fit(NJ_FIT_OK,
               "{\"affinity\":[{\"matchExpressions\":[" WANTS(
                   "disk", "In", "\"hdd\"") "]},{\"matchExpressions\":[" WANTS("zone", "In", "\"a\"") "]}]}");
    assert_fit(NJ_FIT_AFFINITY, "{\"affinity\":[{}]}"); /* an empty term matches nothing */
    assert_fit(NJ_FIT_OK, "{\"affinity\":[]}");
    assert_fit(NJ_FIT_OK, "{\"affinity\":[{\"matchFields\":[" WANTS("metadata.name", "In", "\"n1\"") "]}]}");
    assert_fit(NJ_FIT_AFFINITY,
               "{\"affinity\":[{\"matchFields\":[" WANTS("metadata.name", "NotIn", "\"n1\"") "]}]}");
    assert_fit(NJ_FIT_AFFINITY,
               "{\"affinity\":[{\"matchFields\":[" WANTS("metadata.uid", "NotIn", "\"n1\"") "]}]}");
    assert_fit(NJ_FIT_AFFINITY,
               "{\"nodeSelector\":{\"zone\":\"b\"},\"affinity\":[{\"matchExpressions\":[" WANTS(
                   "zone", "Exists", "") "]}]}");
}

#define TOLERATES(toleration) "{\"tolerations\":[" toleration "]}"

static void taints_are_tolerated_as_kubernetes_does(void **state)
{
    static const struct nj_taint taints[] = {{"gpu", "yes", "NoSchedule"}, {"soft", "", "PreferNoSchedule"}};
    static const struct nj_taint evicting[] = {{"gpu", "yes", "NoExecute"}};
    const struct nj_node_object tainted = {.taints = taints, .taints_count = 2};
    const struct nj_node_object other = {.taints = evicting, .taints_count = 1};
    (void)state;
    assert_int_equal(fit_of("", &tainted), NJ_FIT_TAINT);
    assert_int_equal(fit_of(TOLERATES("{\"key\":\"gpu\",\"value\":\"yes\"}"), &tainted), NJ_FIT_OK);
    assert_int_equal(fit_of(TOLERATES("{\"key\":\"gpu\",\"operator\":\"Equal\",\"value\":\"no\"}"), &tainted),
                     NJ_FIT_TAINT);
    assert_int_equal(fit_of(TOLERATES("{\"key\":\"gpu\",\"operator\":\"Exists\"}"), &tainted), NJ_FIT_OK);
    assert_int_equal(fit_of(TOLERATES("{\"operator\":\"Exists\"}"), &tainted), NJ_FIT_OK);
    assert_int_equal(fit_of(TOLERATES("{}"), &tainted), NJ_FIT_TAINT);
    const char *once = TOLERATES("{\"key\":\"gpu\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}");
    assert_int_equal(fit_of(once, &tainted), NJ_FIT_OK);
    assert_int_equal(fit_of(once, &other), NJ_FIT_TAINT);
}

static void a_cordoned_node_takes_only_who_tolerates_that(void **state)
{
    const struct nj_node_object cordoned = {.unschedulable = true};
    (void)state;
    assert_int_equal(fit_of("", &cordoned), NJ_FIT_UNSCHEDULABLE);
    assert_int_equal(
        fit_of(TOLERATES("{\"key\":\"node.kubernetes.io/unschedulable\",\"operator\":\"Exists\"}"),
               &cordoned),
        NJ_FIT_OK);
}

static void what_is_no_placement_is_refused(void **state)
{
    static const char *const wrong[] = {"{",
                                        "[]",
                                        "null",
                                        "7",
                                        "{\"nodeSelector\":[]}",
                                        "{\"nodeSelector\":{\"a\":1}}",
                                        "{\"affinity\":{}}",
                                        "{\"affinity\":[1]}",
                                        "{\"affinity\":[{\"matchExpressions\":[\"a\"]}]}",
                                        "{\"affinity\":[{\"matchExpressions\":[{\"values\":[1]}]}]}",
                                        "{\"tolerations\":[null]}",
                                        "{\"tolerations\":[{\"key\":[]}]}"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct nj_placement *placement = nj_placement_parse(wrong[i]);
        if (placement != NULL)
            fail_msg("%s", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_asked_for_as_kubernetes_does),
        cmocka_unit_test(terms_are_alternatives_and_requirements_are_not),
        cmocka_unit_test(taints_are_tolerated_as_kubernetes_does),
        cmocka_unit_test(a_cordoned_node_takes_only_who_tolerates_that),
        cmocka_unit_test(what_is_no_placement_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
