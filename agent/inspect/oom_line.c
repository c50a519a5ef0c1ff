#include "agent/inspect/oom_line.h"

#include <string.h>

#include "common/base/str.h"

enum { PRIORITY_BITS = 3, KIB = 1024 };

struct text {
    const char *at;
    size_t len;
};

static bool starts(struct text text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.at, prefix, len) == 0;
}

static void skip(struct text *text, size_t len)
{
    text->at += len;
    text->len -= len;
}

/* Where `what` is first; NULL. */
static const char *first(struct text text, const char *what)
{
    return memmem(text.at, text.len, what, strlen(what));
}

static const char *last(struct text text, const char *what)
{
    const char *found = NULL;
    for (const char *at = first(text, what); at != NULL; at = first(text, what)) {
        found = at;
        skip(&text, (size_t)(at - text.at) + 1);
    }
    return found;
}

/* A decimal number at the start, which is taken. */
static bool number(struct text *text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t digits = 0;
    for (; digits < text->len && text->at[digits] >= '0' && text->at[digits] <= '9'; digits++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text->at[digits] - '0'), &value))
            return false;
    }
    if (digits == 0 || value > max)
        return false;
    skip(text, digits);
    *ret_value = value;
    return true;
}

static bool pid_at(struct text *text, int32_t *ret_pid)
{
    uint64_t pid = 0;
    if (!number(text, INT32_MAX, &pid) || pid == 0)
        return false;
    *ret_pid = (int32_t)pid;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void nj_oom_command(const char *raw, size_t len, char ret_command[NJ_COMMAND_MAX])
{
    size_t out = 0;
    if (len > NJ_COMMAND_MAX - 1)
        len = NJ_COMMAND_MAX - 1;
    for (size_t i = 0; i < len && raw[i] != '\0';) {
        size_t bytes = 1;
        unsigned char c = (unsigned char)raw[i];
        if (c >= 0x80) { /* a character that is whole */
            bytes = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            bool is_c1 = c == 0xC2 && i + 1 < len && (unsigned char)raw[i + 1] < 0xA0;
            if (bytes > len - i || is_c1 || !nj_utf8_valid(raw + i, bytes))
                bytes = 0;
        } else if (c < 0x20 || c == 0x7F) {
            bytes = 0;
        }
        if (bytes == 0) {
            ret_command[out++] = '?';
            i++;
            continue;
        }
        memcpy(ret_command + out, raw + i, bytes);
        out += bytes;
        i += bytes;
    }
    ret_command[out] = '\0';
}

/* /dev/kmsg writes what is not printable, and the backslash, as \xNN. */
static void command_of(struct text text, char ret_command[NJ_COMMAND_MAX])
{
    char raw[NJ_COMMAND_MAX];
    size_t out = 0;
    while (text.len > 0 && out < sizeof(raw) - 1) {
        size_t step = 1;
        raw[out] = text.at[0];
        if (text.len >= 4 && starts(text, "\\x") && hex(text.at[2]) >= 0 && hex(text.at[3]) >= 0) {
            raw[out] = (char)(hex(text.at[2]) * 16 + hex(text.at[3]));
            step = 4;
        }
        out++;
        skip(&text, step);
    }
    nj_oom_command(raw, out, ret_command);
}

/* Takes the record's head: "6,8312,9904162817,-;". False when it is not the kernel's own. */
static bool is_kernels(struct text *text)
{
    uint64_t priority = 0;
    const char *semicolon = memchr(text->at, ';', text->len);
    if (semicolon == NULL || !number(text, UINT32_MAX, &priority) || priority >> PRIORITY_BITS != 0 ||
        text->len == 0 || text->at[0] != ',')
        return false;
    skip(text, (size_t)(semicolon - text->at) + 1);
    return true;
}

static void copy_path(const char *from, const char *to, char ret_path[NJ_OOM_MEMCG_MAX])
{
    size_t len = (size_t)(to - from);
    if (len >= NJ_OOM_MEMCG_MAX)
        return;
    memcpy(ret_path, from, len);
    ret_path[len] = '\0';
}

/* The name is followed by two numbers only, and the paths begin before it. */
static bool read_chosen(struct text text, struct nj_oom_line *line)
{
    static const char limited_is[] = ",oom_memcg=";
    static const char memcg_is[] = ",task_memcg=";
    static const char pid_is[] = ",pid=";
    const char *memcg = first(text, memcg_is);
    const char *pid = last(text, pid_is);
    if (memcg == NULL || pid == NULL || pid < memcg)
        return false;
    struct text rest = {pid, text.len - (size_t)(pid - text.at)};
    skip(&rest, strlen(pid_is));
    if (!pid_at(&rest, &line->pid) || !starts(rest, ",uid="))
        return false;
    struct text path = {memcg, (size_t)(pid - memcg)};
    skip(&path, strlen(memcg_is));
    const char *end = first(path, ",task="); /* a path that has this too is cut: what is left is above it */
    if (end == NULL)
        return false;
    copy_path(path.at, end, line->memcg);
    struct text before = {text.at, (size_t)(memcg - text.at)};
    const char *limited = first(before, limited_is);
    if (limited != NULL)
        copy_path(limited + strlen(limited_is), memcg, line->limited);
    return true;
}

static void add_kib(struct text text, const char *key, uint64_t *bytes)
{
    const char *at = first(text, key);
    uint64_t kib = 0;
    if (at == NULL)
        return;
    skip(&text, (size_t)(at - text.at) + strlen(key));
    if (number(&text, UINT64_MAX / KIB / 4, &kib) && starts(text, "kB"))
        *bytes = (*bytes == NJ_UNKNOWN ? 0 : *bytes) + kib * KIB;
}

/* "Killed process N (NAME) total-vm:"; some distributions have "), UID N, total-vm:". */
static bool read_killed(struct text text, struct nj_oom_line *line)
{
    static const char killed[] = "Killed process ";
    const char *at = first(text, killed);
    if (at == NULL)
        return false;
    skip(&text, (size_t)(at - text.at) + strlen(killed));
    if (!pid_at(&text, &line->pid) || !starts(text, " ("))
        return false;
    skip(&text, strlen(" ("));
    const char *end = last(text, ") total-vm:");
    if (end == NULL)
        end = last(text, "), UID ");
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - text.at);
    command_of((struct text){text.at, len}, line->command);
    skip(&text, len);
    add_kib(text, " anon-rss:", &line->bytes);
    add_kib(text, " file-rss:", &line->bytes);
    add_kib(text, " shmem-rss:", &line->bytes);
    return true;
}

void nj_oom_line_parse(const char *record, size_t len, struct nj_oom_line *ret_line)
{
    struct text text = {record, len};
    *ret_line = (struct nj_oom_line){.bytes = NJ_UNKNOWN};
    const char *newline = memchr(record, '\n', len);
    if (newline != NULL)
        text.len = (size_t)(newline - record);
    if (!is_kernels(&text))
        return;
    if (starts(text, "oom-kill:constraint=")) {
        if (read_chosen(text, ret_line))
            ret_line->kind = NJ_OOM_LINE_CHOSEN;
    } else if (starts(text, "Memory cgroup out of memory") || starts(text, "Out of memory") ||
               starts(text, "Killed process ")) {
        if (read_killed(text, ret_line))
            ret_line->kind = NJ_OOM_LINE_KILLED;
    }
}
