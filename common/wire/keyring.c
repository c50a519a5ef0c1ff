#include "common/wire/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/base/str.h"

enum { KEY_FILE_BYTES_MAX = 4096 };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* 64 hex digits, or base64 with or without its '='. */
static bool read_secret(const char *text, size_t len, uint8_t secret[NJ_KEY_BYTES])
{
    const char *end = NULL;
    size_t size = 0;
    if (len == (size_t)2 * NJ_KEY_BYTES)
        return sodium_hex2bin(secret, NJ_KEY_BYTES, text, len, NULL, &size, &end) == 0 &&
               size == NJ_KEY_BYTES && end == text + len;
    int variant = len > 0 && text[len - 1] == '=' ? sodium_base64_VARIANT_ORIGINAL
                                                  : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    return sodium_base642bin(secret, NJ_KEY_BYTES, text, len, NULL, &size, &end, variant) == 0 &&
           size == NJ_KEY_BYTES && end == text + len;
}

/* A key made of one repeated byte is a placeholder that nobody replaced. */
static bool is_placeholder(const uint8_t secret[NJ_KEY_BYTES])
{
    uint8_t differing = 0;
    for (int i = 1; i < NJ_KEY_BYTES; i++)
        differing |= secret[i] ^ secret[0];
    return differing == 0;
}

static int add_key(struct nj_keyring *keyring, const char *text, size_t len, int line, struct nj_err *err)
{
    if (keyring->count == NJ_SEAL_KEYS_MAX)
        return nj_err_set(err, -EINVAL, "line %d: more than %d keys", line, NJ_SEAL_KEYS_MAX);
    struct nj_key *key = &keyring->keys[keyring->count];
    if (!read_secret(text, len, key->secret))
        return nj_err_set(
            err, -EINVAL,
            "line %d: not a key of %d bytes as 64 hex digits or base64 (make one with: openssl rand "
            "-hex 32)",
            line, NJ_KEY_BYTES);
    if (is_placeholder(key->secret))
        return nj_err_set(err, -EINVAL,
                          "line %d: a placeholder, not a key (make one with: openssl rand -hex 32)", line);
    uint8_t hash[crypto_generichash_BYTES];
    (void)crypto_generichash(hash, sizeof(hash), key->secret, NJ_KEY_BYTES, NULL, 0);
    memcpy(key->id, hash, NJ_KEY_ID_BYTES);
    sodium_memzero(hash, sizeof(hash));
    if (keyring->count == 1 && memcmp(key->id, keyring->keys[0].id, NJ_KEY_ID_BYTES) == 0)
        return nj_err_set(err, -EINVAL, "line %d: the same key again", line);
    keyring->count++;
    return 0;
}

static int parse_lines(struct nj_keyring *keyring, const char *text, size_t len, struct nj_err *err)
{
    int line = 0;
    for (const char *at = text, *end = text + len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *from = at, *to = newline == NULL ? end : newline;
        at = newline == NULL ? end : newline + 1;
        line++;
        const char *comment = memchr(from, '#', (size_t)(to - from));
        if (comment != NULL)
            to = comment;
        while (from < to && is_space(*from))
            from++;
        while (from < to && is_space(to[-1]))
            to--;
        int rc = from == to ? 0 : add_key(keyring, from, (size_t)(to - from), line, err);
        if (rc < 0)
            return rc;
    }
    return keyring->count > 0 ? 0 : nj_err_set(err, -EINVAL, "no key in it");
}

int nj_keyring_parse(const char *text, size_t len, struct nj_keyring **ret_keyring, struct nj_err *err)
{
    if (sodium_init() < 0)
        return nj_err_set(err, -EIO, "libsodium finds no source of random numbers");
    struct nj_keyring *keyring = sodium_malloc(sizeof(*keyring));
    if (keyring == NULL)
        return nj_err_set(err, -ENOMEM, "no memory for keys");
    memset(keyring, 0, sizeof(*keyring));
    int rc = parse_lines(keyring, text, len, err);
    if (rc < 0) {
        nj_keyring_free(keyring);
        return rc;
    }
    (void)sodium_mprotect_readonly(keyring);
    *ret_keyring = keyring;
    return 0;
}

static int read_file(const char *path, char text[KEY_FILE_BYTES_MAX + 1], size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t len = 0;
    int rc = 0;
    while (len <= KEY_FILE_BYTES_MAX) {
        ssize_t got = read(fd, text + len, KEY_FILE_BYTES_MAX + 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = -errno;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    (void)close(fd);
    *ret_len = len;
    return rc;
}

int nj_keyring_load(const char *key, const char *path, struct nj_keyring **ret_keyring, struct nj_err *err)
{
    char text[KEY_FILE_BYTES_MAX + 1];
    size_t len = 0;
    int rc = read_file(path, text, &len);
    if (rc < 0)
        rc = nj_err_set(err, rc, "cannot read: %s", strerror(-rc));
    else if (len > KEY_FILE_BYTES_MAX)
        rc = nj_err_set(err, -EINVAL, "larger than %d bytes", KEY_FILE_BYTES_MAX);
    else
        rc = nj_keyring_parse(text, len, ret_keyring, err);
    sodium_memzero(text, sizeof(text));
    if (rc < 0)
        (void)nj_err_wrap(err, "%s: %s", key, path);
    return rc;
}

void nj_keyring_free(struct nj_keyring *keyring)
{
    sodium_free(keyring); /* wipes */
}
