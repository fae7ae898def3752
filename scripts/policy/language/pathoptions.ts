/** What an upstream does with paths that can be read in several ways: `paths` of a policy, and of a rule. */
import type { Located } from "../source/yaml.ts";
import { mapping, optional, type Read, word } from "./shape.ts";

/** How endpoints of a rule are matched. */
export interface PathOptions {
  /** A slash at the end: refused, of no meaning, or another path. */
  trailingSlash: "refuse" | "same" | "distinct";
  /** `%2F`: refused, or a slash within its segment. */
  encodedSlash: "refuse" | "segment";
  /** `//`: refused, or a segment that is empty. */
  emptySegments: "refuse" | "keep";
  /** `;`: refused, or a character like others. */
  semicolons: "refuse" | "keep";
  /** `ignore`: letters that differ only in case are the same. */
  case: "exact" | "ignore";
}

/** Without `paths`. */
export const strict_paths: PathOptions = {
  trailingSlash: "refuse",
  encodedSlash: "refuse",
  emptySegments: "refuse",
  semicolons: "refuse",
  case: "exact",
};

/** What may stand under `paths`. */
export const paths_shape = mapping({
  trailingSlash: optional(
    word(["refuse", "same", "distinct"]),
    "A slash at the end of a path. `same`: the path without it; `distinct`: another path, and an endpoint says which by a slash of its own.",
    { default: "refuse" },
  ),
  encodedSlash: optional(
    word(["refuse", "segment"]),
    "`%2F` in a path. `segment`: a slash within its segment, `a/b` in `path.x`; the upstream gets it as sent.",
    { default: "refuse" },
  ),
  emptySegments: optional(
    word(["refuse", "keep"]),
    "Empty segments, as in `//`. `keep`: each is a segment, which `/**` and an endpoint with `//` match, and no variable.",
    { default: "refuse" },
  ),
  semicolons: optional(
    word(["refuse", "keep"]),
    "`;` and `%3B` in a path. `keep`: they stay, with what follows, in their segment.",
    { default: "refuse" },
  ),
  case: optional(
    word(["exact", "ignore"]),
    "`ignore`: letters of an endpoint stand for those of the other case too, by Unicode's simple case folding.",
    { default: "exact" },
  ),
});

/** Whether some path that can be read in several ways is let in. */
export function isAnyForm({ trailingSlash, encodedSlash, emptySegments, semicolons }: PathOptions): boolean {
  return (
    trailingSlash !== "refuse" || encodedSlash !== "refuse" || emptySegments !== "refuse" || semicolons !== "refuse"
  );
}

/** Whether paths with a slash at their end, and with `//`, are let in. */
export interface Slashes {
  end: boolean;
  empty: boolean;
}

export function slashesOf({ trailingSlash, emptySegments }: PathOptions): Slashes {
  return { end: trailingSlash !== "refuse", empty: emptySegments !== "refuse" };
}

type Draft = Read<typeof paths_shape> | undefined;

/** Options of which some are said anew. */
export function withPaths(around: PathOptions, draft: Draft): PathOptions {
  const said = <T>(own: Located<T> | undefined, other: T): T => own?.value ?? other;
  return {
    trailingSlash: said(draft?.trailingSlash, around.trailingSlash),
    encodedSlash: said(draft?.encodedSlash, around.encodedSlash),
    emptySegments: said(draft?.emptySegments, around.emptySegments),
    semicolons: said(draft?.semicolons, around.semicolons),
    case: said(draft?.case, around.case),
  };
}

/**
 * What options open, as words: of two sets of options for one endpoint, the one that has all words of the other matches all
 * that the other does.
 */
export function openedBy(options: PathOptions): string[] {
  const { trailingSlash, encodedSlash, emptySegments, semicolons } = options;
  return [
    // Where a slash has no meaning, the path without one is matched as where it has.
    ...(trailingSlash === "refuse" ? [] : ["trailingSlash: distinct"]),
    ...(trailingSlash === "same" ? ["trailingSlash: same"] : []),
    ...(encodedSlash === "segment" ? ["encodedSlash: segment"] : []),
    ...(emptySegments === "keep" ? ["emptySegments: keep"] : []),
    ...(semicolons === "keep" ? ["semicolons: keep"] : []),
    ...(options.case === "ignore" ? ["case: ignore"] : []),
  ];
}

/** Whether a rule is for its endpoints in upper and lower case: one that denies always is. */
export function isFolded({ action, paths }: { action: "allow" | "deny"; paths: PathOptions }): boolean {
  return action === "deny" || paths.case === "ignore";
}
