// Command serve is the service behind Envoy: it takes requests over mTLS with the SVID that SPIRE's agent hands out, from the one
// peer that it is told, and answers with what arrived.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// arrived is a request as it came.
type arrived struct {
	Path   string `json:"path"`
	Caller string `json:"caller"`
}

func main() {
	socket := flag.String("socket", "", "path of the agent's socket")
	address := flag.String("address", "", "host and port to listen on")
	peer := flag.String("peer", "", "the SPIFFE ID that may connect")
	flag.Parse()
	if err := run(*socket, *address, *peer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(socket, address, peer string) error {
	id, err := spiffeid.FromString(peer)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(context.Background(), workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	if err != nil {
		return err
	}
	defer source.Close()
	server := &http.Server{
		Addr:              address,
		TLSConfig:         tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(id)),
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
			writer.Header().Set("content-type", "application/json")
			_ = json.NewEncoder(writer).Encode(arrived{request.URL.Path, request.Header.Get("x-forwarded-client-cert")})
		}),
	}
	return server.ListenAndServeTLS("", "")
}
