package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/twice-data/twice"
)

// decoder makes a JSON object of a value without its header. why: the value is not of the schema.
type decoder func(value []byte) (doc []byte, why string)

// registry finds the schemas that records were written with.
type registry struct {
	cl     *sr.Client
	addr   string // without a password
	format string // avro or protobuf
	retry  time.Duration
	known  map[uint32]schema
}

// schema is what the registry has under an id.
type schema struct {
	decode decoder
	why    string // there is no such schema, or it is one of another format
}

// newRegistry makes no connection.
func newRegistry(o options, format string) (*registry, error) {
	if o.registry == "" {
		return nil, twice.Errorf("missing-key", "options: records of the format %s need the registry of their schemas", format).
			WithNext("add registry: https://registry:8081").WithExit(twice.ExitProject)
	}
	u, err := url.Parse(o.registry)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, twice.Errorf("unknown-value", "options: registry: expected a URL like https://registry:8081").
			WithNext("correct it; user and password go to registry_user: and registry_password:").WithExit(twice.ExitProject)
	}
	opts := []sr.ClientOpt{sr.URLs(u.String()), sr.HTTPClient(&http.Client{Timeout: 5 * time.Second})}
	if o.registryUser != "" {
		opts = append(opts, sr.BasicAuth(o.registryUser, o.registryPass))
	}
	cl, err := sr.NewClient(opts...)
	return &registry{cl: cl, addr: u.Redacted(), format: format, retry: o.retry, known: map[uint32]schema{}}, err
}

// idOf reads the schema's id before a value: a zero byte, and four of the id.
func idOf(value []byte) (id uint32, ok bool) {
	if len(value) < 5 || value[0] != 0 {
		return 0, false
	}
	return binary.BigEndian.Uint32(value[1:]), true
}

// decode makes a JSON object of a record's value. An error is no fault of the record.
func (r *registry) decode(ctx context.Context, value []byte) (doc []byte, why string, err error) {
	id, ok := idOf(value)
	if !ok {
		return nil, "it does not begin with a schema's id", nil
	}
	s, ok := r.known[id]
	if !ok {
		if s, err = r.fetch(ctx, int(id)); err != nil {
			return nil, "", err
		}
		r.known[id] = s
	}
	if s.why != "" {
		return nil, s.why, nil
	}
	doc, why = s.decode(value[5:])
	return doc, why, nil
}

// fetch asks the registry for a schema, and again for as long as brokers may be away.
func (r *registry) fetch(ctx context.Context, id int) (schema, error) {
	began := time.Now()
	for {
		s, err := r.once(ctx, id)
		if err == nil || !passing(err) || time.Since(began) > r.retry {
			return s, r.explain(err, id)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// passing says whether a registry's error may pass.
func passing(err error) bool {
	var said *sr.ResponseError
	return !errors.As(err, &said) || said.StatusCode >= 500 || said.StatusCode == http.StatusTooManyRequests
}

func (r *registry) once(ctx context.Context, id int) (schema, error) {
	found, err := r.cl.SchemaByID(ctx, id)
	var said *sr.ResponseError
	switch {
	case errors.As(err, &said) && said.ErrorCode == sr.ErrSchemaNotFound.Code:
		return schema{why: fmt.Sprintf("the registry has no schema with its id %d", id)}, nil
	case err != nil:
		return schema{}, err
	}
	if want := map[string]sr.SchemaType{"avro": sr.TypeAvro, "protobuf": sr.TypeProtobuf}[r.format]; found.Type != want {
		return schema{why: fmt.Sprintf("its schema %d is of %s", id, found.Type)}, nil
	}
	var parts []part
	if err := r.collect(ctx, found, &parts); err != nil {
		return schema{}, err
	}
	decode, err := map[string]func(context.Context, string, []part) (decoder, error){"avro": ofAvro, "protobuf": ofProtobuf}[r.format](ctx, found.Schema, parts)
	if err != nil {
		return schema{}, unreadable{err}
	}
	return schema{decode: decode}, nil
}

// part is a schema that another one refers to by a name.
type part struct{ name, text string }

// collect appends what a schema refers to, each behind what it refers to itself.
func (r *registry) collect(ctx context.Context, s sr.Schema, parts *[]part) error {
	for _, ref := range s.References {
		if slices.ContainsFunc(*parts, func(p part) bool { return p.name == ref.Name }) {
			continue
		}
		found, err := r.cl.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return err
		}
		if err := r.collect(ctx, found.Schema, parts); err != nil {
			return err
		}
		*parts = append(*parts, part{path.Clean(ref.Name), found.Schema.Schema})
	}
	return nil
}

// unreadable is an error of a schema's text.
type unreadable struct{ error }

func (r *registry) explain(err error, id int) error {
	var known *twice.Error
	var said *sr.ResponseError
	var text unreadable
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &text):
		return twice.Errorf("bad-schema", "the schema %d of the registry %s cannot be read: %w", id, r.addr, text.error).
			WithNext("see it with curl %s/schemas/ids/%d, and register one that can be read", r.addr, id)
	case errors.As(err, &said) && (said.StatusCode == http.StatusUnauthorized || said.StatusCode == http.StatusForbidden):
		return twice.Errorf("registry-login", "the registry %s does not let us read the schema %d: HTTP status %d", r.addr, id, said.StatusCode).
			WithNext("correct registry_user: and registry_password: under options:")
	case errors.As(err, &said):
		return twice.Errorf("registry", "the registry %s does not give the schema %d: HTTP status %d: %s", r.addr, id, said.StatusCode, said.Message).
			WithNext("see whether registry: under options: is right, and run again")
	}
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err // the URL may hold a password
	}
	return twice.Errorf("registry-unreachable", "cannot reach the registry %s: %w", r.addr, err).
		WithNext("see whether it runs, and correct registry: under options: if it does; then run again")
}
