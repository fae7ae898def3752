package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
)

const (
	issuer   = "https://issuer.example.org"
	audience = "orders"
	checkout = "spiffe://example.org/checkout"
)

type claims map[string]any

// valid is a token's claims with what a test changes.
func valid(changed claims) claims {
	c := claims{"iss": issuer, "aud": audience, "exp": time.Now().Add(time.Hour).Unix(), "scope": "orders.read orders.list"}
	for name, value := range changed {
		c[name] = value
	}
	return c
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func sign(t *testing.T, key *rsa.PrivateKey, c claims) string {
	t.Helper()
	signed := encode(t, claims{"alg": "RS256", "kid": "one"}) + "." + encode(t, c)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func makeKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func makeAuthorizer(t *testing.T, key *rsa.PrivateKey, query string, tokenCacheEntries int) *authorizer {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"issuer": issuer, "audience": audience,
		"jwks": map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "kid": "one", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB",
		}}},
		"rules": map[string]any{checkout: []any{
			map[string]string{"method": "GET", "path_prefix": "/orders/", "scope": "orders.read"},
			map[string]string{"method": "POST", "path": "/orders", "scope": "orders.write"},
			map[string]string{"method": "GET", "path": "/health"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "data.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := newAuthorizer(context.Background(), options{
		policyFile: "policy.rego", dataFile: path, query: query, tokenCacheEntries: tokenCacheEntries,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ask is the HTTP status a request gets, 200 where it may pass.
func ask(t *testing.T, a *authorizer, caller, method, path, authorization string) int {
	t.Helper()
	headers := map[string]string{":path": path, "user-agent": "test"}
	if authorization != "" {
		headers["authorization"] = authorization
	}
	response, err := a.Check(context.Background(), &auth.CheckRequest{Attributes: &auth.AttributeContext{
		Source: &auth.AttributeContext_Peer{Principal: caller},
		Request: &auth.AttributeContext_Request{
			Http: &auth.AttributeContext_HttpRequest{Method: method, Path: path, Headers: headers, Host: "localhost"},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	denied := response.GetDeniedResponse()
	if passes := response.GetStatus().GetCode() == int32(codes.OK); passes != (denied == nil) {
		t.Fatalf("the gRPC status and the HTTP response disagree: %v", response)
	}
	if denied == nil {
		return 200
	}
	return int(denied.GetStatus().GetCode())
}

func TestDecisions(t *testing.T) {
	key := makeKey(t)
	good := "Bearer " + sign(t, key, valid(nil))
	past, future := time.Now().Add(-time.Minute).Unix(), time.Now().Add(time.Minute).Unix()
	unsigned := encode(t, claims{"alg": "none"}) + "." + encode(t, valid(nil)) + "."
	for _, tokenCacheEntries := range []int{0, 100} {
		a := makeAuthorizer(t, key, "data.bench.result", tokenCacheEntries)
		for name, c := range map[string]struct {
			caller, method, path, authorization string
			status                              int
		}{
			"prefix":            {checkout, "GET", "/orders/7", good, 200},
			"prefix with query": {checkout, "GET", "/orders/7?a=b", good, 200},
			"exact path":        {checkout, "GET", "/health", good, 200},
			"scheme in capitals": {
				checkout, "GET", "/orders/7", "BEARER " + sign(t, key, valid(nil)), 200,
			},
			"no token":       {checkout, "GET", "/orders/7", "", 401},
			"another scheme": {checkout, "GET", "/orders/7", "Basic eDp5", 401},
			"no JWT":         {checkout, "GET", "/orders/7", "Bearer abc", 401},
			"unsigned":       {checkout, "GET", "/orders/7", "Bearer " + unsigned, 401},
			"expired":        {checkout, "GET", "/orders/7", "Bearer " + sign(t, key, valid(claims{"exp": past})), 401},
			"not yet valid":  {checkout, "GET", "/orders/7", "Bearer " + sign(t, key, valid(claims{"nbf": future})), 401},
			"another key":    {checkout, "GET", "/orders/7", "Bearer " + sign(t, makeKey(t), valid(nil)), 401},
			"another issuer": {
				checkout, "GET", "/orders/7", "Bearer " + sign(t, key, valid(claims{"iss": "https://else"})), 401,
			},
			"another audience": {
				checkout, "GET", "/orders/7", "Bearer " + sign(t, key, valid(claims{"aud": "billing"})), 401,
			},
			"another caller":      {"spiffe://example.org/else", "GET", "/orders/7", good, 403},
			"no caller":           {"", "GET", "/orders/7", good, 403},
			"another method":      {checkout, "DELETE", "/orders/7", good, 403},
			"another path":        {checkout, "GET", "/admin", good, 403},
			"longer than exact":   {checkout, "GET", "/health/x", good, 403},
			"scope missing":       {checkout, "POST", "/orders", good, 403},
			"no scope claim":      {checkout, "GET", "/orders/7", "Bearer " + sign(t, key, valid(claims{"scope": nil})), 403},
			"part of a scope":     {checkout, "GET", "/orders/7", "Bearer " + sign(t, key, valid(claims{"scope": "orders.reader"})), 403},
			"path that is no URL": {checkout, "GET", "/orders/%zz", good, 403},
		} {
			t.Run(name, func(t *testing.T) {
				// Twice, since what is remembered of the first time must change nothing.
				for range 2 {
					if status := ask(t, a, c.caller, c.method, c.path, c.authorization); status != c.status {
						t.Fatalf("%d, where %d is expected", status, c.status)
					}
				}
			})
		}
	}
}

func TestWhatCannotBeDecidedIsDenied(t *testing.T) {
	key := makeKey(t)
	good := "Bearer " + sign(t, key, valid(nil))
	for name, query := range map[string]string{
		"undefined":           "data.bench.nothing",
		"not an object":       "data.bench.path",
		"no boolean":          `{"allowed": "yes"}`,
		"denied, no status":   `{"allowed": false}`,
		"denied with success": `{"allowed": false, "http_status": 200}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := makeAuthorizer(t, key, query, 0)
			if status := ask(t, a, checkout, "GET", "/orders/7", good); status != 403 {
				t.Fatalf("%d, where 403 is expected", status)
			}
		})
	}
	a := makeAuthorizer(t, key, "data.bench.result", 0)
	response, err := a.Check(context.Background(), &auth.CheckRequest{})
	if err != nil || response.GetDeniedResponse().GetStatus().GetCode() != 403 {
		t.Fatalf("a check without a request: %v, error %v", response, err)
	}
}
