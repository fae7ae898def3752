package main

// Reading the file of requests and turning each of them into the bytes that go onto a connection.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Where a request is broken off, for the soak; the empty string is a request sent whole.
const (
	abortNone    = ""
	abortHeaders = "headers"
	abortBody    = "body"
)

// What a request that is broken off in its body announces, and what it sends of it.
const announcedBodyBytes = "1000"

var brokenBody = []byte("0123456789")

// request is one line of the requests file.
type request struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Host    string      `json:"host"`
	Headers [][2]string `json:"headers"`
	Abort   string      `json:"abort"`

	// wire is what is sent: for HTTP/1.1 the whole request, for HTTP/2 its header block.
	wire []byte
}

func (r *request) String() string {
	path := r.Path
	if len(path) > 80 {
		path = path[:80] + "…"
	}
	return r.Method + " " + path
}

// loadRequests reads a file of JSON lines. A host that is left out is the server name.
func loadRequests(path, serverName string) ([]request, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("requests_file: %w", err)
	}
	defer file.Close()
	var requests []request
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<16), 1<<24)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		r := request{Host: serverName}
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		// A member we do not know would be a wish that silently is not granted.
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		requests = append(requests, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(requests) == 0 {
		return nil, fmt.Errorf("%s holds no request", path)
	}
	if !slices.ContainsFunc(requests, func(r request) bool { return r.Abort == abortNone }) {
		// An HTTP/2 connection would write for ever and never have an answer to wait for.
		return nil, fmt.Errorf("%s breaks every request off: let it have one that is sent whole", path)
	}
	return requests, nil
}

func (r *request) check() error {
	if r.Method == "" || r.Path == "" || r.Host == "" {
		return fmt.Errorf("a request needs a method, a path and a host")
	}
	if r.Abort != abortNone && r.Abort != abortHeaders && r.Abort != abortBody {
		return fmt.Errorf("abort is %q, where only %q and %q are known", r.Abort, abortHeaders, abortBody)
	}
	for _, text := range []string{r.Method, r.Path, r.Host} {
		if strings.ContainsAny(text, "\r\n") {
			return fmt.Errorf("%q holds a line break", text)
		}
	}
	for i := range r.Headers {
		// HTTP/2 knows lower case alone, and both protocols are to send the same.
		name := strings.ToLower(r.Headers[i][0])
		r.Headers[i][0] = name
		switch {
		case name == "" || strings.ContainsAny(name+r.Headers[i][1], "\r\n"):
			return fmt.Errorf("the header %q has no name or holds a line break", name)
		case name == "host" || name[0] == ':':
			return fmt.Errorf("the header %q is the request's own: use the members method, path and host", name)
		case name == "content-length" || name == "transfer-encoding" || name == "connection":
			return fmt.Errorf("the header %q cannot be given: requests are sent without a body on connections that stay open", name)
		}
	}
	return nil
}

// encodeHTTP1 prepares the request as HTTP/1.1 writes it.
func (r *request) encodeHTTP1() {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\n", r.Method, r.Path, r.Host)
	for _, header := range r.allHeaders() {
		fmt.Fprintf(&b, "%s: %s\r\n", header[0], header[1])
	}
	b.WriteString("\r\n")
	switch r.Abort {
	case abortHeaders:
		b.Truncate(b.Len() / 2)
	case abortBody:
		b.Write(brokenBody)
	}
	r.wire = b.Bytes()
}

// allHeaders is the headers of the file and what the protocol asks for besides: a length, where a body may be expected.
func (r *request) allHeaders() [][2]string {
	switch {
	case r.Abort == abortBody:
		return append(r.Headers[:len(r.Headers):len(r.Headers)], [2]string{"content-length", announcedBodyBytes})
	case r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH":
		return append(r.Headers[:len(r.Headers):len(r.Headers)], [2]string{"content-length", "0"})
	}
	return r.Headers
}
