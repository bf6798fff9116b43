//go:build unix

package duckdb

import (
	"os"
	"syscall"
)

// lock takes the lock that DuckDB takes on its file, and says whether nobody else has it. Closing any of the process's
// openings of the file frees it.
func lock(f *os.File) bool {
	return syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}) == nil
}
