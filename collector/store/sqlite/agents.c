#include <errno.h>

#include "collector/store/sqlite/internal.h"

#define AGENT_COLUMNS                                                                                        \
    "cluster, node, stream, committed, request, first_heard_ns, last_heard_ns, version, started_ns, "        \
    "outbox_events, outbox_bytes, dropped_events, lost_crashes, pods, watch_synced"

static void read_agent(sqlite3_stmt *statement, struct nj_store_agent *agent)
{
    struct nj_row row = {.statement = statement};
    agent->cluster = nj_row_text(&row);
    agent->node = nj_row_text(&row);
    agent->stream = nj_row_text(&row);
    agent->committed = (uint64_t)nj_row_int(&row);
    agent->request = (uint64_t)nj_row_int(&row);
    agent->first_heard_ns = nj_row_int(&row);
    agent->last_heard_ns = nj_row_int(&row);
    agent->status.version = nj_row_text(&row);
    agent->status.started_ns = nj_row_int(&row);
    agent->status.outbox_events = (uint64_t)nj_row_int(&row);
    agent->status.outbox_bytes = (uint64_t)nj_row_int(&row);
    agent->status.dropped_events = (uint64_t)nj_row_int(&row);
    agent->status.lost_crashes = (uint64_t)nj_row_int(&row);
    agent->status.pods = (uint32_t)nj_row_int(&row);
    agent->status.watch_synced = nj_row_int(&row) != 0;
}

int nj_sqlite_get_agent(struct nj_store *store, const char *cluster, const char *node, const char *stream,
                        struct nj_store_agent *ret_agent, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder get =
        nj_sql_use(sqlite, NJ_SQL_GET_AGENT,
                   "SELECT " AGENT_COLUMNS " FROM agent WHERE cluster = ? AND node = ? AND stream = ?");
    nj_sql_text(&get, cluster);
    nj_sql_text(&get, node);
    nj_sql_text(&get, stream);
    int rc = nj_sql_next(sqlite, &get, "read an agent", err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "no agent %s/%s with stream %s", cluster, node, stream);
    if (rc < 0)
        return rc;
    struct nj_store_agent agent;
    read_agent(get.statement, &agent);
    /* The strings must outlive the statement, which would otherwise keep its view of the database open. */
    agent.cluster = cluster;
    agent.node = node;
    agent.stream = stream;
    nj_buf_clear(&sqlite->text);
    rc = nj_buf_append_str(&sqlite->text, agent.status.version);
    nj_sql_reset(&get);
    if (rc < 0)
        return nj_err_set(err, rc, "out of memory");
    agent.status.version = nj_buf_str(&sqlite->text);
    *ret_agent = agent;
    return 0;
}

int nj_sqlite_put_agent(struct nj_store *store, const struct nj_store_agent *agent, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put = nj_sql_use(sqlite, NJ_SQL_PUT_AGENT,
                                      "INSERT OR REPLACE INTO agent (" AGENT_COLUMNS
                                      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    nj_sql_text(&put, agent->cluster);
    nj_sql_text(&put, agent->node);
    nj_sql_text(&put, agent->stream);
    nj_sql_int(&put, (int64_t)agent->committed);
    nj_sql_int(&put, (int64_t)agent->request);
    nj_sql_int(&put, agent->first_heard_ns);
    nj_sql_int(&put, agent->last_heard_ns);
    nj_sql_text(&put, agent->status.version);
    nj_sql_int(&put, agent->status.started_ns);
    nj_sql_int(&put, (int64_t)agent->status.outbox_events);
    nj_sql_int(&put, (int64_t)agent->status.outbox_bytes);
    nj_sql_int(&put, (int64_t)agent->status.dropped_events);
    nj_sql_int(&put, (int64_t)agent->status.lost_crashes);
    nj_sql_int(&put, agent->status.pods);
    nj_sql_int(&put, agent->status.watch_synced);
    return nj_sql_run(sqlite, &put, "store an agent", err);
}

int nj_sqlite_each_agent(struct nj_store *store,
                         int (*on_agent)(void *data, const struct nj_store_agent *agent), void *data,
                         struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    /* SQLite gives the bare columns of the row that has the maximum. */
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_EACH_AGENT,
                   "SELECT " AGENT_COLUMNS ", max(last_heard_ns) FROM agent GROUP BY cluster, node "
                   "ORDER BY cluster, node");
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read the agents", err)) == 1) {
        struct nj_store_agent agent;
        read_agent(each.statement, &agent);
        rc = on_agent(data, &agent);
        if (rc != 0) {
            nj_sql_reset(&each);
            return rc;
        }
    }
    return rc;
}
