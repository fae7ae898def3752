/** The methods by which calls are found in the endpoint index, and which no request has. */
import { literal } from "../bytes/literal";
import * as names from "../policy/callmethods";

export const call_method = literal(names.call_method);
export const offer_method = literal(names.offer_method);
