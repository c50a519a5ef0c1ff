/*
 * Which project a namespace belongs to: a label or annotation of the namespace (Rancher's
 * field.cattle.io/projectId by default, whose value "c-abc:p-xyz" means project p-xyz), and whether it wants
 * derived checks (annotation nightjar.dev/probe: "off"); and which are being deleted. Watches the namespaces'
 * metadata on the loop; may be asked from any thread where it says so.
 */
#ifndef NJ_CLUSTER_NAMESPACES_H
#define NJ_CLUSTER_NAMESPACES_H

#include "common/base/clock.h"
#include "common/base/metrics.h"
#include "common/kube/watch.h"

struct nj_namespaces;

enum {
    NJ_PROJECT_MAX = 128,
    NJ_NAMESPACES_GOING_MAX = 10000, /* more at a time are not remembered, and counted */
};

/* What went with a namespace is told for so long after it was gone. */
#define NJ_NAMESPACES_GONE_NS (2 * NJ_MIN)

struct nj_namespaces_options {
    struct nj_loop *loop;
    struct nj_kube_client *client; /* NULL: nothing is watched and no namespace has a project */
    struct nj_metrics *metrics;
    const char *project_key;                             /* label first, then annotation; copied */
    void (*on_synced)(void *data);                       /* after each list; may be NULL */
    void (*on_probe)(void *data, const char *namespace); /* nj_namespaces_probe_off() changed; may be NULL */
    void (*on_trouble)(void *data, const struct nj_err *err); /* may be NULL */
    void *data;
};

int nj_namespaces_start(const struct nj_namespaces_options *options, struct nj_namespaces **ret_namespaces,
                        struct nj_err *err);

/* Copies the project of a namespace, "" when it has none or is not known. Any thread. */
void nj_namespaces_project(struct nj_namespaces *namespaces, const char *namespace,
                           char ret_project[NJ_PROJECT_MAX]);

/* Its annotation says that nothing is to be checked there unasked. Any thread. */
bool nj_namespaces_probe_off(struct nj_namespaces *namespaces, const char *namespace);

/* Those that are being deleted (metadata.deletionTimestamp), and those that are gone since less than
 * NJ_NAMESPACES_GONE_NS; of one that nobody saw being deleted and that a list does not have any more the name
 * is not known. Loop thread only. */
void nj_namespaces_each_going(const struct nj_namespaces *namespaces,
                              void (*each)(void *data, const char *namespace), void *data);
/* Whether these are others than when this was asked last. */
bool nj_namespaces_going_changed(struct nj_namespaces *namespaces, int64_t now_ns);

/* The first list has been read (or there is nothing to read). */
bool nj_namespaces_synced(const struct nj_namespaces *namespaces);

void nj_namespaces_close(struct nj_namespaces *namespaces, void (*on_closed)(void *data), void *data);

#endif
