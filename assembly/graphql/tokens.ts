/**
 * The tokens of a document (GraphQL, October 2021, §2.1 and §2.9). What stands between them, such as commas and comments, is passed
 * over. Of strings nothing is kept but that they are sound.
 */

import { Literal } from "../bytes/literal";
import { endOfPlain } from "../bytes/plain";
import { hexDigit, isLiteral } from "../bytes/span";
import { characterBytes } from "../bytes/utf8";
import { graphql_name_bytes_max, graphql_tokens_max } from "../limits";
import { GraphqlFault, refuse } from "./fault";

/** What kind of token one is. A punctuator is its own first character; `&` and `|` stand in no document that is executed. */
export const enum Token {
  /** After the last one. */
  END = 0,
  BANG = 0x21,
  STRING = 0x22,
  DOLLAR = 0x24,
  OPEN = 0x28,
  CLOSE = 0x29,
  SPREAD = 0x2e,
  NUMBER = 0x30,
  COLON = 0x3a,
  EQUALS = 0x3d,
  AT = 0x40,
  LIST_OPEN = 0x5b,
  LIST_CLOSE = 0x5d,
  NAME = 0x61,
  SET_OPEN = 0x7b,
  SET_CLOSE = 0x7d,
  /** None: the document is refused. */
  REFUSED = 0xff,
}

const tab: u32 = 0x09;
const line_feed: u32 = 0x0a;
const carriage_return: u32 = 0x0d;
const quote: u32 = 0x22;
const comment_sign: u32 = 0x23;
const comma: u32 = 0x2c;
const minus: u32 = 0x2d;
const dot: u32 = 0x2e;
const backslash: u32 = 0x5c;

/** The token that is looked at, and its first byte. */
export let token: Token = Token.END;
export let tokenStart: usize = 0;
/** The byte after it, where the document ends, and how many tokens there were. */
let cursor: usize = 0;
let end: usize = 0;
let tokens: u32 = 0;

/** Begins at `start`, with the first token there. */
export function beginTokens(start: usize, documentEnd: usize): void {
  cursor = start;
  end = documentEnd;
  tokens = 0;
  advance();
}

/** Goes to the next token. */
export function advance(): void {
  token = scanToken();
  if (token == Token.REFUSED) refuse(GraphqlFault.SYNTAX);
}

/** Passes a token of a kind. @returns whether it was there */
export function take(kind: Token): bool {
  if (token != kind) return false;
  advance();
  return true;
}

/** The bytes of the token. */
// @inline
export function tokenSize(): u32 {
  return <u32>(cursor - tokenStart);
}

/** Whether the token is this name. */
export function isWord(word: Literal): bool {
  return token == Token.NAME && isLiteral(tokenStart, tokenSize(), word);
}

function scanToken(): Token {
  const isReadable = skipIgnored();
  tokenStart = cursor;
  if (!isReadable) return Token.REFUSED;
  if (cursor == end) return Token.END;
  if (++tokens > graphql_tokens_max) return refused(GraphqlFault.COUNT);
  const byte = peek();
  if (isNameStart(byte)) {
    do cursor++;
    while (isNameContinue(peek()));
    return tokenSize() <= graphql_name_bytes_max ? Token.NAME : refused(GraphqlFault.COUNT);
  }
  switch (byte) {
    case Token.BANG:
    case Token.DOLLAR:
    case Token.OPEN:
    case Token.CLOSE:
    case Token.COLON:
    case Token.EQUALS:
    case Token.AT:
    case Token.LIST_OPEN:
    case Token.LIST_CLOSE:
    case Token.SET_OPEN:
    case Token.SET_CLOSE:
      cursor++;
      return <Token>byte;
    case quote:
      return scanString() ? Token.STRING : Token.REFUSED;
    case dot:
      if (!isThrice(cursor, dot)) return Token.REFUSED;
      cursor += 3;
      return Token.SPREAD;
  }
  if (byte == minus || isDigit(byte)) return scanNumber() ? Token.NUMBER : Token.REFUSED;
  const bytes = byte < 0x20 ? 0 : characterBytes(cursor, end);
  // U+FEFF may stand anywhere (§2.1.7), and so a reader may skip what another one stops at.
  const isMark = bytes == 3 && byte == 0xef && load<u8>(cursor, 1) == 0xbb && load<u8>(cursor, 2) == 0xbf;
  return refused(bytes == 0 || isMark ? GraphqlFault.TEXT : GraphqlFault.SYNTAX);
}

function refused(met: GraphqlFault): Token {
  refuse(met);
  return Token.REFUSED;
}

/** The byte at the cursor; NUL at the document's end. */
// @inline
function peek(): u32 {
  return cursor < end ? <u32>load<u8>(cursor) : 0;
}

// @inline
function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

// @inline
function isNameStart(byte: u32): bool {
  return (byte | 0x20) - 0x61 < 26 || byte == 0x5f;
}

function isNameContinue(byte: u32): bool {
  return isNameStart(byte) || isDigit(byte);
}

function isThrice(at: usize, byte: u32): bool {
  return at + 3 <= end && <u32>load<u8>(at) == byte && <u32>load<u8>(at, 1) == byte && <u32>load<u8>(at, 2) == byte;
}

/** §2.1.7, without the byte order mark. False where a comment is no text. */
function skipIgnored(): bool {
  while (cursor < end) {
    const byte = <u32>load<u8>(cursor);
    if (byte == 0x20 || byte == comma || isLineEnd(byte) || byte == tab) {
      cursor++;
    } else if (byte == comment_sign) {
      // What ends a string is text in a comment.
      do {
        cursor++;
        if (!skipText()) return false;
      } while (cursor < end && !isLineEnd(peek()));
    } else {
      break;
    }
  }
  return true;
}

// @inline
function isLineEnd(byte: u32): bool {
  return byte == line_feed || byte == carriage_return;
}

/** Passes characters until one that may end a string or a comment, or the document's end. False where there is no text (§2.1). */
function skipText(): bool {
  while (true) {
    cursor = endOfPlain(cursor, end);
    if (cursor == end) return true;
    const byte = peek();
    if (byte == quote || byte == backslash || isLineEnd(byte)) return true;
    if (byte < 0x20 && byte != tab) return refuse(GraphqlFault.TEXT);
    // One beyond ASCII seldom comes alone.
    do {
      const bytes = characterBytes(cursor, end);
      if (bytes == 0) return refuse(GraphqlFault.TEXT);
      cursor += bytes;
    } while (peek() >= 0x80);
  }
}

/** §2.9.4, both kinds. */
function scanString(): bool {
  const isBlock = isThrice(cursor, quote);
  cursor += isBlock ? 3 : 1;
  while (skipText() && cursor < end) {
    const byte = peek();
    if (byte == quote && (!isBlock || isThrice(cursor, quote))) {
      cursor += isBlock ? 3 : 1;
      return true;
    }
    if (isBlock) {
      cursor += byte == backslash && isThrice(cursor + 1, quote) ? 4 : 1;
    } else if (byte != backslash || !scanEscape()) {
      return false;
    }
  }
  return false;
}

/**
 * An escape of a string. The grammar would take half of a surrogate pair by itself, which is no character: later editions and readers of
 * this one refuse it.
 */
function scanEscape(): bool {
  cursor++;
  const letter = peek();
  cursor++;
  switch (letter) {
    case quote:
    case backslash:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return true;
    case 0x75:
      break;
    default:
      return false;
  }
  const unit = scanHexUnit();
  if (unit - 0xd800 >= 0x800) return unit <= 0xffff;
  if (unit >= 0xdc00 || peek() != backslash) return false;
  cursor++;
  if (peek() != 0x75) return false;
  cursor++;
  return scanHexUnit() - 0xdc00 < 0x400;
}

/** Four hexadecimal digits; more than 0xffff where they are not there. */
function scanHexUnit(): u32 {
  let unit: u32 = 0;
  for (let index = 0; index < 4; index++) {
    const digit = hexDigit(peek());
    if (digit < 0) return u32.MAX_VALUE;
    unit = (unit << 4) | digit;
    cursor++;
  }
  return unit;
}

/** §2.9.1 and §2.9.2: what follows is neither a digit, nor a dot, nor may begin a name. */
function scanNumber(): bool {
  if (peek() == minus) cursor++;
  if (peek() == 0x30) cursor++;
  else if (!scanDigits()) return false;
  if (peek() == dot) {
    cursor++;
    if (!scanDigits()) return false;
  }
  if ((peek() | 0x20) == 0x65) {
    cursor++;
    const sign = peek();
    if (sign == 0x2b || sign == minus) cursor++;
    if (!scanDigits()) return false;
  }
  return !isNameContinue(peek()) && peek() != dot;
}

function scanDigits(): bool {
  const start = cursor;
  while (isDigit(peek())) cursor++;
  return cursor != start;
}
