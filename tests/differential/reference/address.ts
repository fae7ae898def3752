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

/** An IPv4 address that is written as an IPv6 one (RFC 4291 §2.5.5.2) is the same peer. */
function unmapped(address: string): string {
  if (isIP(address) === 0 || address.includes("%")) throw new Error(`${address} is no IP address`);
  if (isIP(address) === 4) return address;
  const [, high, low] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/u.exec(new URL(`http://[${address}]`).hostname) ?? [];
  if (high === undefined) return address;
  const bits = Number.parseInt(high, 16) * 0x10000 + Number.parseInt(low!, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join(".");
}
