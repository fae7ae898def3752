/** Values, arguments, directives, variables and types (GraphQL, October 2021, §2.6 and §2.9 to §2.12): passed over, since nobody selects by them. */
import { graphql_nesting_max } from "../limits";
import { GraphqlFault, refuse } from "./fault";
import { closeLevel, innermost, openLevel, openLevels } from "./nesting";
import { advance, Token, take, token } from "./tokens";

/** §2.9. A constant has no variables. */
function skipValue(isConstant: bool): bool {
  const outside = openLevels();
  while (true) {
    switch (token) {
      case Token.DOLLAR:
        if (isConstant) return false;
        advance();
        if (!take(Token.NAME)) return false;
        break;
      case Token.NAME:
      case Token.NUMBER:
      case Token.STRING:
        advance();
        break;
      case Token.LIST_OPEN:
      case Token.SET_OPEN:
        if (!openLevel(token == Token.SET_OPEN)) return false;
        advance();
        break;
      default:
        return false;
    }
    // After a value, or after what opens one: the end of what it stands in, or what comes next there.
    while (openLevels() != outside && take(innermost() ? Token.SET_CLOSE : Token.LIST_CLOSE)) closeLevel();
    if (openLevels() == outside) return true;
    if (innermost() && !(take(Token.NAME) && take(Token.COLON))) return false;
  }
}

/** §2.6: arguments, where there are some. */
export function skipArguments(isConstant: bool): bool {
  if (!take(Token.OPEN)) return true;
  do {
    if (!take(Token.NAME) || !take(Token.COLON) || !skipValue(isConstant)) return false;
  } while (!take(Token.CLOSE));
  return true;
}

/** §2.12: directives, where there are some. */
export function skipDirectives(isConstant: bool): bool {
  while (take(Token.AT)) {
    if (!take(Token.NAME) || !skipArguments(isConstant)) return false;
  }
  return true;
}

/** §2.10: definitions of variables, where there are some. */
export function skipVariables(): bool {
  if (!take(Token.OPEN)) return true;
  do {
    if (!take(Token.DOLLAR) || !take(Token.NAME) || !take(Token.COLON) || !skipType()) return false;
    if (take(Token.EQUALS) && !skipValue(true)) return false;
    if (!skipDirectives(true)) return false;
  } while (!take(Token.CLOSE));
  return true;
}

/** §2.11. */
function skipType(): bool {
  let lists: u32 = 0;
  while (take(Token.LIST_OPEN)) {
    if (++lists > graphql_nesting_max) return refuse(GraphqlFault.DEPTH);
  }
  if (!take(Token.NAME)) return false;
  take(Token.BANG);
  for (; lists != 0; lists--) {
    if (!take(Token.LIST_CLOSE)) return false;
    take(Token.BANG);
  }
  return true;
}
