/** The resources of docs/contour.md. */
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import type { Resource } from "./policies.ts";

/** The Service and the HTTPProxy that the document shows. Throws where it shows others. */
export function contourResources(): { service: Resource; proxy: Resource } {
  const document = readFileSync("docs/contour.md", "utf8");
  const [, text = ""] = /```yaml\n([^`]*)```/u.exec(document) ?? [];
  const resources: Resource[] = parseAllDocuments(text).map((one) => one.toJSON());
  const of = (kind: string): Resource => {
    const found = resources.find((one) => one.kind === kind);
    if (found === undefined) throw new Error(`docs/contour.md has no ${kind}`);
    return found;
  };
  return { service: of("Service"), proxy: of("HTTPProxy") };
}
