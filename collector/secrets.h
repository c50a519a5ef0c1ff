/*
 * `nightjar-collector create-secrets`: makes the Secrets that agents and collector share, through the API
 * server of the cluster it runs in. What is there already stays as it is, so that running it again changes
 * nothing.
 *
 *   nightjar-key: key                      seals what agents and collector say (common/wire/seal.h)
 *   nightjar-api: read-token, write-token  bearer tokens of the REST API
 */
#ifndef NJ_COLLECTOR_SECRETS_H
#define NJ_COLLECTOR_SECRETS_H

/* `argv` after the subcommand: --namespace=NS, --kubeconfig=FILE. Returns the exit status: 0, 1, or 64 for
 * usage. */
int nj_create_secrets_main(int argc, char **argv);

#endif
