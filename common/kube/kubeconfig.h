/*
 * Where an API server is, what to trust and who to be: read from a kubeconfig file
 * (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/, its current context) or from what the
 * kubelet puts into every pod (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
 * Private to common/kube; no loop.
 */
#ifndef NJ_KUBE_KUBECONFIG_H
#define NJ_KUBE_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

/* Strings are owned; NULL where nothing is said. Of a path and its PEM text at most one is set. */
struct nj_kubeconfig {
    char *server; /* "https://10.0.0.1:443", maybe with a path; no slash at the end */
    char *ca_file, *ca_pem;
    char *cert_file, *cert_pem;
    char *key_file, *key_pem;
    char *token, *token_file; /* at most one */
    char *server_name;
    bool insecure_skip_verify;
};

/* Paths in the file are relative to its folder. -ENOENT and the like, or -EINVAL with a text that names file
 * and setting, never a secret. */
int nj_kubeconfig_load(const char *path, struct nj_kubeconfig *ret_config, struct nj_err *err);

/* Same from memory; `path` names the file in errors and is what relative paths start from. */
int nj_kubeconfig_parse(const char *path, const char *text, size_t len, struct nj_kubeconfig *ret_config,
                        struct nj_err *err);

/* `host` and `port` as in the pod's environment (NULL: not set), `dir` the service account's folder. */
int nj_kubeconfig_in_cluster(const char *host, const char *port, const char *dir,
                             struct nj_kubeconfig *ret_config, struct nj_err *err);

/* Wipes the secrets. Takes a zeroed one. */
void nj_kubeconfig_done(struct nj_kubeconfig *config);

/* Reads a whole file of at most 1 MiB; terminated; the caller wipes and frees. */
int nj_kube_read_file(const char *path, char **ret_text, size_t *ret_len, struct nj_err *err);

/* Zeroes and frees a terminated text. Takes NULL. */
void nj_kube_wipe(char *text);

#endif
