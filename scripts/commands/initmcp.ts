/** What `sallyport init --mcp` writes: a policy for a server of tools (Model Context Protocol), and its tests. */

export const mcp_policy_text = `# yaml-language-server: $schema=node_modules/sallyport/policy.schema.json
# Who may call which tools. Check it with: sallyport check policy.yaml (--allow-example-keys until it has your issuer's keys)
version: 1
name: tools
mode: enforce            # or shadow: decide and record, but let everything through

trust:
  domains: [example.org] # SPIFFE trust domains whose members rules may name

mcp: { paths: [/mcp] }   # where the server listens (Streamable HTTP)

issuers:
  corp:
    issuer: https://issuer.example.org    # compared exactly with the token's \`iss\`
    audiences: [tools]                    # any one of them in \`aud\`
    algorithms: [ES256]
    keys: { file: keys/corp.jwks.json }   # an example key; replace it with your issuer's public keys before you build
    leeway: 30s
    maxLifetime: 1h
    challenge: { resource_metadata: "https://tools.example.org/.well-known/oauth-protected-resource" }   # where clients learn how to get a token

callers:
  agents: [spiffe://example.org/agent, "spiffe://example.org/agents/*"]

limits:
  calls: { rate: 10/s, burst: 20, per: [caller, claims.sub], absent: deny }

# What no rule allows is denied. A deny rule wins over every allow rule. Requests with a body are held until it has come: what writes
# Envoy's configuration for that is \`sallyport manifest --for envoy policy.yaml\`.
rules:
  - name: session                         # to begin and to end, and to see what there is
    callers: [agents]
    allow: [mcp initialize, mcp notifications/initialized, mcp ping, mcp tools/list, GET /mcp, DELETE /mcp]
    token: corp
    scopes: [tools:read]
  - name: read-tools                      # the answer to tools/list has no others
    callers: [agents]
    allow: ["mcp tools/call get_*"]
    token: corp
    scopes: [tools:read]
    limit: calls
`;

export const mcp_tests_text = `# What the policy must do. Run them with: sallyport test policy.test.yaml
policy: policy.yaml
now: 2026-11-21T10:00:00Z
defaults: { caller: spiffe://example.org/agent }
tests:
  - name: an agent may open the stream of its session
    token: { issuer: corp, claims: { sub: alice, scope: "tools:read" } }   # signed by the test runner
    request: GET /mcp
    expect: { allow: session }
  - name: and end it
    token: { issuer: corp, claims: { sub: alice, scope: "tools:read" } }
    request: DELETE /mcp
    expect: { allow: session }
  - name: not without a token
    request: GET /mcp
    expect: { deny: token_missing }
  - name: another service may not
    caller: spiffe://example.org/billing
    request: GET /mcp
    expect: { deny: no_rule }
  - name: there is nothing else
    request: GET /admin
    expect: { deny: no_rule }
`;
