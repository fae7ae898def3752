/** Validates what an image says of quarantines (policy/layout.ts). */
import * as limits from "../limits";
import { at, countOf, isHeaderText, isName, isRun, isText, lookAt, refuse } from "./check";
import * as layout from "./layout";

/** Whether all of them can be evaluated; if not, policy/check.ts has why. */
export function hasSoundQuarantines(): bool {
  const section = layout.section_quarantines;
  const count = countOf(section);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(section, index);
    if (index == limits.policy_quarantines_max || !isSound(at(section, index))) return refuse("quarantine");
  }
  return true;
}

/** A selector of another kind than a quarantine has, or a reason that is none, does no harm: that is for the compiler to refuse. */
function isSound(record: usize): bool {
  const per = record + layout.quarantine_per_at;
  const releases = record + layout.quarantine_releases_at;
  const most = load<u32>(record, layout.quarantine_max_seconds_at);
  return (
    isName(record + layout.quarantine_name_at) &&
    isRun(per, layout.section_selectors) &&
    isRun(releases, layout.section_texts) &&
    isWithin(load<u32>(per, 4), limits.quarantine_per_max) &&
    // An address stands there once for each part that it may be.
    load<u32>(releases, 4) <= limits.quarantine_releases_max * limits.quarantine_per_max &&
    isWithin(load<u32>(record, layout.quarantine_denials_at), limits.quarantine_denials_max) &&
    isWithin(load<u32>(record, layout.quarantine_within_seconds_at), limits.quarantine_within_seconds_max) &&
    isWithin(load<u32>(record, layout.quarantine_for_seconds_at), most) &&
    most <= limits.quarantine_seconds_max &&
    isSoundFleet(record)
  );
}

/** The names of one of the fleet go into a question to a service that there is, and its time into so many levels of periods. */
function isSoundFleet(record: usize): bool {
  const count = record + layout.quarantine_count_at;
  const shut = record + layout.quarantine_shut_at;
  if (load<u32>(count, 4) == 0) return load<u32>(shut, 4) == 0;
  const first = load<u32>(record, layout.quarantine_for_seconds_at);
  return (
    isFleetName(count) &&
    isFleetName(shut) &&
    load<u32>(at(layout.section_policy, 0), layout.policy_fleet_deadline_milliseconds_at) != 0 &&
    first >= limits.quarantine_fleet_seconds_min &&
    load<u32>(record, layout.quarantine_max_seconds_at) <= first * limits.quarantine_fleet_factor_max
  );
}

function isFleetName(text: usize): bool {
  return load<u32>(text, 4) != 0 && isText(text, limits.fleet_limit_bytes_max) && isHeaderText(text, false);
}

function isWithin(value: u32, most: u32): bool {
  return value - 1 < most;
}
