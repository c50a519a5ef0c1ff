#include "common/wire/seal.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

#include "common/base/alloc.h"
#include "common/wire/keyring.h"

/* The packet's header, and what precedes the compressed text. */
enum {
    FORMAT = 1,
    AT_FORMAT = 2,
    AT_KIND = 3,
    AT_KEY_ID = 4,
    AT_NONCE = 8,
    HEADER_BYTES = AT_NONCE + NJ_SEAL_NONCE,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    LENGTH_BYTES = 4,
    LEVEL = 1, /* log text shrinks to about a sixth already, with a tenth of level 9's memory */
    KEPT_SCRATCH_BYTES = 128 << 10,
};

_Static_assert(NJ_SEAL_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the nonce is the cipher's");
_Static_assert(HEADER_BYTES + LENGTH_BYTES + TAG_BYTES <= NJ_SEAL_OVERHEAD, "callers size buffers by it");

struct nj_sealer {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    struct nj_buf scratch; /* length and compressed text, in the clear */
};

struct nj_sealer *nj_sealer_new(void)
{
    /* The contexts come with their first use. libsodium was started by whoever made the keyring. */
    return NJ_NEW(struct nj_sealer);
}

/* An ordinary message's memory is kept for the next; a large one's is given back. */
static void release_scratch(struct nj_sealer *sealer)
{
    if (sealer->scratch.data != NULL)
        sodium_memzero(sealer->scratch.data, sealer->scratch.len);
    if (sealer->scratch.capacity > KEPT_SCRATCH_BYTES)
        nj_buf_done(&sealer->scratch);
    else
        nj_buf_clear(&sealer->scratch);
}

void nj_sealer_free(struct nj_sealer *sealer)
{
    if (sealer == NULL)
        return;
    (void)ZSTD_freeCCtx(sealer->compress);
    (void)ZSTD_freeDCtx(sealer->decompress);
    nj_buf_done(&sealer->scratch);
    free(sealer);
}

/* The header, and for a reply the request's nonce: what a packet is bound to. Returns the length. */
static size_t bind(uint8_t bound[HEADER_BYTES + NJ_SEAL_NONCE], const uint8_t *header,
                   enum nj_packet_kind kind, const uint8_t nonce[NJ_SEAL_NONCE])
{
    memcpy(bound, header, HEADER_BYTES);
    if (kind == NJ_PACKET_REQUEST)
        return HEADER_BYTES;
    memcpy(bound + HEADER_BYTES, nonce, NJ_SEAL_NONCE);
    return HEADER_BYTES + NJ_SEAL_NONCE;
}

/* Fills the scratch with the length and the compressed text. */
static int compress(struct nj_sealer *sealer, const void *plain, size_t len)
{
    if (len > UINT32_MAX || ZSTD_isError(ZSTD_compressBound(len)))
        return -EOVERFLOW;
    if (sealer->compress == NULL)
        sealer->compress = ZSTD_createCCtx();
    size_t bound = ZSTD_compressBound(len);
    char *place = nj_buf_reserve(&sealer->scratch, LENGTH_BYTES + bound);
    if (sealer->compress == NULL || place == NULL)
        return -ENOMEM;
    for (int i = 0; i < LENGTH_BYTES; i++)
        place[i] = (char)(len >> 8 * i);
    size_t size = ZSTD_compressCCtx(sealer->compress, place + LENGTH_BYTES, bound, plain, len, LEVEL);
    if (ZSTD_isError(size))
        return -ENOMEM; /* the only way left to fail: room and level are right */
    sealer->scratch.len = LENGTH_BYTES + size;
    return 0;
}

int nj_seal(struct nj_sealer *sealer, const struct nj_keyring *keyring, enum nj_packet_kind kind,
            uint8_t nonce[NJ_SEAL_NONCE], const void *plain, size_t len, struct nj_buf *out)
{
    int rc = compress(sealer, plain, len);
    size_t body = sealer->scratch.len + TAG_BYTES;
    char *place = rc == 0 ? nj_buf_reserve(out, HEADER_BYTES + body) : NULL;
    if (place == NULL) {
        release_scratch(sealer);
        if (rc == 0)
            rc = out->overflowed ? -EOVERFLOW : -ENOMEM;
        return rc;
    }
    const struct nj_key *key = &keyring->keys[0];
    uint8_t *header = (uint8_t *)place;
    header[0] = 'N';
    header[1] = 'J';
    header[AT_FORMAT] = FORMAT;
    header[AT_KIND] = (uint8_t)kind;
    memcpy(header + AT_KEY_ID, key->id, NJ_KEY_ID_BYTES);
    randombytes_buf(header + AT_NONCE, NJ_SEAL_NONCE);
    uint8_t bound[HEADER_BYTES + NJ_SEAL_NONCE];
    size_t bound_len = bind(bound, header, kind, nonce);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        header + HEADER_BYTES, NULL, (const uint8_t *)sealer->scratch.data, sealer->scratch.len, bound,
        bound_len, NULL, header + AT_NONCE, key->secret);
    if (kind == NJ_PACKET_REQUEST)
        memcpy(nonce, header + AT_NONCE, NJ_SEAL_NONCE);
    out->len += HEADER_BYTES + body;
    out->data[out->len] = '\0';
    release_scratch(sealer);
    return 0;
}

/* NULL with *ret_rc when the header is not ours or its key is unknown. */
static const struct nj_key *check_header(const struct nj_keyring *keyring, enum nj_packet_kind kind,
                                         const uint8_t *header, size_t len, int *ret_rc, struct nj_err *err)
{
    if (len < HEADER_BYTES + LENGTH_BYTES + TAG_BYTES || header[0] != 'N' || header[1] != 'J') {
        *ret_rc = nj_err_set(err, -EBADMSG, "no packet of Nightjar's (%zu bytes)", len);
        return NULL;
    }
    if (header[AT_FORMAT] != FORMAT) {
        *ret_rc = nj_err_set(err, -EBADMSG, "packet of format %u, this program knows format %d",
                             header[AT_FORMAT], FORMAT);
        return NULL;
    }
    if (header[AT_KIND] != kind) {
        *ret_rc = nj_err_set(err, -EBADMSG, "packet of kind %u where %u belongs", header[AT_KIND], kind);
        return NULL;
    }
    for (int i = 0; i < keyring->count; i++) {
        if (memcmp(header + AT_KEY_ID, keyring->keys[i].id, NJ_KEY_ID_BYTES) == 0)
            return &keyring->keys[i];
    }
    *ret_rc =
        nj_err_set(err, -ENOKEY, "sealed under key %02x%02x%02x%02x, which is not in the key file",
                   header[AT_KEY_ID], header[AT_KEY_ID + 1], header[AT_KEY_ID + 2], header[AT_KEY_ID + 3]);
    return NULL;
}

/* From the scratch into `out`. */
static int decompress(struct nj_sealer *sealer, size_t max_plain, struct nj_buf *out, struct nj_err *err)
{
    const uint8_t *text = (const uint8_t *)sealer->scratch.data;
    size_t len = 0;
    for (int i = 0; i < LENGTH_BYTES; i++)
        len |= (size_t)text[i] << 8 * i;
    if (len > max_plain)
        return nj_err_set(err, -EOVERFLOW, "%zu bytes of plain text, at most %zu are taken", len, max_plain);
    if (sealer->decompress == NULL)
        sealer->decompress = ZSTD_createDCtx();
    char *place = nj_buf_reserve(out, len);
    if (place == NULL && out->overflowed)
        return nj_err_set(err, -EOVERFLOW, "%zu bytes of plain text are more than there is room for", len);
    if (sealer->decompress == NULL || place == NULL)
        return nj_err_set(err, -ENOMEM, "no memory for %zu bytes of plain text", len);
    size_t size = ZSTD_decompressDCtx(sealer->decompress, place, len, text + LENGTH_BYTES,
                                      sealer->scratch.len - LENGTH_BYTES);
    if (ZSTD_isError(size) || size != len) {
        place[0] = '\0'; /* `out` ends where it did */
        return nj_err_set(err, -EPROTO, "the text does not decompress to %zu bytes", len);
    }
    out->len += len;
    out->data[out->len] = '\0';
    return 0;
}

int nj_unseal(struct nj_sealer *sealer, const struct nj_keyring *keyring, enum nj_packet_kind kind,
              uint8_t nonce[NJ_SEAL_NONCE], const void *packet, size_t len, size_t max_plain,
              struct nj_buf *out, struct nj_err *err)
{
    const uint8_t *header = packet;
    int rc = 0;
    const struct nj_key *key = check_header(keyring, kind, header, len, &rc, err);
    if (key == NULL)
        return rc;
    size_t sealed = len - HEADER_BYTES;
    if (sealed > LENGTH_BYTES + TAG_BYTES + ZSTD_compressBound(max_plain))
        return nj_err_set(err, -EOVERFLOW, "packet of %zu bytes, for at most %zu bytes of plain text", len,
                          max_plain);
    char *place = nj_buf_reserve(&sealer->scratch, sealed);
    if (place == NULL)
        return nj_err_set(err, -ENOMEM, "no memory for a packet of %zu bytes", len);
    uint8_t bound[HEADER_BYTES + NJ_SEAL_NONCE];
    size_t bound_len = bind(bound, header, kind, nonce);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)place, NULL, NULL, header + HEADER_BYTES,
                                                   sealed, bound, bound_len, header + AT_NONCE,
                                                   key->secret) != 0) {
        rc = nj_err_set(err, -EKEYREJECTED, "the packet was changed on its way, or answers another request");
    } else {
        sealer->scratch.len = sealed - TAG_BYTES;
        rc = decompress(sealer, max_plain, out, err);
    }
    if (rc == 0 && kind == NJ_PACKET_REQUEST)
        memcpy(nonce, header + AT_NONCE, NJ_SEAL_NONCE);
    release_scratch(sealer);
    return rc;
}
