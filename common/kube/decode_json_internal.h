/*
 * Kubernetes' JSON as plain structs: reading json-c's objects, where what is absent or of another type reads
 * as empty. Private to common/kube/decode_json*.c.
 */
#ifndef NJ_KUBE_DECODE_JSON_INTERNAL_H
#define NJ_KUBE_DECODE_JSON_INTERNAL_H

#include <json-c/json.h>

#include "common/kube/decode_internal.h"
#include "common/kube/json_skim.h"

/* Copies strings into the arena, as json-c's go with its objects. */
struct nj_json_reader {
    struct nj_arena *arena;
    bool full; /* what was read is not complete */
};

struct json_object *nj_json_get(struct json_object *object, const char *key); /* NULL: none */
const char *nj_json_copy(struct nj_json_reader *reader, struct json_object *value);
const char *nj_json_string(struct nj_json_reader *reader, struct json_object *object, const char *key);
int64_t nj_json_int(struct json_object *object, const char *key, int64_t absent);
int32_t nj_json_int32(struct json_object *object, const char *key); /* the nearest, 0 when absent */
bool nj_json_bool(struct json_object *object, const char *key, bool absent);
/* Whole seconds, as the API server writes a metav1.Time; what is no time, or one that does not fit, is not
 * known. */
int64_t nj_json_time(struct json_object *object, const char *key);
int64_t nj_json_time_text(const char *text);
size_t nj_json_len(struct json_object *array);

/* `count` zeroed structs; NULL for none and when the arena is full. */
void *nj_json_array(struct nj_json_reader *reader, size_t count, size_t size);
/* An object's members, sorted by key. Outputs stay as they are for none. */
void nj_json_pairs(struct nj_json_reader *reader, struct json_object *object,
                   const struct nj_kube_pair **ret_pairs, size_t *ret_count);
void nj_json_strings(struct nj_json_reader *reader, struct json_object *array,
                     const char *const **ret_strings, size_t *ret_count);
/* An IntOrString. */
void nj_json_port(struct nj_json_reader *reader, struct json_object *object, const char *key,
                  const char **ret_name, uint16_t *ret_number);

/* Of pods and nodes. Outputs stay as they are for none. */
void nj_json_conditions(struct nj_json_reader *reader, struct json_object *array,
                        const struct nj_pod_condition **ret_conditions, size_t *ret_count);

/* A string as it stands in the text, with its quotes; "" for what is none. */
const char *nj_json_unquote(struct nj_json_reader *reader, const struct nj_json_member *member);

/* What a pod asks of its node: decode_json_node.c. Its tolerations, of which nearly every pod has two, are
 * read off their text, for json-c would take a dozen allocations for each. False when they are malformed. */
bool nj_json_read_tolerations(struct nj_json_reader *reader, const struct nj_json_member *array,
                              struct nj_pod_object *pod);
void nj_json_placement(struct nj_json_reader *reader, struct json_object *spec, struct nj_pod_object *pod);

/* Who changed a workload's template last, from its managedFields. False when they are malformed. */
bool nj_json_read_changed_by(struct nj_json_reader *reader, const struct nj_json_member *managed_fields,
                             struct nj_workload_object *workload);

/* A part of an object: its spec, its status; `json` may be NULL. */
typedef void nj_json_read_fn(struct nj_json_reader *reader, struct json_object *json,
                             struct nj_kube_object *object);
nj_json_read_fn nj_json_read_pod_spec;
nj_json_read_fn nj_json_read_pod_status;
nj_json_read_fn nj_json_read_service_spec;
nj_json_read_fn nj_json_read_slice;     /* the whole of it: a slice has neither spec nor status */
nj_json_read_fn nj_json_read_endpoints; /* likewise */
nj_json_read_fn nj_json_read_ingress_spec;
nj_json_read_fn nj_json_read_ingress_status;
nj_json_read_fn nj_json_read_workload_spec;
nj_json_read_fn nj_json_read_workload_status;
nj_json_read_fn nj_json_read_job_spec;
nj_json_read_fn nj_json_read_job_status;
nj_json_read_fn nj_json_read_budget_spec;
nj_json_read_fn nj_json_read_budget_status;
nj_json_read_fn nj_json_read_node_spec;
nj_json_read_fn nj_json_read_node_status;

#endif
