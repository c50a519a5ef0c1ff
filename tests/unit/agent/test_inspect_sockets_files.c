/*
 * Sockets counted from files: what the kernel writes, and what it does not. And files' lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/inspect/lines.h"
#include "agent/inspect/sockets.h"
#include "agent/inspect/sockets_internal.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

/* A directory that looks like /proc with one process, "1". */
struct tree {
    char root[32];
};

static void put(const struct tree *tree, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/1/net/%s", tree->root, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void plant(struct tree *tree)
{
    char path[128];
    (void)snprintf(tree->root, sizeof(tree->root), "/tmp/nj-proc-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    (void)snprintf(path, sizeof(path), "%s/1", tree->root);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/1/net", tree->root);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void fell(const struct tree *tree)
{
    static const char *const names[] = {"1/net/tcp",
                                        "1/net/tcp6",
                                        "1/net/sockstat",
                                        "1/net/sockstat6",
                                        "1/net/netstat",
                                        "1/net/unix",
                                        "1/net",
                                        "1",
                                        ""};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", tree->root, names[i]);
        (void)remove(path);
    }
}

static void count_tree(const struct tree *tree, struct nj_socket_figures *figures)
{
    struct nj_sockets *sockets = NULL;
    assert_int_equal(nj_sockets_new(tree->root, 1000, &sockets), 0);
    assert_int_equal(nj_sockets_count(sockets, "", 1, NJ_SEC, figures), 0);
    nj_sockets_free(sockets);
}

#define HEADING                                                                                              \
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#define ROW(state)                                                                                           \
    "   0: 0100007F:1F90 00000000:0000 " state                                                               \
    " 00000000:00000003 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0\n"

static void test_what_is_missing_is_unknown(void **state)
{
    (void)state;
    struct tree tree;
    struct nj_socket_figures figures;
    plant(&tree);
    put(&tree, "sockstat", "sockets: used 5\nTCP: inuse 2 orphan 0 tw 0 alloc 3 mem 0\nUDP: inuse 4 mem 0\n");
    put(&tree, "tcp", HEADING ROW("0A") ROW("01"));
    count_tree(&tree, &figures); /* neither IPv6 nor netstat nor unix */
    assert_int_equal(figures.tcp[NJ_TCP_LISTEN], 1);
    assert_int_equal(figures.tcp[NJ_TCP_ESTABLISHED], 1);
    assert_int_equal(figures.queue_port, 8080);
    assert_int_equal(figures.queue_length, 3);
    assert_int_equal(figures.udp, 4);
    assert_true(figures.raw == NJ_UNKNOWN);
    assert_true(figures.unix_stream == NJ_UNKNOWN);
    assert_true(figures.listen_overflows == NJ_UNKNOWN);

    /* A table that cannot be understood to its end is not half counted. */
    put(&tree, "tcp", HEADING ROW("0A") "   1: rubbish\n");
    count_tree(&tree, &figures);
    assert_true(figures.tcp[NJ_TCP_LISTEN] == NJ_UNKNOWN);
    assert_true(figures.queue_length == NJ_UNKNOWN);
    assert_int_equal(figures.udp, 4);

    /* What sockstat says is 0 is not looked for. */
    put(&tree, "sockstat", "TCP: inuse 0 orphan 0 tw 0 alloc 3 mem 0\n");
    count_tree(&tree, &figures);
    assert_int_equal(figures.tcp[NJ_TCP_LISTEN], 0);
    assert_true(figures.udp == NJ_UNKNOWN);
    fell(&tree);
    struct nj_sockets *sockets = NULL;
    assert_int_equal(nj_sockets_new("/nonexistent", 1000, &sockets), -ENOENT);
    assert_null(sockets);
}

static void test_counters(void **state)
{
    (void)state;
    struct tree tree;
    struct nj_socket_figures figures;
    plant(&tree);
    put(&tree, "sockstat", "TCP: inuse 0 orphan 0 tw 0 alloc 3 mem 0\nUDP: inuse 1\nRAW: inuse 2\n");
    put(&tree, "sockstat6", "TCP6: inuse 0\nUDP6: inuse 10\nUDPLITE6: inuse 5\nRAW6: inuse 20\n");
    put(&tree, "netstat",
        "TcpExt: SyncookiesSent ListenOverflowsOfOld ListenOverflows ListenDrops\nTcpExt: 1 2 33 44\n"
        "IpExt: InNoRoutes\nIpExt: 0\n");
    put(&tree, "unix",
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0000000000000000: 00000003 00000000 00000000 0001 03  1130\n"
        "0000000000000000: 00000003 00000000 00000000 0002 01  1131 @a\n"
        "broken over\n"
        "0000000000000000: 00000003 00000000 00010000 0001 01  1132 /run/a socket\n");
    count_tree(&tree, &figures);
    assert_int_equal(figures.udp, 11);
    assert_int_equal(figures.raw, 22);
    assert_int_equal(figures.listen_overflows, 33);
    assert_int_equal(figures.listen_drops, 44);
    assert_int_equal(figures.unix_stream, 2);
    fell(&tree);
}

static void test_rows(void **state)
{
    (void)state;
    struct nj_socket_row row;
    assert_int_equal(
        nj_socket_row_parse("  10: 0000000000000000FFFF00000100007F:01BB "
                            "0000000000000000FFFF00000100007F:9C40 08 00000000:0000002A 00:00000000 "
                            "00000000  1000        0 4294967295 1 0 20 4 30 10 -1",
                            &row),
        0);
    assert_int_equal(row.state, NJ_TCP_CLOSE_WAIT);
    assert_int_equal(row.port, 443);
    assert_int_equal(row.inode, 4294967295);
    assert_int_equal(row.queue_length, 42);
    static const char *const bad[] = {
        "",
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0",
        "   0: 0100007F:1F90 00000000:0000 00 00000000:00000000 00:00000000 00000000 0 0 1",
        "   0: 0100007F:1F90 00000000:0000 0C 00000000:00000000 00:00000000 00000000 0 0 1",
        "   0: 0100007F:1F90 00000000:0000 0G 00000000:00000000 00:00000000 00000000 0 0 1",
        "   0: 0100007F:1F900 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1",
        "   0: 0100007F:1F90 00000000:0000 0A 0000000000000000 00:00000000 00000000 0 0 1",
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 -1",
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(nj_socket_row_parse(bad[i], &row), -EBADMSG);
}

/* Lines of every length around the buffer's, one after the other: those that fit come out as they are. */
static void test_lines(void **state)
{
    (void)state;
    enum { STEP = 1021, LONGEST = 2 * NJ_LINES_BYTES };
    struct tree tree;
    struct nj_lines lines;
    struct nj_buf text = {0};
    plant(&tree);
    for (size_t len = 0; len < LONGEST; len += STEP) {
        for (size_t i = 0; i < len; i++)
            assert_int_equal(nj_buf_append_char(&text, (char)('a' + len / STEP % 26)), 0);
        assert_int_equal(nj_buf_append_char(&text, '\n'), 0);
    }
    assert_int_equal(nj_buf_append_str(&text, "no newline"), 0);
    put(&tree, "tcp", nj_buf_str(&text));
    nj_buf_done(&text);

    char path[128];
    (void)snprintf(path, sizeof(path), "%s/1/net/tcp", tree.root);
    assert_int_equal(nj_lines_open(&lines, AT_FDCWD, path), 0);
    for (size_t len = 0; len < NJ_LINES_BYTES; len += STEP) {
        const char *line = nj_lines_next(&lines);
        assert_non_null(line);
        assert_int_equal(strlen(line), len);
        for (size_t i = 0; i < len; i++)
            assert_true(line[i] == (char)('a' + len / STEP % 26));
    }
    assert_string_equal(nj_lines_next(&lines), "no newline");
    assert_null(nj_lines_next(&lines));
    assert_null(nj_lines_next(&lines));
    assert_int_equal(lines.error, 0);
    nj_lines_close(&lines);

    (void)snprintf(path, sizeof(path), "%s/1/net", tree.root);
    assert_int_equal(nj_lines_open(&lines, AT_FDCWD, path), 0);
    assert_null(nj_lines_next(&lines));
    assert_int_equal(lines.error, -EISDIR);
    nj_lines_close(&lines);
    fell(&tree);
    assert_int_equal(nj_lines_open(&lines, AT_FDCWD, path), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_missing_is_unknown),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
