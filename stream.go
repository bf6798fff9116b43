package twice

// Stream gives p's Kafka input, or nil. A pipeline with one is a stream: its windows are offset ranges, chosen as it runs,
// and its table is merged into range by range.
func (p *Pipeline) Stream() *Input {
	for i := range p.Inputs {
		if p.Inputs[i].Kafka != nil {
			return &p.Inputs[i]
		}
	}
	return nil
}

// RecordColumns are what a stream's SELECT can name besides the fields of a record's value.
var RecordColumns = []string{"_key", "_value", "_headers", "_topic", "_partition", "_offset", "_timestamp"}
