//go:build planted

package engine

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
)

// The bugs that this build can have. TWICE_PLANTED names the one that is switched on.
//
//	receipt-apart       the receipt commits in a transaction of its own
//	delete-apart        what is replaced is deleted in a transaction of its own
//	drop-before-rename  publish drops the table, commits, and then renames the staged one
//	no-fence            a run does not look whether it still holds its lease
//	staging-left        each process stages in a table of its own as well, and nobody removes what a dead one left
//	manifest-late       the manifest is recorded after the work
//	offsets-apart       the offsets of a batch commit before its rows
//	offsets-unfenced    a batch commits whatever the offsets are by now
//	blind-retry         a process sees nothing the first two times that it asks for the receipt which it has just written
//	no-null-guard       a key may be NULL
//	null-in-part        a key may be NULL in part, and is compared by =
//	no-duplicate-guard  a merge takes a key twice
//	no-window-guard     an overwrite takes rows outside its window
//	equal-rows-lost     of rows that are equal, an overwrite inserts one
func planted(bug string) bool { return os.Getenv("TWICE_PLANTED") == bug }

var (
	token = regexp.MustCompile(` AND token = \d+`)
	since = regexp.MustCompile(` AND next_offset = \d+$`)
	into  = regexp.MustCompile(`(?s)^(INSERT INTO \S+ \([^)]*\)) (.+)$`)
	moved = regexp.MustCompile(`^ALTER TABLE (.+) RENAME TO .+$`)
)

func tampered(ctx context.Context, s *Session, name, query string) string {
	switch {
	case planted("receipt-apart") && name == "old receipt", planted("delete-apart") && name == "insert":
		s.cut(ctx)
	case planted("equal-rows-lost") && name == "insert":
		return into.ReplaceAllString(query, "$1 SELECT DISTINCT * FROM ($2) AS d")
	case planted("offsets-apart") && name == "guard null-key":
		s.cut(ctx)
	case planted("offsets-unfenced") && name == "advance":
		return since.ReplaceAllString(query, "")
	case planted("drop-before-rename") && strings.HasSuffix(name, "__staging"):
		s.cut(ctx)
	case planted("drop-before-rename") && strings.HasPrefix(name, "rename "):
		return moved.ReplaceAllString(query, "DROP TABLE $1")
	case planted("no-fence") && name == "fence":
		return token.ReplaceAllString(query, "")
	case planted("staging-left") && name == "stage":
		_, _ = s.conn.ExecContext(ctx, fmt.Sprintf("CREATE TABLE work_%d (n INTEGER)", os.Getpid()))
	case planted("staging-left") && name == "drop previous":
		_, _ = s.conn.ExecContext(ctx, fmt.Sprintf("DROP TABLE IF EXISTS work_%d", os.Getpid()))
	case planted("manifest-late") && name == "record manifest":
		late.put(query)
		return "SELECT 1"
	case planted("manifest-late") && name == "receipts": // which a run reads back when it has committed
		for _, record := range late.take() {
			_, _ = s.conn.ExecContext(ctx, record) // a bug need not be careful
		}
	case planted("blind-retry") && name == "receipt":
		written.Store(true)
	case planted("blind-retry") && name == "receipts" && written.Load():
		if overlooked.Add(1) <= 2 { // a retry asks twice before it works: a run that has lost nothing asks once more
			return strings.Replace(query, " WHERE ", " WHERE FALSE AND ", 1)
		}
	case planted("no-null-guard") && name == "guard null-key", planted("no-duplicate-guard") && name == "guard duplicate-key":
		return "SELECT 0"
	case planted("null-in-part") && name == "guard null-key":
		return strings.ReplaceAll(query, " OR ", " AND ")
	}
	return query
}

// written says that a receipt was, and overlooked how often it has been asked for since.
var (
	written    atomic.Bool
	overlooked atomic.Int32
)

// cut commits what has been done and goes on in another transaction.
func (s *Session) cut(ctx context.Context) {
	if s.inTx {
		_, _ = s.conn.ExecContext(ctx, "COMMIT")
		_, _ = s.conn.ExecContext(ctx, "BEGIN")
	}
}

// late are the manifests that wait until the receipts that name them are read back.
var late waiting

type waiting struct {
	mu      sync.Mutex
	queries []string
}

func (w *waiting) put(query string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queries = append(w.queries, query)
}

func (w *waiting) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	queries := w.queries
	w.queries = nil
	return queries
}
