/** Tokens and key sets as identity providers and clients really make them, by the command line: tests/field/tokens/. */
import { testCases } from "./case.ts";

testCases("tokens");
