/** Selection sets (GraphQL, October 2021, §2.4 to §2.8). */
import { literal } from "../bytes/literal";
import { spanOf } from "../bytes/span";
import { addSpread, Definition } from "./definitions";
import { closeLevel, innermost, openLevel, openLevels } from "./nesting";
import { addField, isIntrospection } from "./selected";
import { advance, isWord, Token, take, token, tokenSize, tokenStart } from "./tokens";
import { skipArguments, skipDirectives } from "./values";

export const on_word = literal("on");

/** Fields around the selection that is looked at. */
let level: u32 = 0;

/**
 * Reads the selection set of a definition, which the token opens.
 * @param rootTimes 0 to learn what the definition has; else how often the set stands at the operation's root, to count its fields there
 */
export function readSelections(definition: Definition, rootTimes: u32): bool {
  level = 0;
  if (token != Token.SET_OPEN || !openSet(false)) return false;
  // Inside brackets that are open until here there is at least one more selection, or their end.
  while (openLevels() != 0) {
    if (token == Token.SET_CLOSE) {
      if (innermost()) level--;
      closeLevel();
      advance();
      continue;
    }
    if (take(Token.SPREAD) ? !readSpread(definition, rootTimes) : !readField(definition, rootTimes)) return false;
  }
  return true;
}

/** Opens a set, which has at least one selection. @param ofField whether what is in it is a level deeper */
function openSet(ofField: bool): bool {
  advance();
  if (token == Token.SET_CLOSE || !openLevel(ofField)) return false;
  if (ofField) level++;
  return true;
}

/** §2.8, after the dots: a fragment by its name, or one that stands here, up to where its set is open. */
function readSpread(definition: Definition, rootTimes: u32): bool {
  if (token == Token.NAME && !isWord(on_word)) {
    if (rootTimes == 0 && !addSpread(definition, tokenStart, tokenSize(), level)) return false;
    advance();
    return skipDirectives(false);
  }
  if (token == Token.NAME) {
    advance();
    if (!take(Token.NAME)) return false;
  }
  return skipDirectives(false) && token == Token.SET_OPEN && openSet(false);
}

/** §2.5 to §2.7, up to where its set is open, if it has one. */
function readField(definition: Definition, rootTimes: u32): bool {
  let start = tokenStart;
  let size = tokenSize();
  if (!take(Token.NAME)) return false;
  const key = spanOf(start, size);
  const hasAlias = take(Token.COLON);
  if (hasAlias) {
    start = tokenStart;
    size = tokenSize();
    if (!take(Token.NAME)) return false;
  }
  if (rootTimes == 0) {
    definition.depth = max(definition.depth, level + 1);
    if (hasAlias) definition.aliases++;
    if (isIntrospection(start, size)) definition.isIntrospecting = true;
  } else if (level == 0 && !addField(spanOf(start, size), key, rootTimes)) {
    return false;
  }
  return skipArguments(false) && skipDirectives(false) && (token != Token.SET_OPEN || openSet(true));
}
