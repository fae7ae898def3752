/** What is wrong with a condition, by offset into its text; `compileCondition` says where that is in the file. */

import type { ErrorCode, WarningCode } from "../source/codes.ts";

/** Takes an error, so that one run shows all of them. @param at offset into the condition's text, in UTF-16 code units */
export type OnFault = (code: ErrorCode, at: number, message: string) => void;

/** Takes a warning. */
export type OnWarning = (code: WarningCode, at: number, message: string) => void;
