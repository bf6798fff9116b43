package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Files reads the hashes of files seen before, by path.
func Files(ctx context.Context, s *engine.Session) (map[string]twice.File, error) {
	files := map[string]twice.File{}
	err := s.Query(ctx, "files", "SELECT path, size, mod_ns, sha256 FROM twice.files", func(rows *sql.Rows) error {
		var f twice.File
		var ns int64
		if err := rows.Scan(&f.Path, &f.Size, &ns, &f.SHA256); err != nil {
			return err
		}
		f.ModAt = time.Unix(0, ns).UTC()
		files[f.Path] = f
		return nil
	})
	return files, err
}

// PutFiles remembers the hashes of files. One whose ModAt is zero changed too recently for its time to be trusted and is
// forgotten instead.
func PutFiles(ctx context.Context, s *engine.Session, files []twice.File) error {
	if len(files) == 0 {
		return nil
	}
	paths := make([]string, len(files))
	var rows []string
	for i, f := range files {
		paths[i] = f.Path
		if !f.ModAt.IsZero() {
			rows = append(rows, fmt.Sprintf("(%s, %d, %d, %s)",
				engine.Literal(f.Path), f.Size, f.ModAt.UnixNano(), engine.Literal(f.SHA256)))
		}
	}
	if _, err := s.Exec(ctx, "old files", "DELETE FROM twice.files WHERE path IN ("+literals(paths)+")"); err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := s.Exec(ctx, "files", "INSERT INTO twice.files VALUES "+strings.Join(rows, ", "))
	return err
}
