/** The answers of upstreams whose bodies are read: those that list tools, without what their caller may not call (body/tools.ts). */
import { countDecision, countFailures } from "./audit/metrics";
import { amendRecord } from "./audit/record";
import { AnswerKind, kindOfAnswer } from "./body/answer";
import {
  dropListing,
  heldOfListing,
  kindOfListing,
  listingOf,
  noteHeld,
  noteKind,
  rootOfListing,
} from "./body/listing";
import { endsEvent, filterTools } from "./body/tools";
import { literal } from "./bytes/literal";
import { Failure } from "./failure";
import { Action, BodyAction } from "./host/abi";
import { resetArena } from "./host/arena";
import { clearFailures, fail, removeAnswerHeader } from "./host/host";
import { answer_bytes_max } from "./limits";
import { policyOfRoot } from "./policy/root";
import { Reason } from "./reason";
import { clearRequest } from "./request/request";
import { respondPlainly } from "./response/respond";

const content_length = literal("content-length");

/** An answer begins. One that lists tools is held until its body has been read; one that cannot be read does not go on. */
export function onListingHeaders(context: u32, isEnd: bool): Action {
  const listing = listingOf(context);
  if (listing == 0) return Action.CONTINUE;
  resetArena();
  clearFailures();
  const kind = isEnd ? AnswerKind.OTHER : kindOfAnswer();
  if (kind == AnswerKind.OTHER) {
    dropListing(context);
    return Action.CONTINUE;
  }
  if (kind == AnswerKind.UNREADABLE || !removeAnswerHeader(content_length.start, content_length.size)) {
    refuse(context, listing);
    return Action.STOP;
  }
  noteKind(listing, kind);
  return Action.STOP;
}

/**
 * Some of an answer comes, `size_bytes` of it are held. Events go on as soon as they are whole; all else at its end.
 * @param isEnd whether this is all of it
 */
export function onListingBody(context: u32, size_bytes: u32, isEnd: bool): BodyAction {
  const listing = listingOf(context);
  if (listing == 0) return BodyAction.CONTINUE;
  resetArena();
  clearFailures();
  const isEvents = kindOfListing(listing) == AnswerKind.EVENTS;
  noteHeld(listing, size_bytes);
  if (size_bytes > answer_bytes_max) {
    refuse(context, listing);
    return BodyAction.HOLD;
  }
  if (!isEnd && !(isEvents && endsEvent(size_bytes))) return BodyAction.HOLD;
  const policy = policyOfRoot(rootOfListing(listing));
  if (policy == null || !filterTools(policy, listing, size_bytes, isEvents)) {
    refuse(context, listing);
    return BodyAction.HOLD;
  }
  if (isEnd) dropListing(context);
  else noteHeld(listing, 0);
  return BodyAction.CONTINUE;
}

/** Trailers come behind an answer of which no callback was the last: what is held of it is all. */
export function onListingTrailers(context: u32): BodyAction {
  const listing = listingOf(context);
  return listing == 0 ? BodyAction.CONTINUE : onListingBody(context, heldOfListing(listing), true);
}

/** What cannot be read is answered by us, or reset where it has begun to go on. */
function refuse(context: u32, listing: usize): void {
  const policy = policyOfRoot(rootOfListing(listing));
  dropListing(context);
  fail(Failure.ANSWER_UNREADABLE);
  if (policy != null) {
    clearRequest();
    amendRecord(policy, Reason.INTERNAL, false);
    countDecision(policy, Reason.INTERNAL, true);
    countFailures(policy);
  }
  respondPlainly(Failure.ANSWER_UNREADABLE);
}
