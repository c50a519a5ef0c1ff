/* Comparison of decoded objects, field by field, and copies that outlive their arena. */
#ifndef NJ_TEST_KUBE_EQUAL_H
#define NJ_TEST_KUBE_EQUAL_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/kube/objects.h"

/* Every field of an object as text, a line a field: two objects are equal when their texts are. */
void describe_object(const struct nj_kube_object *object, struct nj_buf *out);

#endif
