// Command opa answers Envoy's ext_authz calls (envoy.service.auth.v3.Authorization) with Open Policy Agent as a library: the
// way people put OPA beside Envoy today, and so what the benchmarks hold our filter against.
//
// It is opa-envoy-plugin reduced to what decides a request. It leaves out the plugin's decision log, its metrics and its
// management interfaces, all of which cost OPA something, so that what is measured is a lower bound.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
)

func main() {
	var o options
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on; port 0 takes a free one")
	flag.StringVar(&o.policyFile, "policy", "", "the policy, a file of Rego")
	flag.StringVar(&o.dataFile, "data", "", "the policy's data, a JSON file")
	flag.StringVar(&o.query, "query", "data.bench.result", "the rule that holds the decision")
	flag.IntVar(&o.tokenCacheEntries, "token-cache", 0, "how many verified tokens to remember; 0 leaves that off, which is OPA's default")
	flag.Parse()
	if err := serve(*listen, o); err != nil {
		fmt.Fprintf(os.Stderr, "opa: %v\n", err)
		os.Exit(1)
	}
}

// serve answers until it is told to stop by SIGINT or SIGTERM.
func serve(listen string, o options) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	authorizer, err := newAuthorizer(ctx, o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	server := grpc.NewServer()
	auth.RegisterAuthorizationServer(server, authorizer)
	stopped := context.AfterFunc(ctx, server.Stop)
	defer stopped()
	// Connections are taken from here on; what the address is says so to whoever started us.
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"address": listener.Addr().String()}); err != nil {
		return fmt.Errorf("cannot write the address to standard output: %w", err)
	}
	return server.Serve(listener)
}
