package engine

import (
	"context"
	"fmt"

	"github.com/twice-data/twice"
)

// GivenTable holds what Give gives, for the length of a session.
const GivenTable = "twice_given"

// Give puts the rows of the job's SELECT into a temporary table, in the order of its input where the SELECT goes row by
// row, and holds them against the contract and the checks. It is for rows that no table takes.
func (s *Session) Give(ctx context.Context, job *Job) (*Outcome, []twice.Column, error) {
	w, err := s.prepare(ctx, job)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.Exec(ctx, "give", fmt.Sprintf("CREATE OR REPLACE TEMPORARY TABLE %s AS %s", GivenTable, w.selectInto())); err != nil {
		return nil, nil, place(err, job.Pipeline)
	}
	o := &Outcome{Columns: names(byName(w.columns))}
	if err := w.check(ctx, o, "SELECT * FROM "+GivenTable); err != nil {
		return nil, nil, err
	}
	sum, err := s.Fingerprint(ctx, "fingerprint", GivenTable, "", w.columns)
	o.Windows = []WindowOutcome{{Window: job.Window(), Fingerprint: sum, Changed: sum.Rows}}
	return o, w.columns, err
}
