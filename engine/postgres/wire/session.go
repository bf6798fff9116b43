package wire

import (
	"io"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// session passes messages on until one side hangs up or a Cut fires.
func (p *Proxy) session(client, server net.Conn) {
	defer p.sessions.Done()
	defer client.Close()
	defer server.Close()
	w := &link{
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

// link is one session. One goroutine reads the client and writes to the server, another the other way round.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	back           *pgproto3.Backend
	front          *pgproto3.Frontend
	once           sync.Once
	gone           chan struct{} // closed by a silent Cut
}

// login passes the messages up to the end of authentication, in turns.
func (w *link) login() error {
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

func (w *link) authenticate() error {
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

func (w *link) toServer() {
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

func (w *link) toClient() {
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
func (w *link) pass(c Cut, fires bool, send func() error) bool {
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

func (w *link) fault(c Cut) bool {
	if c.Silent {
		w.once.Do(func() { close(w.gone) })
		return true
	}
	w.hangUp()
	return false
}

func (w *link) hangUp() {
	w.client.Close()
	w.server.Close()
}
