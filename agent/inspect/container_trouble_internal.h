/*
 * What the files of container_trouble share: the state of a container and of a pod, and how a trouble is put
 * into words.
 */
#ifndef NJ_INSPECT_CONTAINER_TROUBLE_INTERNAL_H
#define NJ_INSPECT_CONTAINER_TROUBLE_INTERNAL_H

#include "agent/inspect/container_trouble.h"
#include "common/base/table.h"

enum nj_leak_quantity {
    NJ_LEAK_OF_FDS,
    NJ_LEAK_OF_ZOMBIES,
    NJ_LEAK_OF_THREADS,
    NJ_LEAK_OF_MEMORY,
    NJ_LEAKS_OF_CONTAINER,
    NJ_LEAK_OF_CLOSE_WAIT = NJ_LEAKS_OF_CONTAINER, /* these two are of the pod's network namespace */
    NJ_LEAK_OF_SOCKETS,
    NJ_LEAK_QUANTITIES
};

/* One quantity that may leak. */
struct nj_leak_watch {
    struct nj_leak_series *series; /* NULL until there is anything to follow */
    int64_t judged_ns, leaked_ns;  /* monotonic: the last judgement, and the last that it leaks */
    double began, floor;           /* of the last verdict that it leaks */
    int64_t since_ns;              /* wall, as told; 0: not told */
};

/* A quantity's figures at a scan. */
struct nj_leak_sample {
    enum nj_leak_quantity quantity;
    int64_t at_ns;
    double value, limit; /* limit 0: none */
    struct nj_inspect_process process;
};

enum { NJ_NEAR_FDS, NJ_NEAR_MEMORY, NJ_NEAR_PIDS, NJ_NEARS };

/* A limit that is near. */
struct nj_near_watch {
    int level, told;  /* now, and the highest that was told */
    int64_t risen_ns; /* monotonic: since when the level is above what was told; 0: it is not */
    int64_t since_ns; /* wall, as told; 0: not told */
};

struct nj_container_watch {
    char id[NJ_CONTAINER_ID_MAX]; /* key */
    struct nj_pod_watch *pod;
    struct nj_leak_watch leaks[NJ_LEAKS_OF_CONTAINER];
    struct nj_near_watch nears[NJ_NEARS];
    UT_hash_handle hh;
};

struct nj_pod_watch {
    char uid[NJ_CONTAINER_ID_MAX]; /* key; of a container whose pod is not known its id */
    size_t containers;
    struct nj_socket_figures last; /* the last count */
    struct nj_leak_watch leaks[NJ_LEAK_QUANTITIES - NJ_LEAKS_OF_CONTAINER];
    /* A leak that is not told yet (`leaks`): it is asked which container has the sockets. */
    struct nj_leak_verdict suspected[NJ_LEAK_QUANTITIES - NJ_LEAKS_OF_CONTAINER];
    size_t asked[NJ_LEAK_QUANTITIES - NJ_LEAKS_OF_CONTAINER]; /* containers, about that suspicion */
    char told_for[NJ_LEAK_QUANTITIES - NJ_LEAKS_OF_CONTAINER][NJ_CONTAINER_ID_MAX]; /* "": the pod */
    int overflowing;                          /* counts in a row in which the accept queue overflowed */
    int64_t overflowed_ns;                    /* monotonic: the last of them */
    int64_t queue_since_ns;                   /* wall, as told; 0: not told */
    char queue_told_for[NJ_CONTAINER_ID_MAX]; /* "": the pod */
    uint16_t queue_port;
    UT_hash_handle hh;
};

struct nj_container_troubles {
    struct nj_leak_rules rules;
    struct nj_container_watch *containers; /* by id */
    struct nj_pod_watch *pods;             /* by uid */
};

/* One container's update. */
struct nj_trouble_scan {
    struct nj_container_troubles *troubles;
    const struct nj_container_figures *figures;
    int64_t wall_ns;
    const struct nj_trouble_hooks *hooks;
};

/* container_leak.c */
enum nj_trouble_kind nj_leak_kind(enum nj_leak_quantity quantity);
const char *nj_leak_detail(enum nj_leak_quantity quantity);
/* Adds the sample. True when it was judged to be leaking, and was not told to be. */
bool nj_leak_watch_add(const struct nj_container_troubles *troubles, struct nj_leak_watch *watch,
                       const struct nj_leak_sample *sample, struct nj_leak_verdict *ret_verdict);
/* Whether what was told is over, by the sample that was added last. */
bool nj_leak_watch_is_over(const struct nj_container_troubles *troubles, const struct nj_leak_watch *watch,
                           const struct nj_leak_sample *sample);
void nj_leak_tell(const struct nj_trouble_scan *scan, struct nj_leak_watch *watch,
                  const struct nj_leak_sample *sample, const struct nj_leak_verdict *verdict, bool of_pod);
/* Tells that it is over, and why. What is known of the past is kept: the next one must go beyond it. */
void nj_leak_tell_over(const struct nj_trouble_scan *scan, struct nj_leak_watch *watch,
                       enum nj_leak_quantity quantity, const char *why, bool of_pod);
/* As told by an earlier process: where it stood is worked out of its pace. */
void nj_leak_watch_restore(struct nj_leak_watch *watch, const struct nj_trouble_restored *restored,
                           int64_t now_ns);
void nj_leak_watch_done(struct nj_leak_watch *watch);
/* Of the container itself. */
void nj_container_leaks(const struct nj_trouble_scan *scan, struct nj_container_watch *container);

/* container_sockets.c: of the pod's network namespace. */
void nj_pod_sockets(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod);
void nj_pod_sockets_over(const struct nj_trouble_scan *scan, struct nj_pod_watch *pod, bool pod_is_gone);
void nj_pod_sockets_restore(struct nj_pod_watch *pod, const struct nj_trouble_restored *restored,
                            int64_t now_ns);

/* container_words.c. Both return `text`. */
enum { NJ_TROUBLE_TEXT_MAX = 400, NJ_ROUGH_TEXT_MAX = 32 };
const char *nj_rough_duration(int64_t ns, char text[NJ_ROUGH_TEXT_MAX]);             /* "50 min", "3 days" */
const char *nj_rough_amount(double value, bool bytes, char text[NJ_ROUGH_TEXT_MAX]); /* "436", "1.5 GiB" */
/* " (java, pid 4711)"; "" for none. */
const char *nj_process_words(const struct nj_inspect_process *process, char text[2 * NJ_ROUGH_TEXT_MAX]);

#endif
