/** What is wrong with a condition, by offset into its text; `compileCondition` says where that is in the file. */

/** One error or warning. */
export interface Fault {
  code: string;
  /** Offset into the condition's text, in UTF-16 code units. */
  at: number;
  message: string;
}

/** Takes what is found, so that one run shows all of it. */
export type OnFault = (code: string, at: number, message: string) => void;
