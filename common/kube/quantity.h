/*
 * Kubernetes' quantities: "24Mi", "500m", "1.5", "1e3", "129M". Pure; any thread.
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
#ifndef NJ_KUBE_QUANTITY_H
#define NJ_KUBE_QUANTITY_H

#include <stdint.h>

/* The value times `scale` (1 for bytes, 1000 for millis of a core), rounded up to a whole number; what passes
 * int64_t is INT64_MAX. 0, or -EINVAL for a negative one or for what is no quantity. */
int nj_quantity_parse(const char *text, int64_t scale, int64_t *ret_value);

#endif
