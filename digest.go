package twice

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Digest identifies the code of p: 32 hexadecimal digits that are equal for two versions of a pipeline if they give the
// same rows for the same inputs. What counts is listed in code; a change of that list makes every window stale.
//
// What does not count, and why: words about the pipeline (description, tags, owner, waivers) and places in files; begin
// and end, which decide which windows exist and not what is in them; lookback and batch_size, which decide when and
// together with what a window is done; checks, allow_empty and on_error, which decide whether rows may become visible and
// not which; addresses and secrets of sources, which differ between machines that run the same code. The bytes that a
// source gives are the manifest's to identify.
func (p *Pipeline) Digest() string {
	c := code{
		SQL: Canonical(p.SQL), Table: p.Table.String(), Write: p.Write, TimeColumn: p.TimeColumn,
		Grain: p.Calendar.Grain, Zone: p.Calendar.zone().String(),
		UniqueKey: p.UniqueKey, Version: p.Version, WhenMissing: p.WhenMissing, OnSchemaChange: p.OnSchemaChange,
	}
	for _, column := range p.Columns {
		c.Columns = append(c.Columns, [2]string{column.Name, strings.ToLower(column.Type)})
	}
	if d := p.Dedupe; d != nil {
		c.Dedupe = append([]string{d.Within.String(), d.Time}, d.Key...)
	}
	if p.To != nil {
		c.To = []string{p.To.Topic, p.To.Key}
	}
	for i := range p.Inputs {
		c.Inputs = append(c.Inputs, p.Inputs[i].code())
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain strings and numbers always marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// code is what can change a pipeline's rows.
type code struct {
	SQL            string
	Table          string
	Write          Write
	TimeColumn     string
	Grain          Grain
	Zone           string
	UniqueKey      []string
	Version        string
	WhenMissing    string
	OnSchemaChange string
	Columns        [][2]string
	Inputs         []inputCode
	Dedupe         []string `json:",omitempty"` // within, time and key
	To             []string `json:",omitempty"` // of a relay: topic and key
}

// inputCode is what can change an input's rows.
type inputCode struct {
	Name, Kind string
	From       []string // path, table, query, arguments, address or topic
	Reader     Reader
}

// Digest identifies where in comes from: what of it counts in Pipeline.Digest.
func (in *Input) Digest() string {
	b, err := json.Marshal(in.code())
	if err != nil {
		panic(err) // plain strings and numbers always marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func (in *Input) code() inputCode {
	c := inputCode{Name: in.Name, Kind: in.Kind()}
	switch {
	case in.Files != nil:
		c.From, c.Reader = []string{in.Files.Path}, in.Files.Reader
	case in.Table != "":
		c.From = []string{in.Table}
	case in.Database != nil:
		c.From = []string{Canonical(in.Database.Query)}
	case in.Command != nil:
		c.From, c.Reader = in.Command.Argv, in.Command.Reader
	case in.HTTP != nil:
		c.From = []string{in.HTTP.URL, in.HTTP.Records, in.HTTP.Next, in.HTTP.Page}
		c.Reader = in.HTTP.Reader
	case in.Kafka != nil:
		c.From, c.Reader = []string{in.Kafka.Topic}, in.Kafka.Reader
	case in.Log != nil:
		c.From, c.Reader = []string{in.Log.Topic}, in.Log.Reader
		if in.Log.Envelope {
			c.From = append(c.From, "envelope")
		}
	}
	return c
}
