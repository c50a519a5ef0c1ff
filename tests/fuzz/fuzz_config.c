/*
 * Settings from any text: the part before the first NUL as a YAML file, each part behind as a flag KEY=VALUE.
 * What is refused must say why and keep nothing; what is accepted must be printed so that it loads back to
 * the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/base/sample_config.h"

enum { FLAGS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "%s\n", what);
        abort();
    }
}

static int is_zero(const void *memory, size_t size)
{
    const unsigned char *bytes = memory;
    while (size > 0 && bytes[size - 1] == 0)
        size--;
    return size == 0;
}

/* The caller frees. */
static char *print(const struct sample_config *config, size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);
    require(out != NULL && nj_config_print(sample_table, config, out) == 0, "the settings cannot be printed");
    (void)fclose(out);
    return text;
}

static void check_round_trip(const struct sample_config *config)
{
    size_t len;
    size_t again_len;
    struct nj_err err = {0};
    struct sample_config back = {0};
    char *text = print(config, &len);
    require(nj_config_load_text(sample_table, "printed", text, len, NULL, 0, &back, &err) == 0, err.text);
    char *again = print(&back, &again_len);
    require(len == again_len && memcmp(text, again, len) == 0, "printed settings load to different ones");
    free(text);
    free(again);
    nj_config_done(sample_table, &back);
}

/* Splits "key=value\0key=value..." in place. */
static size_t split_flags(char *text, const char *end, struct nj_config_flag flags[FLAGS_MAX])
{
    size_t count = 0;
    while (text < end && count < FLAGS_MAX) {
        size_t len = strlen(text);
        char *equals = strchr(text, '=');
        if (equals != NULL) {
            *equals = '\0';
            flags[count++] = (struct nj_config_flag){.key = text, .value = equals + 1};
        }
        text += len + 1;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text != NULL, "out of memory");
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    size_t len = strlen(text);
    struct nj_config_flag flags[FLAGS_MAX];
    size_t count = len < size ? split_flags(text + len + 1, text + size, flags) : 0;

    struct sample_config config;
    memset(&config, 0, sizeof(config));
    struct nj_err err = {0};
    if (nj_config_load_text(sample_table, "fuzz", text, len, flags, count, &config, &err) == 0) {
        check_round_trip(&config);
        nj_config_done(sample_table, &config);
    } else {
        require(err.code < 0 && err.text[0] != '\0', "an error without a reason");
        require(is_zero(&config, sizeof(config)), "something is kept after an error");
    }
    free(text);
    return 0;
}
