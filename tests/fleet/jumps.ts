/**
 * The clocks of the service and of Redis jump, while two Envoys are under load. Periods are hours, and begin where the service's clock
 * says. A jump has the service count another period: each period that it comes to admits its rate once, and one that it comes back to has
 * the count that it had, unless Redis has let that expire.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Clocks } from "./clocks.ts";
import { admitted, FleetWorld, largeRate, nextCaller, rate, sum } from "./world.ts";

const hour = 3600;
/** Counts expire after their period's length and up to five minutes. */
const beyondExpiry = 2 * hour;

let clocks: Clocks;
let world: FleetWorld;
/** Where the service's clock is in the middle of a period, far from the end of one. */
let middle = 0;

before(async () => {
  clocks = await Clocks.make();
  middle = hour / 2 - (Math.floor(Date.now() / 1000) % hour);
  set({});
  world = await FleetWorld.start({ unit: "h", clocks });
});
after(async () => {
  await world?.stop();
  await clocks?.remove();
});

/** Where both clocks stand, in seconds from where they began. */
interface Stand {
  service?: number;
  redis?: number;
}
function set({ service = 0, redis = 0 }: Stand): void {
  clocks.set("ratelimit", middle + service);
  clocks.set("redis", redis);
}

/** Jumps of the clocks, and how much more is admitted after each. */
const jumps: Record<string, [Stand, more: number][]> = {
  "the service's clock, an hour forward and back": [
    [{ service: hour }, rate],
    [{}, 0],
  ],
  "the service's clock, an hour back and forward": [
    [{ service: -hour }, rate],
    [{}, 0],
  ],
  "the service's clock, within a period": [
    [{ service: 600 }, 0],
    [{ service: -600 }, 0],
  ],
  "Redis's clock, an hour back": [[{ redis: -hour }, 0]],
  "Redis's clock, beyond the end of what it keeps, and back": [
    [{ redis: beyondExpiry }, rate],
    [{}, 0],
  ],
  "both clocks, an hour forward": [[{ service: hour, redis: hour }, rate]],
};

/** What both Envoys admit of more requests than the limit has; no more at a time than may wait of one client. */
const load = (caller: string): Promise<number> => world.admittedBy("/deny", rate + 10, caller).then(sum);

describe("exact: a jump opens a limit once at the most", () => {
  for (const [what, steps] of Object.entries(jumps)) {
    test(what, async () => {
      set({});
      const caller = nextCaller();
      assert.equal(await load(caller), rate);
      for (const [stand, more] of steps) {
        // The jump comes in the middle of the requests.
        const during = world.send("/deny", rate + 10, caller);
        set(stand);
        const count = sum((await during).map(admitted)) + (await load(caller));
        assert.equal(count, more, JSON.stringify(stand));
      }
    });
  }
});

describe("leased: what is left of blocks comes to no more than was counted", () => {
  for (const [what, first, then] of [
    ["an hour forward and back", { service: hour }, {}],
    ["an hour back and forward", { service: -hour }, {}],
  ] as [string, Stand, Stand][]) {
    test(`the service's clock, ${what}`, async () => {
      set({});
      const caller = nextCaller();
      let total = 0;
      const rounds = async (count: number): Promise<void> => {
        for (let times = 0; times < count; times++) total += sum(await world.admittedBy("/leased", 30, caller));
      };
      const inMiddle = Math.ceil(largeRate / 2 / 60);
      await rounds(inMiddle);
      assert.ok(total > largeRate / 3, `${total} admitted before`);
      for (const stand of [first, then]) {
        const during = rounds(1);
        set(stand);
        await during;
        await rounds(2 * inMiddle);
      }
      // Two periods were counted.
      assert.ok(total > largeRate, `${total} admitted`);
      assert.ok(total <= 2 * largeRate, `${total} admitted of ${2 * largeRate}`);
    });
  }
});
