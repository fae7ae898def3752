package main

// A connection that speaks HTTP/2 with so many requests in flight. It writes frames with the Framer of x/net and leaves
// its Transport out: that costs several goroutine switches and a dozen allocations a request, this neither. One goroutine
// reads and writes, and what it writes goes out when there is nothing more to read, so that busy connections carry several
// requests in one TLS record, as they do between proxies.

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// What we let the server send: a window so large that only the connection's needs to be opened again, rarely.
	streamWindowBytes     = 1<<31 - 1
	connectionWindowBytes = 1 << 30
	initialWindowBytes    = 65535
	headerTableBytes      = 4096
	maxStreamID           = 1<<31 - 1
)

type http2Worker struct {
	target  *target
	streams int

	conn     *tls.Conn
	input    *bufio.Reader
	output   *bufio.Writer
	framer   *http2.Framer
	decoder  *hpack.Decoder
	patience patience

	// inFlight has the request of each stream that waits for its answer, statuses what came of the answer so far.
	inFlight map[uint32]exchange
	nextID   uint32
	// retiring says that the server answers what it has and takes nothing more on this connection.
	retiring bool
	// status is what the header block that is read just now says.
	status int
	// sendWindow is how many bytes of bodies the server lets us send, received how many it sent since we opened its window.
	sendWindow    int
	receivedBytes uint32
	// again has requests a server that closes the connection says it has not looked at.
	again []int
}

type exchange struct {
	index  int
	status int
}

func (w *http2Worker) connect() error {
	conn, err := w.target.dial()
	if err != nil {
		return err
	}
	w.conn = conn
	w.patience = patience{}
	w.input = bufio.NewReaderSize(conn, readBufferBytes)
	w.output = bufio.NewWriterSize(conn, 64<<10)
	w.framer = http2.NewFramer(w.output, w.input)
	w.framer.SetReuseFrames()
	w.decoder = hpack.NewDecoder(headerTableBytes, w.emitHeader)
	w.inFlight = make(map[uint32]exchange, w.streams)
	w.nextID, w.retiring, w.receivedBytes, w.sendWindow = 1, false, 0, initialWindowBytes

	w.output.WriteString(http2.ClientPreface)
	w.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindowBytes},
	)
	w.framer.WriteWindowUpdate(0, connectionWindowBytes-initialWindowBytes)
	if err := w.output.Flush(); err != nil {
		w.close()
		return fmt.Errorf("the HTTP/2 preface: %w", err)
	}
	// The first frame is the server's settings, which say whether it takes as many streams as are asked for.
	frame, err := w.framer.ReadFrame()
	if err != nil {
		w.close()
		return fmt.Errorf("the server's HTTP/2 settings: %w", err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		w.close()
		return fmt.Errorf("%s begins with %v where HTTP/2 wants SETTINGS", w.target.address, frame.Header())
	}
	if limit, ok := settings.Value(http2.SettingMaxConcurrentStreams); ok && int(limit) < w.streams {
		w.close()
		return fmt.Errorf("%s takes %d streams at once, fewer than the %d asked for: raise max_concurrent_streams there", w.target.address, limit, w.streams)
	}
	return w.framer.WriteSettingsAck()
}

func (w *http2Worker) connected() bool {
	return w.conn != nil
}

func (w *http2Worker) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

func (w *http2Worker) run(feed *feed, tally *tally) error {
	for {
		done, err := w.runConnection(feed, tally)
		if done && err == nil {
			return nil
		}
		for _, e := range w.inFlight {
			tally.fail(&w.target.requests[e.index], err)
		}
		tally.reconnects++
		if err := reopen(w); err != nil {
			return err
		}
	}
}

// runConnection runs until the feed is empty and everything is answered (then it is done), or until the connection can
// take no more requests or fails.
func (w *http2Worker) runConnection(feed *feed, tally *tally) (done bool, err error) {
	exhausted := false
	for {
		for !w.retiring && !exhausted && len(w.inFlight) < w.streams {
			index, ok := w.take(feed)
			if !ok {
				exhausted = true
			} else if err := w.send(index, tally); err != nil {
				return false, err
			}
		}
		if w.input.Buffered() == 0 || len(w.inFlight) == 0 {
			w.patience.renew(w.conn)
			if err := w.output.Flush(); err != nil {
				return false, fmt.Errorf("sending requests: %w", err)
			}
		}
		if len(w.inFlight) == 0 && (exhausted || w.retiring) {
			return exhausted && !w.retiring, nil
		}
		frame, err := w.framer.ReadFrame()
		if err != nil {
			return false, fmt.Errorf("reading answers: %w", err)
		}
		if err := w.handle(frame, tally); err != nil {
			return false, err
		}
	}
}

func (w *http2Worker) take(feed *feed) (int, bool) {
	if last := len(w.again) - 1; last >= 0 {
		index := w.again[last]
		w.again = w.again[:last]
		return index, true
	}
	return feed.take()
}

// send writes the frames of one request. It is in flight from the first of them on, so that none is lost where a
// connection breaks.
func (w *http2Worker) send(index int, tally *tally) error {
	w.patience.renew(w.conn)
	r := &w.target.requests[index]
	id := w.nextID
	w.nextID += 2
	w.retiring = w.nextID >= maxStreamID-1
	w.inFlight[id] = exchange{index: index}

	block := r.wire
	first := block[:min(len(block), maxFrameBytes)]
	block = block[len(first):]
	err := w.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: first, EndHeaders: len(block) == 0, EndStream: r.Abort == abortNone,
	})
	for err == nil && len(block) > 0 {
		part := block[:min(len(block), maxFrameBytes)]
		block = block[len(part):]
		err = w.framer.WriteContinuation(id, len(block) == 0, part)
	}
	if err == nil && r.Abort != abortNone {
		err = w.breakOff(id, r, tally)
	}
	if err != nil {
		return fmt.Errorf("sending requests: %w", err)
	}
	return nil
}

// breakOff resets the stream of a request that was begun, in its body or before.
func (w *http2Worker) breakOff(id uint32, r *request, tally *tally) error {
	if r.Abort == abortBody {
		if w.sendWindow < len(brokenBody) {
			return errors.New("the server lets no more bytes of bodies through on this connection")
		}
		w.sendWindow -= len(brokenBody)
		if err := w.framer.WriteData(id, false, brokenBody); err != nil {
			return err
		}
	}
	if err := w.framer.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
		return err
	}
	delete(w.inFlight, id)
	tally.aborted++
	return nil
}
