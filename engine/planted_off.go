//go:build !planted

package engine

import "context"

// tampered gives the statement that is sent in place of query, and planted says whether a bug is switched on. Built with
// -tags planted the engine can be broken in known ways, so that it can be shown that "twice prove" finds them; this is
// the engine as it is, and both cost nothing.
func tampered(_ context.Context, _ *Session, _, query string) string { return query }

func planted(string) bool { return false }
