//go:build tools

// Package tools names the programs of Kubernetes that tests/istio/programs.ts builds, so that go.mod has what they need.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
