/* The events of OOM kills and of troubles, between plain C and their messages; and what a trouble is called.
 */
#include <errno.h>
#include <math.h>

#include "common/base/str.h"
#include "common/wire/codec.h"

enum { LEVEL_MAX = 100 };

static const char *const kind_names[NJ_TROUBLE_KINDS] = {
    [0] = "",
    [NJ_TROUBLE_LEAK_FDS] = "leak_fds",
    [NJ_TROUBLE_LEAK_SOCKETS] = "leak_sockets",
    [NJ_TROUBLE_LEAK_ZOMBIES] = "leak_zombies",
    [NJ_TROUBLE_LEAK_THREADS] = "leak_threads",
    [NJ_TROUBLE_LEAK_MEMORY] = "leak_memory",
    [NJ_TROUBLE_NEAR_FDS] = "near_fds",
    [NJ_TROUBLE_NEAR_MEMORY] = "near_memory",
    [NJ_TROUBLE_NEAR_PIDS] = "near_pids",
    [NJ_TROUBLE_LISTEN_QUEUE] = "listen_queue",
    [NJ_TROUBLE_NODE_NOT_READY] = "node_not_ready",
    [NJ_TROUBLE_NODE_MEMORY] = "node_memory",
    [NJ_TROUBLE_NODE_DISK] = "node_disk",
    [NJ_TROUBLE_NODE_PIDS] = "node_pids",
    [NJ_TROUBLE_NODE_NETWORK] = "node_network",
    [NJ_TROUBLE_NODE_DISK_FULL] = "node_disk_full",
    [NJ_TROUBLE_NODE_INODES_FULL] = "node_inodes_full",
    [NJ_TROUBLE_NODE_CONNTRACK_FULL] = "node_conntrack_full",
    [NJ_TROUBLE_NODE_FILES_FULL] = "node_files_full",
    [NJ_TROUBLE_NODE_PIDS_FULL] = "node_pids_full",
    [NJ_TROUBLE_NODE_ZOMBIES] = "node_zombies",
    [NJ_TROUBLE_NODE_CLOCK] = "node_clock",
    [NJ_TROUBLE_NODE_LOSS] = "node_loss",
};

static bool is_kind(uint32_t kind)
{
    return kind > 0 && kind < NJ_TROUBLE_KINDS;
}

const char *nj_trouble_kind_name(enum nj_trouble_kind kind)
{
    return is_kind((uint32_t)kind) ? kind_names[kind] : "";
}

int nj_trouble_kind_parse(const char *name, enum nj_trouble_kind *ret_kind)
{
    for (uint32_t kind = 1; kind < NJ_TROUBLE_KINDS; kind++) {
        if (nj_streq(name, kind_names[kind])) {
            *ret_kind = (enum nj_trouble_kind)kind;
            return 0;
        }
    }
    return -EINVAL;
}

bool nj_trouble_is_of_node(enum nj_trouble_kind kind)
{
    return kind >= NJ_TROUBLE_NODE_NOT_READY && kind < NJ_TROUBLE_KINDS;
}

Nightjar__OomKill *nj_codec_fill_oom_kill(const struct nj_oom_kill *from, struct nj_arena *arena)
{
    Nightjar__OomKill *to = nj_arena_alloc(arena, sizeof(*to));
    if (to == NULL)
        return NULL;
    nightjar__oom_kill__init(to);
    to->container_id = nj_codec_text(arena, from->container_id);
    to->count = from->count;
    to->process = nj_codec_text(arena, from->process);
    to->pid = from->pid;
    to->process_bytes = from->process_bytes;
    to->memory_limit_bytes = from->memory_limit_bytes;
    to->memory_usage_bytes = from->memory_usage_bytes;
    return to;
}

void nj_codec_take_oom_kill(struct nj_codec_check *check, const Nightjar__OomKill *from,
                            struct nj_oom_kill *to)
{
    *to = (struct nj_oom_kill){
        .container_id = nj_codec_take(check, from->container_id, "oom_kill.container_id"),
        .count = from->count,
        .process = nj_codec_take(check, from->process, "oom_kill.process"),
        .pid = from->pid,
        .process_bytes = from->process_bytes,
        .memory_limit_bytes = from->memory_limit_bytes,
        .memory_usage_bytes = from->memory_usage_bytes,
    };
    if (check->rc == 0 && to->count == 0)
        check->rc = nj_err_set(check->err, -EPROTO, "an OOM kill killed nothing");
}

Nightjar__Trouble *nj_codec_fill_trouble(const struct nj_trouble *from, struct nj_arena *arena)
{
    Nightjar__Trouble *to = nj_arena_alloc(arena, sizeof(*to));
    if (to == NULL)
        return NULL;
    nightjar__trouble__init(to);
    to->kind = (uint32_t)from->kind;
    to->detail = nj_codec_text(arena, from->detail);
    to->over = from->over;
    to->level = from->level;
    to->severity = nj_codec_text(arena, from->severity);
    to->message = nj_codec_text(arena, from->message);
    to->since_ns = from->since_ns;
    to->value = from->value;
    to->limit = from->limit;
    to->per_hour = from->per_hour;
    to->reaches_ns = from->reaches_ns;
    to->process = nj_codec_text(arena, from->process);
    to->pid = from->pid;
    return to;
}

bool nj_codec_trouble_fits(const struct nj_trouble *trouble)
{
    return is_kind((uint32_t)trouble->kind) && trouble->level >= 0 && trouble->level <= LEVEL_MAX &&
           isfinite(trouble->value) && isfinite(trouble->limit) && isfinite(trouble->per_hour);
}

void nj_codec_take_trouble(struct nj_codec_check *check, const Nightjar__Trouble *from, struct nj_trouble *to)
{
    if (!is_kind(from->kind)) {
        check->rc = nj_err_set(check->err, -EPROTO, "trouble.kind %u is unknown", from->kind);
        return;
    }
    *to = (struct nj_trouble){
        .kind = (enum nj_trouble_kind)from->kind,
        .detail = nj_codec_take(check, from->detail, "trouble.detail"),
        .over = from->over != 0,
        .level = from->level,
        .severity = nj_codec_take(check, from->severity, "trouble.severity"),
        .message = nj_codec_take(check, from->message, "trouble.message"),
        .since_ns = from->since_ns,
        .value = from->value,
        .limit = from->limit,
        .per_hour = from->per_hour,
        .reaches_ns = from->reaches_ns,
        .process = nj_codec_take(check, from->process, "trouble.process"),
        .pid = from->pid,
    };
    if (check->rc == 0 && !nj_codec_trouble_fits(to))
        check->rc = nj_err_set(check->err, -EPROTO, "a trouble's level or one of its figures is none");
}
