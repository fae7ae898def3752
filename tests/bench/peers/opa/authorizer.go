package main

// Deciding requests with a policy that was compiled once.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	types "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
)

// options is what the command line says.
type options struct {
	policyFile        string
	dataFile          string
	query             string
	tokenCacheEntries int
}

// authorizer is the ext_authz service.
type authorizer struct {
	auth.UnimplementedAuthorizationServer
	query  rego.PreparedEvalQuery
	values cache.InterQueryValueCache
	tell   sync.Once
}

func newAuthorizer(ctx context.Context, o options) (*authorizer, error) {
	policy, err := os.ReadFile(o.policyFile)
	if err != nil {
		return nil, fmt.Errorf("-policy: %w", err)
	}
	data, err := readData(o.dataFile)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	query, err := rego.New(
		rego.Query(o.query),
		rego.Module(o.policyFile, string(policy)),
		// Data is converted when it is loaded, not whenever a rule reads it. OPA calls it --optimize-store-for-read-performance
		// and leaves it off, for the memory it takes; who measures turns it on.
		rego.Store(inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("-policy %s, -query %s: %w", o.policyFile, o.query, err)
	}
	values, err := valueCache(ctx, o.tokenCacheEntries)
	if err != nil {
		return nil, err
	}
	return &authorizer{query: query, values: values}, nil
}

// valueCache is what OPA keeps between queries. By default it keeps the key sets it parsed (io_jwt_keys, 100 of them) and
// not the tokens it verified (io_jwt, disabled), so that the same token's signature is verified on every request.
func valueCache(ctx context.Context, tokenEntries int) (cache.InterQueryValueCache, error) {
	var raw []byte
	if tokenEntries > 0 {
		raw = fmt.Appendf(nil, `{"inter_query_builtin_value_cache":{"named":{"io_jwt":{"max_num_entries":%d}}}}`, tokenEntries)
	}
	config, err := cache.ParseCachingConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("-token-cache: %w", err)
	}
	return cache.NewInterQueryValueCache(ctx, config), nil
}

// readData reads the policy's data. A key set may stand in it as an object; OPA's functions want it as text, and turning it
// into text is done once here and not on every request.
func readData(path string) (map[string]any, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var data map[string]any
	if err := json.Unmarshal(bytes, &data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if keys, ok := data["jwks"].(map[string]any); ok {
		text, err := json.Marshal(keys)
		if err != nil {
			return nil, fmt.Errorf("%s: jwks: %w", path, err)
		}
		data["jwks"] = string(text)
	}
	return data, nil
}

// Check decides one request. What cannot be decided is denied.
func (a *authorizer) Check(ctx context.Context, request *auth.CheckRequest) (*auth.CheckResponse, error) {
	d, err := a.decide(ctx, request)
	if err != nil {
		a.tell.Do(func() { log.Printf("opa: a request could not be decided and is denied (told once): %v", err) })
		return denial(types.StatusCode_Forbidden), nil
	}
	if d.allowed {
		return &auth.CheckResponse{
			Status:       &status.Status{Code: int32(codes.OK)},
			HttpResponse: &auth.CheckResponse_OkResponse{OkResponse: &auth.OkHttpResponse{}},
		}, nil
	}
	return denial(d.httpStatus), nil
}

func denial(httpStatus types.StatusCode) *auth.CheckResponse {
	code := codes.PermissionDenied
	if httpStatus == types.StatusCode_Unauthorized {
		code = codes.Unauthenticated
	}
	return &auth.CheckResponse{
		Status: &status.Status{Code: int32(code)},
		HttpResponse: &auth.CheckResponse_DeniedResponse{
			DeniedResponse: &auth.DeniedHttpResponse{Status: &types.HttpStatus{Code: httpStatus}},
		},
	}
}

type decision struct {
	allowed    bool
	httpStatus types.StatusCode
}

func (a *authorizer) decide(ctx context.Context, request *auth.CheckRequest) (decision, error) {
	document, err := inputDocument(request)
	if err != nil {
		return decision{}, err
	}
	results, err := a.query.Eval(ctx, rego.EvalParsedInput(document), rego.EvalInterQueryBuiltinValueCache(a.values))
	if err != nil {
		return decision{}, err
	}
	if len(results) != 1 {
		return decision{}, errors.New("the policy leaves the decision undefined")
	}
	return readDecision(results[0].Expressions[0].Value)
}

// readDecision takes the policy's result apart: {"allowed": true} or {"allowed": false, "http_status": 401}.
func readDecision(result any) (decision, error) {
	members, _ := result.(map[string]any)
	allowed, ok := members["allowed"].(bool)
	if !ok {
		return decision{}, fmt.Errorf("the policy's decision has no boolean allowed: %v", result)
	}
	if allowed {
		return decision{allowed: true}, nil
	}
	number, _ := members["http_status"].(json.Number)
	httpStatus, err := number.Int64()
	if err != nil || httpStatus < 400 || httpStatus > 599 {
		return decision{}, fmt.Errorf("the policy denies without an http_status of an error: %v", result)
	}
	return decision{httpStatus: types.StatusCode(httpStatus)}, nil
}
