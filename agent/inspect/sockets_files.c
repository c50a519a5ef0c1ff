#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/lines.h"
#include "agent/inspect/sockets_internal.h"
#include "common/base/str.h"

/* The columns of /proc/net/tcp, see Documentation/networking/proc_net_tcp.rst of Linux. */
enum { SLOT, LOCAL, REMOTE, STATE, QUEUES, TIMER, RETRANSMITS, USER, TIMEOUT, INODE, COLUMNS };

struct text {
    const char *start;
    size_t len;
};

static size_t split(const char *line, struct text *words, size_t max)
{
    size_t count = 0;
    for (const char *at = line + strspn(line, " "); *at != '\0' && count < max; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        words[count++] = (struct text){at, len};
        at += len;
    }
    return count;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static bool parse_hex(struct text text, size_t digits_max, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > digits_max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.start[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (unsigned int)digit;
    }
    *ret_value = value;
    return true;
}

/* The hex number behind the last colon. */
static bool parse_after_colon(struct text text, size_t digits_max, uint64_t *ret_value)
{
    const char *colon = memrchr(text.start, ':', text.len);
    if (colon == NULL)
        return false;
    struct text after = {colon + 1, text.len - (size_t)(colon + 1 - text.start)};
    return parse_hex(after, digits_max, ret_value);
}

int nj_socket_row_parse(const char *line, struct nj_socket_row *ret_row)
{
    struct text words[COLUMNS];
    uint64_t port, state, received, inode;
    if (split(line, words, COLUMNS) < COLUMNS || words[SLOT].start[words[SLOT].len - 1] != ':' ||
        !parse_after_colon(words[LOCAL], 4, &port) || !parse_hex(words[STATE], 2, &state) ||
        !parse_after_colon(words[QUEUES], 8, &received))
        return -EBADMSG;
    const char *number = words[INODE].start;
    if (!nj_text_number(&number, &inode) || number != words[INODE].start + words[INODE].len || state == 0 ||
        state >= NJ_TCP_STATES)
        return -EBADMSG;
    *ret_row = (struct nj_socket_row){.state = (enum nj_tcp_state)state,
                                      .port = (uint16_t)port,
                                      .inode = inode,
                                      .queue_length = received,
                                      .queue_limit = NJ_UNKNOWN};
    return 0;
}

int nj_unix_row_is_stream(const char *line)
{
    enum { NUMBER, REFERENCES, PROTOCOL, FLAGS, TYPE, UNIX_STATE, UNIX_COLUMNS };
    enum { STREAM = 1 };
    struct text words[UNIX_COLUMNS];
    uint64_t type;
    if (split(line, words, UNIX_COLUMNS) < UNIX_COLUMNS ||
        words[NUMBER].start[words[NUMBER].len - 1] != ':' || !parse_hex(words[TYPE], 4, &type))
        return -EBADMSG;
    return type == STREAM;
}

int nj_sockets_read_table(int process_dir, const char *name, nj_socket_visit visit, void *data)
{
    struct nj_lines lines;
    char path[32];
    (void)snprintf(path, sizeof(path), "net/%s", name);
    int status = nj_lines_open(&lines, process_dir, path);
    if (status < 0)
        return status;
    if (nj_lines_next(&lines) == NULL) /* the heading */
        status = lines.error < 0 ? lines.error : -EBADMSG;
    for (char *line; status == 0 && (line = nj_lines_next(&lines)) != NULL;) {
        struct nj_socket_row row;
        status = nj_socket_row_parse(line, &row);
        if (status == 0)
            visit(data, &row);
    }
    if (status == 0)
        status = lines.error;
    nj_lines_close(&lines);
    return status;
}

uint64_t nj_sockets_read_unix(int process_dir)
{
    struct nj_lines lines;
    if (nj_lines_open(&lines, process_dir, "net/unix") < 0)
        return NJ_UNKNOWN;
    uint64_t count = 0;
    bool heading = nj_lines_next(&lines) != NULL;
    /* A name may contain a newline: what does not look like a row is the rest of one. */
    for (char *line; (line = nj_lines_next(&lines)) != NULL;)
        count += nj_unix_row_is_stream(line) == 1;
    bool whole = heading && lines.error == 0;
    nj_lines_close(&lines);
    return whole ? count : NJ_UNKNOWN;
}

/* The number behind a word of "TCP: inuse 1 orphan 0 tw 0"; NJ_UNKNOWN. */
static uint64_t number_after(const char *line, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = line; (at = strstr(at, word)) != NULL; at += len) {
        const char *number = at + len;
        uint64_t value;
        if (at > line && at[-1] == ' ' && *number == ' ' && nj_text_number(&number, &value))
            return value;
    }
    return NJ_UNKNOWN;
}

static void take(uint64_t *total, uint64_t number)
{
    if (*total != NJ_UNKNOWN)
        *total = number == NJ_UNKNOWN ? NJ_UNKNOWN : *total + number;
}

static int read_sockstat(int process_dir, struct nj_sockets_brief *brief)
{
    struct nj_lines lines;
    int status = nj_lines_open(&lines, process_dir, "net/sockstat");
    if (status < 0)
        return status;
    for (char *line; (line = nj_lines_next(&lines)) != NULL;) {
        if (nj_str_starts(line, "TCP:")) {
            brief->tcp = number_after(line, "inuse");
            brief->time_wait = number_after(line, "tw");
        } else if (nj_str_starts(line, "UDP:")) {
            brief->udp = number_after(line, "inuse");
        } else if (nj_str_starts(line, "RAW:")) {
            brief->raw = number_after(line, "inuse");
        }
    }
    nj_lines_close(&lines);

    if (nj_lines_open(&lines, process_dir, "net/sockstat6") < 0) {
        brief->tcp6 = 0; /* a kernel without IPv6 */
        return 0;
    }
    uint64_t udp6 = NJ_UNKNOWN, raw6 = NJ_UNKNOWN;
    for (char *line; (line = nj_lines_next(&lines)) != NULL;) {
        if (nj_str_starts(line, "TCP6:"))
            brief->tcp6 = number_after(line, "inuse");
        else if (nj_str_starts(line, "UDP6:"))
            udp6 = number_after(line, "inuse");
        else if (nj_str_starts(line, "RAW6:"))
            raw6 = number_after(line, "inuse");
    }
    nj_lines_close(&lines);
    take(&brief->udp, udp6);
    take(&brief->raw, raw6);
    return 0;
}

/* The value below `name`, in a line of names and one of values that begin with the same word. */
static uint64_t column(const char *names, const char *values, const char *name)
{
    size_t len = strlen(name);
    for (;;) {
        names += strcspn(names, " ");
        values += strcspn(values, " ");
        names += strspn(names, " ");
        values += strspn(values, " ");
        if (*names == '\0' || *values == '\0')
            return NJ_UNKNOWN;
        uint64_t value;
        if (strncmp(names, name, len) == 0 && (names[len] == ' ' || names[len] == '\0'))
            return nj_text_number(&values, &value) ? value : NJ_UNKNOWN;
    }
}

static void read_netstat(int process_dir, struct nj_sockets_brief *brief)
{
    struct nj_lines lines;
    char names[8 << 10];
    if (nj_lines_open(&lines, process_dir, "net/netstat") < 0)
        return;
    const char *line = nj_lines_next(&lines);
    if (line != NULL && nj_str_starts(line, "TcpExt:") && strlen(line) < sizeof(names)) {
        memcpy(names, line, strlen(line) + 1);
        line = nj_lines_next(&lines);
        if (line != NULL && nj_str_starts(line, "TcpExt:")) {
            brief->listen_overflows = column(names, line, "ListenOverflows");
            brief->listen_drops = column(names, line, "ListenDrops");
        }
    }
    nj_lines_close(&lines);
}

int nj_sockets_read_brief(int process_dir, struct nj_sockets_brief *ret_brief)
{
    struct nj_sockets_brief brief;
    memset(&brief, 0xff, sizeof(brief)); /* NJ_UNKNOWN */
    int status = read_sockstat(process_dir, &brief);
    /* A zombie has a directory but no namespace: EINVAL. */
    if (status == -ENOENT || status == -ESRCH || status == -EINVAL)
        return -ESRCH;
    read_netstat(process_dir, &brief);
    *ret_brief = brief;
    return 0;
}
