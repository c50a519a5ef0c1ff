#include "tests/unit/probe/nginx.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "tests/unit/loop/support.h"

enum { ARGS_MAX = 32, START_TRIES = 500, START_WAIT_MS = 20 };

#define EC "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

/* A command line without quotes; its output goes to the file `log` of the folder. */
static pid_t spawn(const struct nginx *nginx, const char *command)
{
    NJ_CLEANUP_FREE char *line = nj_asprintf("%s", command);
    NJ_CLEANUP_FREE char *log = nj_asprintf("%s/log", nginx->folder);
    char *arguments[ARGS_MAX] = {0};
    char *rest = line;
    int count = 0;
    do
        arguments[count++] = strsep(&rest, " ");
    while (rest != NULL && count < ARGS_MAX - 1);
    assert_null(rest);
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600),
                     0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
    pid_t pid = 0;
    int rc = posix_spawnp(&pid, line, &actions, NULL, arguments, environ);
    if (rc != 0)
        print_error("%s: %s\n", line, strerror(rc));
    assert_int_equal(rc, 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    return pid;
}

/* Takes the command. */
static void run(const struct nginx *nginx, char *take_command)
{
    int status = 0;
    pid_t pid = spawn(nginx, take_command);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        print_error("failed: %s\n", take_command);
    assert_int_equal(status, 0);
    free(take_command);
}

static void write_file(const struct nginx *nginx, const char *name, const char *text)
{
    NJ_CLEANUP_FREE char *path = nj_asprintf("%s/%s", nginx->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void read_file(const struct nginx *nginx, const char *name, char text[NGINX_PEM_MAX])
{
    NJ_CLEANUP_FREE char *path = nj_asprintf("%s/%s", nginx->folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, NGINX_PEM_MAX - 1, file);
    text[len] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void make_certificate(const struct nginx *nginx, const char *name, const char *names, int days)
{
    const char *folder = nginx->folder;
    write_file(nginx, "extension", names);
    run(nginx, nj_asprintf("openssl req " EC " -subj /O=Nightjar/CN=%s -keyout %s/%s.key -out %s/%s.csr",
                           name, folder, name, folder, name));
    run(nginx, nj_asprintf("openssl x509 -req -days %d -in %s/%s.csr -CA %s/ca.pem -CAkey %s/ca.key "
                           "-CAcreateserial -extfile "
                           "%s/extension -out %s/%s.pem",
                           days, folder, name, folder, folder, folder, folder, name));
}

static void make_certificates(struct nginx *nginx)
{
    const char *folder = nginx->folder;
    run(nginx,
        nj_asprintf("openssl req -x509 " EC " -days 30 -subj /CN=authority -keyout %s/ca.key -out %s/ca.pem",
                    folder, folder));
    make_certificate(nginx, "good", "subjectAltName=DNS:web.test,IP:127.0.0.1\n", 10);
    make_certificate(nginx, "expired", "subjectAltName=DNS:web.test,IP:127.0.0.1\n", -1);
    make_certificate(nginx, "other", "subjectAltName=DNS:other.test\n", 10);
    run(nginx, nj_asprintf("openssl req -x509 " EC
                           " -days 10 -subj /CN=self -addext subjectAltName=DNS:web.test -keyout %s/self.key "
                           "-out %s/self.pem",
                           folder, folder));
    read_file(nginx, "ca.pem", nginx->ca);
    read_file(nginx, "self.pem", nginx->self_signed);
}

static void add_server(struct nginx *nginx, enum nginx_server which, const char *options,
                       const char *certificate, char **config)
{
    test_close(test_listen(&nginx->ports[which]));
    NJ_CLEANUP_FREE char *before = *config;
    NJ_CLEANUP_FREE char *tls = certificate == NULL
                                    ? nj_asprintf("%s", "")
                                    : nj_asprintf("ssl_certificate %s/%s.pem; ssl_certificate_key %s/%s.key;",
                                                  nginx->folder, certificate, nginx->folder, certificate);
    *config = nj_asprintf("%s server { listen 127.0.0.1:%d%s; %s include %s/locations; }\n", before,
                          nginx->ports[which], options, tls, nginx->folder);
}

static void write_config(struct nginx *nginx)
{
    const char *folder = nginx->folder;
    write_file(
        nginx, "locations",
        "location = / { return 200 'hello'; }\n"
        "location = /json { default_type application/json; return 200 '{\"status\":\"up\",\"n\":3}'; }\n"
        "location = /broken { return 500 'the database is gone'; }\n"
        "location = /moved { return 302 /json; }\n"
        "location = /host { return 200 \"$host $server_protocol $http_x_a\"; }\n");
    char *config = nj_asprintf(
        "%sdaemon off; worker_processes 1; pid %s/pid; error_log stderr;\nevents { worker_connections 64; }\n"
        "http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2; fastcgi_temp_path %s/t3; "
        "uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n",
        geteuid() == 0 ? "user root; " : "", folder, folder, folder, folder, folder, folder);
    add_server(nginx, NGINX_HTTP, "", NULL, &config);
    add_server(nginx, NGINX_HTTP2, " http2", NULL, &config);
    add_server(nginx, NGINX_TLS, " ssl http2", "good", &config);
    add_server(nginx, NGINX_TLS1, " ssl", "good", &config);
    add_server(nginx, NGINX_EXPIRED, " ssl http2", "expired", &config);
    add_server(nginx, NGINX_OTHER_NAME, " ssl http2", "other", &config);
    add_server(nginx, NGINX_SELF_SIGNED, " ssl http2", "self", &config);
    NJ_CLEANUP_FREE char *before = config;
    NJ_CLEANUP_FREE char *whole = nj_asprintf("%s}\n", before);
    write_file(nginx, "nginx.conf", whole);
}

/* All servers listen when one does. */
static void wait_until_ready(struct nginx *nginx)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)nginx->ports[NGINX_SELF_SIGNED])};
    for (int i = 0; i < START_TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
        test_close(fd);
        if (rc == 0)
            return;
        int status = 0;
        if (waitpid(nginx->pid, &status, WNOHANG) != 0)
            break;
        (void)poll(NULL, 0, START_WAIT_MS);
    }
    char log[NGINX_PEM_MAX];
    read_file(nginx, "log", log);
    fail_msg("nginx (Debian's package nginx-light) does not start: %s", log);
}

void nginx_start(struct nginx *nginx)
{
    *nginx = (struct nginx){.folder = "/tmp/nightjar-nginx-XXXXXX"};
    assert_non_null(mkdtemp(nginx->folder));
    make_certificates(nginx);
    write_config(nginx);
    /* Debian has it where only root looks by itself. */
    const char *path = access("/usr/sbin/nginx", X_OK) == 0 ? "/usr/sbin/nginx" : "nginx";
    NJ_CLEANUP_FREE char *command =
        nj_asprintf("%s -e stderr -p %s -c %s/nginx.conf", path, nginx->folder, nginx->folder);
    nginx->pid = spawn(nginx, command);
    wait_until_ready(nginx);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void nginx_stop(struct nginx *nginx)
{
    assert_int_equal(kill(nginx->pid, SIGTERM), 0);
    assert_int_equal(waitpid(nginx->pid, NULL, 0), nginx->pid);
    assert_int_equal(nftw(nginx->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}
