/** Requests of every kind that wait for keys, and what is made to happen to them in the round in which they would be decided. */
import { setTimeout as sleep } from "node:timers/promises";
import { type JwksServer, makeKey, type ProviderKey } from "../support/jwks-server.ts";
import { type Ended, Http2Client, type Sent, sendHttp1 } from "./client.ts";
import { keepBusy, pathOf, type StormWorld } from "./world.ts";

/** Requests under way that wait. */
export class Waiting {
  /** The key their tokens name, which nobody has published yet. */
  readonly key: ProviderKey;
  readonly sent: Sent[];
  readonly #client: Http2Client;

  private constructor(key: ProviderKey, sent: Sent[], client: Http2Client) {
    this.key = key;
    this.sent = sent;
    this.#client = client;
  }

  /**
   * Sends requests over HTTP/1.1 and HTTP/2, with uploads that stay open and without, to a path that wants a token of a key set.
   * @param count of each of the four kinds
   * @param uploads false for none
   */
  static async open(
    world: StormWorld,
    { set = 0, count = 4, uploads = true, path = pathOf(set) } = {},
  ): Promise<Waiting> {
    const key = await makeKey(`waiting-${keys++}`);
    const token = await world.token(key, set);
    const target = await world.target(`waiting-${keys}`);
    const client = await Http2Client.open(target);
    const kinds = uploads ? [false, true] : [false];
    const sent = kinds.flatMap((upload) =>
      Array.from({ length: count }, () => [
        client.send({ path, token, upload }),
        sendHttp1(target, { path, token, upload }),
      ]).flat(),
    );
    return new Waiting(key, sent, client);
  }

  /** Completes the uploads. */
  finish(): void {
    for (const one of this.sent) one.finish();
  }

  /** Every client leaves, with a reset or by closing its connection. */
  leave(): void {
    for (const one of this.sent) one.leave();
  }

  /** What they came to, once all have ended. */
  async ended(): Promise<Ended[]> {
    const ended = await Promise.all(this.sent.map((one) => one.ended));
    this.#client.destroy();
    return ended;
  }

  /** How many came to each status; `0` for those without an answer. */
  async statuses(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { status } of await this.ended()) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }
}

let keys = 0;

/**
 * Has something happen while a worker is busy and the server of a key set, asked next, has not answered yet: the worker learns of
 * both at once. Call it before the requests that have the server asked are sent.
 * @returns a promise of when the answer is on its way
 */
export function duringFetch(
  world: StormWorld,
  server: JwksServer,
  client: Http2Client,
  event: () => void | Promise<void>,
): Promise<void> {
  return new Promise((resolve) => {
    server.beforeAnswer = async () => {
      server.beforeAnswer = undefined;
      keepBusy(client, await world.busyTokens(busy_tokens));
      // The worker is at them by now, and stays so for the rest.
      await sleep(8);
      await event();
      await sleep(6);
      resolve();
    };
  });
}

/** Verifying so many takes a worker about 80 ms. */
const busy_tokens = 100;
