#include "collector/api/tokens.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/config.h"
#include "common/base/str.h"

enum { TOKEN_MIN = 16, TOKEN_MAX = 4096, TOKEN_HASH = 32 };

struct nj_api_tokens {
    unsigned char key[TOKEN_HASH]; /* of this process alone: hashes cannot be made ready beforehand */
    unsigned char read[TOKEN_HASH], write[TOKEN_HASH];
    bool has_read, has_write;
};

static void hash(const struct nj_api_tokens *tokens, const char *token, size_t len,
                 unsigned char ret_hash[TOKEN_HASH])
{
    crypto_generichash(ret_hash, TOKEN_HASH, (const unsigned char *)token, len, tokens->key,
                       sizeof(tokens->key));
}

static bool is_sendable(const char *token, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    }
    return true;
}

static int load(const struct nj_api_tokens *tokens, const char *key, const char *path,
                unsigned char ret_hash[TOKEN_HASH], bool *ret_has, struct nj_err *err)
{
    char *token = NULL;
    size_t len = 0;
    if (*nj_str(path) == '\0')
        return 0;
    int rc = nj_config_read_secret(key, path, TOKEN_MAX, &token, &len, err);
    if (rc < 0)
        return rc;
    if (!is_sendable(token, len))
        rc = nj_err_set(err, -EINVAL,
                        "%s: the token in %s has a character that no header can carry: only visible ASCII is "
                        "allowed, without spaces",
                        key, path);
    else if (len < TOKEN_MIN)
        rc = nj_err_set(err, -EINVAL, "%s: the token in %s is too short: %d bytes at least", key, path,
                        TOKEN_MIN);
    else
        hash(tokens, token, len, ret_hash);
    sodium_memzero(token, len);
    free(token);
    *ret_has = rc == 0;
    return rc;
}

int nj_api_tokens_load(const char *read_file, const char *write_file, struct nj_api_tokens **ret_tokens,
                       struct nj_err *err)
{
    struct nj_api_tokens *tokens = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(*tokens));
    if (tokens == NULL)
        return nj_err_set(err, -ENOMEM, "no locked memory for the API's tokens");
    sodium_memzero(tokens, sizeof(*tokens));
    randombytes_buf(tokens->key, sizeof(tokens->key));
    int rc = load(tokens, "api.read_token_file", read_file, tokens->read, &tokens->has_read, err);
    if (rc == 0)
        rc = load(tokens, "api.write_token_file", write_file, tokens->write, &tokens->has_write, err);
    if (rc < 0) {
        nj_api_tokens_free(tokens);
        return rc;
    }
    *ret_tokens = tokens;
    return 0;
}

void nj_api_tokens_free(struct nj_api_tokens *tokens)
{
    sodium_free(tokens);
}

bool nj_api_tokens_any(const struct nj_api_tokens *tokens)
{
    return tokens->has_read || tokens->has_write;
}

enum nj_api_access nj_api_tokens_check(const struct nj_api_tokens *tokens, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (!nj_api_tokens_any(tokens))
        return NJ_API_WRITE;
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return NJ_API_OPEN;
    const char *token = authorization + sizeof(scheme) - 1;
    while (*token == ' ')
        token++;
    unsigned char given[TOKEN_HASH];
    hash(tokens, token, strlen(token), given);
    bool may_write = tokens->has_write & (sodium_memcmp(given, tokens->write, TOKEN_HASH) == 0);
    bool may_read = tokens->has_read & (sodium_memcmp(given, tokens->read, TOKEN_HASH) == 0);
    return may_write ? NJ_API_WRITE : may_read ? NJ_API_READ : NJ_API_OPEN;
}
