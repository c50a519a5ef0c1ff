/*
 * Packets from the network, and key files. The first byte chooses: a packet as it came; the same put behind
 * an honest header; what a peer with the key could have sealed (the only way to the decompressor); a key
 * file.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/keyring.h"
#include "common/wire/seal.h"

enum { MAX_PLAIN = 64 << 10, HEADER_BYTES = 32, TAG_BYTES = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void open_packet(const struct nj_keyring *keyring, enum nj_packet_kind kind, const uint8_t *packet,
                        size_t len)
{
    struct nj_sealer *sealer = nj_sealer_new();
    struct nj_buf out = {0};
    struct nj_err err = {0};
    uint8_t nonce[NJ_SEAL_NONCE] = {0};
    check(nj_buf_append_str(&out, "before") == 0);
    int rc = nj_unseal(sealer, keyring, kind, nonce, packet, len, MAX_PLAIN, &out, &err);
    check(memcmp(out.data, "before", 6) == 0 && out.data[out.len] == '\0');
    if (rc == 0)
        check(out.len - 6 <= MAX_PLAIN);
    else
        check(out.len == 6 && err.code == rc && err.text[0] != '\0');
    nj_buf_done(&out);
    nj_sealer_free(sealer);
}

static void make_header(const struct nj_keyring *keyring, enum nj_packet_kind kind, uint8_t *packet)
{
    memset(packet, 0, HEADER_BYTES);
    packet[0] = 'N';
    packet[1] = 'J';
    packet[2] = 1;
    packet[3] = (uint8_t)kind;
    memcpy(packet + 4, keyring->keys[0].id, NJ_KEY_ID_BYTES);
}

static void open_sealed(const struct nj_keyring *keyring, const uint8_t *text, size_t len)
{
    uint8_t *packet = malloc(HEADER_BYTES + len + TAG_BYTES);
    check(packet != NULL);
    make_header(keyring, NJ_PACKET_REQUEST, packet);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(packet + HEADER_BYTES, NULL, text, len, packet,
                                                     HEADER_BYTES, NULL, packet + 8, keyring->keys[0].secret);
    open_packet(keyring, NJ_PACKET_REQUEST, packet, HEADER_BYTES + len + TAG_BYTES);
    free(packet);
}

static void open_behind_header(const struct nj_keyring *keyring, const uint8_t *bytes, size_t len)
{
    uint8_t *packet = malloc(HEADER_BYTES + len);
    check(packet != NULL);
    make_header(keyring, NJ_PACKET_REPLY, packet);
    if (len > 0)
        memcpy(packet + HEADER_BYTES, bytes, len);
    open_packet(keyring, NJ_PACKET_REPLY, packet, HEADER_BYTES + len);
    free(packet);
}

static void read_keys(const uint8_t *text, size_t len)
{
    struct nj_keyring *keyring = NULL;
    struct nj_err err = {0};
    int rc = nj_keyring_parse((const char *)text, len, &keyring, &err);
    if (rc == 0)
        check(keyring->count >= 1 && keyring->count <= NJ_SEAL_KEYS_MAX);
    else
        check(keyring == NULL && err.code == rc && err.text[0] != '\0');
    nj_keyring_free(keyring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    struct nj_keyring *keyring = NULL;
    if (size == 0)
        return 0;
    if (data[0] % 4 == 3) {
        read_keys(data + 1, size - 1);
        return 0;
    }
    check(nj_keyring_parse(key, sizeof(key) - 1, &keyring, NULL) == 0);
    if (data[0] % 4 == 0)
        open_packet(keyring, NJ_PACKET_REQUEST, data + 1, size - 1);
    else if (data[0] % 4 == 1)
        open_behind_header(keyring, data + 1, size - 1);
    else
        open_sealed(keyring, data + 1, size - 1);
    nj_keyring_free(keyring);
    return 0;
}
