/** The inventory as an OpenAPI 3.1 document: what was seen, to begin a description from. */
import { STATUS_CODES } from "node:http";
import { Document, isScalar, Scalar, visit } from "yaml";
import { parseHost } from "../policy/language/values.ts";
import { escapeSteering, hasSteering } from "./escape.ts";
import type { EndpointUse, Inventory } from "./inventory.ts";
import type { VariableKind } from "./names.ts";
import { compareTexts } from "./order.ts";
import type { TemplateSegment } from "./templates.ts";
import { recordOf, useOf } from "./use.ts";

type Json = string | number | boolean | Json[] | { [name: string]: Json };
type Members = { [name: string]: Json };

/** Methods that a path item of OpenAPI 3.1 has; others are told beside them. */
const methods: ReadonlySet<string> = new Set(["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"]);

/** What values of a kind look like. Several kinds at one place are any text. */
const schemas: Record<VariableKind, Members> = {
  number: { type: "integer" },
  uuid: { type: "string", format: "uuid" },
  ulid: { type: "string", pattern: "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$" },
  hash: { type: "string", pattern: "^[0-9A-Fa-f]+$" },
  date: { type: "string", format: "date" },
  email: { type: "string", format: "email" },
  other: { type: "string" },
  name: { type: "string" },
};

/**
 * The document of an inventory. Attempts and noise are no part of it, and neither is an endpoint that no policy could name.
 * @returns an OpenAPI 3.1 document as data
 */
export function openApiOf({ endpoints, days, requests }: Inventory): Members {
  const told = endpoints.filter(({ isNameable }) => isNameable);
  const hosts = [...new Set(told.map(({ host }) => host))].filter(isHost);
  const schemes = new Map<string, Members>();
  const items = new Map<string, EndpointUse[]>();
  for (const endpoint of told) {
    // Paths that differ in the names of their variables alone are one (OpenAPI 3.1.0, "Paths Object").
    const shape = endpoint.segments.map((one) => (typeof one === "string" ? encodeURIComponent(one) : "{}")).join("/");
    const others = items.get(shape);
    if (others === undefined) items.set(shape, [endpoint]);
    else others.push(endpoint);
  }
  const paths = [...items.values()].map((those) => [those[0]!.template, pathItem(those, hosts, schemes)] as const);
  const period = days.length === 0 ? "" : days.length === 1 ? ` of ${days[0]}` : ` from ${days[0]} to ${days.at(-1)}`;
  return {
    openapi: "3.1.0",
    info: {
      title: hosts.length === 1 ? hosts[0]! : "What was seen",
      version: days.at(-1) ?? "0",
      description: `Made by \`sallyport discover --openapi\` of ${requests.toLocaleString("en-US")} requests${period}. It says what was seen, and not what is meant: bodies, and whether a parameter is needed, are not in the log.`,
    },
    ...(hosts.length > 0 && { servers: hosts.map((host) => ({ url: `https://${host}` })) }),
    paths: recordOf(paths),
    ...(schemes.size > 0 && {
      components: { securitySchemes: recordOf([...schemes].sort(([a], [b]) => compareTexts(a, b))) },
    }),
  };
}

/** As `openApiOf`, in YAML: whatever a log has put into it, it is text, and no character of it steers a terminal. */
export function openApiYaml(inventory: Inventory): string {
  const document = new Document(openApiOf(inventory), { aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, node) => {
      if (isScalar(node) && typeof node.value === "string" && hasSteering(node.value)) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  // Within double quotes, where each of them is now, `\u` and four digits are the character.
  return escapeSteering(document.toString({ lineWidth: 0 }));
}

function isHost(host: string): boolean {
  return host !== "" && /^[a-z0-9.-]+$|^\[[0-9a-f:.]+\]$/u.test(host) && typeof parseHost(host) !== "string";
}

function pathItem(endpoints: readonly EndpointUse[], hosts: readonly string[], schemes: Map<string, Members>): Members {
  const [first] = endpoints as [EndpointUse];
  const item: Members = {};
  const mine = [...new Set(endpoints.map(({ host }) => host))].filter(isHost);
  if (mine.length > 0 && mine.length < hosts.length) item.servers = mine.map((host) => ({ url: `https://${host}` }));
  const parameters = first.segments.flatMap((segment, place) => pathParameter(segment, place, endpoints));
  if (parameters.length > 0) item.parameters = parameters;
  const byMethod = new Map<string, EndpointUse[]>();
  for (const endpoint of endpoints) {
    const those = byMethod.get(endpoint.method);
    // One path may have as many as callers think up names of operations.
    if (those === undefined) byMethod.set(endpoint.method, [endpoint]);
    else those.push(endpoint);
  }
  const others: string[] = [];
  for (const [method, those] of [...byMethod].sort(([a], [b]) => compareTexts(a, b))) {
    if (methods.has(method)) item[method.toLowerCase()] = operation(those, schemes);
    else others.push(method);
  }
  if (others.length > 0) item["x-other-methods"] = others;
  return item;
}

function pathParameter(segment: TemplateSegment, place: number, endpoints: readonly EndpointUse[]): Members[] {
  if (typeof segment === "string") return [];
  const kinds = new Set(
    endpoints.flatMap(({ segments }) => {
      const one = segments[place];
      return typeof one === "object" ? one.kinds : [];
    }),
  );
  const [kind = "name"] = kinds;
  return [
    {
      name: segment.variable,
      in: "path",
      required: true,
      schema: kinds.size === 1 ? schemas[kind] : { type: "string" },
    },
  ];
}

function operation(endpoints: readonly EndpointUse[], schemes: Map<string, Members>): Members {
  const usages = endpoints.flatMap((one) => one.usages);
  const use = useOf(usages);
  const operations = [...new Set(endpoints.map((one) => one.operation))].filter((one) => one !== "");
  const told: Members = {};
  if (operations.length === 1) told.summary = operations[0]!;
  else if (operations.length > 1) told.description = `Operations that were seen: ${operations.join(", ")}`;
  if (use.parameters.length > 0)
    told.parameters = use.parameters.map((name) => ({
      name,
      in: "query",
      required: false,
      schema: { type: "string" },
    }));
  const statuses = Object.keys(use.statuses).filter((status) => /^[1-5]\d\d$/u.test(status));
  const responses = statuses.map((status) => [status, { description: STATUS_CODES[status] ?? "An answer" }] as const);
  told.responses = recordOf<Json>(responses.length > 0 ? responses : [["default", { description: "An answer" }]]);
  const security = securityOf(endpoints, schemes);
  if (security !== undefined) told.security = security;
  return told;
}

/** What was shown by callers: a certificate with a SPIFFE ID, tokens by their issuers, and the scopes that all tokens of one had. */
function securityOf(endpoints: readonly EndpointUse[], schemes: Map<string, Members>): Json[] | undefined {
  const admitted = endpoints.flatMap(({ usages }) => usages).filter((usage) => usage.admitted);
  const issuers = [...new Set(admitted.map(({ issuer }) => issuer))].sort(compareTexts);
  const ways = issuers.map((issuer) => {
    const own = admitted.filter((usage) => usage.issuer === issuer);
    const way: [string, string[]][] = [];
    if (own.every(({ caller }) => caller !== "")) {
      schemes.set("mtls", { type: "mutualTLS", description: "A certificate with the caller's SPIFFE ID." });
      way.push(["mtls", []]);
    }
    if (issuer !== "") way.push([schemeOf(issuer, schemes), useOf(own).scopesOfAll]);
    return recordOf<Json>(way);
  });
  return ways.every((way) => Object.keys(way).length === 0) ? undefined : ways;
}

/** The name of the scheme of an issuer's tokens, which is added. */
function schemeOf(issuer: string, schemes: Map<string, Members>): string {
  const plain =
    issuer
      .replace(/^https:\/\//u, "")
      .replaceAll(/[^A-Za-z0-9._-]+/gu, "-")
      .slice(0, 80) || "token";
  const base = plain === "mtls" ? "token-mtls" : plain;
  const isUrl = /^https:\/\/[A-Za-z0-9.-]+(?::\d+)?(?:\/[A-Za-z0-9._~/-]*)?$/u.test(issuer);
  const scheme: Members = isUrl
    ? { type: "openIdConnect", openIdConnectUrl: `${issuer.replace(/\/$/u, "")}/.well-known/openid-configuration` }
    : { type: "http", scheme: "bearer", bearerFormat: "JWT", description: `A token of ${issuer}.` };
  const text = JSON.stringify(scheme);
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    const known = schemes.get(name);
    if (known !== undefined && JSON.stringify(known) !== text) continue;
    schemes.set(name, scheme);
    return name;
  }
}
