/*
 * Sealing: what goes over the network is compressed (zstd), then encrypted and authenticated with
 * XChaCha20-Poly1305 (libsodium's crypto_aead_xchacha20poly1305_ietf) under a pre-shared key.
 *
 * Packet: "NJ" | format 1 | kind | key id (4 bytes) | nonce (24 bytes, random) | ciphertext and tag. The
 * header is authenticated too; a reply is bound to its request by the request's nonce, so that it answers no
 * other. The plain text starts with its uncompressed length (4 bytes, little endian), which is checked
 * against the bound before anything is decompressed. A key is 32 bytes, in the file as 64 hex digits or
 * base64; its id is the start of its BLAKE2b hash. Two keys may be accepted at once, for rotation: the first
 * seals. To rotate without a gap: add the new key below the old one everywhere, then put it first everywhere,
 * then remove the old one. Any thread.
 */
#ifndef NJ_WIRE_SEAL_H
#define NJ_WIRE_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

enum nj_packet_kind { NJ_PACKET_REQUEST = 1, NJ_PACKET_REPLY = 2 };

enum { NJ_SEAL_KEYS_MAX = 2, NJ_SEAL_NONCE = 24, NJ_SEAL_OVERHEAD = 64 };

struct nj_keyring; /* memory is locked and wiped */

/* From the text of a key file: one or two keys, one a line, '#' comments. -EINVAL with a text that shows no
 * key. */
int nj_keyring_parse(const char *text, size_t len, struct nj_keyring **ret_keyring, struct nj_err *err);
/* Reads the file (setting `key` is named in errors). */
int nj_keyring_load(const char *key, const char *path, struct nj_keyring **ret_keyring, struct nj_err *err);
void nj_keyring_free(struct nj_keyring *keyring);

struct nj_sealer; /* compression contexts and scratch memory, reused; one thread */
struct nj_sealer *nj_sealer_new(void);
void nj_sealer_free(struct nj_sealer *sealer);

/* Appends a packet to `out`. For a request *nonce is written; for a reply it is the request's and read. */
int nj_seal(struct nj_sealer *sealer, const struct nj_keyring *keyring, enum nj_packet_kind kind,
            uint8_t nonce[NJ_SEAL_NONCE], const void *plain, size_t len, struct nj_buf *out);

/* Opens a packet into `out`, at most max_plain bytes. Says exactly why not, for a counter: -EBADMSG (no
 * packet of ours), -ENOKEY (unknown key), -EKEYREJECTED (does not authenticate), -EOVERFLOW (larger than
 * max_plain), -EPROTO (does not decompress). For a request *nonce is written. */
int nj_unseal(struct nj_sealer *sealer, const struct nj_keyring *keyring, enum nj_packet_kind kind,
              uint8_t nonce[NJ_SEAL_NONCE], const void *packet, size_t len, size_t max_plain,
              struct nj_buf *out, struct nj_err *err);

#endif
