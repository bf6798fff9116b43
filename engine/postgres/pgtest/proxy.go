package pgtest

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Kind is what a Cut waits for.
type Kind string

// The kinds. A text without arguments travels as a Query, any other as a Parse; a COPY's rows belong to its Query.
const (
	Statement Kind = "statement" // a Query or Parse, on its way to the server
	Reply     Kind = "reply"     // a CommandComplete, on its way to the client
)

// Cut is a fault: it ends a session at a place of its traffic. A Cut before a statement means that the server never sees
// it, after a statement that it was sent and nobody knows what became of it, before a reply that it is done and the
// client does not know, after a reply that the client knows.
type Cut struct {
	Kind   Kind
	Text   string // the statement's text or the reply's tag starts with it, in any case; empty: any
	N      int    // the N-th that matches, over all sessions since the Cut was armed; it fires once
	After  bool
	Silent bool // the session stays open and nothing more passes, as if the network were gone
}

// Proxy stands between clients and a server.
type Proxy struct {
	server   *Server
	listener net.Listener
	sessions sync.WaitGroup

	mu    sync.Mutex // guards what follows
	cut   Cut
	seen  int
	fired int
	log   []string
	conns []net.Conn
}

// Proxy starts a proxy in front of s; it ends with the test.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{server: s, listener: l}
	p.sessions.Add(1)
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.closeAll()
		p.sessions.Wait()
	})
	return p
}

// Through is a server's URL, as Database gives it, that leads through the proxy.
func (p *Proxy) Through(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err) // Database gave it
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

// Arm sets the next Cut, which replaces one that has not fired, and forgets the log.
func (p *Proxy) Arm(c Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.seen, p.log = c, 0, nil
}

// Fired counts the Cuts that happened. A test that does not look at it may have tested nothing.
func (p *Proxy) Fired() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired
}

// Log lists the statements and replies that were seen since Arm, in order: "statement COMMIT", "reply COMMIT".
func (p *Proxy) Log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// DropAll cuts every session now.
func (p *Proxy) DropAll() { p.closeAll() }

func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *Proxy) accept() {
	defer p.sessions.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.server.Port))
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		p.sessions.Add(1)
		go p.session(client, server)
	}
}

// fires notes a message and says whether the armed Cut is for it.
func (p *Proxy) fires(kind Kind, text string) (Cut, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, string(kind)+" "+text)
	c := p.cut
	if c.Kind != kind || len(text) < len(c.Text) || !strings.EqualFold(text[:len(c.Text)], c.Text) {
		return Cut{}, false
	}
	if p.seen++; p.seen != c.N {
		return Cut{}, false
	}
	p.fired++
	return c, true
}

// session passes messages on until one side hangs up or a Cut fires.
func (p *Proxy) session(client, server net.Conn) {
	defer p.sessions.Done()
	defer client.Close()
	defer server.Close()
	w := &wire{
		proxy: p, client: client, server: server,
		back: pgproto3.NewBackend(client, client), front: pgproto3.NewFrontend(server, server), gone: make(chan struct{}),
	}
	if w.login() != nil {
		return
	}
	var ends sync.WaitGroup
	ends.Add(2)
	go func() { defer ends.Done(); w.toServer() }()
	go func() { defer ends.Done(); w.toClient() }()
	ends.Wait()
}

// wire is one session. One goroutine reads the client and writes to the server, another the other way round.
type wire struct {
	proxy          *Proxy
	client, server net.Conn
	back           *pgproto3.Backend
	front          *pgproto3.Frontend
	once           sync.Once
	gone           chan struct{} // closed by a silent Cut
}

// login passes the messages up to the end of authentication, in turns.
func (w *wire) login() error {
	for {
		m, err := w.back.ReceiveStartupMessage()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			if _, err := w.client.Write([]byte("N")); err != nil {
				return err
			}
			continue
		case *pgproto3.CancelRequest:
			packet, err := m.Encode(nil)
			if err == nil {
				_, err = w.server.Write(packet)
			}
			if err == nil {
				err = io.EOF
			}
			return err
		default:
			w.front.Send(m)
			if err := w.front.Flush(); err != nil {
				return err
			}
		}
		return w.authenticate()
	}
}

func (w *wire) authenticate() error {
	for {
		m, err := w.front.Receive()
		if err != nil {
			return err
		}
		asks := false
		switch m.(type) {
		case *pgproto3.AuthenticationSASL, *pgproto3.AuthenticationSASLContinue, *pgproto3.AuthenticationMD5Password,
			*pgproto3.AuthenticationCleartextPassword:
			asks = true
			if err := w.back.SetAuthType(w.front.GetAuthType()); err != nil {
				return err
			}
		}
		w.back.Send(m)
		if err := w.back.Flush(); err != nil {
			return err
		}
		if _, ok := m.(*pgproto3.AuthenticationOk); ok {
			return nil
		}
		if asks {
			answer, err := w.back.Receive()
			if err != nil {
				return err
			}
			w.front.Send(answer)
			if err := w.front.Flush(); err != nil {
				return err
			}
		}
	}
}

func (w *wire) toServer() {
	defer w.hangUp()
	for {
		m, err := w.back.Receive()
		if err != nil {
			return
		}
		c, fires := Cut{}, false
		switch m := m.(type) {
		case *pgproto3.Query:
			c, fires = w.proxy.fires(Statement, m.String)
		case *pgproto3.Parse:
			c, fires = w.proxy.fires(Statement, m.Query)
		}
		if !w.pass(c, fires, func() error { w.front.Send(m); return w.front.Flush() }) {
			return
		}
	}
}

func (w *wire) toClient() {
	defer w.hangUp()
	var later *Cut // fires when the server is ready for the next query: before that, the client does not know
	for {
		m, err := w.front.Receive()
		if err != nil {
			return
		}
		c, fires := Cut{}, false
		switch m := m.(type) {
		case *pgproto3.CommandComplete:
			c, fires = w.proxy.fires(Reply, string(m.CommandTag))
			if fires && c.After {
				later, fires = &c, false
			}
		case *pgproto3.ReadyForQuery:
			if later != nil {
				c, fires = *later, true
			}
		}
		send := func() error {
			w.back.Send(m)
			if w.front.ReadBufferLen() > 0 && !fires {
				return nil // more is there; send it together
			}
			return w.back.Flush()
		}
		switch {
		case fires && !c.After:
			_ = w.back.Flush() // what came before it has left
		case fires && !c.Silent:
			w.server.Close() // before the client knows, and sends the next one
		}
		if !w.pass(c, fires, send) {
			return
		}
	}
}

// pass sends a message on, unless the Cut is before it; false ends the direction.
func (w *wire) pass(c Cut, fires bool, send func() error) bool {
	select {
	case <-w.gone:
		return true // swallowed
	default:
	}
	if fires && !c.After {
		return w.fault(c)
	}
	if send() != nil {
		return false
	}
	return !fires || w.fault(c)
}

func (w *wire) fault(c Cut) bool {
	if c.Silent {
		w.once.Do(func() { close(w.gone) })
		return true
	}
	w.hangUp()
	return false
}

func (w *wire) hangUp() {
	w.client.Close()
	w.server.Close()
}
