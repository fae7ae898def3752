package main

// What an HTTP/2 connection does with each frame it reads, and the header blocks it writes.

import (
	"bytes"
	"fmt"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The largest frame every HTTP/2 server takes.
const maxFrameBytes = 16 << 10

// handle takes one frame of the server.
func (w *http2Worker) handle(frame http2.Frame, tally *tally) error {
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		return w.readHeaders(f, tally)
	case *http2.DataFrame:
		// The whole frame counts against the window, padding too.
		w.receivedBytes += f.Length
		if w.receivedBytes > connectionWindowBytes/2 {
			if err := w.framer.WriteWindowUpdate(0, w.receivedBytes); err != nil {
				return err
			}
			w.receivedBytes = 0
		}
		if f.StreamEnded() {
			w.complete(f.StreamID, tally)
		}
	case *http2.RSTStreamFrame:
		if e, waits := w.inFlight[f.StreamID]; waits {
			delete(w.inFlight, f.StreamID)
			tally.fail(&w.target.requests[e.index], fmt.Errorf("the server reset the stream: %v", f.ErrCode))
		}
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return w.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return w.framer.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			w.sendWindow += int(f.Increment)
		}
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo {
			return fmt.Errorf("the server closes the connection: %v %.80q", f.ErrCode, f.DebugData())
		}
		// A server that is drained answers what it took, and the rest can safely be sent again elsewhere.
		w.retiring = true
		for id, e := range w.inFlight {
			if id > f.LastStreamID {
				delete(w.inFlight, id)
				w.again = append(w.again, e.index)
			}
		}
	}
	return nil
}

// readHeaders decodes a header block, wherever it belongs, since the connection's table of headers depends on each of them.
func (w *http2Worker) readHeaders(f *http2.HeadersFrame, tally *tally) error {
	id, ended := f.StreamID, f.StreamEnded()
	w.status = 0
	_, err := w.decoder.Write(f.HeaderBlockFragment())
	for more := !f.HeadersEnded(); more && err == nil; {
		var frame http2.Frame
		if frame, err = w.framer.ReadFrame(); err != nil {
			break
		}
		// The framer itself refuses anything else in between.
		continuation := frame.(*http2.ContinuationFrame)
		_, err = w.decoder.Write(continuation.HeaderBlockFragment())
		more = !continuation.HeadersEnded()
	}
	if err == nil {
		err = w.decoder.Close()
	}
	if err != nil {
		return fmt.Errorf("reading the headers of an answer: %w", err)
	}
	// Trailers have no status, and an interim response is not the answer yet.
	if e, waits := w.inFlight[id]; waits && w.status >= 200 {
		e.status = w.status
		w.inFlight[id] = e
	}
	if ended {
		w.complete(id, tally)
	}
	return nil
}

// emitHeader is called by the decoder for each header of a block.
func (w *http2Worker) emitHeader(header hpack.HeaderField) {
	if header.Name != ":status" {
		return
	}
	if status, ok := parseDecimal([]byte(header.Value)); ok && status < statusEnd {
		w.status = status
	}
}

// complete counts a request whose answer is there to its end.
func (w *http2Worker) complete(id uint32, tally *tally) {
	e, waits := w.inFlight[id]
	if !waits {
		// The answer crossed with our breaking the request off.
		return
	}
	delete(w.inFlight, id)
	if e.status == 0 {
		tally.fail(&w.target.requests[e.index], fmt.Errorf("the answer has no status"))
	} else {
		tally.statuses[e.status]++
	}
}

// encodeHTTP2 prepares a request's header block. It does without the table of headers both sides could keep, so that the
// same bytes are good on every connection at any time. Clients that use it spare the server a little work on headers that
// repeat, the same for whatever is measured.
func (r *request) encodeHTTP2() {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	write := func(name, value string) { encoder.WriteField(hpack.HeaderField{Name: name, Value: value}) }
	write(":method", r.Method)
	// Right before its first field the encoder announces that it keeps no table, which a connection is to be told once at
	// most. Servers start with an empty table and need not hear it.
	block.Reset()
	write(":method", r.Method)
	write(":scheme", "https")
	write(":authority", r.Host)
	write(":path", r.Path)
	for _, header := range r.allHeaders() {
		write(header[0], header[1])
	}
	r.wire = block.Bytes()
}
