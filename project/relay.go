package project

import (
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/twice-data/twice"
)

// tableOnly lists the keys that speak of a table, which a relay has not.
var tableOnly = []string{
	"table", "unique_key", "version", "when_missing", "time_column", "window", "timezone", "begin", "end", "lookback",
	"batch_size", "on_schema_change", "allow_empty", "dedupe",
}

// relay reads where the rows go instead of a table, and checks that this can be done once.
func (b *builder) relay() {
	if b.h.To == nil || b.h.To.Kafka == nil {
		return
	}
	h := b.h.To.Kafka
	b.filled("to.kafka.topic", h.Topic)
	b.p.To = &twice.KafkaOutput{
		Brokers: h.Brokers, Topic: h.Topic, Key: h.Key, Quarantine: h.QuarantineTopic, Options: settings(h.Options),
		Line: b.line("to"),
	}
	if b.has("write") {
		b.errorf("write", "contradiction", "with to: there is no table to write").WithNext("delete write:, or delete to:")
	}
	for _, key := range tableOnly {
		if b.has(key) {
			b.errorf(key, "contradiction", "it means nothing with to: there is no table").WithNext("delete it")
		}
	}
	b.inContract("to.kafka.key", h.Key)
	b.relayInput(h)
}

func (b *builder) relayInput(h *outputHeader) {
	in := b.p.Stream()
	if in == nil || in.Kafka == nil {
		b.errorf("to", "contradiction", "only a topic can go to a topic: its offsets commit with the records").
			WithNext("read a topic: inputs: {feed: {kafka: {brokers: […], topic: …}, format: json}}; or write a table")
		return
	}
	if h.Topic != "" && h.Topic == in.Kafka.Topic || h.QuarantineTopic != "" && h.QuarantineTopic == in.Kafka.Topic {
		b.errorf("to.kafka", "contradiction", "it produces to the topic %s that it reads, and would never end", in.Kafka.Topic).
			WithNext("name another topic")
	}
	switch quarantine := in.Kafka.OnError == "quarantine"; {
	case quarantine && h.QuarantineTopic == "":
		b.errorf("inputs."+in.Name+".on_error", "contradiction", "a relay has no database for records that do not parse").
			WithNext("add to.kafka: quarantine_topic: NAME, which gets them in the same transaction; or write on_error: fail or skip")
	case !quarantine && h.QuarantineTopic != "":
		b.errorf("to.kafka.quarantine_topic", "contradiction", "without on_error: quarantine nothing goes there").
			WithNext("add on_error: quarantine to the input %s, or delete it", in.Name)
	}
}

// relayChecks refuses the checks that would say something of rows which a batch does not have.
func (b *builder) relayChecks() {
	if b.h.To == nil {
		return
	}
	for _, c := range b.p.Checks {
		what := ""
		switch {
		case c.Unique != nil:
			what = "unique"
		case c.Rows != nil:
			what = "rows"
		case c.Relationships != nil:
			what = "relationships"
		default:
			continue
		}
		e := twice.Errorf("contradiction", "%s: a relay checks the rows of a batch, and where a batch is cut is chance; "+
			"it has no table to ask", what)
		b.errs = append(b.errs, e.At(b.file, c.Line).WithNext("delete it; not_null, accepted_values and sql judge row by row"))
	}
}

// JSONSchemaExtend says that rows go to a table or to a topic.
func (header) JSONSchemaExtend(s *jsonschema.Schema) {
	for _, key := range strings.Fields("write to") {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Title: key, Required: []string{key}})
	}
}
