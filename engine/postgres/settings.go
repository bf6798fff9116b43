package postgres

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// settings makes a session's results independent of the role, the database, the locale and the machine, and makes the
// server end the session soon after its client is gone. It is sent after connecting rather than as start-up parameters,
// which connection poolers refuse. What a DBA may want to decide for a role is left alone: statement_timeout,
// default_transaction_read_only, memory, parallelism.
func settings(o Options) string {
	var b strings.Builder
	set := func(name, value string) {
		fmt.Fprintf(&b, "SET %s = '%s';\n", name, strings.ReplaceAll(value, "'", "''"))
	}
	set("client_encoding", "UTF8")
	set("application_name", "twice")
	set("standard_conforming_strings", "on")
	set("default_transaction_isolation", "read committed")

	set("TimeZone", "UTC")
	set("DateStyle", "ISO, MDY")
	set("IntervalStyle", "postgres")
	set("extra_float_digits", "1") // the shortest text that reads back as the same number
	set("bytea_output", "hex")
	set("xmlbinary", "base64")
	set("lc_monetary", "C")
	set("lc_numeric", "C")
	set("lc_time", "C")
	set("default_text_search_config", "pg_catalog.simple")
	set("transform_null_equals", "off")
	set("synchronize_seqscans", "off") // a scan starts at the table's start, whoever else scans it
	// pg_temp is searched first, before the path, which is how attached inputs are found by their names.
	fmt.Fprintf(&b, "SET search_path = %s;\n", pgx.Identifier{o.Schema}.Sanitize())

	set("lock_timeout", milliseconds(o.LockTimeout))
	set("idle_in_transaction_session_timeout", milliseconds(o.IdleTimeout))
	set("tcp_keepalives_idle", "10")
	set("tcp_keepalives_interval", "5")
	set("tcp_keepalives_count", "4")
	set("tcp_user_timeout", "30000")
	// A server on an operating system that cannot see a closed socket refuses this one; it is a help, not a need.
	b.WriteString("DO $$BEGIN SET client_connection_check_interval = '1s'; EXCEPTION WHEN others THEN NULL; END$$")
	return b.String()
}

// anew takes from a session what another one may have left in it, as DISCARD ALL does, which no other statement may go
// with. The settings follow.
const anew = `CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; UNLISTEN *;
	SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;
`

func milliseconds(d time.Duration) string {
	return fmt.Sprint(max(d.Milliseconds(), 1))
}
