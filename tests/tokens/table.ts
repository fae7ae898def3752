/** Every token the filter is tried with, in the Node host and in a real Envoy. */
import { claimRows } from "./claims.ts";
import { formRows } from "./forms.ts";
import { headerRows } from "./headers.ts";
import type { Row } from "./row.ts";
import { signatureRows } from "./signatures.ts";

/** Tables by what their tokens are about. */
export const tables: Readonly<Record<string, readonly Row[]>> = {
  "JOSE headers": headerRows,
  "the form": formRows,
  signatures: signatureRows,
  claims: claimRows,
};
