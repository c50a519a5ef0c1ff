/*
 * The schema of availability and rollouts: a migration of its own, whose place is in schema.c.
 */
#include "collector/store/sqlite/internal.h"

/* clang-format off */
const char nj_sqlite_schema_sla[] =
    /* Whose availability is measured: a Service, or a workload. Goes with the last of its intervals. */
    "CREATE TABLE sla_subject ("
    "  number INTEGER PRIMARY KEY,"
    "  cluster TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX sla_subject_key ON sla_subject (cluster, kind, namespace, name);"

    /* Those of one subject lie side by side, in the order of their times: a year of it is one stretch. */
    "CREATE TABLE interval ("
    "  subject INTEGER NOT NULL," /* sla_subject.number */
    "  from_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL," /* until 0: it lasts */
    "  seen_ns INTEGER NOT NULL,"
    "  state TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL, reference TEXT NOT NULL,"
    "  desired INTEGER NOT NULL, ready INTEGER NOT NULL, serving INTEGER NOT NULL, min_ready INTEGER NOT NULL,"
    "  print INTEGER NOT NULL, backfilled INTEGER NOT NULL,"
    "  PRIMARY KEY (subject, from_ns)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX interval_open ON interval (subject) WHERE until_ns = 0;"
    "CREATE INDEX interval_until ON interval (until_ns) WHERE until_ns > 0;"
    "CREATE INDEX interval_reference ON interval (reference, subject) WHERE reference <> '';"
    "CREATE TRIGGER interval_deleted AFTER DELETE ON interval"
    " WHEN NOT EXISTS (SELECT 1 FROM interval WHERE subject = old.subject)"
    " BEGIN DELETE FROM sla_subject WHERE number = old.subject; END;"

    /* Until when the collector looked: open intervals are known until then. */
    "CREATE TABLE alive ("
    "  cluster TEXT NOT NULL PRIMARY KEY, at_ns INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE rollout ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT," /* which keeps numbers from being used twice */
    "  cluster TEXT NOT NULL, namespace TEXT NOT NULL, workload_kind TEXT NOT NULL, workload TEXT NOT NULL,"
    "  revision TEXT NOT NULL, from_revision TEXT NOT NULL,"
    "  template_hash TEXT NOT NULL, from_hash TEXT NOT NULL,"
    "  images TEXT NOT NULL, from_images TEXT NOT NULL, difference TEXT NOT NULL,"
    "  changed_by TEXT NOT NULL, change_cause TEXT NOT NULL,"
    "  began_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL, failed_ns INTEGER NOT NULL," /* ended 0: it goes on */
    "  outcome TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,"
    "  desired INTEGER NOT NULL, updated INTEGER NOT NULL, available INTEGER NOT NULL, min_available INTEGER NOT NULL,"
    "  crashes INTEGER NOT NULL, failed_checks INTEGER NOT NULL,"
    "  outage_ns INTEGER NOT NULL, told INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX rollout_workload ON rollout (cluster, namespace, workload_kind, workload, id);"
    "CREATE INDEX rollout_running ON rollout (id) WHERE ended_ns = 0;"
    "CREATE INDEX rollout_ended ON rollout (ended_ns) WHERE ended_ns > 0;"

    /* For whoever reads the database by SQL: the definitions of collector/sla/compute.h. Intervals with what counts of
     * them; an open one ends at what is known of it. */
    "CREATE VIEW service_interval AS"
    " SELECT * FROM ("
    "  SELECT s.cluster, s.kind, s.namespace, s.name, i.from_ns,"
    "   CASE WHEN i.until_ns > 0 THEN i.until_ns ELSE"
    "    max(i.seen_ns, ifnull((SELECT at_ns FROM alive a WHERE a.cluster = s.cluster), 0)) END AS until_ns,"
    "   i.until_ns = 0 AS lasts, i.state, i.cause, i.detail, i.reference,"
    "   i.desired, i.ready, i.serving, i.min_ready,"
    "   i.state NOT IN ('unknown', 'none_by_design') AS is_observed,"
    "   i.state IN ('up', 'degraded') AS is_available,"
    "   i.state IN ('up', 'degraded', 'draining') AS is_serving,"
    "   i.cause IN ('rollout', 'scaling', 'scaled_to_zero', 'maintenance') AS is_planned"
    "  FROM sla_subject s JOIN interval i ON i.subject = s.number"
    " ) WHERE until_ns > from_ns;"

    /* Each longest run of not available by either definition, with the cause of the first that was not planned. */
    "CREATE VIEW service_outage AS"
    " WITH basis (basis) AS (VALUES ('ready'), ('serving')),"
    " part AS ("
    "  SELECT i.*, basis FROM service_interval i, basis"
    "  WHERE is_observed AND NOT iif(basis = 'ready', is_available, is_serving)),"
    " begun AS ("
    "  SELECT *, lag(until_ns) OVER (PARTITION BY cluster, kind, namespace, name, basis ORDER BY from_ns)"
    "   IS NOT from_ns AS begins FROM part),"
    " numbered AS ("
    "  SELECT *, sum(begins) OVER (PARTITION BY cluster, kind, namespace, name, basis ORDER BY from_ns) AS run"
    "  FROM begun),"
    " told AS ("
    "  SELECT *, row_number() OVER (PARTITION BY cluster, kind, namespace, name, basis, run"
    "   ORDER BY is_planned OR (cause = '' AND NOT begins), from_ns) AS place FROM numbered)"
    " SELECT cluster, kind, namespace, name, basis, min(from_ns) AS from_ns,"
    "  iif(max(lasts), 0, max(until_ns)) AS until_ns,"
    "  (max(until_ns) - min(from_ns)) / 1e9 AS seconds,"
    "  max(iif(place = 1, cause, '')) AS cause,"
    "  max(iif(place = 1, detail, '')) AS detail,"
    "  max(iif(place = 1, reference, '')) AS reference,"
    "  max(place = 1 AND is_planned) AS planned,"
    "  min(min_ready) AS min_ready"
    " FROM told GROUP BY cluster, kind, namespace, name, basis, run;";
/* clang-format on */
