// Command load sends requests at a steady rate as a workload of a mesh does: with the SVID that SPIRE's agent hands out over the
// Workload API, a new one as soon as it comes, and towards a server whose SVID it checks (go-spiffe).
//
// It ends when its standard input does, and then writes one JSON object to standard output: see report.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// report says what the requests came to.
type report struct {
	// Answers counts requests by the status of their answer, or by the error where there was none.
	Answers map[string]int `json:"answers"`
	// SVIDs is how many certificates the workload had one after the other.
	SVIDs int `json:"svids"`
	// MaxMs is how long the slowest request took, in milliseconds.
	MaxMs int64 `json:"max_ms"`
}

// How long one request may take.
const patience = 10 * time.Second

func main() {
	socket := flag.String("socket", "", "path of the agent's socket")
	url := flag.String("url", "", "what is asked for")
	peer := flag.String("peer", "", "the SPIFFE ID that the server has to have")
	rate := flag.Int("rate", 50, "requests a second")
	mode := flag.String("mode", "h2", "h2, h1, or fresh: a connection for each request")
	flag.Parse()
	if err := run(*socket, *url, *peer, *rate, *mode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(socket, url, peer string, rate int, mode string) error {
	id, err := spiffeid.FromString(peer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	if err != nil {
		return err
	}
	defer source.Close()
	client := &http.Client{Transport: transport(tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id)), mode), Timeout: patience}

	var lock sync.Mutex
	all := report{Answers: map[string]int{}}
	serials := map[string]bool{}
	count := func(answer string, took time.Duration) {
		lock.Lock()
		defer lock.Unlock()
		all.Answers[answer]++
		all.MaxMs = max(all.MaxMs, took.Milliseconds())
		if svid, err := source.GetX509SVID(); err == nil {
			serials[svid.Certificates[0].SerialNumber.String()] = true
		}
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	var underWay sync.WaitGroup
	for {
		select {
		case <-ended:
			underWay.Wait()
			all.SVIDs = len(serials)
			return json.NewEncoder(os.Stdout).Encode(all)
		case <-ticker.C:
			underWay.Go(func() {
				started := time.Now()
				answer := ask(client, url)
				count(answer, time.Since(started))
			})
		}
	}
}

func transport(config *tls.Config, mode string) *http.Transport {
	if mode == "h2" {
		config.NextProtos = []string{"h2"}
	}
	return &http.Transport{
		TLSClientConfig:     config,
		ForceAttemptHTTP2:   mode == "h2",
		DisableKeepAlives:   mode == "fresh",
		MaxIdleConnsPerHost: 100,
	}
}

// ask returns the status of the answer, or the error where there is none.
func ask(client *http.Client, url string) string {
	response, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err.Error()
	}
	return fmt.Sprint(response.StatusCode)
}
