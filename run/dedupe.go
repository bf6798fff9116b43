package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/stream"
)

// The relations of a batch whose stream dedupes. They last as long as a session.
const (
	givenRelation = "twice_given_records"  // every record that parses
	judgedTable   = "twice_judged_records" // the same, each with its fate
)

// The fates of a record. Each depends on the records before it in its partition and on nothing else, so that it does not
// matter where a batch is cut, nor when what is too old to matter is forgotten.
const (
	fateNew      = "new"
	fateRepeated = "repeated" // its key was seen with an event time that is at most within before its own, or later
	fateLate     = "late"     // older than the partition's newest event time minus within: its key may be forgotten
	fateUnknown  = "unknown"  // NULL in its key or its time
)

// deduping judges the records of a batch, in the transaction that writes them.
type deduping struct {
	*twice.Dedupe
	pipeline *twice.Pipeline
	in       *twice.Input
	batch    *stream.Batch

	repeated int
	late     []stream.Poison
}

// fold is a column's name as both engines find it.
func fold(name string) string { return engine.Ident(strings.ToLower(name)) }

// prepare makes the input's relation exist, empty: what the SELECT gives is known from it, and it is filled later.
func (d *deduping) prepare(ctx context.Context, s *engine.Session) error {
	var columns []string
	for _, c := range stream.Columns(d.pipeline, d.in) {
		columns = append(columns, fold(c))
	}
	for _, q := range [][2]string{
		{"drop judged", "DROP TABLE IF EXISTS " + judgedTable + " CASCADE"},
		{"judged", fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT *, CAST(NULL AS TEXT) AS twice_key, "+
			"CAST(NULL AS TIMESTAMPTZ) AS twice_at, CAST(NULL AS TIMESTAMPTZ) AS twice_newest, CAST(NULL AS TEXT) AS twice_fate, "+
			"CAST(NULL AS TIMESTAMPTZ) AS twice_seen FROM %s WHERE FALSE", judgedTable, givenRelation)},
		{"attach " + d.in.Name, fmt.Sprintf("CREATE OR REPLACE TEMPORARY VIEW %s AS SELECT %s FROM %s WHERE twice_fate = '%s'",
			fold(d.in.Name), strings.Join(columns, ", "), judgedTable, fateNew)},
	} {
		if _, err := s.Exec(ctx, q[0], q[1]); err != nil {
			return err
		}
	}
	return nil
}

// judge decides about every record, remembers the keys, and forgets those that no record can meet any more.
func (d *deduping) judge(ctx context.Context, s *engine.Session) error {
	d.repeated, d.late = 0, nil
	if _, err := s.Exec(ctx, "judge", d.judgement()); err != nil {
		return err
	}
	for _, q := range d.remember() {
		if _, err := s.Exec(ctx, "remember", q); err != nil {
			return err
		}
	}
	if err := d.onePartition(ctx, s); err != nil {
		return err
	}
	if err := s.Row(ctx, "repeated", fmt.Sprintf("SELECT count(*) FROM %s WHERE twice_fate = '%s'", judgedTable, fateRepeated), &d.repeated); err != nil {
		return err
	}
	return d.findLate(ctx, s)
}

func (d *deduping) interval(times int) string {
	return fmt.Sprintf("INTERVAL '%d microseconds'", int64(times)*d.Within.Microseconds())
}

// key is a record's key as text: of several columns each with its length before it, so that no two keys are alike.
func (d *deduping) key() string {
	texts := make([]string, len(d.Key))
	for i, k := range d.Key {
		texts[i] = "CAST(" + fold(k) + " AS TEXT)"
	}
	if len(texts) == 1 {
		return texts[0]
	}
	for i, t := range texts {
		texts[i] = fmt.Sprintf("length(%s) || ':' || %s", t, t)
	}
	return strings.Join(texts, " || ")
}

// judgement fills the table of judged records. What came before a record is what the ledger remembers of its partition,
// and the records of the batch with smaller offsets.
func (d *deduping) judgement() string {
	name := engine.Literal(d.pipeline.Name)
	before := "ORDER BY _offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
	return fmt.Sprintf(`INSERT INTO %[1]s
WITH given AS (SELECT *, %[3]s AS twice_key, CAST(%[4]s AS TIMESTAMPTZ) AS twice_at FROM %[2]s),
newest AS (SELECT part, max(seen_at) AS seen_at FROM twice.seen WHERE pipeline = %[5]s AND record_key IS NULL GROUP BY part),
known AS (SELECT part, record_key, max(seen_at) AS seen_at FROM twice.seen WHERE pipeline = %[5]s AND record_key IS NOT NULL GROUP BY part, record_key),
aged AS (SELECT g.*, greatest(n.seen_at, max(CASE WHEN isfinite(twice_at) THEN twice_at END) OVER (PARTITION BY _partition %[6]s)) AS twice_newest
	FROM given AS g LEFT JOIN newest AS n ON n.part = g._partition),
judged AS (SELECT *, CASE WHEN twice_key IS NULL OR twice_at IS NULL OR NOT isfinite(twice_at) THEN '%[7]s'
	WHEN twice_at < twice_newest - %[8]s THEN '%[9]s' END AS twice_fate FROM aged),
met AS (SELECT j.*, greatest(k.seen_at, max(CASE WHEN twice_fate IS NULL THEN twice_at END) OVER (PARTITION BY _partition, twice_key %[6]s)) AS twice_seen
	FROM judged AS j LEFT JOIN known AS k ON k.part = j._partition AND k.record_key = j.twice_key)
SELECT %[10]s, twice_key, twice_at, twice_newest,
	coalesce(twice_fate, CASE WHEN twice_seen >= twice_at - %[8]s THEN '%[11]s' ELSE '%[12]s' END), twice_seen FROM met`,
		judgedTable, givenRelation, d.key(), fold(d.Time), name, before, fateUnknown, d.interval(1), fateLate,
		strings.Join(d.given(), ", "), fateRepeated, fateNew)
}

// given lists the columns of a batch's records.
func (d *deduping) given() []string {
	var columns []string
	for _, c := range stream.Attached(d.pipeline, d.in) {
		columns = append(columns, fold(c))
	}
	return columns
}

// remember gives the statements that leave, of each key, the newest event time with which it was seen, of each partition
// its newest event time, and no key that is older than twice within before it: a record that is not late can meet none of
// those.
func (d *deduping) remember() []string {
	name, topic := engine.Literal(d.pipeline.Name), engine.Literal(d.in.Records().Topic)
	judged := fmt.Sprintf("twice_fate IN ('%s', '%s')", fateNew, fateRepeated)
	return []string{
		fmt.Sprintf("DELETE FROM twice.seen AS s WHERE pipeline = %s AND record_key IS NOT NULL AND EXISTS "+
			"(SELECT 1 FROM %s AS j WHERE j._partition = s.part AND j.twice_key = s.record_key AND %s)", name, judgedTable, judged),
		fmt.Sprintf("INSERT INTO twice.seen SELECT %s, %s, _partition, twice_key, max(greatest(twice_at, twice_seen)) FROM %s WHERE %s "+
			"GROUP BY _partition, twice_key", name, topic, judgedTable, judged),
		fmt.Sprintf("DELETE FROM twice.seen WHERE pipeline = %s AND record_key IS NULL AND part IN (SELECT _partition FROM %s)", name, judgedTable),
		fmt.Sprintf("INSERT INTO twice.seen SELECT %s, %s, _partition, NULL, max(greatest(twice_newest, CASE WHEN isfinite(twice_at) THEN twice_at END)) "+
			"FROM %s GROUP BY _partition", name, topic, judgedTable),
		fmt.Sprintf("DELETE FROM twice.seen AS s WHERE pipeline = %[1]s AND record_key IS NOT NULL AND EXISTS (SELECT 1 FROM twice.seen AS n "+
			"WHERE n.pipeline = %[1]s AND n.record_key IS NULL AND n.part = s.part AND s.seen_at < n.seen_at - %[2]s)", name, d.interval(2)),
	}
}

// onePartition refuses a key that comes in two partitions, as far as it can be seen: in which order they are read is
// chance, so that which of the two records is the repetition would be too.
func (d *deduping) onePartition(ctx context.Context, s *engine.Session) error {
	query := fmt.Sprintf("SELECT j.twice_key, j._partition, s.part, count(*) OVER () FROM %s AS j JOIN twice.seen AS s "+
		"ON s.record_key = j.twice_key AND s.part <> j._partition WHERE s.pipeline = %s AND j.twice_fate = '%s' "+
		"AND s.seen_at BETWEEN j.twice_at - %[4]s AND j.twice_at + %[4]s ORDER BY 1, 2, 3 LIMIT 1",
		judgedTable, engine.Literal(d.pipeline.Name), fateNew, d.interval(1))
	var key string
	var one, other, n int
	if err := s.Row(ctx, "one partition", query, &key, &one, &other, &n); errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	return twice.Errorf("dedupe-partition", "%d keys came in more than one partition of %s, for example %s in %d and in %d",
		n, d.in.Records().Topic, key, one, other).At(d.pipeline.File, d.Line).
		WithNext("let the producer send the records of a key to one partition, by the message key;\n" +
			"or write unique_key: instead of dedupe:, which finds a key wherever it comes")
}

// findLate lists the records that cannot be judged, and refuses them if such records end the run.
func (d *deduping) findLate(ctx context.Context, s *engine.Session) error {
	query := fmt.Sprintf("SELECT _partition, _offset, twice_fate, CASE WHEN isfinite(twice_at) THEN twice_at END, twice_newest FROM %s "+
		"WHERE twice_fate IN ('%s', '%s') ORDER BY _partition, _offset", judgedTable, fateLate, fateUnknown)
	err := s.Query(ctx, "late", query, func(rows *sql.Rows) error {
		var p stream.Poison
		var fate string
		var at, newest sql.NullTime
		if err := rows.Scan(&p.Partition, &p.Offset, &fate, &at, &newest); err != nil {
			return err
		}
		p.Why = "its key or its time is NULL, or its time is infinite: " + strings.Join(d.Key, ", ") + ", " + d.Time
		if fate == fateLate {
			p.Why = fmt.Sprintf("it is late: it happened at %s, more than %s before %s, the newest event of its partition so far, "+
				"and whether it came before is not known any more", stamp(at), d.Within, stamp(newest))
		}
		p.Bytes = d.batch.Value(p.Partition, p.Offset)
		d.late = append(d.late, p)
		return nil
	})
	if err != nil || len(d.late) == 0 || d.in.Records().OnError != "fail" {
		return err
	}
	first := d.late[0]
	return twice.Errorf("late-record", "the record at offset %d of partition %d of %s cannot be told from one that was sent again (%d in this batch): %s",
		first.Offset, first.Partition, d.in.Records().Topic, len(d.late), first.Why).At(d.pipeline.File, d.Line).
		WithNext("a longer within: remembers more; on_error: quarantine keeps such records in twice.quarantine and goes on")
}

func stamp(t sql.NullTime) string { return t.Time.UTC().Format(time.RFC3339Nano) }

// deduped makes the job judge its records first.
func (w *slicing) deduped(job *engine.Job) {
	p := w.st.Pipeline
	if p.Dedupe == nil {
		return
	}
	d := &deduping{Dedupe: p.Dedupe, pipeline: p, in: w.flow.in, batch: w.batch.Batch}
	w.dedupe = d
	job.Relations = slices.Clone(job.Relations)
	job.Relations[0].Name = givenRelation
	job.Prepare = d.prepare
	fence := job.Fence
	job.Fence = func(ctx context.Context, s *engine.Session) error {
		if err := fence(ctx, s); err != nil {
			return err
		}
		if w.flow.reset {
			if err := ledger.Unsee(ctx, s, p.Name); err != nil {
				return err
			}
		}
		return d.judge(ctx, s)
	}
}
