/* Kubernetes' objects, events, statuses and lists in protobuf. */
#include "tests/fuzz/kube_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_input(NJ_KUBE_PROTOBUF, data, size);
    return 0;
}
