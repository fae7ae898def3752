package main

import (
	"bufio"
	"strings"
	"testing"
)

func reader(text string) *bufio.Reader {
	return bufio.NewReaderSize(strings.NewReader(text), readBufferBytes)
}

func TestResponses(t *testing.T) {
	const next = "HTTP/1.1 418 Next\r\ncontent-length: 0\r\n\r\n"
	for name, c := range map[string]struct {
		text   string
		toHead bool
		status int
		stays  bool
		fails  bool
	}{
		"length":              {text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, stays: true},
		"no body":             {text: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, stays: true},
		"not modified":        {text: "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", status: 304, stays: true},
		"to HEAD":             {text: "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", toHead: true, status: 200, stays: true},
		"interim":             {text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", status: 401, stays: true},
		"chunks":              {text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n1\r\na\r\n0\r\nt: 1\r\n\r\n", status: 200, stays: true},
		"closing":             {text: "HTTP/1.1 431 Large\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", status: 431},
		"without reason":      {text: "HTTP/1.1 403\r\ncontent-length:0\r\n\r\n", status: 403, stays: true},
		"cut body":            {text: "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nok", fails: true},
		"cut headers":         {text: "HTTP/1.1 200 OK\r\ncontent-le", fails: true},
		"nothing":             {fails: true},
		"another protocol":    {text: "SSH-2.0-OpenSSH_9.2\r\n", fails: true},
		"impossible status":   {text: "HTTP/1.1 999 What\r\n\r\n", fails: true},
		"bad length":          {text: "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", fails: true},
		"bad chunk":           {text: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxy\r\n", fails: true},
		"unknown coding":      {text: "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", fails: true},
		"header of no colon":  {text: "HTTP/1.1 200 OK\r\nwhat\r\n\r\n", fails: true},
		"line without an end": {text: "HTTP/1.1 200 OK\r\nx: " + strings.Repeat("y", readBufferBytes) + "\r\n\r\n", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			text := c.text
			if !c.fails {
				text += next
			}
			r := reader(text)
			status, stays, err := readResponse(r, c.toHead)
			if c.fails {
				if err == nil {
					t.Fatalf("read as %d", status)
				}
				return
			}
			if err != nil || status != c.status || stays != c.stays {
				t.Fatalf("status %d, stays %t, error %v", status, stays, err)
			}
			// The response must have been read to its very end.
			if status, _, err := readResponse(r, false); status != 418 {
				t.Fatalf("the next response is read as %d, error %v", status, err)
			}
		})
	}
}

func TestResponseToTheEndOfTheConnection(t *testing.T) {
	status, stays, err := readResponse(reader("HTTP/1.1 200 OK\r\n\r\nall the rest"), false)
	if status != 200 || stays || err != nil {
		t.Fatalf("status %d, stays %t, error %v", status, stays, err)
	}
}

func TestResponsesAllocateNothing(t *testing.T) {
	text := "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\ncontent-type: text/plain\r\ndate: Sun, 22 Nov 2026 23:54:00 GMT\r\n\r\nno"
	source := strings.NewReader(text)
	r := bufio.NewReaderSize(source, readBufferBytes)
	if allocations := testing.AllocsPerRun(100, func() {
		source.Reset(text)
		r.Reset(source)
		if status, _, err := readResponse(r, false); status != 403 || err != nil {
			t.Fatal(status, err)
		}
	}); allocations != 0 {
		t.Fatalf("%v allocations a response", allocations)
	}
}
