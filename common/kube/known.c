#include "common/kube/known.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum { UUID_BYTES = 16, UUID_TEXT = 36, CAPACITY_FIRST = 16 };

/* Kubernetes' uids are UUIDs in lower case, kept as their 16 bytes; any other text is kept as it is. */
enum slot_kind { FREE, UUID, TEXT };

struct nj_known_slot {
    union {
        uint8_t uuid[UUID_BYTES];
        char *text;
    };
    uint64_t version; /* its hash: only asked whether it is the same */
    uint32_t generation;
    uint32_t kind;
};

/* A uid to look for. */
struct key {
    const char *text;
    uint64_t hash;
    enum slot_kind kind;
    uint8_t uuid[UUID_BYTES];
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

/* Only what uuid_text() writes back the same. */
static bool parse_uuid(const char *text, uint8_t uuid[UUID_BYTES])
{
    size_t digits = 0;
    for (size_t i = 0; i < UUID_TEXT; i++) {
        if (is_dash(i)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        uuid[digits / 2] = (uint8_t)(digits % 2 == 0 ? digit << 4 : uuid[digits / 2] | digit);
        digits++;
    }
    return text[UUID_TEXT] == '\0';
}

static char *uuid_text(const uint8_t uuid[UUID_BYTES])
{
    char *text = nj_calloc(1, UUID_TEXT + 1);
    size_t digits = 0;
    for (size_t i = 0; i < UUID_TEXT; i++) {
        if (is_dash(i)) {
            text[i] = '-';
            continue;
        }
        uint8_t byte = uuid[digits / 2];
        text[i] = "0123456789abcdef"[digits % 2 == 0 ? byte >> 4 : byte & 0xf];
        digits++;
    }
    return text;
}

static struct key make_key(const char *uid)
{
    struct key key = {.text = uid, .kind = TEXT};
    if (parse_uuid(uid, key.uuid)) {
        key.kind = UUID;
        key.hash = nj_hash64(key.uuid, UUID_BYTES);
    } else {
        key.hash = nj_hash64(uid, strlen(uid));
    }
    return key;
}

static uint64_t slot_hash(const struct nj_known_slot *slot)
{
    return slot->kind == UUID ? nj_hash64(slot->uuid, UUID_BYTES) : nj_hash64(slot->text, strlen(slot->text));
}

static bool slot_is(const struct nj_known_slot *slot, const struct key *key)
{
    if (slot->kind != (uint32_t)key->kind)
        return false;
    return key->kind == UUID ? memcmp(slot->uuid, key->uuid, UUID_BYTES) == 0
                             : strcmp(slot->text, key->text) == 0;
}

/* Where the key is, or the free slot where it would be. Needs a free slot. */
static size_t find(const struct nj_known *known, const struct key *key)
{
    size_t at = (size_t)key->hash & (known->capacity - 1);
    while (known->slots[at].kind != FREE && !slot_is(&known->slots[at], key))
        at = (at + 1) & (known->capacity - 1);
    return at;
}

static void grow(struct nj_known *known)
{
    struct nj_known bigger = {.capacity = known->capacity == 0 ? CAPACITY_FIRST : known->capacity * 2,
                              .count = known->count};
    bigger.slots = nj_calloc(bigger.capacity, sizeof(*bigger.slots));
    for (size_t i = 0; i < known->capacity; i++) {
        if (known->slots[i].kind == FREE)
            continue;
        size_t at = (size_t)slot_hash(&known->slots[i]) & (bigger.capacity - 1);
        while (bigger.slots[at].kind != FREE)
            at = (at + 1) & (bigger.capacity - 1);
        bigger.slots[at] = known->slots[i];
    }
    free(known->slots);
    *known = bigger;
}

void nj_known_done(struct nj_known *known)
{
    for (size_t i = 0; i < known->capacity; i++) {
        if (known->slots[i].kind == TEXT)
            free(known->slots[i].text);
    }
    free(known->slots);
    *known = (struct nj_known){0};
}

enum nj_known_change nj_known_put(struct nj_known *known, const char *uid, const char *version,
                                  uint32_t generation)
{
    struct key key = make_key(uid);
    uint64_t hash = nj_hash64(version, strlen(version));
    if ((known->count + 1) * 8 > known->capacity * 7)
        grow(known);
    struct nj_known_slot *slot = &known->slots[find(known, &key)];
    if (slot->kind != FREE) {
        bool same = slot->version == hash;
        slot->version = hash;
        slot->generation = generation;
        return same ? NJ_KNOWN_SAME : NJ_KNOWN_CHANGED;
    }
    *slot = (struct nj_known_slot){.version = hash, .generation = generation, .kind = key.kind};
    if (key.kind == UUID)
        memcpy(slot->uuid, key.uuid, UUID_BYTES);
    else
        slot->text = nj_strdup(uid);
    known->count++;
    return NJ_KNOWN_NEW;
}

/* Empties a slot and moves those behind it up, so that no search stops too early. */
static void remove_at(struct nj_known *known, size_t hole)
{
    size_t mask = known->capacity - 1;
    for (size_t at = (hole + 1) & mask; known->slots[at].kind != FREE; at = (at + 1) & mask) {
        size_t home = (size_t)slot_hash(&known->slots[at]) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it would come to stand in front of its home */
        known->slots[hole] = known->slots[at];
        hole = at;
    }
    known->slots[hole] = (struct nj_known_slot){.kind = FREE};
    known->count--;
}

bool nj_known_remove(struct nj_known *known, const char *uid)
{
    if (known->count == 0)
        return false;
    struct key key = make_key(uid);
    size_t at = find(known, &key);
    if (known->slots[at].kind == FREE)
        return false;
    if (known->slots[at].kind == TEXT)
        free(known->slots[at].text);
    remove_at(known, at);
    return true;
}

char *nj_known_take_stale(struct nj_known *known, uint32_t generation, size_t *cursor)
{
    for (; *cursor < known->capacity; ++*cursor) {
        const struct nj_known_slot *slot = &known->slots[*cursor];
        if (slot->kind == FREE || slot->generation == generation)
            continue;
        char *uid = slot->kind == UUID ? uuid_text(slot->uuid) : slot->text;
        remove_at(known, *cursor); /* another one may stand here now: the cursor stays */
        return uid;
    }
    return NULL;
}
