/*
 * Keys of Secrets that monitors take variables and certificates from. A Secret is read when it is first asked
 * for, again every minute, and when somebody asks for it to be; its values are kept in memory only, as long
 * as somebody needs them, and wiped. The right to read one is granted by its namespace's owner.
 *
 * A value that was read stays when a later attempt fails for the server's sake (away, slow); not when the
 * Secret is gone or may no longer be read. Private to collector/probes; loop thread only.
 */
#ifndef NJ_PROBES_SECRETS_H
#define NJ_PROBES_SECRETS_H

#include "collector/probes/monitors.h"
#include "common/kube/client.h"

struct nj_secrets;

struct nj_secrets_options {
    struct nj_loop *loop;
    struct nj_kube_client *client; /* NULL: none can be read */
    size_t max;                    /* Secrets at once; beyond, they fail with a text */
    /* What was answered about this namespace's Secrets is no longer so. Never from inside a call. */
    void (*on_changed)(void *data, const char *namespace);
    void *data;
};

struct nj_secrets *nj_secrets_new(const struct nj_secrets_options *options);

enum nj_secret_answer nj_secrets_get(struct nj_secrets *secrets, const char *namespace, const char *name,
                                     const char *key, const char **ret_text);
/* How many are being read for the first time. */
size_t nj_secrets_pending(const struct nj_secrets *secrets);
/* Reads a namespace's Secrets again, now. */
void nj_secrets_refresh(struct nj_secrets *secrets, const char *namespace);
/* Forgets those of a namespace that were not asked for since nj_secrets_begin(). */
void nj_secrets_begin(struct nj_secrets *secrets, const char *namespace);
void nj_secrets_sweep(struct nj_secrets *secrets, const char *namespace);

/* Takes NULL. */
void nj_secrets_close(struct nj_secrets *secrets, void (*on_closed)(void *data), void *data);

#endif
