package enginetest

import (
	"errors"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

func schemaNewColumn(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("ts, id", "($start, 1)"), daily)
	b.write(p, day(1))
	p.SQL = values("ts, id, extra", "($start, 2, 'x')")
	if e := b.refused("schema-change", p, day(2)); !strings.Contains(e.Message, "extra") {
		b.Errorf("the message does not name the column: %s", e.Message)
	}
	p.OnSchemaChange = "append_new_columns"
	b.write(p, day(2))
	b.want("SELECT id, extra FROM t ORDER BY ts", "1|-", "2|x")
	p.SQL = values("ts, id", "($start, 3)")
	b.write(p, day(3))
	b.want("SELECT id, extra FROM t ORDER BY ts", "1|-", "2|x", "3|-")
}

func schemaChangedType(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, "SELECT CAST(1 AS INTEGER) AS id")
	b.write(p)
	p.SQL = "SELECT 1.5 AS id"
	if e := b.refused("schema-change", p); !strings.Contains(e.Message, "id") {
		b.Errorf("the message does not name the column: %s", e.Message)
	}
}

func schemaMissingColumn(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("id, name", "(1, 'one')"))
	b.write(p)
	p.SQL = values("id", "(1)")
	b.refused("schema-change", p)
}

func schemaContract(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("name, id", "('one', 1)"))
	p.Columns = []twice.Column{{Name: "id", Type: "bigint"}, {Name: "name", Type: "varchar"}}
	b.write(p)
	cols, err := b.db.Columns(b.ctx, b.s, p.Table)
	if err != nil || len(cols) != 2 || cols[0].Name != "id" || !b.db.SameType(cols[0].Type, "bigint") {
		b.Errorf("the table's columns are %v, error %v; want the contract's", cols, err)
	}
	b.want("SELECT id, name FROM t", "1|one")
	p.SQL = values("id", "(1)")
	if e := b.refused("contract", p); !strings.Contains(e.Message, "name") {
		b.Errorf("the message does not name the column: %s", e.Message)
	}
	p.SQL = values("id, name", "('one', 'x')") // does not convert
	if _, err := b.try(p); err == nil {
		b.Error("a text that is no number was written as bigint")
	}
	b.want("SELECT id, name FROM t", "1|one")
}

func checkKinds(b *bench) {
	two, three := int64(2), int64(3)
	for _, c := range []struct {
		check     twice.Check
		good, bad string
		shows     string
	}{
		{twice.Check{NotNull: []string{"id"}}, values("id", "(1)"), values("id", "(1)", "(NULL)"), "1 row"},
		{twice.Check{Unique: []string{"id"}}, values("id", "(1)", "(2)"), values("id", "(1)", "(7)", "(7)"), "7"},
		{twice.Check{AcceptedValues: &twice.AcceptedValues{Column: "id", Values: []string{"1", "2"}}}, values("id", "(1)", "(NULL)"), values("id", "(1)", "(33)"), "33"},
		{twice.Check{Rows: &twice.RowCount{Min: &two}}, values("id", "(1)", "(2)"), values("id", "(1)"), "fewer than 2"},
		{twice.Check{Rows: &twice.RowCount{Max: &three}}, values("id", "(1)"), values("id", "(1)", "(2)", "(3)", "(4)"), "more than 3"},
		{twice.Check{Relationships: &twice.Relationship{Column: "id", To: twice.Table{Name: "parents"}, ToColumn: "pid"}}, values("id", "(1)", "(NULL)"), values("id", "(1)", "(9)"), "9"},
		{twice.Check{SQL: "select * from {rows} where id < 0;"}, values("id", "(1)"), values("id", "(-4)"), "-4"},
	} {
		for _, write := range twice.Writes {
			b.start(nil)
			b.exec("CREATE TABLE parents (pid INTEGER)")
			b.exec("INSERT INTO parents VALUES (1)")
			p := pipeline(write, c.good)
			if write == twice.Merge {
				if c.check.Unique != nil || strings.Contains(c.good+c.bad, "NULL") {
					continue // the guards of merge speak first
				}
				p.UniqueKey = []string{"id"}
			}
			c.check.Name = "this"
			p.Checks = []twice.Check{c.check}
			b.write(p)
			p.SQL = c.bad
			if e := b.refused("check-failed", p); !strings.Contains(e.Message, c.shows) {
				b.Errorf("the message does not say %q: %s", c.shows, e.Message)
			}
		}
	}
}

func checkWarns(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("id", "(1)", "(1)", "(1)"))
	p.Checks = []twice.Check{{Name: "unique(id)", Unique: []string{"id"}, Warn: true}}
	o := b.write(p)
	if len(o.Warnings) != 1 || o.Warnings[0].Rows != 1 || !strings.Contains(o.Warnings[0].Examples, "3") {
		b.Errorf("warnings are %+v, want one of 1 key that comes 3 times", o.Warnings)
	}
	b.want("SELECT count(*) FROM t", "3")
}

// story is a pipeline and the writes of which it consists.
type story struct {
	p  *twice.Pipeline
	ws []twice.Window
}

func overwriteStory() story {
	p := pipeline(twice.Overwrite, "SELECT ts, id FROM source WHERE ts >= $start AND ts < $end", daily)
	p.Checks = []twice.Check{{Name: "unique(id)", Unique: []string{"id"}}}
	return story{p: p, ws: []twice.Window{day(1), day(2)}}
}

func mergeStory() story {
	p := pipeline(twice.Merge, "SELECT id, ts, v FROM source WHERE ts >= $start AND ts < $end", daily, keyed, versioned)
	return story{p: p, ws: []twice.Window{day(1), day(2)}}
}

func publishStory() story {
	p := pipeline(twice.Publish, "SELECT id, v FROM source")
	p.Checks = []twice.Check{{Name: "unique(id)", Unique: []string{"id"}}}
	return story{p: p, ws: []twice.Window{{}}}
}

var errFault = errors.New("injected fault")

// faultEverywhere lets the k-th statement fail, before and after it ran, for every k until k is never reached. Whatever
// the session makes of it, running the story again must give what a clean run gives.
func faultEverywhere(b *bench, tell func() story) {
	clean := ""
	points := 0
	for k := 0; ; k++ {
		fault := &fault{at: k}
		b.start(fault.tap)
		b.exec("CREATE TABLE source AS " + values("ts, id, v", "(TIMESTAMP '2020-03-01 05:00:00', 1, 1)",
			"(TIMESTAMP '2020-03-01 06:00:00', 2, 1)", "(TIMESTAMP '2020-03-02 05:00:00', 3, 1)"))
		st := tell()
		fault.armed = k > 0
		_ = b.tellStory(st)
		fault.armed = false
		if k > 0 && !fault.fired {
			break
		}
		points++
		if err := b.tellStory(st); err != nil {
			b.Fatalf("after a fault %s, running again fails: %v", fault.where, err)
		}
		rows := strings.Join(b.rows("SELECT * FROM t ORDER BY id"), "\n")
		if k == 0 {
			clean = rows
		} else if rows != clean {
			b.Fatalf("after a fault %s and a run again the table is\n%s\nwant\n%s", fault.where, rows, clean)
		}
		b.none("t__staging")
		b.none("twice_stage")
		b.none("twice_changes")
		b.s.Close() // a server has room for so many sessions
		b.db.Close()
	}
	b.Logf("%d faults, each followed by a clean run", points-1)
	if points < 10 {
		b.Errorf("only %d statements were faulted", points-1)
	}
}

// tellStory writes the story's windows, each on a session of its own, as run does.
func (b *bench) tellStory(st story) error {
	for _, w := range st.ws {
		s, err := b.db.Session(b.ctx)
		if err != nil {
			return err
		}
		_, err = s.Write(b.ctx, job(st.p, w))
		s.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// fault fails one statement: even numbers before it runs, odd ones after.
type fault struct {
	at    int
	armed bool
	n     int
	fired bool
	where string
}

func (f *fault) tap(p engine.Point) error {
	if !f.armed {
		return nil
	}
	f.n++
	if f.n == f.at {
		f.fired, f.where = true, p.String()
		return errFault
	}
	return nil
}
