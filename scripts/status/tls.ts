/** Whether callers have certificates that somebody looked at. */
import { type Finding, finding } from "./codes.ts";
import type { Manager } from "./dump.ts";
import type { PolicyFacts } from "./facts.ts";
import type { Node } from "./node.ts";

/** @param policy the one in force; undefined where nobody knows it */
export function checkTls(
  { listener, chain, transport, node, secrets }: Manager,
  policy: PolicyFacts | undefined,
): Finding[] {
  const place = { listener: listener.name, chain };
  const context = [...transport.objects()]
    .find((object) => object.message().type === "DownstreamTlsContext")
    ?.message().node;
  const needsCertificate = policy?.needsCertificate ?? true;
  if (context === undefined) {
    if (!needsCertificate) return [];
    return [
      finding(
        "plain_text",
        { ...place, path: transport.exists ? transport.path : node.path },
        "The filter chain has no TLS: no caller has a certificate, so that rules for callers deny everybody. Give it the `transport_socket` of envoy/inbound.yaml.",
      ),
    ];
  }
  const found: Finding[] = [];
  const add = (code: Parameters<typeof finding>[0], at: Node, message: string): void => {
    found.push(finding(code, { ...place, path: at.path }, message));
  };
  const common = context.at("common_tls_context");
  const validation = ["validation_context", "combined_validation_context", "validation_context_sds_secret_config"]
    .map((name) => common.at(name))
    .find(({ exists }) => exists);
  const required = context.at("require_client_certificate");
  if (!required.isTrue && needsCertificate)
    add(
      "client_certificate_optional",
      required,
      "`require_client_certificate` is off, and the policy has no rule for callers without a certificate: a connection without one is taken, and its requests are denied one by one. Set it to true.",
    );
  const contexts = validation === undefined ? [] : [validation, ...namedIn(validation, secrets)];
  const validator = contexts.map(spiffeValidatorIn).find((found) => found !== undefined);
  if (!required.isTrue && !needsCertificate && validator !== undefined)
    add(
      "client_certificate_demanded",
      validator,
      "The policy admits callers without a certificate, and `require_client_certificate` is off, but callers' certificates are checked by Envoy's SPIFFE validator, which refuses every connection without one. Where the bundle comes from SPIRE, set `node.metadata` to `disable_spiffe_cert_validation: true`, as docs/spire.md says.",
    );
  if (validation === undefined || contexts.some(acceptsUntrusted) || !contexts.some(namesAuthority))
    add(
      "client_certificate_unchecked",
      validation ?? common,
      "No authority is named that callers' certificates must come from, or `trust_chain_verification` is ACCEPT_UNTRUSTED: a caller can write any SPIFFE ID into a certificate of its own. Name the trust bundles, as envoy/inbound.yaml does.",
    );
  const lenient = contexts
    .flatMap((node) => [...node.objects()])
    .find((node) => node.at("allow_expired_certificate").isTrue);
  if (lenient !== undefined)
    add(
      "certificate_end_ignored",
      lenient.at("allow_expired_certificate"),
      "`allow_expired_certificate` is on: a certificate that has ended admits its owner, and whoever has got hold of its key since. Take that out.",
    );
  const resumed = ["disable_stateless_session_resumption", "disable_stateful_session_resumption"].filter(
    (name) => !context.at(name).isTrue,
  );
  if (resumed.length > 0)
    add(
      "session_resumption",
      context,
      `TLS sessions are resumed: a caller connects again with one that is up to two days old, and nobody looks at whether its certificate has ended. Set ${resumed.map((name) => `\`${name}: true\``).join(" and ")}.`,
    );
  return found;
}

/** `ACCEPT_UNTRUSTED` anywhere in it, as control planes write it for certificates that are optional or anybody's. */
function acceptsUntrusted(validation: Node): boolean {
  return [...validation.objects()].some((object) => object.at("trust_chain_verification").text === "ACCEPT_UNTRUSTED");
}

/** The secrets that it takes over SDS, as far as they have come. */
function namedIn(validation: Node, secrets: ReadonlyMap<string, Node>): Node[] {
  const found = [...validation.objects()]
    .filter((object) => object.at("sds_config").exists)
    .map((object) => secrets.get(object.at("name").text ?? ""));
  return found.filter((secret) => secret !== undefined);
}

/** Envoy's SPIFFE validator, where certificates are checked by it. */
function spiffeValidatorIn(validation: Node): Node | undefined {
  return [...validation.objects()]
    .map((object) => object.at("custom_validator_config"))
    .find((validator) => validator.at("name").text === "envoy.tls.cert_validator.spiffe");
}

/** Whether some authority is named: in the configuration, or by a secret that comes over SDS. */
function namesAuthority(validation: Node): boolean {
  const names = ["trusted_ca", "custom_validator_config", "ca_certificate_provider_instance", "sds_config"];
  return [...validation.objects()].some((object) => names.some((name) => object.at(name).exists));
}
