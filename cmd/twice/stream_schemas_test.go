package main

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

const orderSchema = `{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}, {"name": "%s", "type": "long"}]}`

// TestStreamOfSchemas reads records of two versions of a schema, one of which calls the field n by another name, and with a
// binary key.
func TestStreamOfSchemas(t *testing.T) {
	registry := srfake.New()
	t.Cleanup(registry.Close)
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 2, story{})
			if err := registry.SetCompat(f.topic, sr.CompatNone); err != nil {
				t.Fatal(err)
			}
			f.write("pipelines/t.sql", avroFlow(f, registry.URL(), "quarantine"))
			var records []*kgo.Record
			for i, name := range []string{"n", "square"} {
				text := fmt.Sprintf(orderSchema, name)
				id, _, err := registry.RegisterSchema(f.topic, sr.Schema{Schema: text, Type: sr.TypeAvro})
				if err != nil {
					t.Fatal(err)
				}
				for k := 5 * i; k < 5*i+5; k++ {
					value, err := avro.MustParse(text).Encode(map[string]any{"id": k, name: k * k})
					if err != nil {
						t.Fatal(err)
					}
					records = append(records, &kgo.Record{Topic: f.topic, Partition: int32(k % 2), Key: []byte{0, 0xff}, Value: inFrame(id, value)})
				}
			}
			records = append(records, &kgo.Record{Topic: f.topic, Value: inFrame(987654, nil)}, &kgo.Record{Topic: f.topic, Value: []byte("{}")})
			f.broker.Produce(t, records...)
			f.must("run")
			f.expect(everyEvent, once(10))
			f.expect("SELECT string_agg(error, '; ' ORDER BY place) FROM (SELECT error, CAST(record_offset AS BIGINT) AS place FROM twice.quarantine) AS q",
				"the registry has no schema with its id 987654; it does not begin with a schema's id")
		})
	}
}

func inFrame(id int, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), value...)
}

func avroFlow(f *flow, registry, onError string) string {
	return fmt.Sprintf(`/* @twice
write: merge
unique_key: [id]
inputs:
  feed:
    kafka:
      brokers: [%q]
      topic: %s
      options: {registry: %q, registry_user: me, registry_password: not-shown, retry_time: 1s}
    format: avro
    on_error: %s
    columns: [{name: id, type: bigint}, {name: n, type: bigint, aliases: [square]}]
*/
select id, n from feed
`, f.addr, f.topic, registry, onError)
}

// TestStreamRegistryFaults says that a registry's fault is no fault of a record: nothing is quarantined, and the next run
// goes on.
func TestStreamRegistryFaults(t *testing.T) {
	registry := srfake.New()
	t.Cleanup(registry.Close)
	there, err := url.Parse(registry.URL())
	if err != nil {
		t.Fatal(err)
	}
	var status atomic.Int32 // of every answer; 0: the registry's own
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if code := int(status.Load()); code != 0 {
			w.WriteHeader(code)
			return
		}
		req.URL.Host, req.URL.Scheme, req.RequestURI = there.Host, there.Scheme, ""
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_ = resp.Write(w)
	}))
	t.Cleanup(front.Close)
	f := newFlow(t, "duckdb", 1, story{})
	text := fmt.Sprintf(orderSchema, "n")
	id, _, err := registry.RegisterSchema(f.topic, sr.Schema{Schema: text, Type: sr.TypeAvro})
	if err != nil {
		t.Fatal(err)
	}
	value, err := avro.MustParse(text).Encode(map[string]any{"id": 0, "n": 0})
	if err != nil {
		t.Fatal(err)
	}
	f.broker.Produce(t, &kgo.Record{Topic: f.topic, Value: inFrame(id, value)})
	f.write("pipelines/t.sql", avroFlow(f, front.URL, "quarantine"))
	for _, c := range []struct {
		status int32
		says   string
	}{{500, "HTTP status 500"}, {401, "correct registry_user: and registry_password:"}, {404, "HTTP status 404"}} {
		status.Store(c.status)
		f.refused(1, []string{"run"}, c.says, "t.sql:5")
	}
	f.write("pipelines/t.sql", avroFlow(f, "http://127.0.0.1:1", "skip"))
	r := f.run("run")
	if r.code != 1 || !strings.Contains(r.stdout+r.stderr, "cannot reach the registry http://127.0.0.1:1") || strings.Contains(r.stdout+r.stderr, "not-shown") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	f.write("pipelines/t.sql", avroFlow(f, "registry", "skip"))
	f.refused(2, []string{"run"}, "registry: expected a URL")
	f.write("pipelines/t.sql", strings.Replace(avroFlow(f, "", "skip"), `registry: "", `, "", 1))
	f.refused(2, []string{"run"}, "need the registry of their schemas")
	f.write("pipelines/t.sql", avroFlow(f, registry.URL(), "fail"))
	f.must("run")
	f.expect(everyEvent, once(1))
	f.expect("SELECT count(*) FROM twice.quarantine", "0")
}
