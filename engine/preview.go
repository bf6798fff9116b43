package engine

import (
	"context"

	"github.com/twice-data/twice"
)

// Preview makes the job's inputs readable in s and gives the SELECT whose rows a write would take, with the columns
// that the table would have, in their types. Nothing is written.
func (s *Session) Preview(ctx context.Context, job *Job) (query string, columns []twice.Column, err error) {
	w, err := s.prepare(ctx, job)
	if err != nil {
		return "", nil, err
	}
	return w.selectInto(), w.columns, nil
}
