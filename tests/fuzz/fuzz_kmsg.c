/*
 * Records of the kernel log as /dev/kmsg gives them: programs write into it too, and a process that is killed
 * has chosen its name. Whatever comes out is UTF-8 without control characters, within its bounds.
 */
#include <assert.h>
#include <string.h>

#include "agent/inspect/oom_line.h"
#include "common/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_command(const char command[NJ_COMMAND_MAX])
{
    size_t len = strnlen(command, NJ_COMMAND_MAX);
    assert(len < NJ_COMMAND_MAX && nj_utf8_valid(command, len));
    for (size_t i = 0; i < len; i++)
        assert((unsigned char)command[i] >= 0x20 && command[i] != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *record = (const char *)data;
    struct nj_oom_line line;
    nj_oom_line_parse(record, size, &line);
    check_command(line.command);
    assert(strnlen(line.memcg, sizeof(line.memcg)) < sizeof(line.memcg));
    assert(strnlen(line.limited, sizeof(line.limited)) < sizeof(line.limited));
    assert(line.kind == NJ_OOM_LINE_OTHER || line.pid > 0);
    char command[NJ_COMMAND_MAX];
    nj_oom_command(record, size, command);
    check_command(command);
    return 0;
}
