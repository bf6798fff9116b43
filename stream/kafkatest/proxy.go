package kafkatest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between the broker and those who connect to Broker.Proxied. It lets everything through, until a test holds a
// request back.
type proxy struct {
	mu   sync.Mutex
	held *Held // the request that is waited for; nil: none
}

// Held is a request that does not reach the broker, or whose answer does not reach the client.
type Held struct {
	There   chan struct{} // closed: the request came, or the broker has answered it
	release chan struct{}

	key    int16
	answer bool
}

// Release ends the connection of a request that is held: nobody hears more of it.
func (h *Held) Release() { close(h.release) }

// Hold holds back the next request with a key of Kafka's protocol, or its answer. Release it once it is there.
func (b *Broker) Hold(key int16, answer bool) *Held {
	h := &Held{There: make(chan struct{}), release: make(chan struct{}), key: key, answer: answer}
	b.proxy.mu.Lock()
	defer b.proxy.mu.Unlock()
	b.proxy.held = h
	return h
}

// of gives the test's hold on a request, once.
func (p *proxy) of(key int16) *Held {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.held
	if h == nil || h.key != key {
		return nil
	}
	p.held = nil
	return h
}

// listen lets clients in for as long as the test binary lives, which the broker does too.
func (p *proxy) listen(t testing.TB, broker string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.connect(client, broker)
		}
	}()
	return l.Addr().String()
}

func (p *proxy) connect(client net.Conn, addr string) {
	defer client.Close()
	broker, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer broker.Close()
	answers := new(sync.Map) // correlation id of a request -> the hold on its answer
	ended := make(chan struct{}, 2)
	go func() {
		pass(broker, client, func(request []byte) *Held {
			h := p.of(int16(binary.BigEndian.Uint16(request)))
			if h == nil || !h.answer {
				return h
			}
			answers.Store([4]byte(request[4:8]), h)
			return nil
		})
		ended <- struct{}{}
	}()
	go func() {
		pass(client, broker, func(response []byte) *Held {
			h, _ := answers.Load([4]byte(response[:4]))
			held, _ := h.(*Held)
			return held
		})
		ended <- struct{}{}
	}()
	<-ended
}

// pass hands messages on until one is held, and returns when that is released or an end is closed.
func pass(to io.Writer, from io.Reader, hold func(message []byte) *Held) {
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(from, size); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(from, message); err != nil {
			return
		}
		if h := hold(message); h != nil {
			close(h.There)
			<-h.release
			return
		}
		if _, err := to.Write(append(size, message...)); err != nil {
			return
		}
	}
}
