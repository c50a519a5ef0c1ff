/*
 * Kubernetes' protobuf messages as plain structs: what the decoders of the kinds share. Private to
 * common/kube/decode_pb*.c.
 */
#ifndef NJ_KUBE_DECODE_PB_INTERNAL_H
#define NJ_KUBE_DECODE_PB_INTERNAL_H

#include "common/kube/decode_internal.h"
#include "common/kube/pb_reader.h"
#include "kubernetes.pb-c.h"

/* protobuf-c's memory is the arena: nothing is freed one by one, and the plain structs share its strings. */
struct nj_pb_arena {
    ProtobufCAllocator base;
    struct nj_arena *arena;
    bool full;
};

/* `count` zeroed structs; NULL for none. False when the arena is full. */
bool nj_pb_array(struct nj_pb_arena *allocator, size_t count, size_t size, void *ret_array);

/* Whole seconds, as metav1.Time has in JSON; a time that does not fit is not known. */
int64_t nj_pb_time_ns(const K8s__Time *time);

/* Sorted by key. False when the arena is full. */
bool nj_pb_pairs(struct nj_pb_arena *allocator, K8s__StringEntry **entries, size_t count,
                 const struct nj_kube_pair **ret_pairs, size_t *ret_count);

/* protobuf-c's array of strings, which is the arena's, as it is. */
void nj_pb_strings(char **strings, size_t count, const char *const **ret_strings, size_t *ret_count);

/* An IntOrString; NULL is no port. */
void nj_pb_port(const K8s__IntOrString *port, const char **ret_name, uint16_t *ret_number);

/* Of pods and nodes. False when the arena is full. */
bool nj_pb_conditions(struct nj_pb_arena *allocator, K8s__PodCondition **conditions, size_t count,
                      const struct nj_pod_condition **ret_conditions, size_t *ret_count);

/* What a pod asks of its node: decode_pb_node.c. False when the arena is full. */
bool nj_pb_placement(struct nj_pb_arena *allocator, const K8s__PodSpec *pb, struct nj_pod_object *pod);

/* A part of an object (its spec, its status). False when it is malformed or the arena full. */
typedef bool nj_pb_decode_fn(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                             struct nj_kube_object *object);
nj_pb_decode_fn nj_pb_decode_pod_spec;
nj_pb_decode_fn nj_pb_decode_pod_status;
nj_pb_decode_fn nj_pb_decode_service_spec;
nj_pb_decode_fn nj_pb_decode_slice;     /* the whole of it: a slice has neither spec nor status */
nj_pb_decode_fn nj_pb_decode_endpoints; /* likewise */
nj_pb_decode_fn nj_pb_decode_ingress_spec;
nj_pb_decode_fn nj_pb_decode_ingress_status;
nj_pb_decode_fn nj_pb_decode_workload_metadata; /* who changed its template last */
nj_pb_decode_fn nj_pb_decode_workload_spec;
nj_pb_decode_fn nj_pb_decode_workload_status;
nj_pb_decode_fn nj_pb_decode_budget_spec;
nj_pb_decode_fn nj_pb_decode_budget_status;
nj_pb_decode_fn nj_pb_decode_node_spec;
nj_pb_decode_fn nj_pb_decode_node_status;

#endif
