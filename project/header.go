package project

// header is what a pipeline's file says about itself. Its tags are the decoder's rules and the JSON Schema's source.
type header struct {
	Description string `json:"description,omitempty"`
	Owner       string `json:"owner,omitempty"`
	Tags        texts  `json:"tags,omitempty"`
	Table       string `json:"table,omitempty"`
	Write       string `json:"write,omitempty" jsonschema:"enum=overwrite,enum=merge,enum=publish"`

	To *toHeader `json:"to,omitempty"`

	TimeColumn string `json:"time_column,omitempty"`

	Window string `json:"window,omitempty" jsonschema:"enum=hour,enum=day,enum=week,enum=month,enum=year,enum=none"`

	Timezone  string        `json:"timezone,omitempty"`
	Begin     string        `json:"begin,omitempty"`
	End       string        `json:"end,omitempty"`
	UniqueKey texts         `json:"unique_key,omitempty"`
	Dedupe    *dedupeHeader `json:"dedupe,omitempty"`

	Version     string `json:"version,omitempty"`
	WhenMissing string `json:"when_missing,omitempty" jsonschema:"enum=delete"`
	Lookback    *int   `json:"lookback,omitempty" jsonschema:"minimum=0"`
	BatchSize   *int   `json:"batch_size,omitempty" jsonschema:"minimum=1"`

	OnSchemaChange string `json:"on_schema_change,omitempty" jsonschema:"enum=fail,enum=append_new_columns"`

	AllowEmpty bool                   `json:"allow_empty,omitempty"`
	Inputs     map[string]inputHeader `json:"inputs,omitempty"`
	Columns    []columnHeader         `json:"columns,omitempty"`
	Checks     []checkHeader          `json:"checks,omitempty"`
	Allow      []waiverHeader         `json:"allow,omitempty"`
}

type inputHeader struct {
	Files    string       `json:"files,omitempty" jsonschema:"oneof_required=files"`
	Table    string       `json:"table,omitempty" jsonschema:"oneof_required=table"`
	Postgres *queryHeader `json:"postgres,omitempty" jsonschema:"oneof_required=postgres"`
	MySQL    *queryHeader `json:"mysql,omitempty" jsonschema:"oneof_required=mysql"`
	Command  *command     `json:"command,omitempty" jsonschema:"oneof_required=command"`
	HTTP     *httpHeader  `json:"http,omitempty" jsonschema:"oneof_required=http"`
	Kafka    *kafkaHeader `json:"kafka,omitempty" jsonschema:"oneof_required=kafka"`
	Log      *logHeader   `json:"log,omitempty" jsonschema:"oneof_required=log"`

	OnError string `json:"on_error,omitempty" jsonschema:"enum=fail,enum=quarantine,enum=skip"`

	readerHeader
}

type readerHeader struct {
	Format string `json:"format,omitempty"`

	Compression string        `json:"compression,omitempty" jsonschema:"enum=gzip,enum=none"`
	Delimiter   string        `json:"delimiter,omitempty"`
	Quote       string        `json:"quote,omitempty"`
	Escape      string        `json:"escape,omitempty"`
	Header      *bool         `json:"header,omitempty"`
	Skip        int           `json:"skip,omitempty" jsonschema:"minimum=0"`
	Encoding    texts         `json:"encoding,omitempty"`
	Null        texts         `json:"null,omitempty"`
	Columns     readerColumns `json:"columns,omitempty"`
}

type queryHeader struct {
	URL   string `json:"url" jsonschema:"required"`
	Query string `json:"query" jsonschema:"required"`
}

type httpHeader struct {
	URL     string            `json:"url" jsonschema:"required"`
	Headers map[string]string `json:"headers,omitempty"`
	Records string            `json:"records,omitempty"`
	Next    string            `json:"next,omitempty"`
	Page    string            `json:"page,omitempty"`
	Timeout duration          `json:"timeout,omitempty"`
}

type kafkaHeader struct {
	Brokers texts              `json:"brokers" jsonschema:"required"`
	Topic   string             `json:"topic" jsonschema:"required"`
	Options map[string]setting `json:"options,omitempty"`
}

type dedupeHeader struct {
	Key    texts    `json:"key" jsonschema:"required"`
	Time   string   `json:"time,omitempty"`
	Within duration `json:"within" jsonschema:"required"`
}

type logHeader struct {
	Path     string             `json:"path" jsonschema:"required"`
	Envelope bool               `json:"envelope,omitempty"`
	Options  map[string]setting `json:"options,omitempty"`
}

type toHeader struct {
	Kafka *outputHeader `json:"kafka" jsonschema:"required"`
}

type outputHeader struct {
	Brokers texts  `json:"brokers,omitempty"`
	Topic   string `json:"topic" jsonschema:"required"`
	Key     string `json:"key,omitempty"`

	QuarantineTopic string             `json:"quarantine_topic,omitempty"`
	Options         map[string]setting `json:"options,omitempty"`
}

type columnHeader struct {
	Name           string `json:"name" jsonschema:"required"`
	Type           string `json:"type" jsonschema:"required"`
	Description    string `json:"description,omitempty"`
	NotNull        bool   `json:"not_null,omitempty"`
	Unique         bool   `json:"unique,omitempty"`
	AcceptedValues texts  `json:"accepted_values,omitempty"`
	Relationships  string `json:"relationships,omitempty"`
}

type checkHeader struct {
	Name    string `json:"name,omitempty"`
	OnFail  string `json:"on_fail,omitempty" jsonschema:"enum=block,enum=warn"`
	NotNull texts  `json:"not_null,omitempty" jsonschema:"oneof_required=not_null"`
	Unique  texts  `json:"unique,omitempty" jsonschema:"oneof_required=unique"`

	AcceptedValues *acceptedHeader `json:"accepted_values,omitempty" jsonschema:"oneof_required=accepted_values"`

	Rows *rowsHeader `json:"rows,omitempty" jsonschema:"oneof_required=rows"`

	Relationships *relationshipsHeader `json:"relationships,omitempty" jsonschema:"oneof_required=relationships"`

	SQL string `json:"sql,omitempty" jsonschema:"oneof_required=sql"`
}

type acceptedHeader struct {
	Column string `json:"column" jsonschema:"required"`
	Values texts  `json:"values" jsonschema:"required"`
}

type rowsHeader struct {
	Min *int64 `json:"min,omitempty" jsonschema:"minimum=0"`
	Max *int64 `json:"max,omitempty" jsonschema:"minimum=0"`
}

type relationshipsHeader struct {
	Column string `json:"column" jsonschema:"required"`
	To     string `json:"to" jsonschema:"required"`
}

type waiverHeader struct {
	Rule   string `json:"rule" jsonschema:"required"`
	Reason string `json:"reason" jsonschema:"required"`
}
