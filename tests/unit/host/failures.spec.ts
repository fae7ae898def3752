/** What failed: named by what came first, counted by all that did. */
import { Failure } from "../../../assembly/failure";
import { clearFailures, fail, firstFailure, takeFailures } from "../../../assembly/host/host";

describe("failures", () => {
  test("the first is the first in time, whatever its number", () => {
    clearFailures();
    expect(firstFailure()).toBe(Failure.NONE);
    fail(Failure.NONE);
    expect(firstFailure()).toBe(Failure.NONE);
    fail(Failure.SET_PROPERTY);
    fail(Failure.ARENA_FULL);
    expect(firstFailure()).toBe(Failure.SET_PROPERTY);
  });

  test("all are told once, and then there is none", () => {
    clearFailures();
    fail(Failure.SET_PROPERTY);
    fail(Failure.ARENA_FULL);
    fail(Failure.SET_PROPERTY);
    const bit: u32 = 1;
    expect(takeFailures()).toBe((bit << Failure.SET_PROPERTY) | (bit << Failure.ARENA_FULL));
    expect(takeFailures()).toBe(0);
    expect(firstFailure()).toBe(Failure.NONE);
  });
});
