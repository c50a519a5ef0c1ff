/* What seal.c sees of a keyring. Private to common/wire. */
#ifndef NJ_WIRE_KEYRING_H
#define NJ_WIRE_KEYRING_H

#include <sodium.h>
#include <stdint.h>

#include "common/wire/seal.h"

enum {
    NJ_KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    NJ_KEY_ID_BYTES = 4,
};

struct nj_key {
    uint8_t id[NJ_KEY_ID_BYTES];
    uint8_t secret[NJ_KEY_BYTES];
};

struct nj_keyring {
    int count;
    struct nj_key keys[NJ_SEAL_KEYS_MAX];
};

#endif
