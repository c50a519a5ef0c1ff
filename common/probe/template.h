/*
 * Texts that hold ${variables}. "$${" stands for "${"; a name is a letter or '_', then letters, digits and
 * '_', at most NJ_TEMPLATE_NAME_MAX. Pure. Private to common/probe.
 */
#ifndef NJ_PROBE_TEMPLATE_H
#define NJ_PROBE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

enum { NJ_TEMPLATE_NAME_MAX = 63 };

struct nj_template_part {
    bool is_variable;
    const char *text; /* the literal, or the variable's name; inside the template */
    size_t len;
};

/* The part at *at, which then stands behind it: 1; 0 at the end; -EINVAL for a "${" that begins no variable.
 */
int nj_template_next(const char **at, struct nj_template_part *ret_part);

bool nj_template_is_name(const char *name, size_t len);
bool nj_template_has_variables(const char *text);

#endif
