/** IP addresses and networks, by what Node knows of them. */
import { BlockList, isIP } from "node:net";

const networks = new Map<string, BlockList>();

/** Whether a network such as `10.0.0.0/8` holds an address. Throws for a text that is no address. */
export function cidrContains(network: string, written: string): boolean {
  const address = unmapped(written);
  const family = isIP(address);
  const [start, length] = network.split("/") as [string, string];
  if (isIP(start) !== family) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  let list = networks.get(network);
  if (list === undefined) {
    list = new BlockList();
    list.addSubnet(start, Number(length), type);
    networks.set(network, list);
  }
  return list.check(address, type);
}

/** The first bits of an address as a text: of an IPv4 one so many, of an IPv6 one those that go with them. */
export function networkOf(written: string, bits: number | undefined): string {
  const address = unmapped(written);
  if (isIP(address) === 4) {
    const all = address.split(".").map((part) => Number(part).toString(2).padStart(8, "0"));
    return `4 ${all.join("").slice(0, bits ?? 32)}`;
  }
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string | undefined): string[] => (text === undefined || text === "" ? [] : text.split(":"));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => "0"), ...groups(tail)];
  const sixBits = bits === undefined || bits === 32 ? 128 : bits < 32 ? 64 : bits;
  return `6 ${all
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0"))
    .join("")
    .slice(0, sixBits)}`;
}

/** An IPv4 address that is written as an IPv6 one (RFC 4291 §2.5.5.2) is the same peer. */
function unmapped(address: string): string {
  if (isIP(address) === 0 || address.includes("%")) throw new Error(`${address} is no IP address`);
  if (isIP(address) === 4) return address;
  const [, high, low] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/u.exec(new URL(`http://[${address}]`).hostname) ?? [];
  if (high === undefined) return address;
  const bits = Number.parseInt(high, 16) * 0x10000 + Number.parseInt(low!, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join(".");
}
