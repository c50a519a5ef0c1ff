/*
 * Datagrams of the proc connector. Each message takes bytes off the datagram, and none is read beyond its
 * end.
 */
#include <assert.h>

#include "agent/inspect/exits_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nj_exits_message message = {0};
    size_t offset = 0;
    size_t before = 0;
    while (nj_exits_next(data, size, &offset, &message)) {
        assert(offset > before && offset <= size);
        assert(message.is_ack || (message.pid > 0 && message.exit_code >= 0 && message.exit_code <= 0xFFFF));
        before = offset;
    }
    assert(offset == size);
    return 0;
}
