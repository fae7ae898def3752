/**
 * Before anything is measured: all chains that decide give the same answers to the same requests. Where chains do less than ours,
 * one bucket for all callers in place of one each, they are shown to do just that.
 */
import type { Chain } from "./chains.ts";
import type { Protocol } from "./measure.ts";
import type { Loads, Probes } from "./requests.ts";
import type { Load as Generator } from "./tools.ts";
import type { World } from "./world.ts";

/** Opens a file of requests at a listener as one caller, and tells the name to use from then on. */
export type Open = (
  chain: string,
  requests: string,
  protocol: Protocol,
  certificate: World["caller"],
) => Promise<string>;

/**
 * @returns how many answers were compared
 * @throws Error that names the chain, the request and the answers, where one differs
 */
export async function checkAnswers(
  chains: readonly Chain[],
  loads: Loads,
  world: World,
  generator: Generator,
  protocols: readonly Protocol[],
  open: Open,
): Promise<number> {
  let compared = 0;
  const ask = async (
    chain: Chain,
    { path, statuses, names }: Probes,
    who: World["caller"],
    protocol: Protocol,
  ): Promise<void> => {
    const id = await open(chain.name, path, protocol, who);
    const answers = await generator.each(id);
    await generator.close(id);
    statuses.forEach((status, index) => {
      compared++;
      if (answers[index] === status) return;
      throw new Error(
        `the chains do not decide alike: ${chain.title} answers ${answers[index]} where ${status} is expected, ` +
          `to this request over ${protocol}: ${names[index]}`,
      );
    });
  };
  for (const chain of chains) {
    if (chain.rules === 0) continue;
    for (const protocol of protocols) {
      await ask(chain, await loads.probes(chain.rules), world.caller, protocol);
      await ask(chain, await loads.probesOfStranger(), world.stranger, protocol);
    }
    if (chain.hasClaim) await ask(chain, await loads.probesOfClaim(), world.caller, protocols[0]!);
    if (chain.buckets === "none") continue;
    // What may be had once is had once, whatever the protocol.
    await ask(chain, await loads.probesOfLimit(), world.caller, protocols[0]!);
    await ask(chain, await loads.probesOfNeighbour(chain.buckets === "own"), world.neighbour, protocols[0]!);
  }
  return compared;
}
