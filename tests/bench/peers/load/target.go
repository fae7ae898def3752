package main

// A target: one server with the requests to send to it and the connections to send them over.

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	protocolHTTP1 = "http1"
	protocolHTTP2 = "http2"
)

// How long a connection may be silent with a request in flight, and how long we try to open one again, in all.
const (
	silence      = 10 * time.Second
	reopenWithin = 5 * time.Second
	reopenPause  = 50 * time.Millisecond
)

// worker is one connection to the target. Only one goroutine at a time may use it.
type worker interface {
	// connect opens the connection, and completes the handshakes.
	connect() error
	connected() bool
	// run takes requests from the feed until it is empty and waits for their answers. An error means that the server
	// cannot be reached any more; a request that failed is counted and no error.
	run(*feed, *tally) error
	close()
}

// target is what an id stands for.
type target struct {
	id       string
	address  string
	tls      *tls.Config
	requests []request
	workers  []worker
	// next is the request to begin the next run with.
	next int
}

// openTarget reads the files a command names, prepares the requests, and opens the connections.
func openTarget(c openCommand) (*target, error) {
	if c.Connections < 1 {
		return nil, fmt.Errorf("connections %w", errNotPositive)
	}
	config, err := tlsConfig(c)
	if err != nil {
		return nil, err
	}
	requests, err := loadRequests(c.RequestsFile, c.ServerName)
	if err != nil {
		return nil, err
	}
	t := &target{id: c.ID, address: c.Address, tls: config, requests: requests}
	for range c.Connections {
		switch c.Protocol {
		case protocolHTTP1:
			t.workers = append(t.workers, &http1Worker{target: t})
		case protocolHTTP2:
			if c.Streams < 1 {
				return nil, fmt.Errorf("streams %w", errNotPositive)
			}
			t.workers = append(t.workers, &http2Worker{target: t, streams: c.Streams})
		default:
			return nil, fmt.Errorf("protocol is %q, where %q and %q are known", c.Protocol, protocolHTTP1, protocolHTTP2)
		}
	}
	for i := range requests {
		if c.Protocol == protocolHTTP2 {
			requests[i].encodeHTTP2()
		} else {
			requests[i].encodeHTTP1()
		}
	}
	for _, w := range t.workers {
		if err := w.connect(); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

func tlsConfig(c openCommand) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s, key %s: %w", c.Certificate, c.Key, err)
	}
	authority, err := os.ReadFile(c.Authority)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("authority: %s holds no PEM certificate", c.Authority)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		RootCAs:      roots,
		ServerName:   c.ServerName,
		MinVersion:   tls.VersionTLS13,
		// A soak opens thousands of connections, and how they agree on a key is not what it measures: the cheapest way.
		CurvePreferences: []tls.CurveID{tls.X25519},
		NextProtos:       []string{"http/1.1"},
	}
	if c.Protocol == protocolHTTP2 {
		config.NextProtos = []string{"h2"}
	}
	return config, nil
}

// dial opens one connection and completes its TLS handshake.
func (t *target) dial() (*tls.Conn, error) {
	raw, err := net.DialTimeout("tcp", t.address, silence)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, t.tls)
	conn.SetDeadline(time.Now().Add(silence))
	if err := conn.Handshake(); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", t.address, err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != t.tls.NextProtos[0] {
		conn.Close()
		return nil, fmt.Errorf("%s speaks %q where %q was asked for: look at the listener's alpn_protocols", t.address, got, t.tls.NextProtos[0])
	}
	return conn, nil
}

// reopen connects a worker again. A server that restarts is given a few seconds.
func reopen(w worker) error {
	w.close()
	began := time.Now()
	for {
		err := w.connect()
		if err == nil {
			return nil
		}
		if time.Since(began) > reopenWithin {
			return fmt.Errorf("a connection could not be opened again for %v: %w", reopenWithin, err)
		}
		time.Sleep(reopenPause)
	}
}

// runWorker runs a worker, and connects it first where an earlier run ended without a connection.
func runWorker(w worker, feed *feed, tally *tally) error {
	if !w.connected() {
		tally.reconnects++
		if err := reopen(w); err != nil {
			return err
		}
	}
	return w.run(feed, tally)
}

func (t *target) close() {
	for _, w := range t.workers {
		w.close()
	}
}

// run sends so many requests, as fast as all connections together can.
func (t *target) run(requests int) (*runAnswer, error) {
	if requests < 1 {
		return nil, fmt.Errorf("requests %w", errNotPositive)
	}
	feed := newFeed(len(t.requests), t.next, requests)
	t.next = (t.next + requests) % len(t.requests)
	tallies := make([]tally, len(t.workers))
	errs := make([]error, len(t.workers))
	var group sync.WaitGroup
	began := time.Now()
	for i, w := range t.workers {
		group.Go(func() {
			if errs[i] = runWorker(w, feed, &tallies[i]); errs[i] != nil {
				feed.stop()
			}
		})
	}
	group.Wait()
	seconds := time.Since(began).Seconds()
	// Where one connection cannot be opened, the others mostly say the same.
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return makeRunAnswer(t.id, seconds, tallies), nil
}

// eachAnswer has the status of every request of the file; 0 where none came, since the request failed or was broken off.
type eachAnswer struct {
	ID           string `json:"id"`
	Statuses     []int  `json:"statuses"`
	FirstFailure string `json:"first_failure,omitempty"`
}

// each sends every request of the file once, in order, one at a time, on the first connection.
func (t *target) each() (*eachAnswer, error) {
	answer := &eachAnswer{ID: t.id, Statuses: make([]int, len(t.requests))}
	for i := range t.requests {
		var tally tally
		if err := runWorker(t.workers[0], newFeed(len(t.requests), i, 1), &tally); err != nil {
			return nil, err
		}
		answer.Statuses[i] = tally.only()
		if answer.FirstFailure == "" {
			answer.FirstFailure = tally.firstFailure
		}
	}
	return answer, nil
}

// feed hands out the requests of the file in turn, until so many were handed out. All workers share one.
type feed struct {
	length int64
	end    int64
	next   atomic.Int64
}

func newFeed(length, first, count int) *feed {
	f := &feed{length: int64(length), end: int64(first) + int64(count)}
	f.next.Store(int64(first))
	return f
}

// take is the index of the next request; false at the end.
func (f *feed) take() (int, bool) {
	position := f.next.Add(1) - 1
	return int(position % f.length), position < f.end
}

// stop lets take find the end from now on.
func (f *feed) stop() {
	f.next.Store(f.end)
}
