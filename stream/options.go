package stream

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/twice-data/twice"
)

// options are what a header says under options: of a Kafka input or a log.
type options struct {
	rows                       int           // of a batch, at most
	bytes                      int           // of a batch's keys, values and headers, unless one record alone has more
	time                       time.Duration // how long a batch gathers before it is committed
	group                      string        // under which offsets are shown, and processes share partitions; empty: by the pipeline's name
	instance                   string        // static membership: who this process is in the group, also after a restart
	session                    time.Duration // how long a silent member keeps its partitions
	retry                      time.Duration // for how long brokers may be away
	sasl                       string
	user, pass                 string
	registry                   string // the URL of a registry of schemas
	registryUser, registryPass string
	tls                        bool
	ca                         string // a file of certificates; empty: the machine's

	transaction time.Duration // of a relay: how long one may be open
	most        int           // of a relay: bytes of a record
}

// settings lists the options by name, with what reads them.
var settings = map[string]func(o *options, text string) error{
	"batch_rows":      func(o *options, s string) error { return positive(&o.rows, s) },
	"batch_bytes":     func(o *options, s string) error { return size(&o.bytes, s) },
	"batch_time":      func(o *options, s string) error { return duration(&o.time, s) },
	"group":           func(o *options, s string) error { o.group = s; return nil },
	"instance_id":     func(o *options, s string) error { o.instance = s; return nil },
	"session_timeout": func(o *options, s string) error { return duration(&o.session, s) },
	"retry_time":      func(o *options, s string) error { return duration(&o.retry, s) },
	"sasl": func(o *options, s string) error {
		o.sasl = strings.ToLower(s)
		if !slices.Contains([]string{"plain", "scram-sha-256", "scram-sha-512"}, o.sasl) {
			return fmt.Errorf("expected plain, scram-sha-256 or scram-sha-512, found %q", s)
		}
		return nil
	},
	"user":              func(o *options, s string) error { o.user = s; return nil },
	"password":          func(o *options, s string) error { o.pass = s; return nil },
	"registry":          func(o *options, s string) error { o.registry = s; return nil },
	"registry_user":     func(o *options, s string) error { o.registryUser = s; return nil },
	"registry_password": func(o *options, s string) error { o.registryPass = s; return nil },
	"tls":               func(o *options, s string) (err error) { o.tls, err = strconv.ParseBool(s); return err },
	"ca":                func(o *options, s string) error { o.ca, o.tls = s, true; return nil },
}

// outward lists the options of a relay's output by name. What they leave out of the connection is as for the input.
var outward = map[string]func(o *options, text string) error{
	"transaction_timeout": func(o *options, s string) error { return duration(&o.transaction, s) },
	"max_record_bytes":    func(o *options, s string) error { return size(&o.most, s) },
	"retry_time":          settings["retry_time"], "sasl": settings["sasl"], "user": settings["user"],
	"password": settings["password"], "tls": settings["tls"], "ca": settings["ca"],
}

// ofLogs are the settings that a log has too.
var ofLogs = []string{"batch_bytes", "batch_rows", "batch_time"}

// Check says what is wrong with the options of a stream's input.
func Check(in *twice.Input) error {
	_, err := parse(in)
	return err
}

func parse(in *twice.Input) (options, error) {
	o := options{rows: 300_000, bytes: 64 << 20, time: time.Second / 2, session: 10 * time.Second, retry: 20 * time.Second}
	known := slices.Sorted(maps.Keys(settings))
	if in.Log != nil {
		known = ofLogs
	}
	if err := o.read(in.Records().Options, settings, known); err != nil {
		return o, err
	}
	if format := in.Records().Format; format == "avro" || format == "protobuf" {
		_, err := newRegistry(o, format)
		return o, err
	}
	return o, nil
}

// outward gives the options of a relay's output, which begin with those of its input.
func (o options) outward(to *twice.KafkaOutput) (options, error) {
	o.transaction, o.most = 10*time.Second, 1<<20
	err := o.read(to.Options, outward, slices.Sorted(maps.Keys(outward)))
	return o, err
}

func (o *options) read(texts map[string]string, settings map[string]func(o *options, text string) error, known []string) error {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		set := settings[name]
		if !slices.Contains(known, name) {
			return twice.Errorf("unknown-key", "options: unknown key %q", name).
				WithNext("expected one of %s", strings.Join(known, ", ")).WithExit(twice.ExitProject)
		}
		if err := set(o, texts[name]); err != nil {
			return twice.Errorf("unknown-value", "options: %s: %w", name, err).
				WithNext("correct it").WithExit(twice.ExitProject)
		}
	}
	if o.sasl != "" && (o.user == "" || o.pass == "") {
		return twice.Errorf("missing-key", "options: sasl needs user and password").
			WithNext("add user: and password: \"${KAFKA_PASSWORD}\"").WithExit(twice.ExitProject)
	}
	return nil
}

func positive(n *int, text string) (err error) {
	if *n, err = strconv.Atoi(text); err != nil || *n <= 0 {
		return fmt.Errorf("expected a number of 1 or more, found %q", text)
	}
	return nil
}

var sizes = regexp.MustCompile(`^([0-9]+) *(KB|MB|GB)?$`)

func size(n *int, text string) error {
	m := sizes.FindStringSubmatch(strings.ToUpper(text))
	if m == nil {
		return fmt.Errorf("expected a size like 64MB, found %q", text)
	}
	unit := map[string]int{"": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}[m[2]]
	if err := positive(n, m[1]); err != nil {
		return err
	}
	*n *= unit
	return nil
}

func duration(d *time.Duration, text string) (err error) {
	if *d, err = time.ParseDuration(text); err != nil || *d <= 0 {
		return fmt.Errorf("expected a duration like 500ms or 2s, found %q", text)
	}
	return nil
}

// backoff is how long a client waits until it asks again. Brokers that are back should not wait for it.
func backoff(fails int) time.Duration {
	most := min(time.Second, 100*time.Millisecond<<min(fails, 4))
	return most/2 + rand.N(most/2)
}

// client lists what a client of the brokers needs.
func (o options) client(brokers []string, dir string) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.ClientID("twice"), kgo.DialTimeout(5 * time.Second),
		kgo.RetryTimeout(o.retry), kgo.RequestRetries(1000), kgo.RetryBackoffFn(backoff), kgo.MetadataMinAge(100 * time.Millisecond),
	}
	switch o.sasl {
	case "plain":
		opts = append(opts, kgo.SASL(plain.Auth{User: o.user, Pass: o.pass}.AsMechanism()))
	case "scram-sha-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: o.user, Pass: o.pass}.AsSha256Mechanism()))
	case "scram-sha-512":
		opts = append(opts, kgo.SASL(scram.Auth{User: o.user, Pass: o.pass}.AsSha512Mechanism()))
	}
	if !o.tls {
		return opts, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.ca != "" {
		path := o.ca
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, twice.Errorf("bad-input", "%s holds no certificate", o.ca).WithExit(twice.ExitProject)
		}
	}
	return append(opts, kgo.DialTLSConfig(conf)), nil
}
