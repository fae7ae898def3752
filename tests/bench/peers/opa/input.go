package main

// The input document of a request, in the shape opa-envoy-plugin gives it, so that a policy written for one is good for
// the other.

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/open-policy-agent/opa/v1/ast"
)

// inputDocument makes OPA's value of a request directly. The plugin goes over Go maps and reflection, which takes longer.
func inputDocument(request *auth.CheckRequest) (ast.Value, error) {
	attributes := request.GetAttributes()
	http := attributes.GetRequest().GetHttp()
	if http == nil {
		return nil, errors.New("the check has no HTTP request in it")
	}
	target, err := url.Parse(http.GetPath())
	if err != nil {
		return nil, fmt.Errorf("the path of the request: %w", err)
	}
	return object(
		member("attributes", object(
			member("source", peer(attributes.GetSource())),
			member("destination", peer(attributes.GetDestination())),
			member("request", object(
				member("http", object(
					member("id", ast.String(http.GetId())),
					member("method", ast.String(http.GetMethod())),
					member("headers", texts(http.GetHeaders())),
					member("path", ast.String(http.GetPath())),
					member("host", ast.String(http.GetHost())),
					member("scheme", ast.String(http.GetScheme())),
					member("protocol", ast.String(http.GetProtocol())),
				)),
			)),
		)),
		member("parsed_path", list(strings.Split(strings.TrimLeft(target.Path, "/"), "/"))),
		member("parsed_query", lists(target.Query())),
		member("parsed_body", ast.Null{}),
		member("truncated_body", ast.Boolean(false)),
		member("version", object(
			member("ext_authz", ast.String("v3")),
			member("encoding", ast.String("protojson")),
		)),
	), nil
}

func peer(p *auth.AttributeContext_Peer) ast.Value {
	return object(
		member("address", object(member("socketAddress", socketAddress(p.GetAddress().GetSocketAddress())))),
		member("principal", ast.String(p.GetPrincipal())),
	)
}

func socketAddress(a *core.SocketAddress) ast.Value {
	return object(
		member("address", ast.String(a.GetAddress())),
		member("portValue", ast.Number(fmt.Sprint(a.GetPortValue()))),
	)
}

func object(members ...[2]*ast.Term) ast.Value {
	return ast.NewObject(members...)
}

func member(name string, value ast.Value) [2]*ast.Term {
	return [2]*ast.Term{ast.InternedTerm(name), ast.NewTerm(value)}
}

func texts(values map[string]string) ast.Value {
	members := make([][2]*ast.Term, 0, len(values))
	for name, value := range values {
		members = append(members, member(name, ast.String(value)))
	}
	return ast.NewObject(members...)
}

func lists(values map[string][]string) ast.Value {
	members := make([][2]*ast.Term, 0, len(values))
	for name, value := range values {
		members = append(members, member(name, list(value)))
	}
	return ast.NewObject(members...)
}

func list(values []string) ast.Value {
	terms := make([]*ast.Term, len(values))
	for i, value := range values {
		terms[i] = ast.StringTerm(value)
	}
	return ast.NewArray(terms...)
}
