/*
 * Who may do what: bearer tokens (RFC 6750), compared in constant time.
 */
#ifndef NJ_API_TOKENS_H
#define NJ_API_TOKENS_H

#include <stdbool.h>

#include "common/base/err.h"

enum nj_api_access { NJ_API_OPEN, NJ_API_READ, NJ_API_WRITE };

struct nj_api_tokens; /* hashes of the tokens, in locked memory */

/* Reads the files ("" for no such token); no token at all allows everything. A token has 16 bytes at least,
 * all visible ASCII. 0; -EINVAL and what reading a file gives, with a text that names the setting and the
 * file. */
int nj_api_tokens_load(const char *read_file, const char *write_file, struct nj_api_tokens **ret_tokens,
                       struct nj_err *err);
void nj_api_tokens_free(struct nj_api_tokens *tokens);

/* False when no token is set. */
bool nj_api_tokens_any(const struct nj_api_tokens *tokens);

/* What the value of an Authorization header (NULL: none) allows: NJ_API_OPEN, READ or WRITE. The write token
 * reads too. */
enum nj_api_access nj_api_tokens_check(const struct nj_api_tokens *tokens, const char *authorization);

#endif
