//go:build !unix

package duckdb

import "os"

// lock says yes: here a file that DuckDB has open cannot be opened for writing.
func lock(*os.File) bool { return true }
