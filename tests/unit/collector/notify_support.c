#include "tests/unit/collector/notify_support.h"

#include <stdio.h>
#include <string.h>

void load_config(struct nj_collector_config *ret_config, const char *yaml)
{
    struct nj_err err = {0};
    *ret_config = (struct nj_collector_config){0};
    if (nj_config_load_text(nj_collector_config_table, "test.yaml", yaml, strlen(yaml), NULL, 0, ret_config,
                            &err) < 0 ||
        nj_collector_config_check(ret_config, &err) < 0)
        fail_msg("%s", err.text);
}

void config_done(struct nj_collector_config *config)
{
    nj_config_done(nj_collector_config_table, config);
}

void write_file(const struct folder *folder, const char *name, const char *text)
{
    char path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}
