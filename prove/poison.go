package prove

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/run"
	"github.com/twice-data/twice/stream/eventlog"
)

// poisons append one strange record to the stream. A run must refuse it with a documented error and leave the table as it
// was; or take it in so that neither a further run nor other batches change anything, and say where it has gone.
func (b *bench) poisons(ctx context.Context, t *trials) []scenario {
	var ss []scenario
	for _, in := range strangers(ctx, b) {
		ss = append(ss, scenario{
			name: in.name, steps: []string{"append to the stream: " + in.name, "run", "run again, and read the stream from its beginning in other batches"},
			play: func(ctx context.Context, b *bench) (*Break, error) { return appended(ctx, b, t, in) },
		})
	}
	return ss
}

// strangers are the records, made of the stream's first one, what is most likely to hurt first.
func strangers(ctx context.Context, b *bench) []injection {
	feeds := b.streams()
	if len(feeds) == 0 {
		return nil
	}
	s, err := b.readSheet(ctx, b.folder, feeds[0])
	if err != nil || len(s.rows) == 0 {
		return nil
	}
	first, err := eventlog.Unwrap(bytes.TrimSpace(s.rows[0].line))
	if err != nil {
		return nil
	}
	var all []injection
	add := func(name string, line []byte) {
		all = append(all, injection{name: name, change: func(s *sheet) bool {
			s.rows = append(s.rows[:len(s.rows):len(s.rows)], row{line: append(line, '\n')})
			return true
		}})
	}
	with := func(name string, value []byte) {
		r := first
		r.Value = value
		add(name, r.Wrap())
	}
	add("a record that is there already", bytes.TrimSpace(s.rows[0].line))
	with("bytes that are no text", []byte("\xff\xfe"))
	with("a record without a value", nil)
	with("half a record", first.Value[:len(first.Value)/2])
	var fields map[string]json.RawMessage
	if json.Unmarshal(first.Value, &fields) != nil {
		return all
	}
	columns := feeds[0].input.Records().Columns
	changed := func(name string, column int, value any) {
		other := map[string]json.RawMessage{}
		for k, v := range fields {
			other[k] = v
		}
		if value == nil {
			delete(other, columns[column].Name)
		} else if other[columns[column].Name], err = json.Marshal(value); err != nil {
			return
		}
		text, err := json.Marshal(other)
		if err == nil {
			with(name, text)
		}
	}
	for i := len(columns) - 1; i >= 0; i-- {
		changed("the same key with another "+columns[i].Name, i, 7)
		changed(columns[i].Name+" = null", i, json.RawMessage("null"))
		changed("no "+columns[i].Name, i, nil)
	}
	for i, c := range columns {
		for _, v := range extremes(string(bytes.Trim(fields[c.Name], `"`))) {
			changed(fmt.Sprintf("%s = %s", c.Name, shown(v)), i, v)
		}
	}
	fields["surprise"] = json.RawMessage("1")
	if text, err := json.Marshal(fields); err == nil {
		with("a further field", text)
	}
	return all
}

func appended(ctx context.Context, b *bench, t *trials, in injection) (*Break, error) {
	return b.onInputs(ctx, b.done, setup{}, func(s *sitting) (*Break, error) {
		last := b.streams()[len(b.streams())-1:]
		if _, err := b.change(ctx, s.folder, last, func(_ feed, sh *sheet) bool { return in.change(sh) }); err != nil {
			return nil, err
		}
		bad, err := s.all(ctx, run.Options{})
		if err != nil {
			return nil, err
		}
		steps := []string{"append to the stream: " + in.name, "run"}
		if bad != nil {
			if !documented(bad) {
				return failed(bad), nil
			}
			t.account(in, Refused, bad.Code, b.clean.Table)
			br, err := s.compared(ctx)
			return stepped(br, append(steps, "it ends in "+bad.Code)...), err
		}
		first, err := s.full(ctx)
		if err != nil {
			return nil, err
		}
		wrong, err := s.doubtfulKeys(ctx)
		if err != nil {
			return nil, err
		}
		if len(first.lies) > 0 {
			wrong = first.lies[0]
		}
		if wrong != "" {
			return stepped(found(wrong), steps...), nil
		}
		fate, detail, err := s.whereabouts(ctx, in, first)
		if err != nil {
			return nil, err
		}
		t.account(in, fate, detail, first.Table)
		for _, again := range []struct {
			step string
			rows int
			full bool
		}{{"run again", 0, false}, {"read the stream from its beginning in one batch", everything, true}, {"and in batches of 7 records", 7, true}} {
			s.setup.rows = again.rows
			bad, err := s.all(ctx, run.Options{FullRefresh: again.full})
			switch {
			case err != nil:
				return nil, err
			case bad != nil && again.full && documented(bad): // two records that contradict each other have met
				t.note(fmt.Sprintf("%s: refused when it is in one batch with others, %s", in.name, bad.Code))
				return nil, nil
			case bad != nil:
				return stepped(failed(bad), append(steps, again.step)...), nil
			}
			now, err := s.full(ctx)
			if err != nil {
				return nil, err
			}
			if br := compare(first, now); br != nil {
				return stepped(br, append(steps, again.step)...), nil
			}
		}
		return nil, nil
	})
}

// whereabouts says where a record has gone that was taken in.
func (s *sitting) whereabouts(ctx context.Context, in injection, st *state) (Fate, string, error) {
	ses, err := s.db.Session(ctx)
	if err != nil {
		return "", "", err
	}
	defer ses.Close()
	why := ""
	mine := "prove-" + filepath.Base(s.temp) + "-%" // the clean run may have rejects of its own
	query := fmt.Sprintf("SELECT error FROM twice.quarantine WHERE pipeline = %s AND run LIKE %s", engine.Literal(s.b.p.Name), engine.Literal(mine))
	err = ses.Query(ctx, "quarantine", query, func(rows *sql.Rows) error {
		return rows.Scan(&why)
	})
	switch {
	case err != nil:
		return "", "", err
	case why != "":
		return Quarantined, why, nil
	case st.equal(s.b.clean) && s.b.p.Stream().Records().OnError == "skip":
		return NoTrace, "it is skipped, or equal to a row that is there", nil
	default:
		fate, detail := s.fate(in, st)
		return fate, detail, nil
	}
}
