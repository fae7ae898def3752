/** What people want to say in a policy, and mistakes that they make there, by the command line: tests/field/policies/. */
import { testCases } from "./case.ts";

testCases("policies");
