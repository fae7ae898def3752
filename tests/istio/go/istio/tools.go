//go:build tools

// Package tools names the programs of Istio that tests/istio/programs.ts builds, so that go.mod has what they need.
package tools

import (
	_ "istio.io/istio/pilot/cmd/pilot-agent"
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
)
