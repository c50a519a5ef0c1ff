/*
 * What texts of a spec may look like. deploy/manifests/base/apimonitor-crd.yaml has the same as patterns.
 */
#include <string.h>

#include "common/probe/spec_reader.h"
#include "common/probe/template.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool has_only(const char *text, const char *allowed)
{
    return *text != '\0' && text[strspn(text, allowed)] == '\0';
}

bool nj_spec_is_label(const char *text)
{
    return has_only(text, LOWER DIGITS "-") && text[0] != '-' && text[strlen(text) - 1] != '-' &&
           strlen(text) <= NJ_SPEC_NAME_MAX;
}

bool nj_spec_is_object_name(const char *text)
{
    static const char alphanumeric[] = LOWER DIGITS;
    if (!has_only(text, LOWER DIGITS "-."))
        return false;
    for (;;) {
        size_t len = strcspn(text, ".");
        if (len == 0 || strchr(alphanumeric, text[0]) == NULL || strchr(alphanumeric, text[len - 1]) == NULL)
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

bool nj_spec_is_secret_key(const char *text)
{
    return has_only(text, LOWER UPPER DIGITS "-._");
}

bool nj_spec_is_variable(const char *text)
{
    return nj_template_is_name(text, strlen(text));
}

bool nj_spec_is_token(const char *text)
{
    return has_only(text, LOWER UPPER DIGITS "!#$%&'*+-.^_`|~");
}

bool nj_spec_is_header_value(const char *text)
{
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7F)
            return false;
    }
    return true;
}

bool nj_spec_is_line(const char *text)
{
    return nj_spec_is_header_value(text) && strchr(text, '\t') == NULL;
}

int nj_spec_secret_ref(struct nj_spec_reader *reader, const struct nj_spec_node *node, const char **ret_name,
                       const char **ret_key)
{
    static const char *const members[] = {"name", "key", NULL};
    static const struct nj_spec_text_rule name_rule = {.min = 1,
                                                       .max = NJ_SPEC_OBJECT_NAME_MAX,
                                                       .is_valid = nj_spec_is_object_name,
                                                       .wanted = "the name of a Secret"};
    static const struct nj_spec_text_rule key_rule = {.min = 1,
                                                      .max = NJ_SPEC_OBJECT_NAME_MAX,
                                                      .is_valid = nj_spec_is_secret_key,
                                                      .wanted = "letters, digits, '-', '_' and '.'"};
    int rc = nj_spec_check_members(reader, node, members);
    if (rc == 0)
        rc = nj_spec_text(reader, node, "name", &name_rule, ret_name);
    if (rc == 0)
        rc = nj_spec_text(reader, node, "key", &key_rule, ret_key);
    return rc;
}
