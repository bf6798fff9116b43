package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/twice-data/twice"
)

func TestExplainConflict(t *testing.T) {
	d := openTest(t, Options{})
	a, b := session(t, d), session(t, d)
	exec1(t, a, "CREATE TABLE fence (n int)")
	exec1(t, a, "INSERT INTO fence VALUES (0)")
	exec1(t, a, "BEGIN")
	exec1(t, b, "BEGIN")
	exec1(t, a, "UPDATE fence SET n = 1")
	_, err := b.Exec(t.Context(), "fence", "UPDATE fence SET n = 2")
	wantError(t, err, "serialization", "Conflict on update")
	exec1(t, a, "COMMIT")
}

func TestExplainStatements(t *testing.T) {
	s := session(t, openTest(t, Options{}))
	exec1(t, s, "CREATE TABLE pk (a int PRIMARY KEY, b tinyint)")
	for query, want := range map[string]struct {
		says []string
		line int
	}{
		"SELEC 1":                           {[]string{`syntax error at or near "SELEC"`, "LINE 1: SELEC 1\n        ^"}, 1},
		"SELECT 1,\n  nope FROM pk":         {[]string{"nope", "LINE 2:   nope FROM pk"}, 2},
		"SELECT * FROM missing":             {[]string{"missing does not exist"}, 1},
		"SELECT CAST('x' AS int)":           {[]string{"'x'"}, 1},
		"INSERT INTO pk VALUES (1, 1000)":   {[]string{"1000"}, 1},
		"INSERT INTO pk VALUES (1,1),(1,1)": {[]string{"duplicate key"}, 0},
	} {
		_, err := s.Exec(t.Context(), "test", query)
		if e := wantError(t, err, "sql", want.says...); e.Line != want.line {
			t.Errorf("%s: line %d, want %d", query, e.Line, want.line)
		}
		var from *duckdb.Error
		if !errors.As(err, &from) {
			t.Errorf("%s: the cause is lost", query)
		}
	}
}

// Texts of failures that a test cannot have at will.
func TestExplainTexts(t *testing.T) {
	d := &Driver{}
	for text, code := range map[string]string{
		`IO Error: Could not write all bytes to file "x.duckdb": wanted=262144 wrote=1024: No space left on device`: "disk-full",
		"Out of Memory Error: failed to offload data block of size 256.0 KiB (1.0 GiB/1.0 GiB used).\n" +
			"This limit was set by the 'max_temp_directory_size' setting.": "disk-full",
		`IO Error: Cannot open file "x.duckdb.wal": Read-only file system`:             "read-only",
		`IO Error: Cannot open file "x.csv": Permission denied`:                        "permission",
		`TransactionContext Error: Failed to commit: write-write conflict on key: "1"`: "serialization",
		"FATAL Error: Failed: database has been invalidated because of a previous fatal error. The database must be " +
			"restarted prior to being used again.": "connection-lost",
		`IO Error: Could not set lock on file "x.duckdb": Resource temporarily unavailable`:      "target-held",
		"INTERNAL Error: Attempted to access index 1 within vector of size 1\nStack Trace:\n0 x": "internal",
		"Invalid Input Error: Failed to decode gzip stream: invalid block type":                  "bad-input",
	} {
		wantError(t, d.Explain(fmt.Errorf("database/sql/driver: %w", &duckdb.Error{Msg: text})), code)
	}
	wantError(t, d.Explain(driver.ErrBadConn), "connection-lost")
	wantError(t, d.Explain(errors.New("anything")), "internal")
}

func TestExplainLeavesErrorsAlone(t *testing.T) {
	d := &Driver{}
	known := fmt.Errorf("context: %w", twice.Errorf("null-key", "a key is NULL"))
	if got := d.Explain(known); got != known {
		t.Errorf("got %v", got)
	}
	if err := d.Explain(nil); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestInterruptIsRecognised(t *testing.T) {
	s := session(t, openTest(t, Options{}))
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() {
		<-started
		cancel()
	}()
	close(started)
	_, err := s.Exec(ctx, "long", "SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range * b.range % 7 = 3")
	wantError(t, err, "interrupted")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
}
