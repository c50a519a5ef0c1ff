/*
 * The model's inside. model.c watches and tells, model_index.c keeps the copies and their indexes,
 * model_copy.c makes the copies. Private to collector/cluster; loop thread only.
 */
#ifndef NJ_CLUSTER_MODEL_INTERNAL_H
#define NJ_CLUSTER_MODEL_INTERNAL_H

#include <netinet/in.h>

#include "collector/cluster/model.h"
#include "common/base/arena.h"
#include "common/base/table.h"

/* One object: a block of memory of its own holds the copy that the views point to. */
struct nj_model_object {
    char *uid;
    enum nj_model_kind kind;
    struct nj_model_space *space;
    void *memory;
    struct nj_model_object *prev, *next; /* of slices: in the group */
    struct nj_model_claim *claims;       /* of slices and Services: one for each address */
    size_t claims_count;
    union {
        struct {
            struct nj_model_service view;
            struct nj_model_group *group;
        } service;
        struct {
            struct nj_model_slice *views; /* one; of Endpoints one for each subset and family */
            size_t views_count;
            bool of_endpoints;
            const char *service_name;
            struct nj_model_group *group;
        } slice;
        struct nj_model_ingress ingress;
        struct nj_model_monitor monitor;
    };
    UT_hash_handle by_uid, by_name;
};

/* A Service by its name, and the slices that name it: either may come first. */
struct nj_model_group {
    char *name;
    struct nj_model_object *service; /* NULL: not seen */
    struct nj_model_object *slices;
    struct nj_model_service view;
    UT_hash_handle hh;
};

struct nj_model_space {
    char *name;
    struct nj_model_group *groups;
    struct nj_model_object *ingresses, *monitors; /* by_name */
    bool dirty;
    struct nj_model_space *next_dirty;
    UT_hash_handle hh;
};

/* That a slice or a Service has an address. Those of one address hang together. */
struct nj_model_claim {
    struct nj_model_object *object;
    struct nj_model_address *address;
    struct nj_model_claim *prev, *next;
};

struct nj_model_address {
    char *text; /* as nj_model_address_text() has it */
    struct nj_model_claim *claims;
    UT_hash_handle hh;
};

struct nj_model_index {
    struct nj_model_object *objects; /* by_uid */
    struct nj_model_space *spaces;
    struct nj_model_address *addresses;
    struct nj_arena scratch; /* for measuring a copy */
    size_t count;
};

void nj_model_index_init(struct nj_model_index *index);
void nj_model_index_done(struct nj_model_index *index);

/* Puts a copy in the place of what is known under its uid. The space it belongs to, or NULL when nothing that
 * matters has changed or (*ret_refused) the copy would be too large or one too many. */
struct nj_model_space *nj_model_index_put(struct nj_model_index *index, enum nj_model_kind kind,
                                          const struct nj_kube_object *object, size_t max_objects,
                                          bool *ret_refused);
/* NULL: it was not known. */
struct nj_model_space *nj_model_index_remove(struct nj_model_index *index, const char *uid);

/* Frees a namespace that holds nothing any more. */
void nj_model_index_tidy(struct nj_model_index *index, struct nj_model_space *space);

/* An address can be written in several ways; this is the one it is compared in. Text that is no address stays
 * as it is, as far as there is room. */
void nj_model_address_text(const char *address, char text[INET6_ADDRSTRLEN]);

/* Copies what `object` (for slices also Endpoints) holds for `kind` into one block: *ret_object's memory and
 * view. False: too large. */
bool nj_model_copy(struct nj_arena *scratch, enum nj_model_kind kind, const struct nj_kube_object *object,
                   struct nj_model_object *ret_object);

#endif
