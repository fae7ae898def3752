// Command load is the load generator of the benchmarks: a closed loop of HTTP/1.1 or HTTP/2 requests over mTLS,
// prepared in advance so that a request costs this process little and the Envoy it measures keeps its core.
//
// It is a long-lived child process. It reads one JSON object a line from standard input (open, run, each, close), answers
// each of them with one JSON object a line on standard output, in order, and ends when its input does.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
)

// command is one line of input: exactly one of its members is set.
type command struct {
	Open  *openCommand `json:"open"`
	Run   *runCommand  `json:"run"`
	Each  *idCommand   `json:"each"`
	Close *idCommand   `json:"close"`
}

// openCommand names a server and how to reach it. Files are PEM; the requests file is JSON lines, see loadRequests.
type openCommand struct {
	ID           string `json:"id"`
	Address      string `json:"address"`
	Protocol     string `json:"protocol"`
	Connections  int    `json:"connections"`
	Streams      int    `json:"streams"`
	RequestsFile string `json:"requests_file"`
	Certificate  string `json:"certificate"`
	Key          string `json:"key"`
	Authority    string `json:"authority"`
	ServerName   string `json:"server_name"`
}

type runCommand struct {
	ID       string `json:"id"`
	Requests int    `json:"requests"`
}

type idCommand struct {
	ID string `json:"id"`
}

type openedAnswer struct {
	ID     string `json:"id"`
	Opened bool   `json:"opened"`
}

type closedAnswer struct {
	ID     string `json:"id"`
	Closed bool   `json:"closed"`
}

type errorAnswer struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

func main() {
	procs := flag.Int("procs", 1, "how many cores to use at most; the server that is measured needs the others")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)

	targets := map[string]*target{}
	output := json.NewEncoder(os.Stdout)
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	for input.Scan() {
		if err := output.Encode(answer(targets, input.Bytes())); err != nil {
			fmt.Fprintf(os.Stderr, "load: cannot write an answer to standard output: %v\n", err)
			os.Exit(1)
		}
	}
	if err := input.Err(); err != nil {
		fmt.Fprintf(os.Stderr, "load: cannot read commands from standard input: %v\n", err)
		os.Exit(1)
	}
}

// answer carries one command out. What goes wrong is an answer too, so that answers never fall out of step with commands.
func answer(targets map[string]*target, line []byte) any {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return errorAnswer{Error: fmt.Sprintf("a command that is no JSON object as expected: %v", err)}
	}
	switch {
	case c.Open != nil:
		return open(targets, *c.Open)
	case c.Run != nil:
		return withTarget(targets, c.Run.ID, func(t *target) (any, error) { return t.run(c.Run.Requests) })
	case c.Each != nil:
		return withTarget(targets, c.Each.ID, func(t *target) (any, error) { return t.each() })
	case c.Close != nil:
		return withTarget(targets, c.Close.ID, func(t *target) (any, error) {
			t.close()
			delete(targets, c.Close.ID)
			return closedAnswer{ID: c.Close.ID, Closed: true}, nil
		})
	}
	return errorAnswer{Error: "a command must have one of the members open, run, each, close"}
}

func open(targets map[string]*target, c openCommand) any {
	if targets[c.ID] != nil {
		return errorAnswer{ID: c.ID, Error: "this id is open already: close it first"}
	}
	t, err := openTarget(c)
	if err != nil {
		return errorAnswer{ID: c.ID, Error: err.Error()}
	}
	targets[c.ID] = t
	return openedAnswer{ID: c.ID, Opened: true}
}

func withTarget(targets map[string]*target, id string, do func(*target) (any, error)) any {
	t := targets[id]
	if t == nil {
		return errorAnswer{ID: id, Error: "this id is not open: send open first"}
	}
	result, err := do(t)
	if err != nil {
		return errorAnswer{ID: id, Error: err.Error()}
	}
	return result
}

var errNotPositive = errors.New("must be at least 1")
