package manifest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/twice-data/twice"
)

// bucket is a bucket of a server in this process, and the server's memory.
func bucket(t *testing.T, address string) (*Bucket, *s3mem.Backend) {
	t.Helper()
	memory := s3mem.New()
	server := httptest.NewServer(gofakes3.New(memory).Server())
	t.Cleanup(server.Close)
	if err := memory.CreateBucket("captures"); err != nil {
		t.Fatal(err)
	}
	b, err := OpenBucket(address, at(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	return b, memory
}

// at is the environment of a user of an S3 server.
func at(endpoint string) func(string) (string, bool) {
	env := map[string]string{"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "geheim"}
	return func(name string) (string, bool) { value, ok := env[name]; return value, ok }
}

func TestBucketKeeps(t *testing.T) {
	for _, address := range []string{"s3://captures", "s3://captures/a/b/"} {
		b, _ := bucket(t, address)
		first, err := b.Put(t.Context(), strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := b.Put(t.Context(), strings.NewReader("hello"))
		if err != nil || again.SHA256 != first.SHA256 || first.Size != 5 {
			t.Errorf("put %v and %v (%v)", first, again, err)
		}
		if _, err := b.Put(t.Context(), strings.NewReader("other")); err != nil {
			t.Fatal(err)
		}
		in, err := b.Open(t.Context(), first.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		in.Close()
		if string(got) != "hello" || err != nil {
			t.Errorf("read %q (%v)", got, err)
		}
		files, err := b.List(t.Context())
		if err != nil || len(files) != 2 || files[0].SHA256 > files[1].SHA256 || files[0].Size != 5 || files[0].ModAt.IsZero() {
			t.Errorf("listed %v (%v)", files, err)
		}
		for range 2 { // the second time it is gone already
			if err := b.Delete(t.Context(), first.SHA256); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Open(t.Context(), first.SHA256); codeOf(err) != "capture-missing" {
			t.Errorf("a deleted capture: %v", err)
		}
	}
}

func TestBucketNoticesDamage(t *testing.T) {
	b, memory := bucket(t, "s3://captures/x")
	file, err := b.Put(t.Context(), strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := memory.PutObject("captures", b.name(file.SHA256), map[string]string{}, strings.NewReader("hellO"), 5, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), b, file.SHA256, t.TempDir()); codeOf(err) != "capture-damaged" {
		t.Errorf("a damaged capture: %v", err)
	}
	if _, err := b.Put(t.Context(), strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), b, file.SHA256, t.TempDir()); err != nil {
		t.Errorf("put again: %v", err)
	}
}

func TestBucketRefusals(t *testing.T) {
	failing := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	b, _ := bucket(t, "s3://captures")
	if _, err := b.Put(t.Context(), io.MultiReader(strings.NewReader("hel"), broken{})); !errors.Is(err, errBroken) {
		t.Errorf("an error of what is put: %v", err)
	}
	if files, err := b.List(t.Context()); len(files) > 0 || err != nil {
		t.Errorf("half a capture is kept: %v (%v)", files, err)
	}
	for _, test := range []struct{ address, endpoint, code string }{
		{"s3://", "http://127.0.0.1:1", "bad-url"},
		{"file:///tmp", "http://127.0.0.1:1", "bad-url"},
		{"s3://captures", "nowhere", "bad-url"},
		{"s3://captures", failing(403), "capture-store"},
		{"s3://captures", "http://127.0.0.1:1", "capture-store"},
	} {
		b, err := OpenBucket(test.address, at(test.endpoint))
		if err == nil {
			_, err = b.List(t.Context())
		}
		if codeOf(err) != test.code || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s at %s: %v, want %s", test.address, test.endpoint, err, test.code)
		}
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return twice.AsError(err).Code
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }
