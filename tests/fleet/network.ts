/**
 * The network between two systems, which a test can split: nothing gets through in either direction, and nobody is told. Connections
 * stay open, and new ones get no answer.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A connection over a link, and the one that it is passed on over. */
class Passage {
  readonly #ends: readonly [Socket, Socket];
  #isHeld = false;
  #isLost = false;
  #isBroken = false;

  constructor(from: Socket, to: Socket) {
    this.#ends = [from, to];
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on("data", (bytes) => {
        if (!this.#isLost) other.write(bytes);
      });
      one.on("error", () => {});
      one.on("close", () => this.#break());
    }
  }

  /** What is sent from now on stays where it is, as what TCP sends again and again. */
  hold(): void {
    this.#isHeld = true;
    for (const end of this.#ends) end.pause();
  }

  /** It stays open for ever, and nothing gets through it any more. */
  lose(): void {
    this.#isLost = true;
  }

  resume(): void {
    if (this.#isLost) return;
    this.#isHeld = false;
    if (this.#isBroken) this.destroy();
    else for (const end of this.#ends) end.resume();
  }

  destroy(): void {
    for (const end of this.#ends) end.destroy();
  }

  /** One end is gone, of which the other hears only when bytes get through. */
  #break(): void {
    this.#isBroken = true;
    if (!this.#isHeld && !this.#isLost) this.destroy();
  }
}

/** A port that passes on to another one. */
export class Link {
  readonly #targetPort: number;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #isSplit = false;
  /** Connections that came while it was split. */
  #waiting: Socket[] = [];

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((socket) => {
      socket.on("error", () => {});
      if (this.#isSplit) this.#waiting.push(socket.pause());
      else this.#pass(socket);
    });
  }

  static async start(targetPort: number): Promise<Link> {
    const link = new Link(targetPort);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** For a while: when it heals, what was sent meanwhile gets through. */
  split(): void {
    this.#isSplit = true;
    for (const passage of this.#passages) passage.hold();
  }

  /** For so long that nothing in between knows the connections any more: when it heals, new ones get through, and the old ones never. */
  lose(): void {
    this.#isSplit = true;
    for (const passage of this.#passages) passage.lose();
  }

  /** Heals, and the other side knows nothing of the connections of before any more. */
  reset(): void {
    for (const passage of this.#passages) passage.destroy();
    this.heal();
  }

  heal(): void {
    this.#isSplit = false;
    for (const passage of this.#passages) passage.resume();
    for (const socket of this.#waiting) this.#pass(socket);
    this.#waiting = [];
  }

  stop(): void {
    this.#server.close();
    for (const passage of this.#passages) passage.destroy();
    for (const socket of this.#waiting) socket.destroy();
  }

  #pass(socket: Socket): void {
    this.#passages.add(new Passage(socket, connect({ port: this.#targetPort, host: "127.0.0.1" })));
    socket.resume();
  }
}
