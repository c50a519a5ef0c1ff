#include "collector/cluster/nodes.h"

#include <stdio.h>
#include <string.h>

#include "collector/cluster/nodes_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum { TEXT_MAX = 2048 };

/* What lasts is told again: of what nothing is heard for long is taken for over (incident.stale_after, 10
 * minutes at least). */
#define AGAIN_NS (5 * NJ_MIN)

static const struct {
    const char *type, *good;
    enum nj_trouble_kind kind;
    const char *severity, *words, *over;
    bool of_start; /* a new node has it until it is set up */
} conditions[NJ_NODES_CONDITIONS] = {
    {"Ready", "True", NJ_TROUBLE_NODE_NOT_READY, "critical", "is not ready", "is ready again", true},
    {"MemoryPressure", "False", NJ_TROUBLE_NODE_MEMORY, "warning", "is short of memory",
     "is no longer short of memory", false},
    {"DiskPressure", "False", NJ_TROUBLE_NODE_DISK, "warning", "is short of disk space",
     "is no longer short of disk space", false},
    {"PIDPressure", "False", NJ_TROUBLE_NODE_PIDS, "warning", "is short of process ids",
     "is no longer short of process ids", false},
    {"NetworkUnavailable", "False", NJ_TROUBLE_NODE_NETWORK, "warning", "has no pod network",
     "has its pod network again", true},
};

/* A node that is known, or one that an earlier process told of and this one has not seen. */
struct node {
    char *name;
    char *uid;                 /* NULL: not seen */
    struct nj_nodes_node view; /* .node NULL: not seen */
    struct nj_arena arena;     /* of the view */
    int64_t seen_ns;           /* first, monotonic */
    bool was_ready;
    int64_t told_ns[NJ_NODES_CONDITIONS]; /* since when what was told is; 0: nothing */
    UT_hash_handle by_name, by_uid;
};

struct nj_nodes {
    struct nj_nodes_options options;
    struct nj_watch *watch;
    struct node *nodes; /* by_name */
    struct node *seen;  /* by_uid */
    struct nj_timer due, again;
    int64_t due_ns; /* monotonic, of the timer; 0: it sleeps */
    bool first_list_done;
    struct nj_counter *ignored;
    struct nj_gauge *count, *unready;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static struct node *find(const struct nj_nodes *nodes, const char *name)
{
    struct node *node = NULL;
    HASH_FIND(by_name, nodes->nodes, name, strlen(name), node);
    return node;
}

static struct node *add(struct nj_nodes *nodes, const char *name)
{
    struct node *node = NJ_NEW(struct node);
    node->name = nj_strdup(name);
    HASH_ADD_KEYPTR(by_name, nodes->nodes, node->name, strlen(node->name), node);
    return node;
}

static void forget_object(struct nj_nodes *nodes, struct node *node)
{
    if (node->uid == NULL)
        return;
    NJ_TABLE_REMOVE_BY(by_uid, nodes->seen, node);
    nj_arena_done(&node->arena);
    free(node->uid);
    node->uid = NULL;
    node->view = (struct nj_nodes_node){0};
}

static void drop(struct nj_nodes *nodes, struct node *node)
{
    forget_object(nodes, node);
    NJ_TABLE_REMOVE_BY(by_name, nodes->nodes, node);
    free(node->name);
    free(node);
}

static const struct nj_pod_condition *condition_of(const struct nj_nodes_node *view, size_t i)
{
    for (size_t c = 0; c < view->node->conditions_count; c++) {
        if (nj_streq(view->node->conditions[c].type, conditions[i].type))
            return &view->node->conditions[c];
    }
    return NULL;
}

/* Without a Ready condition the kubelet has not come yet. A pressure of which nobody knows (Unknown: the
 * kubelet is not heard) is none: not being ready says it. */
static bool is_bad(const struct nj_nodes_node *view, size_t i)
{
    const struct nj_pod_condition *condition = condition_of(view, i);
    if (i == 0)
        return condition == NULL || !nj_streq(condition->status, conditions[i].good);
    return condition != NULL && nj_streq(condition->status, "True");
}

/* ---- telling */

static void emit(struct nj_nodes *nodes, const struct node *node, size_t i, bool over, int64_t at_ns,
                 const char *message)
{
    char id[NJ_EVENT_ID_MAX];
    char since[24];
    (void)snprintf(since, sizeof(since), "%lld", (long long)node->told_ns[i]);
    struct nj_event event = {
        .id = nj_event_id(id, "trouble", "node", node->name, nj_trouble_kind_name(conditions[i].kind), "",
                          since, over ? "over" : "0", NULL),
        .at_ns = at_ns,
        .seen_ns = nj_loop_wall_ns(nodes->options.loop),
        .type = NJ_EVENT_TROUBLE,
        .subject = {.namespace = "",
                    .pod = "",
                    .pod_uid = "",
                    .node = node->name,
                    .workload_kind = "Node",
                    .workload = node->name,
                    .container = ""},
        .trouble = {.kind = conditions[i].kind,
                    .detail = "",
                    .over = over,
                    .severity = conditions[i].severity,
                    .message = message,
                    .since_ns = node->told_ns[i],
                    .process = ""},
    };
    nodes->options.on_event(nodes->options.data, &event);
}

static void tell(struct nj_nodes *nodes, struct node *node, size_t i)
{
    const struct nj_pod_condition *condition = condition_of(&node->view, i);
    char message[TEXT_MAX + 512];
    if (node->told_ns[i] == 0 && condition != NULL)
        node->told_ns[i] = condition->last_transition_ns;
    if (node->told_ns[i] == 0)
        node->told_ns[i] = node->view.created_ns;
    if (node->told_ns[i] == 0)
        node->told_ns[i] = nj_loop_wall_ns(nodes->options.loop);
    if (condition == NULL)
        (void)snprintf(message, sizeof(message), "node %s %s: its kubelet has not said anything yet",
                       node->name, conditions[i].words);
    else
        (void)snprintf(message, sizeof(message), "node %s %s%s%s%s%s", node->name, conditions[i].words,
                       *condition->reason == '\0' ? "" : ": ", condition->reason,
                       *condition->message == '\0' ? "" : ": ", condition->message);
    message[nj_utf8_cut(message, strlen(message), TEXT_MAX)] = '\0';
    emit(nodes, node, i, false, node->told_ns[i], message);
}

/* The end is when the condition changed, but never before what it ends: their clocks may differ. */
static void tell_over(struct nj_nodes *nodes, struct node *node, size_t i, bool gone)
{
    const struct nj_pod_condition *condition = node->uid == NULL ? NULL : condition_of(&node->view, i);
    int64_t at_ns = nj_loop_wall_ns(nodes->options.loop);
    char message[TEXT_MAX];
    if (!gone && condition != NULL && condition->last_transition_ns != 0)
        at_ns = condition->last_transition_ns;
    if (at_ns < node->told_ns[i])
        at_ns = node->told_ns[i];
    (void)snprintf(message, sizeof(message), "node %s %s", node->name,
                   gone ? "is no longer in the cluster" : conditions[i].over);
    emit(nodes, node, i, true, at_ns, message);
    node->told_ns[i] = 0;
}

/* How long a new node still has. Its creation is the server's time: no longer than since it was seen. */
static int64_t time_left(const struct nj_nodes *nodes, const struct node *node)
{
    int64_t by_wall_ns = node->view.created_ns - nj_loop_wall_ns(nodes->options.loop);
    int64_t by_sight_ns = node->seen_ns - nj_loop_mono_ns(nodes->options.loop);
    return nodes->options.not_ready_after_ns + (by_wall_ns < by_sight_ns ? by_wall_ns : by_sight_ns);
}

static void wake_in(struct nj_nodes *nodes, int64_t left_ns)
{
    int64_t due_ns = nj_loop_mono_ns(nodes->options.loop) + left_ns;
    if (nodes->due_ns != 0 && nodes->due_ns <= due_ns)
        return;
    nodes->due_ns = due_ns;
    nj_timer_start(&nodes->due, left_ns, 0);
}

static void consider(struct nj_nodes *nodes, struct node *node)
{
    for (size_t i = 0; i < NJ_NODES_CONDITIONS; i++) {
        bool bad = is_bad(&node->view, i);
        if (!bad && node->told_ns[i] != 0)
            tell_over(nodes, node, i, false);
        if (!bad || node->told_ns[i] != 0)
            continue;
        int64_t left_ns = conditions[i].of_start && !node->was_ready ? time_left(nodes, node) : 0;
        if (left_ns > 0)
            wake_in(nodes, left_ns);
        else
            tell(nodes, node, i);
    }
}

static void on_due(struct nj_timer *timer)
{
    struct nj_nodes *nodes = timer->data;
    struct node *node;
    struct node *next;
    nodes->due_ns = 0;
    HASH_ITER (by_uid, nodes->seen, node, next)
        consider(nodes, node);
}

static void on_again(struct nj_timer *timer)
{
    struct nj_nodes *nodes = timer->data;
    struct node *node;
    struct node *next;
    HASH_ITER (by_uid, nodes->seen, node, next) {
        for (size_t i = 0; i < NJ_NODES_CONDITIONS; i++) {
            if (node->told_ns[i] != 0)
                tell(nodes, node, i);
        }
    }
}

/* ---- the watch */

static void leave(struct nj_nodes *nodes, struct node *node)
{
    for (size_t i = 0; i < NJ_NODES_CONDITIONS; i++) {
        if (node->told_ns[i] != 0)
            tell_over(nodes, node, i, true);
    }
    drop(nodes, node);
}

static void count(struct nj_nodes *nodes)
{
    nj_gauge_set(nodes->count, HASH_CNT(by_uid, nodes->seen));
}

static void count_ready(struct nj_nodes *nodes, bool was_known, bool was, bool is)
{
    if (was_known)
        nj_gauge_add(nodes->unready, was ? 0 : -1);
    nj_gauge_add(nodes->unready, is ? 0 : 1);
}

static void update(struct nj_nodes *nodes, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct node *node = find(nodes, object->meta.name);
    bool is_seen = node != NULL && node->uid != NULL;
    struct nj_arena arena;
    struct nj_nodes_node view;
    if (!nj_kube_is_name(object->meta.name) ||
        (!is_seen && HASH_CNT(by_uid, nodes->seen) >= nodes->options.max_nodes) ||
        !nj_nodes_copy(object, &arena, &view)) {
        nj_counter_add(nodes->ignored, type == NJ_WATCH_ADDED); /* once a node */
        return;
    }
    if (node == NULL)
        node = add(nodes, view.name);
    bool was_ready = node->view.ready;
    bool is_another = is_seen && !nj_streq(node->uid, view.uid); /* of the same name: made anew */
    forget_object(nodes, node);
    node->view = view;
    node->arena = arena;
    node->uid = nj_strdup(view.uid);
    HASH_ADD_KEYPTR(by_uid, nodes->seen, node->uid, strlen(node->uid), node);
    node->view.ready = !is_bad(&node->view, 0);
    if (!is_seen || is_another) {
        node->seen_ns = nj_loop_mono_ns(nodes->options.loop);
        node->was_ready = false;
    }
    node->was_ready |= node->view.ready;
    count(nodes);
    count_ready(nodes, is_seen, was_ready, node->view.ready);
    consider(nodes, node);
}

static void on_object(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct nj_nodes *nodes = data;
    struct node *node = NULL;
    if (type != NJ_WATCH_DELETED) {
        update(nodes, type, object);
        return;
    }
    HASH_FIND(by_uid, nodes->seen, object->meta.uid, strlen(object->meta.uid), node);
    if (node == NULL)
        return;
    nj_gauge_add(nodes->unready, node->view.ready ? 0 : -1);
    leave(nodes, node);
    count(nodes);
}

static void on_synced(void *data)
{
    struct nj_nodes *nodes = data;
    struct node *node;
    struct node *next;
    if (nodes->first_list_done)
        return;
    nodes->first_list_done = true;
    HASH_ITER (by_name, nodes->nodes, node, next) {
        if (node->uid == NULL) /* it left while nobody looked */
            leave(nodes, node);
    }
}

static void on_trouble(void *data, const struct nj_err *err)
{
    struct nj_nodes *nodes = data;
    if (nodes->options.on_trouble != NULL)
        nodes->options.on_trouble(nodes->options.data, err);
}

int nj_nodes_start(const struct nj_nodes_options *options, struct nj_nodes **ret_nodes, struct nj_err *err)
{
    struct nj_nodes *nodes = NJ_NEW(struct nj_nodes);
    nodes->options = *options;
    if (options->metrics != NULL) {
        nodes->ignored =
            nj_metrics_counter(options->metrics, "nightjar_nodes_ignored_total", "",
                               "Nodes that are not followed because of the bound, or cannot be.");
        nodes->count =
            nj_metrics_gauge(options->metrics, "nightjar_nodes", "", "Nodes of the cluster that are known.");
        nodes->unready = nj_metrics_gauge(options->metrics, "nightjar_nodes_not_ready", "",
                                          "Nodes of the cluster that are not ready.");
    }
    nj_timer_init(&nodes->due, options->loop, on_due, nodes);
    nj_timer_init(&nodes->again, options->loop, on_again, nodes);
    struct nj_watch_options watch = {
        .path = "/api/v1/nodes",
        .kind = NJ_KUBE_NODE,
        .encoding = NJ_KUBE_PROTOBUF,
        .metrics = options->metrics,
        .on_object = on_object,
        .on_synced = on_synced,
        .on_trouble = on_trouble,
        .data = nodes,
    };
    int rc = nj_watch_start(options->loop, options->client, &watch, &nodes->watch, err);
    if (rc < 0) {
        free(nodes);
        return rc;
    }
    nj_timer_start(&nodes->again, AGAIN_NS, AGAIN_NS);
    *ret_nodes = nodes;
    return 0;
}

void nj_nodes_remember(struct nj_nodes *nodes, const char *node, enum nj_trouble_kind kind, int64_t since_ns)
{
    for (size_t i = 0; i < NJ_NODES_CONDITIONS; i++) {
        if (conditions[i].kind != kind)
            continue;
        struct node *found = find(nodes, node);
        if (found == NULL)
            found = add(nodes, node);
        found->told_ns[i] = since_ns == 0 ? 1 : since_ns;
    }
}

bool nj_nodes_synced(const struct nj_nodes *nodes)
{
    return nodes->first_list_done;
}

const struct nj_nodes_node *nj_nodes_find(struct nj_nodes *nodes, const char *name)
{
    const struct node *node = find(nodes, name);
    return node == NULL || node->uid == NULL ? NULL : &node->view;
}

void nj_nodes_each(struct nj_nodes *nodes, void (*each)(void *data, const struct nj_nodes_node *node),
                   void *data)
{
    for (const struct node *node = nodes->seen; node != NULL; node = node->by_uid.next)
        each(data, &node->view);
}

size_t nj_nodes_bad(const struct nj_nodes_node *node, const char *ret_names[NJ_NODES_CONDITIONS])
{
    size_t found = 0;
    for (size_t i = 0; i < NJ_NODES_CONDITIONS; i++) {
        if (is_bad(node, i))
            ret_names[found++] = conditions[i].type;
    }
    return found;
}

static void on_watch_closed(void *data)
{
    struct nj_nodes *nodes = data;
    void (*on_closed)(void *data) = nodes->on_closed;
    void *on_closed_data = nodes->on_closed_data;
    for (struct node *node; (node = nodes->nodes) != NULL;)
        drop(nodes, node);
    free(nodes);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_nodes_close(struct nj_nodes *nodes, void (*on_closed)(void *data), void *data)
{
    if (nodes == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    nodes->on_closed = on_closed;
    nodes->on_closed_data = data;
    nj_timer_stop(&nodes->due);
    nj_timer_stop(&nodes->again);
    nj_watch_close(nodes->watch, on_watch_closed, nodes);
}
