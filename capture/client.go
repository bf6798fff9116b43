package capture

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/twice-data/twice"
)

// How a server is asked again.
const (
	requests      = 6 // of one page, when it fails
	firstPause    = 500 * time.Millisecond
	longestPause  = 5 * time.Minute // that a server may ask for
	mostRedirects = 10
	answerWithin  = time.Minute // unless the input says otherwise
)

// client asks one server. Its headers, which may be secrets, go to no other, and no error says them or a query.
type client struct {
	http    *http.Client
	headers map[string]string
	home    *url.URL
	limit   time.Duration
	pause   func(context.Context, time.Duration) error
}

var errRedirects = errors.New("endless redirect")

func newClient(in *twice.HTTPInput, home *url.URL, pause func(context.Context, time.Duration) error) *client {
	c := &client{headers: in.Headers, home: home, limit: in.Timeout, pause: pause}
	if c.limit == 0 {
		c.limit = answerWithin
	}
	if c.pause == nil {
		c.pause = wait
	}
	c.http = &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > mostRedirects {
			return errRedirects
		}
		for name := range c.headers {
			req.Header.Del(name)
		}
		c.introduce(req)
		return nil
	}}
	return c
}

// introduce adds the headers to a request to the server that they are for.
func (c *client) introduce(req *http.Request) {
	req.Header.Set("User-Agent", "twice")
	if req.URL.Host != c.home.Host || req.URL.Scheme != c.home.Scheme {
		return
	}
	for name, value := range c.headers {
		req.Header.Set(name, value)
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryable is a failure that may be gone the next time.
type retryable struct {
	err   *twice.Error
	after time.Duration // as the server asked; 0: it did not
}

func (r *retryable) Error() string { return r.err.Error() }

// get writes a body to out, from its beginning, and tries again where that may help.
func (c *client) get(ctx context.Context, at *url.URL, out *os.File) (http.Header, error) {
	for n := 0; ; n++ {
		header, err := c.once(ctx, at, out)
		var again *retryable
		if !errors.As(err, &again) {
			return header, err
		}
		pause := firstPause << n
		if again.after > 0 {
			pause = again.after
		}
		if n+1 == requests || pause > longestPause {
			return nil, again.err
		}
		if err := c.pause(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func (c *client) once(ctx context.Context, at *url.URL, out *os.File) (http.Header, error) {
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, twice.Errorf("bad-url", "the url of the http input does not parse")
	}
	c.introduce(req)
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, c.failed(ctx, at, err)
	}
	defer answer.Body.Close()
	switch code := answer.StatusCode; {
	case code == http.StatusTooManyRequests || code >= 500:
		return nil, &retryable{badStatus(at, answer), retryAfter(answer.Header)}
	case code != http.StatusOK:
		return nil, badStatus(at, answer)
	}
	if err := out.Truncate(0); err != nil {
		return nil, noRoom(err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	body := &wire{r: answer.Body}
	if _, err := io.Copy(out, body); err != nil {
		if body.err == nil {
			return nil, noRoom(err)
		}
		return nil, c.failed(ctx, at, err)
	}
	return answer.Header, nil
}

// wire remembers whether it was reading that failed.
type wire struct {
	r   io.Reader
	err error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// failed words what the network did.
func (c *client) failed(ctx context.Context, at *url.URL, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errRedirects):
		return twice.Errorf("endless-redirect", "%s redirects again and again: %d times", shown(at), mostRedirects).
			WithNext("open the address in a browser; it may want a login, or https")
	case errors.Is(err, context.DeadlineExceeded):
		return &retryable{err: twice.Errorf("http-timeout", "%s did not answer within %s", shown(at), c.limit).
			WithNext("give it more time: timeout: 5m")}
	default:
		return &retryable{err: twice.Errorf("http-failed", "%s cannot be read: %s", shown(at), cause(err)).
			WithNext("see that the server runs and can be reached from here")}
	}
}

func badStatus(at *url.URL, answer *http.Response) *twice.Error {
	e := twice.Errorf("http-status", "%s answers %s", shown(at), answer.Status)
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return e.WithNext("check the credentials under headers: of the input")
	case http.StatusNotFound:
		return e.WithNext("check the url of the input")
	default:
		return e.WithNext("run again later; nothing was written")
	}
}

// retryAfter is how long a server asks to wait, in seconds or until a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	until, err := http.ParseTime(text)
	now, dated := http.ParseTime(h.Get("Date"))
	if err != nil || dated != nil {
		return 0
	}
	return max(until.Sub(now), 0)
}

// shown is an address without what may be a secret in it: user, query and fragment.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
