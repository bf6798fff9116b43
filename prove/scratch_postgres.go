package prove

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/project"
)

// databasePrefix starts the names of scratch databases: twice_prove_PID_N.
const databasePrefix = "twice_prove_"

// postgresDatabases are scratch targets that are databases of the real target's server.
type postgresDatabases struct {
	o *Options
}

func newPostgresDatabases(ctx context.Context, o *Options) (*postgresDatabases, error) {
	d := &postgresDatabases{o: o}
	var may bool
	err := d.admin(ctx, func(s *engine.Session) error {
		return s.Row(ctx, "may create", "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user", &may)
	})
	if err == nil && !may {
		err = twice.Errorf("no-scratch", "the user of target %s may not create databases, and prove works in databases of its own",
			o.Target.Name).WithNext("ALTER ROLE … CREATEDB, or name a server to try things on with --target").WithExit(twice.ExitProject)
	}
	return d, err
}

// admin opens a session on the real target's server. What it does there concerns other databases alone.
func (d *postgresDatabases) admin(ctx context.Context, f func(*engine.Session) error) error {
	drv, err := d.o.Open(ctx, d.o.Target)
	if err != nil {
		return err
	}
	db := engine.Open(drv, nil)
	defer db.Close()
	s, err := db.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return f(s)
}

func (d *postgresDatabases) create(ctx context.Context, name, template string) (project.Target, error) {
	name = fmt.Sprintf("%s%d_%s", databasePrefix, os.Getpid(), name)
	t := d.o.Target
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme == "" {
		return t, twice.Errorf("no-scratch", "the url of target %s is not one of the form postgres://…", t.Name).
			WithNext("write it as postgres://user:password@host/database").WithExit(twice.ExitProject)
	}
	u.Path = "/" + name
	t.Name, t.URL = "scratch", u.String()
	return t, d.admin(ctx, func(s *engine.Session) error {
		query := "CREATE DATABASE " + engine.Ident(name)
		if template != "" {
			query += " TEMPLATE " + engine.Ident(template)
		}
		_, err := s.Exec(ctx, "create scratch", query)
		return err
	})
}

func (d *postgresDatabases) empty(ctx context.Context, name string) (project.Target, error) {
	t, err := d.create(ctx, name, "template0")
	if err != nil || t.Schema == "" {
		return t, err
	}
	plain := t
	plain.Schema = ""
	drv, err := d.o.Open(ctx, plain)
	if err != nil {
		return t, err
	}
	db := engine.Open(drv, nil)
	defer db.Close()
	s, err := db.Session(ctx)
	if err != nil {
		return t, err
	}
	defer s.Close()
	_, err = s.Exec(ctx, "create schema", "CREATE SCHEMA IF NOT EXISTS "+engine.Ident(t.Schema))
	return t, err
}

func (d *postgresDatabases) clone(ctx context.Context, from project.Target, name string) (project.Target, error) {
	return d.create(ctx, name, databaseOf(from))
}

func databaseOf(t project.Target) string {
	u, err := url.Parse(t.URL)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}

func (d *postgresDatabases) drop(ctx context.Context, t project.Target) {
	_ = d.admin(ctx, func(s *engine.Session) error { return dropDatabase(ctx, s, databaseOf(t)) })
}

func dropDatabase(ctx context.Context, s *engine.Session, name string) error {
	if !strings.HasPrefix(name, databasePrefix) {
		return fmt.Errorf("%s is not a scratch database", name)
	}
	_, err := s.Exec(ctx, "drop scratch", "DROP DATABASE IF EXISTS "+engine.Ident(name)+" WITH (FORCE)")
	return err
}

// sweep drops the databases of processes that are dead. A database of another machine's process looks like one of a dead
// one here, so only those without a connection go.
func (d *postgresDatabases) sweep(ctx context.Context) {
	_ = d.admin(ctx, func(s *engine.Session) error {
		var names []string
		err := s.Query(ctx, "scratch databases", "SELECT datname FROM pg_database AS d WHERE datname LIKE 'twice\\_prove\\_%' "+
			"AND NOT EXISTS (SELECT 1 FROM pg_stat_activity AS a WHERE a.datname = d.datname)", func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			pid, _, _ := strings.Cut(strings.TrimPrefix(name, databasePrefix), "_")
			if n, err := strconv.Atoi(pid); err == nil && !running(n) {
				_ = dropDatabase(ctx, s, name)
			}
		}
		return nil
	})
}

func (d *postgresDatabases) address(t project.Target) (yml, value string) {
	schema := ""
	if t.Schema != "" {
		schema = ", schema: " + strconv.Quote(t.Schema)
	}
	return fmt.Sprintf("{engine: postgres, url: \"${%s}\"%s}", TargetVariable, schema), t.URL
}
