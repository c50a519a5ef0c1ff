/*
 * Where a pod may go, as an agent sends it: whatever the bytes, it is read or refused, and what was read can
 * be held against nodes.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/capacity/capacity_placement.h"
#include "common/base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nj_kube_pair labels[] = {{"cores", "16"}, {"disk", "ssd"}, {"zone", ""}};
    static const struct nj_taint taints[] = {{"gpu", "yes", "NoSchedule"}, {"old", "", "NoExecute"}};
    const struct nj_node_object plain = {0};
    const struct nj_node_object hard = {.unschedulable = true, .taints = taints, .taints_count = 2};
    struct nj_nodes_node node = {.name = "n1", .labels = labels, .labels_count = 3, .node = &plain};
    char *text = nj_strndup((const char *)data, size);
    struct nj_placement *placement = nj_placement_parse(text == NULL ? "" : text);
    if (placement != NULL) {
        enum nj_fit easy = nj_placement_fit(placement, &node);
        node.node = &hard;
        enum nj_fit tight = nj_placement_fit(placement, &node);
        /* Taints only ever keep pods away. */
        if (easy >= NJ_FITS || tight >= NJ_FITS || (easy != NJ_FIT_OK && tight == NJ_FIT_OK))
            abort();
    }
    nj_placement_free(placement);
    free(text);
    return 0;
}
