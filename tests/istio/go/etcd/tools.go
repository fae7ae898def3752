//go:build tools

// Package tools names the server that tests/istio/programs.ts builds, so that go.mod has what it needs.
package tools

import _ "go.etcd.io/etcd/server/v3"
