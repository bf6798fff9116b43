package twice

import "time"

// Stream gives p's Kafka input or log, or nil. A pipeline with one is a stream: its windows are offset ranges, chosen as it runs,
// and its table is merged into range by range.
func (p *Pipeline) Stream() *Input {
	for i := range p.Inputs {
		if p.Inputs[i].Records() != nil {
			return &p.Inputs[i]
		}
	}
	return nil
}

// RecordColumns are what a stream's SELECT can name besides the fields of a record's value.
var RecordColumns = []string{"_key", "_value", "_headers", "_topic", "_partition", "_offset", "_timestamp"}

// NoEpoch is the leader's epoch of a log that has none, or of records that nobody knows it of.
const NoEpoch = -1

// Dedupe says which records a stream leaves out because their producer sent them again: those whose key was seen in their
// partition with an event time at most Within before their own.
type Dedupe struct {
	Key    []string // fields of the record
	Time   string   // the field that is its event time
	Within time.Duration
	Line   int // of the file
}

// Records is what all inputs of streams say.
type Records struct {
	Topic   string // in Kafka; of a log, its folder or file, relative to the project's folder
	OnError string // a record that does not parse: "fail" (default), "quarantine" or "skip"
	Options map[string]string
	Reader
}

// Records gives what in says of the records of a stream, or nil.
func (in *Input) Records() *Records {
	switch {
	case in.Kafka != nil:
		return &in.Kafka.Records
	case in.Log != nil:
		return &in.Log.Records
	default:
		return nil
	}
}
