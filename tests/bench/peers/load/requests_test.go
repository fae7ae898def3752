package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func load(t *testing.T, lines ...string) ([]request, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "requests.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadRequests(path, "localhost")
}

func TestRequestsOnTheWire(t *testing.T) {
	requests, err := load(t,
		`{"method":"GET","path":"/a","headers":[["X-One","1"]]}`,
		`{"method":"POST","path":"/b","host":"api","headers":[]}`,
		`{"method":"GET","path":"/c","headers":[],"abort":"body"}`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"GET /a HTTP/1.1\r\nhost: localhost\r\nx-one: 1\r\n\r\n",
		"POST /b HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\n\r\n",
		"GET /c HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n0123456789",
	} {
		if requests[i].encodeHTTP1(); string(requests[i].wire) != want {
			t.Errorf("%q, where %q is expected", requests[i].wire, want)
		}
	}
}

func TestHeaderBlocksNeedNoTable(t *testing.T) {
	requests, err := load(t, `{"method":"GET","path":"/a","headers":[["authorization","Bearer x"]]}`)
	if err != nil {
		t.Fatal(err)
	}
	requests[0].encodeHTTP2()
	// A decoder without any table reads it, twice.
	var read bytes.Buffer
	decoder := hpack.NewDecoder(0, func(f hpack.HeaderField) { read.WriteString(f.Name + "=" + f.Value + " ") })
	for range 2 {
		if _, err := decoder.Write(requests[0].wire); err != nil {
			t.Fatal(err)
		}
		if err := decoder.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const want = ":method=GET :scheme=https :authority=localhost :path=/a authorization=Bearer x "
	if read.String() != want+want {
		t.Fatal(read.String())
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	whole := `{"method":"GET","path":"/","headers":[]}`
	for name, c := range map[string]struct{ line, says string }{
		"broken JSON":       {`{"method":`, ":2:"},
		"unknown member":    {`{"method":"GET","path":"/","body":"x"}`, "body"},
		"another caller":    {`{"method":"GET","path":"/","caller":1}`, "caller"},
		"no method":         {`{"path":"/"}`, "needs a method"},
		"unknown abort":     {`{"method":"GET","path":"/","abort":"now"}`, "now"},
		"a smuggled header": {`{"method":"GET","path":"/","headers":[["a","b\r\nc: d"]]}`, "line break"},
		"a smuggled path":   {`{"method":"GET","path":"/ HTTP/1.1\r\n"}`, "line break"},
		"host as a header":  {`{"method":"GET","path":"/","headers":[["Host","a"]]}`, "host"},
		"a length":          {`{"method":"GET","path":"/","headers":[["content-length","1"]]}`, "without a body"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, whole, c.line); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v", err)
			}
		})
	}
	if _, err := load(t); err == nil {
		t.Fatal("an empty file is taken")
	}
	if _, err := load(t, `{"method":"GET","path":"/","abort":"body"}`); err == nil {
		t.Fatal("a file without one whole request is taken")
	}
}

func TestFeedGoesOnWhereItStopped(t *testing.T) {
	f := newFeed(3, 2, 4)
	var taken []int
	for i, ok := f.take(); ok; i, ok = f.take() {
		taken = append(taken, i)
	}
	if len(taken) != 4 || taken[0] != 2 || taken[1] != 0 || taken[3] != 2 {
		t.Fatal(taken)
	}
}
