package main

// A connection that speaks HTTP/1.1: one request in flight, never two, since Envoy's direct_response closes the connection
// when requests are pipelined.

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

const readBufferBytes = 16 << 10

type http1Worker struct {
	target    *target
	conn      *tls.Conn
	responses *bufio.Reader
	patience  patience
}

func (w *http1Worker) connect() error {
	conn, err := w.target.dial()
	if err != nil {
		return err
	}
	w.conn = conn
	w.patience = patience{}
	if w.responses == nil {
		w.responses = bufio.NewReaderSize(conn, readBufferBytes)
	} else {
		w.responses.Reset(conn)
	}
	return nil
}

func (w *http1Worker) connected() bool {
	return w.conn != nil
}

func (w *http1Worker) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

func (w *http1Worker) run(feed *feed, tally *tally) error {
	for index, ok := feed.take(); ok; index, ok = feed.take() {
		w.patience.renew(w.conn)
		r := &w.target.requests[index]
		if r.Abort != abortNone {
			if _, err := w.conn.Write(r.wire); err != nil {
				tally.fail(r, err)
				tally.reconnects++
			} else {
				tally.aborted++
				tally.abortedReconnects++
			}
			if err := reopen(w); err != nil {
				return err
			}
			continue
		}
		stays, err := w.exchange(r, tally)
		if err != nil {
			tally.fail(r, err)
		}
		if err != nil || !stays {
			tally.reconnects++
			if err := reopen(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// exchange sends a request and reads its answer. It says whether the connection may be used again.
func (w *http1Worker) exchange(r *request, tally *tally) (bool, error) {
	if _, err := w.conn.Write(r.wire); err != nil {
		return false, fmt.Errorf("sending the request: %w", err)
	}
	status, stays, err := readResponse(w.responses, r.Method == "HEAD")
	if err != nil {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	tally.statuses[status]++
	if stays && w.responses.Buffered() > 0 {
		return false, errors.New("reading the answer: there are more bytes than the answer has")
	}
	return stays, nil
}

// patience keeps a connection's deadline ahead. Setting one costs about as much as a system call, so it is done once a
// second; a connection that is silent is given up after nine to ten seconds.
type patience struct {
	renewed time.Time
}

func (p *patience) renew(conn *tls.Conn) {
	if now := time.Now(); now.Sub(p.renewed) > time.Second {
		p.renewed = now
		conn.SetDeadline(now.Add(silence))
	}
}
