/** The methods by which the endpoint index has calls. Both compilers read this file. */

/**
 * Endpoints that are calls are found as those of requests are (layout-index.ts): by a method that no request has (`:call`, for all
 * protocols), and by the path's segments with those of the call behind them.
 *
 *   mcp tools/call get_*     /mcp   tools/call   get_*        a name is one segment, whatever is in it
 *   mcp tools/list           /mcp   tools/list   / **         and any name
 *   graphql query orders     /graphql   query   orders
 *   jsonrpc add              /rpc   add   / **
 *
 * A rule with such endpoints has one more for each path and host of theirs, the path with the method `:offer`: by it those rules are found
 * that could admit some call, before it is known which one there is.
 */
export const call_method = ":call";
export const offer_method = ":offer";
