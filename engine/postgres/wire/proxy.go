package wire

import (
	"net"
	"slices"
	"strings"
	"sync"
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
	N      int    // the N-th that matches, over all sessions since the Cut was armed
	Times  int    // and those after it, so many in all; 0: one
	After  bool
	Silent bool // the session stays open and nothing more passes, as if the network were gone
}

// Proxy stands between clients and a server. Close it.
type Proxy struct {
	network, server string
	listener        net.Listener
	sessions        sync.WaitGroup

	mu     sync.Mutex // guards what follows
	cut    Cut
	seen   int
	fired  int
	log    []string
	conns  []net.Conn
	closed bool
}

// Listen starts a proxy in front of the server that a connection string names. It speaks the protocol without TLS; see
// plain for what it cannot stand in front of.
func Listen(address string) (*Proxy, error) {
	config, err := plain(address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l}
	p.network, p.server = networkOf(config)
	p.sessions.Add(1)
	go p.accept()
	return p, nil
}

// Close cuts every session and waits for their ends.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.DropAll()
	p.sessions.Wait()
}

// Arm sets the next Cut, which replaces one that has not fired, and forgets the log.
func (p *Proxy) Arm(c Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.seen, p.log = c, 0, nil
}

// Fired counts the sessions that were cut. Who does not look at it may have tried nothing.
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
func (p *Proxy) DropAll() {
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
		server, err := net.Dial(p.network, p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		closed := p.closed
		p.mu.Unlock()
		if closed {
			p.DropAll()
			return
		}
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
	if c.N == 0 || c.Kind != kind || len(text) < len(c.Text) || !strings.EqualFold(text[:len(c.Text)], c.Text) {
		return Cut{}, false
	}
	if p.seen++; p.seen < c.N || p.seen >= c.N+max(c.Times, 1) {
		return Cut{}, false
	}
	p.fired++
	return c, true
}
