package twice

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
