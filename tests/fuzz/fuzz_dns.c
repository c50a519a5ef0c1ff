/*
 * Whatever a name server answers, its records are readable text within bounds.
 *
 * Input: a byte that chooses the type that was asked for, then the answer; its id is made the question's.
 */
#include "common/base/str.h"
#include "common/probe/dns_message.h"
#include "tests/fuzz/input.h"

enum { ID = 0x1234, ARENA_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"A", "AAAA", "CNAME", "SRV", "TXT", "MX", "NS"};
    if (size < 3)
        return 0;
    unsigned char question[NJ_DNS_QUESTION_MAX];
    int type = nj_dns_type(types[data[0] % (sizeof(types) / sizeof(types[0]))]);
    int len = nj_dns_question("a.test.", type, ID, question);
    check(len > 0);
    uint8_t *message = malloc(size - 1);
    check(message != NULL);
    memcpy(message, data + 1, size - 1);
    message[0] = ID >> 8;
    message[1] = ID & 0xFF;
    struct nj_arena arena;
    struct nj_dns_answer answer = {0};
    nj_arena_init(&arena, ARENA_MAX);
    if (nj_dns_parse(message, size - 1, question, (size_t)len, &arena, &answer) == 0) {
        check(answer.records_count <= NJ_DNS_RECORDS_MAX);
        check(nj_dns_rcode_name(answer.rcode)[0] != '\0');
        for (size_t i = 0; i < answer.records_count; i++)
            check(nj_utf8_valid(answer.records[i], strlen(answer.records[i])));
    }
    nj_arena_done(&arena);
    free(message);
    return 0;
}
