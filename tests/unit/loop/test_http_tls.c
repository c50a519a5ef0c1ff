/* TLS against `openssl s_server`, with authorities and certificates made for this run by the openssl command.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/loop/http.h"
#include "tests/unit/loop/support.h"

enum { PATH_LEN = 128, PEM_MAX = 4096, ARGS_MAX = 32 };

struct folder {
    char path[64];
};

/* Of the whole program: made once, as keys take time. */
static struct folder folder;

static char *at(const char *name)
{
    return nj_asprintf("%s/%s", folder.path, name);
}

/* A command line of openssl, without quotes. Its output goes to `output`, or nowhere when that is negative.
 */
static pid_t spawn(const char *command, int output)
{
    NJ_CLEANUP_FREE char *line = nj_asprintf("%s", command);
    char *arguments[ARGS_MAX] = {0};
    char *rest = line;
    for (int i = 0; rest != NULL && i < ARGS_MAX - 1; i++)
        arguments[i] = strsep(&rest, " ");
    assert_null(rest);
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
    assert_int_equal(output < 0 ? posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
                                : posix_spawn_file_actions_adddup2(&actions, output, 1),
                     0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0), 0);
    pid_t pid = 0;
    assert_int_equal(posix_spawnp(&pid, "openssl", &actions, NULL, arguments, environ), 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    return pid;
}

static void run(const char *command)
{
    int status = 0;
    pid_t pid = spawn(command, -1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void write_file(const char *name, const char *text)
{
    NJ_CLEANUP_FREE char *path = at(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void read_file(const char *name, char text[PEM_MAX])
{
    NJ_CLEANUP_FREE char *path = at(name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, PEM_MAX - 1, file);
    text[len] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void make_authority(const char *name)
{
    NJ_CLEANUP_FREE char *command =
        nj_asprintf("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                    "-subj /CN=%s -keyout %s/%s.key -out %s/%s.pem",
                    name, folder.path, name, folder.path, name);
    run(command);
}

static void make_certificate(const char *authority, const char *name, const char *extension)
{
    write_file("extension", extension);
    NJ_CLEANUP_FREE char *request =
        nj_asprintf("openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=%s "
                    "-keyout %s/%s.key -out %s/%s.csr",
                    name, folder.path, name, folder.path, name);
    NJ_CLEANUP_FREE char *sign = nj_asprintf(
        "openssl x509 -req -days 2 -in %s/%s.csr -CA %s/%s.pem -CAkey %s/%s.key -CAcreateserial "
        "-extfile %s/extension -out %s/%s.pem",
        folder.path, name, folder.path, authority, folder.path, authority, folder.path, folder.path, name);
    run(request);
    run(sign);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder.path, sizeof(folder.path), "/tmp/nightjar-tls-XXXXXX");
    assert_non_null(mkdtemp(folder.path));
    make_authority("authority");
    make_authority("stranger");
    make_certificate("authority", "server", "subjectAltName=IP:127.0.0.1,DNS:kubernetes.test\n");
    make_certificate("authority", "client", "extendedKeyUsage=clientAuth\n");
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder.path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

struct server {
    pid_t pid;
    int output;
    int port;
};

/* Starts it and waits until it listens. */
static void server_start(struct server *server, bool wants_client)
{
    server->port = test_free_port();
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    NJ_CLEANUP_FREE char *client =
        nj_asprintf(" -Verify 1 -CAfile %s/authority.pem -verify_return_error", folder.path);
    NJ_CLEANUP_FREE char *command =
        nj_asprintf("openssl s_server -accept 127.0.0.1:%d -cert %s/server.pem -key %s/server.key -www%s",
                    server->port, folder.path, folder.path, wants_client ? client : "");
    server->pid = spawn(command, ends[1]);
    test_close(ends[1]);
    server->output = ends[0];
    char said[512] = "";
    size_t len = 0;
    while (strstr(said, "ACCEPT") == NULL) {
        ssize_t now = read(server->output, said + len, sizeof(said) - len - 1);
        assert_true(now > 0);
        len += (size_t)now;
        said[len] = '\0';
    }
}

static void server_stop(struct server *server)
{
    assert_int_equal(kill(server->pid, SIGKILL), 0);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    test_close(server->output);
}

struct outcome {
    bool done;
    int error;
    long status;
    char text[NJ_ERR_TEXT_MAX];
};

static void on_done(void *data, const struct nj_http_result *result)
{
    struct outcome *outcome = data;
    outcome->done = true;
    outcome->error = result->error;
    outcome->status = result->status;
    (void)snprintf(outcome->text, sizeof(outcome->text), "%s", result->error == 0 ? "" : result->err.text);
}

/* A client of its own for each, so that no connection is used again. */
static struct outcome fetch(struct test_loop *test, const struct server *server, const char *host,
                            const struct nj_http_tls *tls)
{
    struct outcome outcome = {0};
    struct nj_http *http = nj_http_new(&test->loop, 2);
    NJ_CLEANUP_FREE char *url = nj_asprintf("https://%s:%d/?key=s3cret", host, server->port);
    const struct nj_http_options options = {.url = url, .tls = tls, .on_done = on_done, .data = &outcome};
    assert_int_equal(nj_http_start(http, &options, NULL, NULL), 0);
    test_run_until(test, &outcome.done);
    bool closed = false;
    nj_http_close(http, test_set_flag, &closed);
    test_run_until(test, &closed);
    assert_null(strstr(outcome.text, "s3cret"));
    return outcome;
}

static void a_server_is_verified_by_its_ip_address(void **state)
{
    struct server server;
    server_start(&server, false);
    char pem[PEM_MAX];
    read_file("authority.pem", pem);
    NJ_CLEANUP_FREE char *file = at("authority.pem");
    const struct nj_http_tls by_text = {.ca_pem = pem};
    const struct nj_http_tls by_file = {.ca_file = file};
    struct outcome outcome = fetch(*state, &server, "127.0.0.1", &by_text);
    assert_string_equal(outcome.text, "");
    assert_int_equal(outcome.status, 200);
    assert_int_equal(fetch(*state, &server, "127.0.0.1", &by_file).status, 200);
    server_stop(&server);
}

static void a_server_of_an_unknown_authority_is_rejected(void **state)
{
    struct server server;
    server_start(&server, false);
    char pem[PEM_MAX];
    read_file("stranger.pem", pem);
    const struct nj_http_tls stranger = {.ca_pem = pem};
    struct outcome outcome = fetch(*state, &server, "127.0.0.1", &stranger);
    assert_int_equal(outcome.error, -EKEYREJECTED);
    assert_non_null(strstr(outcome.text, "TLS handshake"));
    assert_int_equal(fetch(*state, &server, "127.0.0.1", NULL).error, -EKEYREJECTED);
    const struct nj_http_tls insecure = {.insecure_skip_verify = true};
    assert_int_equal(fetch(*state, &server, "127.0.0.1", &insecure).status, 200);
    server_stop(&server);
}

static void the_name_must_fit_unless_another_is_given(void **state)
{
    struct server server;
    server_start(&server, false);
    char pem[PEM_MAX];
    read_file("authority.pem", pem);
    const struct nj_http_tls plain = {.ca_pem = pem};
    const struct nj_http_tls named = {.ca_pem = pem, .server_name = "kubernetes.test"};
    const struct nj_http_tls misnamed = {.ca_pem = pem, .server_name = "other.test"};
    assert_int_equal(fetch(*state, &server, "localhost", &plain).error, -EKEYREJECTED);
    struct outcome outcome = fetch(*state, &server, "localhost", &named);
    assert_string_equal(outcome.text, "");
    assert_int_equal(outcome.status, 200);
    assert_int_equal(fetch(*state, &server, "127.0.0.1", &named).status, 200);
    outcome = fetch(*state, &server, "127.0.0.1", &misnamed);
    assert_int_equal(outcome.error, -EKEYREJECTED);
    assert_non_null(strstr(outcome.text, "https://127.0.0.1:"));
    server_stop(&server);
}

static void a_client_shows_its_certificate(void **state)
{
    struct server server;
    server_start(&server, true);
    char authority[PEM_MAX];
    char certificate[PEM_MAX];
    char key[PEM_MAX];
    read_file("authority.pem", authority);
    read_file("client.pem", certificate);
    read_file("client.key", key);
    NJ_CLEANUP_FREE char *certificate_file = at("client.pem");
    NJ_CLEANUP_FREE char *key_file = at("client.key");
    const struct nj_http_tls by_text = {.ca_pem = authority, .cert_pem = certificate, .key_pem = key};
    const struct nj_http_tls by_file = {
        .ca_pem = authority, .cert_file = certificate_file, .key_file = key_file};
    const struct nj_http_tls none = {.ca_pem = authority};
    struct outcome outcome = fetch(*state, &server, "127.0.0.1", &by_text);
    assert_string_equal(outcome.text, "");
    assert_int_equal(outcome.status, 200);
    assert_int_equal(fetch(*state, &server, "127.0.0.1", &by_file).status, 200);
    assert_int_not_equal(fetch(*state, &server, "127.0.0.1", &none).error, 0);
    server_stop(&server);
}

static void bad_pem_is_told(void **state)
{
    struct server server;
    server_start(&server, false);
    const struct nj_http_tls no_authority = {.ca_pem = "-----BEGIN nothing"};
    const struct nj_http_tls no_file = {.ca_file = "/nonexistent/ca.pem"};
    assert_int_equal(fetch(*state, &server, "127.0.0.1", &no_authority).error, -EINVAL);
    assert_int_equal(fetch(*state, &server, "127.0.0.1", &no_file).error, -EINVAL);
    server_stop(&server);
}

static void plain_http_where_tls_is_wanted_is_a_protocol_error(void **state)
{
    struct test_loop *test = *state;
    struct server server = {0};
    int fd = test_listen(&server.port);
    struct outcome outcome = {0};
    struct nj_http *http = nj_http_new(&test->loop, 1);
    NJ_CLEANUP_FREE char *url = nj_asprintf("https://127.0.0.1:%d/", server.port);
    const struct nj_http_options options = {.url = url, .on_done = on_done, .data = &outcome};
    assert_int_equal(nj_http_start(http, &options, NULL, NULL), 0);
    struct pollfd arrival = {.fd = fd, .events = POLLIN};
    while (poll(&arrival, 1, 0) == 0)
        (void)uv_run(&test->loop.uv, UV_RUN_ONCE);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    test_send(peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    test_run_until(test, &outcome.done);
    assert_int_equal(outcome.error, -EPROTO);
    assert_non_null(strstr(outcome.text, "TLS handshake"));
    test_close(peer);
    test_close(fd);
    bool closed = false;
    nj_http_close(http, test_set_flag, &closed);
    test_run_until(test, &closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(a_server_is_verified_by_its_ip_address),
        test_loop_case(a_server_of_an_unknown_authority_is_rejected),
        test_loop_case(the_name_must_fit_unless_another_is_given),
        test_loop_case(a_client_shows_its_certificate),
        test_loop_case(bad_pem_is_told),
        test_loop_case(plain_http_where_tls_is_wanted_is_a_protocol_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
