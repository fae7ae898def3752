package main

// Reading HTTP/1.1 responses: as much of the protocol as it takes to know the status and where the response ends. It
// allocates nothing, which is why net/http does not do it.

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

var (
	contentLengthName    = []byte("content-length")
	transferEncodingName = []byte("transfer-encoding")
	connectionName       = []byte("connection")
	closeValue           = []byte("close")
	chunkedValue         = []byte("chunked")
	errLongLine          = errors.New("a line of the response is longer than 16 KiB")
)

// framing is what the headers say about where a response ends.
type framing struct {
	lengthBytes int
	hasLength   bool
	chunked     bool
	close       bool
}

// readResponse reads one response with its body, and interim responses before it. It says whether the connection may be
// used again.
func readResponse(r *bufio.Reader, toHead bool) (status int, stays bool, err error) {
	for {
		status, err := readStatusLine(r)
		if err != nil {
			return 0, false, err
		}
		f, err := readHeaders(r)
		if err != nil {
			return 0, false, err
		}
		if status < 200 {
			continue
		}
		if toHead || status == 204 || status == 304 {
			return status, !f.close, nil
		}
		switch {
		case f.chunked:
			err = skipChunks(r)
		case f.hasLength:
			err = skip(r, f.lengthBytes)
		default:
			// Such a body ends where the connection does.
			f.close = true
			_, err = r.WriteTo(io.Discard)
		}
		return status, !f.close, err
	}
}

func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return nil, errLongLine
	}
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

func readStatusLine(r *bufio.Reader) (int, error) {
	line, err := readLine(r)
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("no status line of HTTP/1.1: %.80q", line)
	}
	status, ok := parseDecimal(line[9:12])
	if !ok || status < 100 || status >= statusEnd {
		return 0, fmt.Errorf("no status: %.80q", line)
	}
	return status, nil
}

func readHeaders(r *bufio.Reader) (f framing, err error) {
	for {
		line, err := readLine(r)
		if err != nil || len(line) == 0 {
			return f, err
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return f, fmt.Errorf("a header without a colon: %.80q", line)
		}
		name, value := line[:colon], bytes.TrimSpace(line[colon+1:])
		switch {
		case bytes.EqualFold(name, contentLengthName):
			f.lengthBytes, f.hasLength = parseDecimal(value)
			if !f.hasLength {
				return f, fmt.Errorf("no content-length: %.80q", value)
			}
		case bytes.EqualFold(name, transferEncodingName):
			if f.chunked = bytes.EqualFold(value, chunkedValue); !f.chunked {
				return f, fmt.Errorf("a transfer-encoding other than chunked: %.80q", value)
			}
		case bytes.EqualFold(name, connectionName):
			f.close = f.close || bytes.EqualFold(value, closeValue)
		}
	}
}

func skip(r *bufio.Reader, count int) error {
	_, err := r.Discard(count)
	return err
}

func skipChunks(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		size, ok := parseHex(line)
		if !ok {
			return fmt.Errorf("no chunk size: %.80q", line)
		}
		if size == 0 {
			break
		}
		// Behind its bytes a chunk has an end of line.
		if err := skip(r, size+2); err != nil {
			return err
		}
	}
	_, err := readHeaders(r)
	return err
}

// parseDecimal reads digits and nothing else.
func parseDecimal(text []byte) (int, bool) {
	value := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		value = value*10 + int(c-'0')
	}
	return value, len(text) > 0 && len(text) < 18
}

// parseHex reads hexadecimal digits, up to a semicolon where a chunk's extensions begin.
func parseHex(text []byte) (int, bool) {
	if end := bytes.IndexByte(text, ';'); end >= 0 {
		text = text[:end]
	}
	value := 0
	for _, c := range text {
		digit := strings.IndexByte("0123456789abcdef0123456789ABCDEF", c)
		if digit < 0 {
			return 0, false
		}
		value = value<<4 | digit&15
	}
	return value, len(text) > 0 && len(text) < 15
}
