/*
 * Which objects a watch has told, and at which version: what makes a list after a broken watch a difference.
 * A hash table of 32 bytes an object, by uid. Private to common/kube; pure.
 */
#ifndef NJ_KUBE_KNOWN_H
#define NJ_KUBE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_known_slot;

struct nj_known {
    struct nj_known_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

void nj_known_done(struct nj_known *known); /* a zeroed struct is an empty one */

enum nj_known_change { NJ_KNOWN_NEW, NJ_KNOWN_CHANGED, NJ_KNOWN_SAME };

/* Remembers the version, and that the object was seen in list `generation`. */
enum nj_known_change nj_known_put(struct nj_known *known, const char *uid, const char *version,
                                  uint32_t generation);

/* Whether it was known. */
bool nj_known_remove(struct nj_known *known, const char *uid);

/* Removes one object that was not seen in list `generation` and returns its uid, which the caller frees; NULL
 * when there are no more. *cursor starts at 0; nothing else may change the table until NULL. */
char *nj_known_take_stale(struct nj_known *known, uint32_t generation, size_t *cursor);

#endif
