/* Keys and sealed packets: what opens, and what a hostile peer's packets cost. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "common/wire/keyring.h"
#include "common/wire/seal.h"
#include "tests/unit/wire/events_equal.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"
#define KEY_C "330102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e33"
#define KEY_A_BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

enum { MAX_PLAIN = 1 << 20, HEADER = 32 };

struct fixture {
    struct nj_sealer *sealer;
    struct nj_keyring *keyring;
    struct nj_buf packet, plain;
    uint8_t nonce[NJ_SEAL_NONCE];
    struct nj_err err;
};

static struct nj_keyring *keyring_of(const char *text)
{
    struct nj_keyring *keyring = NULL;
    struct nj_err err = {0};
    assert_int_equal(nj_keyring_parse(text, strlen(text), &keyring, &err), 0);
    return keyring;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    fixture->sealer = nj_sealer_new();
    fixture->keyring = keyring_of(KEY_A "\n");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_sealer_free(fixture->sealer);
    nj_keyring_free(fixture->keyring);
    nj_buf_done(&fixture->packet);
    nj_buf_done(&fixture->plain);
    free(fixture);
    return 0;
}

static void seal(struct fixture *fixture, enum nj_packet_kind kind, const char *text)
{
    nj_buf_clear(&fixture->packet);
    assert_int_equal(nj_seal(fixture->sealer, fixture->keyring, kind, fixture->nonce, text, strlen(text),
                             &fixture->packet),
                     0);
}

static int unseal(struct fixture *fixture, const struct nj_keyring *keyring, enum nj_packet_kind kind,
                  uint8_t nonce[NJ_SEAL_NONCE])
{
    nj_buf_clear(&fixture->plain);
    fixture->err = (struct nj_err){0};
    return nj_unseal(fixture->sealer, keyring, kind, nonce, fixture->packet.data, fixture->packet.len,
                     MAX_PLAIN, &fixture->plain, &fixture->err);
}

static int open_request(struct fixture *fixture)
{
    uint8_t nonce[NJ_SEAL_NONCE];
    return unseal(fixture, fixture->keyring, NJ_PACKET_REQUEST, nonce);
}

static void test_a_request_and_its_reply_open(void **state)
{
    struct fixture *fixture = *state;
    uint8_t nonce[NJ_SEAL_NONCE] = {0};
    seal(fixture, NJ_PACKET_REQUEST, "a batch");
    assert_true(fixture->packet.len <= strlen("a batch") + NJ_SEAL_OVERHEAD);
    assert_null(memmem(fixture->packet.data, fixture->packet.len, "a batch", 7));
    assert_int_equal(unseal(fixture, fixture->keyring, NJ_PACKET_REQUEST, nonce), 0);
    assert_string_equal(nj_buf_str(&fixture->plain), "a batch");
    assert_memory_equal(nonce, fixture->nonce, sizeof(nonce)); /* what the reply is to be bound to */

    seal(fixture, NJ_PACKET_REPLY, "an answer");
    assert_int_equal(unseal(fixture, fixture->keyring, NJ_PACKET_REPLY, nonce), 0);
    assert_string_equal(nj_buf_str(&fixture->plain), "an answer");
}

static void test_sizes_from_nothing_to_the_bound_open(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {0, 1, 4, 1000, 65537, MAX_PLAIN};
    char *text = malloc(MAX_PLAIN);
    assert_non_null(text);
    for (int random = 0; random < 2; random++) {
        if (random)
            randombytes_buf(text, MAX_PLAIN); /* does not compress */
        else
            memset(text, 'x', MAX_PLAIN);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            nj_buf_clear(&fixture->packet);
            assert_int_equal(nj_seal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, fixture->nonce,
                                     text, sizes[i], &fixture->packet),
                             0);
            assert_int_equal(open_request(fixture), 0);
            assert_int_equal(fixture->plain.len, sizes[i]);
            assert_memory_equal(nj_buf_str(&fixture->plain), text, sizes[i]);
        }
    }
    free(text);
}

static void test_the_same_text_never_makes_the_same_packet(void **state)
{
    struct fixture *fixture = *state;
    seal(fixture, NJ_PACKET_REQUEST, "same");
    struct nj_buf first = {0};
    assert_int_equal(nj_buf_append(&first, fixture->packet.data, fixture->packet.len), 0);
    seal(fixture, NJ_PACKET_REQUEST, "same");
    assert_int_equal(first.len, fixture->packet.len);
    assert_memory_not_equal(first.data + HEADER, fixture->packet.data + HEADER, first.len - HEADER);
    nj_buf_done(&first);
}

static void test_a_packet_appends_to_what_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct nj_buf out = {0};
    uint8_t nonce[NJ_SEAL_NONCE];
    seal(fixture, NJ_PACKET_REQUEST, "more");
    assert_int_equal(nj_buf_append_str(&out, "before "), 0);
    assert_int_equal(nj_unseal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, nonce,
                               fixture->packet.data, fixture->packet.len, MAX_PLAIN, &out, NULL),
                     0);
    assert_string_equal(nj_buf_str(&out), "before more");
    nj_buf_done(&out);
}

static void test_garbage_is_no_packet(void **state)
{
    struct fixture *fixture = *state;
    char garbage[200];
    memset(garbage, 'G', sizeof(garbage));
    for (size_t len = 0; len <= sizeof(garbage); len++) {
        nj_buf_clear(&fixture->packet);
        assert_int_equal(nj_buf_append(&fixture->packet, garbage, len), 0);
        assert_int_equal(open_request(fixture), -EBADMSG);
        assert_int_equal(fixture->plain.len, 0);
    }
}

static void test_a_packet_cut_at_any_byte_is_refused(void **state)
{
    struct fixture *fixture = *state;
    uint8_t nonce[NJ_SEAL_NONCE];
    seal(fixture, NJ_PACKET_REQUEST, "a batch");
    for (size_t len = 0; len < fixture->packet.len; len++) {
        char *exact = malloc(len > 0 ? len : 1);
        assert_non_null(exact);
        memcpy(exact, fixture->packet.data, len);
        int rc = nj_unseal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, nonce, exact, len, MAX_PLAIN,
                           &fixture->plain, &fixture->err);
        assert_int_equal(rc, len < HEADER + 4 + 16 ? -EBADMSG : -EKEYREJECTED);
        free(exact);
    }
    assert_int_equal(fixture->plain.len, 0);
}

static void flip(struct nj_buf *buf, size_t bit)
{
    ((uint8_t *)buf->data)[bit / 8] ^= (uint8_t)(1U << bit % 8);
}

static void test_any_flipped_bit_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    seal(fixture, NJ_PACKET_REQUEST, "a batch");
    for (size_t bit = 0; bit < fixture->packet.len * 8; bit++) {
        flip(&fixture->packet, bit);
        int rc = open_request(fixture);
        int wanted = bit / 8 < 4 ? -EBADMSG : bit / 8 < 8 ? -ENOKEY : -EKEYREJECTED;
        assert_int_equal(rc, wanted);
        assert_int_equal(fixture->plain.len, 0);
        flip(&fixture->packet, bit);
    }
    assert_int_equal(open_request(fixture), 0);
}

static void test_a_foreign_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    uint8_t nonce[NJ_SEAL_NONCE];
    struct nj_keyring *other = keyring_of(KEY_B);
    seal(fixture, NJ_PACKET_REQUEST, "a batch");
    assert_int_equal(unseal(fixture, other, NJ_PACKET_REQUEST, nonce), -ENOKEY);
    /* A liar who knows the key's public id, not the key. */
    memcpy(fixture->packet.data + 4, other->keys[0].id, sizeof(other->keys[0].id));
    assert_int_equal(unseal(fixture, other, NJ_PACKET_REQUEST, nonce), -EKEYREJECTED);
    nj_keyring_free(other);
}

static void test_a_reply_answers_only_its_own_request(void **state)
{
    struct fixture *fixture = *state;
    uint8_t other_nonce[NJ_SEAL_NONCE];
    seal(fixture, NJ_PACKET_REQUEST, "first");
    memcpy(other_nonce, fixture->nonce, sizeof(other_nonce));
    seal(fixture, NJ_PACKET_REQUEST, "second");
    seal(fixture, NJ_PACKET_REPLY, "answer to the second");
    assert_int_equal(unseal(fixture, fixture->keyring, NJ_PACKET_REPLY, other_nonce), -EKEYREJECTED);
    assert_int_equal(unseal(fixture, fixture->keyring, NJ_PACKET_REPLY, fixture->nonce), 0);
}

static void test_a_request_thrown_back_is_no_reply(void **state)
{
    struct fixture *fixture = *state;
    seal(fixture, NJ_PACKET_REQUEST, "a batch");
    assert_int_equal(unseal(fixture, fixture->keyring, NJ_PACKET_REPLY, fixture->nonce), -EBADMSG);
    fixture->packet.data[3] = NJ_PACKET_REPLY; /* the header is authenticated */
    assert_int_equal(unseal(fixture, fixture->keyring, NJ_PACKET_REPLY, fixture->nonce), -EKEYREJECTED);
}

static void test_more_than_the_bound_is_refused(void **state)
{
    struct fixture *fixture = *state;
    uint8_t nonce[NJ_SEAL_NONCE];
    char *text = calloc(1, 2000);
    assert_non_null(text);
    assert_int_equal(nj_seal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, fixture->nonce, text, 2000,
                             &fixture->packet),
                     0);
    assert_int_equal(nj_unseal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, nonce,
                               fixture->packet.data, fixture->packet.len, 1999, &fixture->plain,
                               &fixture->err),
                     -EOVERFLOW);
    /* One that is too large on the outside already is not even decrypted. */
    randombytes_buf(text, 2000);
    nj_buf_clear(&fixture->packet);
    assert_int_equal(nj_seal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, fixture->nonce, text, 2000,
                             &fixture->packet),
                     0);
    assert_int_equal(nj_unseal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, nonce,
                               fixture->packet.data, fixture->packet.len, 100, &fixture->plain,
                               &fixture->err),
                     -EOVERFLOW);
    /* Nor does a bounded buffer grow beyond its bound, on either side. */
    struct nj_buf small = {.max = 10};
    nj_buf_clear(&fixture->packet);
    seal(fixture, NJ_PACKET_REQUEST, "more than ten bytes");
    assert_int_equal(nj_unseal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, nonce,
                               fixture->packet.data, fixture->packet.len, MAX_PLAIN, &small, &fixture->err),
                     -EOVERFLOW);
    nj_buf_clear(&small);
    assert_int_equal(nj_seal(fixture->sealer, fixture->keyring, NJ_PACKET_REQUEST, nonce, text, 5, &small),
                     -EOVERFLOW);
    nj_buf_done(&small);
    free(text);
}

/* Seals `text` (length and compressed text) under the fixture's key, as only a peer with the key can. */
static void seal_raw(struct fixture *fixture, const void *text, size_t len)
{
    uint8_t packet[HEADER] = {'N', 'J', 1, NJ_PACKET_REQUEST};
    const struct nj_key *key = &fixture->keyring->keys[0];
    uint8_t *sealed = malloc(len + 16);
    assert_non_null(sealed);
    memcpy(packet + 4, key->id, sizeof(key->id));
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, text, len, packet, sizeof(packet), NULL,
                                               packet + 8, key->secret);
    nj_buf_clear(&fixture->packet);
    assert_int_equal(nj_buf_append(&fixture->packet, packet, sizeof(packet)), 0);
    assert_int_equal(nj_buf_append(&fixture->packet, sealed, len + 16), 0);
    free(sealed);
}

/* A text that is `real` zero bytes compressed, but says it is `said`. */
static void seal_bomb(struct fixture *fixture, uint32_t said, size_t real)
{
    char *zeroes = calloc(1, real);
    size_t bound = ZSTD_compressBound(real);
    uint8_t *text = malloc(4 + bound);
    if (zeroes == NULL || text == NULL)
        abort();
    for (int i = 0; i < 4; i++)
        text[i] = (uint8_t)(said >> 8 * i);
    size_t size = ZSTD_compress(text + 4, bound, zeroes, real, 19);
    assert_false(ZSTD_isError(size));
    seal_raw(fixture, text, 4 + size);
    free(text);
    free(zeroes);
}

static void test_a_decompression_bomb_stays_within_the_bound(void **state)
{
    struct fixture *fixture = *state;
    seal_bomb(fixture, MAX_PLAIN, MAX_PLAIN); /* small on the wire, honest about its size: allowed */
    assert_true(fixture->packet.len < 1000);
    assert_int_equal(open_request(fixture), 0);
    assert_int_equal(fixture->plain.len, MAX_PLAIN);
    nj_buf_done(&fixture->plain);
    seal_bomb(fixture, MAX_PLAIN + 1, MAX_PLAIN + 1);
    assert_int_equal(open_request(fixture), -EOVERFLOW);
    seal_bomb(fixture, UINT32_MAX, 1000);
    assert_int_equal(open_request(fixture), -EOVERFLOW);
    seal_bomb(fixture, 1000, 64 << 20); /* unfolds to more than it says */
    assert_int_equal(open_request(fixture), -EPROTO);
    assert_true(fixture->plain.capacity < 10000);
    seal_bomb(fixture, 1000, 999);
    assert_int_equal(open_request(fixture), -EPROTO);
    assert_int_equal(fixture->plain.len, 0);
}

static void test_what_does_not_decompress_is_refused(void **state)
{
    struct fixture *fixture = *state;
    seal_raw(fixture, "\x05\0\0\0garbage", 11);
    assert_int_equal(open_request(fixture), -EPROTO);
    seal_raw(fixture, "\0\0\0\0",
             4); /* an empty text, without even a frame: zstd takes it for no frames at all */
    assert_int_equal(open_request(fixture), 0);
    seal_raw(fixture, "\x01\0\0\0", 4);
    assert_int_equal(open_request(fixture), -EPROTO);
}

static void test_two_keys_are_accepted_and_the_first_seals(void **state)
{
    struct fixture *fixture = *state;
    uint8_t nonce[NJ_SEAL_NONCE];
    struct nj_keyring *old = keyring_of(KEY_A), *both = keyring_of("# old, then new\n" KEY_A "\n" KEY_B);
    struct nj_keyring *turned = keyring_of(KEY_B "\n" KEY_A), *new = keyring_of(KEY_B);
    struct nj_keyring *steps[] = {old, both, turned, new};
    /* Whoever is one step of the rotation ahead or behind is understood, both ways. */
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            nj_buf_clear(&fixture->packet);
            assert_int_equal(
                nj_seal(fixture->sealer, steps[i], NJ_PACKET_REQUEST, nonce, "x", 1, &fixture->packet), 0);
            int rc = unseal(fixture, steps[j], NJ_PACKET_REQUEST, nonce);
            if (abs(i - j) <= 1)
                assert_int_equal(rc, 0);
        }
    }
    nj_buf_clear(&fixture->packet);
    assert_int_equal(nj_seal(fixture->sealer, new, NJ_PACKET_REQUEST, nonce, "x", 1, &fixture->packet), 0);
    assert_int_equal(unseal(fixture, old, NJ_PACKET_REQUEST, nonce), -ENOKEY);
    for (int i = 0; i < 4; i++)
        nj_keyring_free(steps[i]);
}

static void test_a_key_file_may_be_hex_or_base64(void **state)
{
    struct fixture *fixture = *state;
    uint8_t nonce[NJ_SEAL_NONCE];
    static const char *const spellings[] = {
        KEY_A,
        KEY_A "\r\n\r\n",
        "  " KEY_A "  # made in May\n",
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
        KEY_A_BASE64,
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
    };
    seal(fixture, NJ_PACKET_REQUEST, "x");
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        struct nj_keyring *keyring = keyring_of(spellings[i]);
        assert_int_equal(unseal(fixture, keyring, NJ_PACKET_REQUEST, nonce), 0);
        nj_keyring_free(keyring);
    }
}

static void test_a_bad_key_file_is_refused_without_showing_it(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[] = {
        "",
        "\n# nothing\n",
        "secretsecret",
        KEY_A "00",
        "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        KEY_A "\n" KEY_A,
        KEY_A "\n" KEY_A_BASE64,
        KEY_A "\n" KEY_B "\n" KEY_C,
        "0000000000000000000000000000000000000000000000000000000000000000",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct nj_keyring *keyring = NULL;
        fixture->err = (struct nj_err){0};
        assert_int_equal(nj_keyring_parse(bad[i], strlen(bad[i]), &keyring, &fixture->err), -EINVAL);
        assert_null(keyring);
        assert_true(fixture->err.text[0] != '\0');
        assert_null(strstr(fixture->err.text, "secretsecret"));
        assert_null(strstr(fixture->err.text, "0102030405"));
    }
}

static void test_a_key_file_is_read(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/nj-keys-XXXXXX";
    struct nj_keyring *keyring = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, KEY_B "\n", strlen(KEY_B) + 1), (ssize_t)strlen(KEY_B) + 1);
    assert_int_equal(nj_keyring_load("collector.key_file", path, &keyring, &fixture->err), 0);
    nj_keyring_free(keyring);
    assert_int_equal(ftruncate(fd, 5000), 0);
    assert_int_equal(nj_keyring_load("collector.key_file", path, &keyring, &fixture->err), -EINVAL);
    assert_non_null(strstr(fixture->err.text, "collector.key_file"));
    assert_non_null(strstr(fixture->err.text, path));
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(nj_keyring_load("collector.key_file", path, &keyring, &fixture->err), -ENOENT);
    assert_non_null(strstr(fixture->err.text, path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_request_and_its_reply_open),
        TEST(test_sizes_from_nothing_to_the_bound_open),
        TEST(test_the_same_text_never_makes_the_same_packet),
        TEST(test_a_packet_appends_to_what_is_there),
        TEST(test_garbage_is_no_packet),
        TEST(test_a_packet_cut_at_any_byte_is_refused),
        TEST(test_any_flipped_bit_is_noticed),
        TEST(test_a_foreign_key_is_refused),
        TEST(test_a_reply_answers_only_its_own_request),
        TEST(test_a_request_thrown_back_is_no_reply),
        TEST(test_more_than_the_bound_is_refused),
        TEST(test_a_decompression_bomb_stays_within_the_bound),
        TEST(test_what_does_not_decompress_is_refused),
        TEST(test_two_keys_are_accepted_and_the_first_seals),
        TEST(test_a_key_file_may_be_hex_or_base64),
        TEST(test_a_bad_key_file_is_refused_without_showing_it),
        TEST(test_a_key_file_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
