# The policy the benchmarks give OPA. It decides what the other chains decide: a bearer token of the one issuer, for the one
# audience, and a rule for the caller that covers method and path and asks for a scope the token has.
#
# data.issuer, data.audience  what a token's iss and aud must be
# data.jwks                   the issuer's key set, as text
# data.rules[caller]          the rules of a caller, by its SPIFFE ID: {"method", "path" or "path_prefix", "scope" if one is needed}
package bench

import input.attributes.request.http

result := {"allowed": false, "http_status": 401} if not claims

else := {"allowed": true} if {
	some rule in data.rules[input.attributes.source.principal]
	rule.method == http.method
	covers(rule)
	permits(rule)
}

else := {"allowed": false, "http_status": 403}

# Undefined where the token is missing, malformed, not signed by a key of the set, not for us, or not valid now.
# decode_verify looks at exp and nbf by the current time where no other is given.
claims := payload if {
	[scheme, token] := split(http.headers.authorization, " ")
	lower(scheme) == "bearer"
	[valid, _, payload] := io.jwt.decode_verify(token, {
		"cert": data.jwks,
		"iss": data.issuer,
		"aud": data.audience,
	})
	valid
}

scopes := split(claims.scope, " ")

path := split(http.path, "?")[0]

covers(rule) if rule.path == path

covers(rule) if startswith(path, rule.path_prefix)

permits(rule) if not rule.scope

permits(rule) if rule.scope in scopes
