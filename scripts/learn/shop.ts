/**
 * The shop of `npm run demo:learn`: eight services, who calls whom for what, and a day of it. The traffic is drawn with a seed, so that
 * two runs tell the same story.
 *
 *   web ──► catalog ──► inventory
 *    ├────► cart ──────► catalog
 *    ├────► users
 *    └────► orders ────► payments
 *              └───────► shipping ──► inventory
 */

export const trust_domain = "example.org";

export const services = ["web", "catalog", "cart", "orders", "payments", "shipping", "users", "inventory"] as const;
export type Service = (typeof services)[number];

/** Who calls: the services, and jobs that are nobody's upstream. */
export type Caller = Service | "edge" | "nightly-report" | "scanner";

/** The name that a caller's certificate has. */
export function spiffeIdOf(caller: Caller): string {
  return `spiffe://${trust_domain}/ns/shop/sa/${caller}`;
}

/** The host under which a service is asked. */
export function hostOf(service: Service): string {
  return `${service}.shop.example`;
}

/** A kind of request, as it comes all day. */
export interface Habit {
  caller: Caller;
  service: Service;
  method: string;
  /** The path, of which `{number}`, `{uuid}` and `{name}` are drawn anew each time. */
  path: string;
  /** What its token has; undefined: there is none. */
  scopes?: readonly string[];
  /** How often it comes beside the others. */
  weight: number;
}

export const habits: readonly Habit[] = [
  { caller: "edge", service: "web", method: "GET", path: "/", weight: 20 },
  { caller: "edge", service: "web", method: "GET", path: "/products/{name}", weight: 30 },
  { caller: "edge", service: "web", method: "POST", path: "/checkout", weight: 6 },
  { caller: "web", service: "catalog", method: "GET", path: "/products", weight: 20 },
  { caller: "web", service: "catalog", method: "GET", path: "/products/{name}", weight: 40 },
  { caller: "web", service: "cart", method: "GET", path: "/carts/{uuid}", scopes: ["cart"], weight: 20 },
  { caller: "web", service: "cart", method: "POST", path: "/carts/{uuid}/items", scopes: ["cart"], weight: 12 },
  {
    caller: "web",
    service: "cart",
    method: "DELETE",
    path: "/carts/{uuid}/items/{number}",
    scopes: ["cart"],
    weight: 3,
  },
  { caller: "web", service: "users", method: "GET", path: "/users/{number}", scopes: ["profile"], weight: 8 },
  { caller: "web", service: "orders", method: "POST", path: "/orders", scopes: ["orders:write"], weight: 6 },
  { caller: "web", service: "orders", method: "GET", path: "/orders/{number}", scopes: ["orders:read"], weight: 12 },
  { caller: "cart", service: "catalog", method: "GET", path: "/products/{name}", weight: 14 },
  { caller: "catalog", service: "inventory", method: "GET", path: "/stock/{number}", weight: 18 },
  { caller: "orders", service: "payments", method: "POST", path: "/payments", scopes: ["payments"], weight: 6 },
  { caller: "orders", service: "shipping", method: "POST", path: "/shipments", weight: 5 },
  { caller: "orders", service: "shipping", method: "GET", path: "/shipments/{uuid}", weight: 6 },
  { caller: "shipping", service: "inventory", method: "PUT", path: "/stock/{number}", weight: 5 },
  { caller: "nightly-report", service: "orders", method: "GET", path: "/orders", scopes: ["orders:read"], weight: 1 },
];

/** What an attacker asks who has taken over the cart: everything that the cart never did. */
export const attacks: readonly Omit<Habit, "weight">[] = [
  { caller: "cart", service: "payments", method: "POST", path: "/payments" },
  { caller: "cart", service: "payments", method: "GET", path: "/payments/{uuid}", scopes: ["payments"] },
  { caller: "cart", service: "orders", method: "GET", path: "/orders/{number}", scopes: ["orders:read"] },
  { caller: "cart", service: "users", method: "GET", path: "/users/{number}", scopes: ["profile"] },
  { caller: "cart", service: "users", method: "GET", path: "/users/export", scopes: ["profile"] },
  { caller: "cart", service: "catalog", method: "DELETE", path: "/products/{name}" },
  { caller: "cart", service: "catalog", method: "GET", path: "/products/{name}/cost" },
  { caller: "cart", service: "inventory", method: "PUT", path: "/stock/{number}" },
  { caller: "cart", service: "shipping", method: "POST", path: "/shipments" },
  { caller: "cart", service: "web", method: "GET", path: "/debug/vars" },
  { caller: "scanner", service: "web", method: "GET", path: "/.env" },
  { caller: "scanner", service: "users", method: "GET", path: "/users/{number}", scopes: ["profile"] },
  { caller: "web", service: "orders", method: "POST", path: "/orders", scopes: ["orders:read"] },
  { caller: "web", service: "orders", method: "POST", path: "/orders" },
  { caller: "web", service: "cart", method: "GET", path: "/carts/{uuid}" },
];

const adjectives = [
  "amber",
  "birch",
  "copper",
  "felt",
  "hemp",
  "iron",
  "jute",
  "linen",
  "maple",
  "oak",
  "quartz",
  "teak",
];
const things = [
  "basket",
  "board",
  "bowl",
  "clock",
  "frame",
  "hook",
  "kettle",
  "ladle",
  "lamp",
  "rug",
  "shelf",
  "stool",
  "tray",
  "vase",
];
/** So many that their names are values, not endpoints of their own. */
const products = adjectives.flatMap((adjective) => things.map((thing) => `${adjective}-${thing}`));

/** Numbers from 0 to 1, drawn with a seed (mulberry32, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A path in which each value is drawn. */
export function drawPath(path: string, random: () => number): string {
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("");
  return path
    .replaceAll("{number}", () => String(1 + Math.floor(random() * 90_000)))
    .replaceAll("{name}", () => products[Math.floor(random() * products.length)]!)
    .replaceAll("{uuid}", () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`);
}

/** So many habits, drawn by weight; each comes at least once. */
export function drawDay(requests: number, random: () => number): Habit[] {
  const total = habits.reduce((sum, { weight }) => sum + weight, 0);
  const draw = (): Habit => {
    let left = random() * total;
    for (const habit of habits) {
      left -= habit.weight;
      if (left < 0) return habit;
    }
    return habits[0]!;
  };
  return [...habits, ...Array.from({ length: Math.max(0, requests - habits.length) }, draw)];
}
