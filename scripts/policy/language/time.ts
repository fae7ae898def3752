/** Timestamps and durations that are written out (cel-spec, langdef.md "Timestamp and Duration"). */

const second = 1_000_000_000n;
/** Years 1 to 9999, and as long a duration as Protobuf's JSON mapping has. */
const timestamp_min = -62_135_596_800n * second;
const timestamp_max = 253_402_300_800n * second - 1n;
const duration_max = 315_576_000_000n * second;

const timestamp_pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/u;
const unit_nanoseconds: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3600n * second,
};

/** Nanoseconds since 1970 of an RFC 3339 §5.6 time; in words what is wrong otherwise. */
export function parseTimestamp(text: string): bigint | string {
  const match = timestamp_pattern.exec(text);
  if (match === null) return "a timestamp is written as RFC 3339 has it: `2026-11-01T00:00:00Z`";
  const [year, month, day, hour, minute, seconds] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // The years 0 to 99 would mean 1900 to 1999 to Date.UTC.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, seconds);
  const isTime =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && seconds < 60;
  const offsetMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0);
  if (!isTime || Number(match[9] ?? 0) > 23 || Number(match[10] ?? 0) > 59)
    return `there is no such time as \`${text}\``;
  const offset = BigInt(offsetMinutes) * (match[8] === "-" ? -60n : 60n) * second;
  const value = BigInt(date.getTime()) * 1_000_000n + BigInt((match[7] ?? "").padEnd(9, "0")) - offset;
  return value < timestamp_min || value > timestamp_max ? "a timestamp lies in the years 1 to 9999" : value;
}

/** Nanoseconds of a duration such as `1h30m` or `1.5s`; in words what is wrong otherwise. */
export function parseDuration(text: string): bigint | string {
  const match = /^([-+]?)(0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/u.exec(text);
  if (match === null) return "a duration is numbers with units of `h`, `m`, `s`, `ms`, `us` or `ns`: `1h30m`";
  let total = 0n;
  for (const [, whole, fraction, unit] of match[2]!.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/gu)) {
    const size = unit_nanoseconds[unit!]!;
    total += BigInt(whole || "0") * size + (BigInt(fraction || "0") * size) / 10n ** BigInt(fraction!.length);
  }
  if (total > duration_max) return "a duration has at most 315576000000 s, which are 10000 years";
  return match[1] === "-" ? -total : total;
}

/** A count of nanoseconds as instructions have it: whole seconds rounded down, and the nanoseconds past them. */
export function splitNanoseconds(nanoseconds: bigint): { seconds: bigint; rest: number } {
  const rest = ((nanoseconds % second) + second) % second;
  return { seconds: (nanoseconds - rest) / second, rest: Number(rest) };
}
