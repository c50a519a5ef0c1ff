/*
 * What differs between two pod templates, for people: one line a field, by its path, with the names of
 * containers, ports and volumes in place of their indexes:
 *
 *   containers[c].image: "web:1" -> "web:2"
 *   containers[c].command: ["httpd"] -> ["httpd","-f"]
 *   containers[c].env[LEVEL]: changed
 *   containers[logger]: removed
 *
 * Values of environment variables, and of anything whose path speaks of secrets, passwords, tokens, keys or
 * credentials, are never shown, only that they changed. Pure; what is malformed reads as an empty template.
 */
#ifndef NJ_SLA_DIFFERENCE_H
#define NJ_SLA_DIFFERENCE_H

#include <stddef.h>

enum {
    NJ_DIFFERENCE_VALUE_MAX = 200, /* bytes of one value; longer ones are cut */
    NJ_DIFFERENCE_LINES_MAX = 40,  /* further ones are counted in the last line: "and 3 more" */
};

/* Each text is a PodTemplateSpec as JSON, or an object that holds one: a ReplicaSet (spec.template), a
 * ControllerRevision (data.spec.template). Labels that controllers give to tell templates apart
 * (pod-template-hash) and kubectl's restartedAt as it stands: the latter is shown, the former not. Returns
 * the text, "" when nothing differs; the caller frees it. Never NULL. */
char *nj_difference(const char *from, size_t from_len, const char *to, size_t to_len);

#endif
