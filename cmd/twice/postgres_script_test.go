package main

import (
	"database/sql"
	"net/url"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// TestPostgresScript plays the stories of testdata/postgres, each on an empty database. $DATABASE_URL leads there as its
// owner, $VISITOR_URL as a role that may connect and needs its password, which is $PASSWORD.
func TestPostgresScript(t *testing.T) {
	const visitor, password = "visitor_of_scripts", "s3cret-p4ss"
	server := pgtest.Start(t)
	server.Exec(t, "postgres", "DO $$BEGIN CREATE ROLE password_required; EXCEPTION WHEN duplicate_object THEN NULL; END$$; "+
		"CREATE ROLE "+visitor+" LOGIN PASSWORD '"+password+"' IN ROLE password_required")
	t.Cleanup(func() { server.Exec(t, "postgres", "DROP ROLE "+visitor) })
	t.Run("stories", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata/postgres",
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			UpdateScripts:       *update,
			Condition:           condition,
			Cmds:                commands,
			Setup: func(e *testscript.Env) error {
				address := server.Database(e.T().(testing.TB))
				u, err := url.Parse(address)
				if err != nil {
					return err
				}
				e.Setenv("DATABASE_URL", address)
				e.Setenv("ADDRESS", u.Host)
				e.Setenv("DATABASE", u.Path[1:])
				e.Setenv("PASSWORD", password)
				u.User = url.UserPassword(visitor, password)
				e.Setenv("VISITOR_URL", u.String())
				return programs(e)
			},
		})
	})
}

// psql is a command of scripts: statements by the database's owner.
func psql(ts *script, query string) {
	db, err := sql.Open("pgx", ts.Getenv("DATABASE_URL"))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(query)
	ts.Check(err)
}
