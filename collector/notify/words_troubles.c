/* OOM kills, leaks, limits and nodes in words. See words.h. */
#include <inttypes.h>
#include <math.h>

#include "collector/notify/words.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum unit { COUNTED, BYTES, UNSAID };

static const struct {
    const char *reason; /* the engine's */
    enum unit unit;     /* of its value */
    const char *in[2];  /* by enum nj_language */
} meanings[] = {
    {"OOMKill", BYTES, {"容器内的进程因内存不足被杀死", "a process of the container was killed for memory"}},
    {"FdLeak", COUNTED, {"打开的文件描述符只增不减", "open files climb and do not come back"}},
    {"SocketLeak", COUNTED, {"套接字只增不减", "sockets climb and do not come back"}},
    {"ZombieLeak", COUNTED, {"僵尸进程只增不减", "zombies climb, nobody reaps them"}},
    {"ThreadLeak", COUNTED, {"线程只增不减", "threads climb and do not come back"}},
    {"MemoryLeak", BYTES, {"内存只增不减", "memory climbs and does not come back"}},
    {"FdsNearLimit", COUNTED, {"进程打开的文件描述符接近上限", "a process' open files are near its limit"}},
    {"MemoryNearLimit", BYTES, {"内存接近上限", "its memory is near the limit"}},
    {"PidsNearLimit", COUNTED, {"进程数接近上限", "its processes are near the limit"}},
    {"ListenQueueFull",
     UNSAID,
     {"监听队列已满，新连接被拒绝", "the accept queue is full, connections are refused"}},
    {"NotReady", UNSAID, {"节点未就绪", "the node is not ready"}},
    {"MemoryPressure", UNSAID, {"节点内存不足", "the node is short of memory"}},
    {"DiskPressure", UNSAID, {"节点磁盘不足", "the node is short of disk"}},
    {"PIDPressure", UNSAID, {"节点进程数过多", "the node is short of process ids"}},
    {"NetworkUnavailable", UNSAID, {"节点网络不可用", "the node's network is not available"}},
    {"DiskFull", BYTES, {"磁盘将满", "the disk is nearly full"}},
    {"InodesFull", COUNTED, {"inode 将用尽", "its inodes are nearly used up"}},
    {"ConntrackFull", COUNTED, {"连接跟踪表将满", "the connection tracking table is nearly full"}},
    {"FilesFull", COUNTED, {"节点打开的文件接近上限", "the node's open files are near their limit"}},
    {"PidsFull", COUNTED, {"节点进程号将用尽", "the node's process ids are nearly used up"}},
    {"Zombies", COUNTED, {"节点上僵尸进程过多", "too many zombies on the node"}},
    {"ClockOff", UNSAID, {"节点时钟不准", "the node's clock is off"}},
    {"NodeLoss",
     UNSAID,
     {"若失去该节点，它的 Pod 将无处可去", "were this node lost, its pods would find no other"}},
};

enum { MEANINGS = sizeof(meanings) / sizeof(meanings[0]) };

static size_t meaning_of(const char *reason)
{
    size_t i = 0;
    while (i < MEANINGS && !nj_streq(meanings[i].reason, reason))
        i++;
    return i;
}

bool nj_words_is_of_figures(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_OOM_KILL || kind == NJ_INCIDENT_LEAK || kind == NJ_INCIDENT_NEAR_LIMIT ||
           kind == NJ_INCIDENT_NODE || kind == NJ_INCIDENT_CAPACITY;
}

/* At most 2^53, so that it is a number that can be written out. */
static int64_t whole(double value)
{
    const double most = 9007199254740992.0;
    return !(value > -most) ? (int64_t)-most : value < most ? (int64_t)llround(value) : (int64_t)most;
}

static void append_value(const struct nj_incident *incident, double value, struct nj_buf *out)
{
    size_t i = meaning_of(incident->reason);
    if (i < MEANINGS && meanings[i].unit == BYTES)
        nj_words_bytes(whole(value), out);
    else if (fabs(value) < 10 && fabs(value - (double)whole(value)) > 0.05) /* a slow pace */
        nj_buf_printf(out, "%.1f", value);
    else
        nj_buf_printf(out, "%" PRId64, whole(value));
}

bool nj_words_value(const struct nj_incident *incident, struct nj_buf *out)
{
    size_t i = meaning_of(incident->reason);
    if (!(incident->value > 0) || (i < MEANINGS && meanings[i].unit == UNSAID))
        return false;
    append_value(incident, incident->value, out);
    if (!(incident->at_most > 0))
        return true;
    nj_buf_append_str(out, " / ");
    append_value(incident, incident->at_most, out);
    double share = incident->value / incident->at_most * 100;
    if (share < 1000)
        nj_buf_printf(out, " (%d%%)", (int)share);
    return true;
}

void nj_words_pace(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    nj_buf_append_char(out, '+');
    append_value(incident, incident->per_hour, out);
    nj_buf_append_str(out, language == NJ_LANGUAGE_ZH ? " / 小时" : " an hour");
}

void nj_words_reaches(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    nj_words_time(incident->reaches_ns, out);
    if (incident->reaches_ns <= incident->last_ns)
        return;
    nj_buf_append_str(out, language == NJ_LANGUAGE_ZH ? "（" : " (");
    nj_words_duration(language, incident->reaches_ns - incident->last_ns, out);
    nj_buf_append_str(out, language == NJ_LANGUAGE_ZH ? "后）" : " later)");
}

void nj_words_process(const struct nj_incident *incident, struct nj_buf *out)
{
    nj_buf_append_str(out, nj_str(incident->process));
    if (incident->pid > 0)
        nj_buf_printf(out, "%spid %d", out->len == 0 ? "" : ", ", (int)incident->pid);
}

void nj_words_figures(enum nj_language language, const struct nj_incident *incident, struct nj_buf *out)
{
    bool chinese = language == NJ_LANGUAGE_ZH;
    size_t i = meaning_of(incident->reason);
    struct nj_buf value = {0};
    nj_buf_append_str(out, nj_str(incident->reason)[0] == '\0' ? "-" : incident->reason);
    if (nj_str(incident->detail)[0] != '\0')
        nj_buf_printf(out, chinese ? "（%s）" : " (%s)", incident->detail);
    if (i < MEANINGS)
        nj_buf_printf(out, "%s%s", nj_word(language, NJ_WORD_COLON), meanings[i].in[language]);
    if (nj_words_value(incident, &value))
        nj_buf_printf(out, chinese ? "，%s" : ", %s", nj_buf_str(&value));
    nj_buf_done(&value);
}
