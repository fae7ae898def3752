/** Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). */
import { isIPv4, isIPv6 } from "node:net";
import type { AddressRange } from "../language/model.ts";

/** A network: the first bits of its addresses. */
export interface Network {
  /** Its first address, of 4 or 16 bytes. */
  address: Uint8Array;
  prefixBits: number;
}

/** Parses `address/bits`; in words what is wrong otherwise. */
export function parseNetwork(text: string): Network | string {
  const slash = text.indexOf("/");
  const host = slash < 0 ? text : text.slice(0, slash);
  const address = parseAddress(host);
  if (address === undefined) return "a network is written `10.0.0.0/8` or `2001:db8::/32`";
  const width = address.length * 8;
  if (slash < 0) return `a network needs the length of its prefix: one address alone is \`${host}/${width}\``;
  const bits = text.slice(slash + 1);
  if (!/^(?:0|[1-9][0-9]{0,2})$/u.test(bits) || Number(bits) > width)
    return `the length of ${width === 32 ? "an IPv4" : "an IPv6"} prefix is a number from 0 to ${width}`;
  const prefixBits = Number(bits);
  if (isMapped(address)) {
    const inner = formatAddress(address.slice(12));
    const length = prefixBits >= 96 ? `/${prefixBits - 96}` : "";
    return `this is IPv4 inside IPv6, which no caller's address is; write the IPv4 network, as in \`${inner}${length}\``;
  }
  const first = address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixBits - index * 8))));
  if (first.some((byte, index) => byte !== address[index]))
    return `the address has bits beyond its prefix; did you mean \`${formatAddress(first)}/${prefixBits}\`?`;
  return { address, prefixBits };
}

/** An address as the proxy writes it (RFC 5952); undefined where the text is none. */
export function canonicalAddress(text: string): string | undefined {
  // A zone and an IPv4 address inside are the platform's to write.
  const isOthers = isIPv6(text) && (text.includes("%") || text.includes("."));
  if (isOthers) return text;
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
}

/** RFC 4291 §2.5.5.2. */
function isMapped(address: Uint8Array): boolean {
  return address.length === 16 && address.every((byte, index) => index >= 12 || byte === (index < 10 ? 0 : 0xff));
}

function parseAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  // The last four bytes may be written as IPv4.
  const hexadecimal = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/u, (_, ...bytes: string[]) => {
    const [a, b, c, d] = bytes.slice(0, 4).map(Number) as [number, number, number, number];
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [before, after] = hexadecimal.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const zeros = after === undefined ? 0 : 8 - before!.length - after.length;
  const groups = [...before!, ...Array<string>(zeros).fill("0"), ...(after ?? [])].map((group) =>
    Number.parseInt(group, 16),
  );
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

/** An address as it is written. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes[index * 2]! * 256 + bytes[index * 2 + 1]!);
  // RFC 5952 §4.2: the first of the longest runs of zeros, of two groups at least, is left out.
  let best = { first: 0, count: 1 };
  for (let first = 0; first < 8; first++) {
    let count = 0;
    while (groups[first + count] === 0) count++;
    if (count > best.count) best = { first, count };
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (best.count < 2) return text(groups);
  return `${text(groups.slice(0, best.first))}::${text(groups.slice(best.first + best.count))}`;
}

/** Whether a text is an address or a network, maybe one with a fault. */
export function looksLikeNetwork(text: string): boolean {
  return /^(?:[0-9.]+|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*)(?:\/[0-9]{1,3})?$/u.test(text);
}

/** An entry of a list of networks: a network, or one address; in words what is wrong otherwise. */
export function parseEntry(text: string): Network | string {
  if (text.includes("/")) return parseNetwork(text);
  const address = parseAddress(text);
  if (address === undefined) return `\`${text}\` is neither a network, such as \`10.0.0.0/8\`, nor an address`;
  return parseNetwork(`${text}/${address.length * 8}`);
}

/** Where IPv4 addresses stand among those of IPv6 (RFC 4291 §2.5.5.2). */
const mapped = { first: 0xffff00000000n, last: 0xffffffffffffn };

/** The addresses of a network, as the image has them: IPv6 without the place where IPv4 stands, which no network of IPv6 means. */
export function rangeOf({ address, prefixBits }: Network): AddressRange[] {
  const isFour = address.length === 4;
  const start = BigInt(`0x${Buffer.from(address).toString("hex")}`) + (isFour ? mapped.first : 0n);
  const last = start + (1n << BigInt(address.length * 8 - prefixBits)) - 1n;
  if (isFour || start > mapped.first || last < mapped.last) return [{ first: start, last }];
  return [
    { first: start, last: mapped.first - 1n },
    { first: mapped.last + 1n, last },
  ].filter((range) => range.first <= range.last);
}

/** The same addresses in as few ranges as there can be, in ascending order. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const before = merged.at(-1);
    if (before === undefined || first > before.last + 1n) merged.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return merged;
}
