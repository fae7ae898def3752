/** Parameters of the query. */
import { absent, ambiguous, spanSize, spanStart } from "../../../assembly/bytes/span";
import { resetArena } from "../../../assembly/host/arena";
import { findParameter } from "../../../assembly/request/query";
import { clearRequest, request } from "../../../assembly/request/request";
import { bytesOf, textOf } from "../support";

/** The value of parameter `x`, in brackets, or why there is none. */
function x(path: string): string {
  resetArena();
  clearRequest();
  const bytes = bytesOf(path);
  request.pathStart = bytes.start;
  request.pathSize = bytes.size;
  const name = bytesOf("x");
  const found = findParameter(name.start, name.size);
  if (found == absent) return "absent";
  return found == ambiguous ? "ambiguous" : "[" + textOf(spanStart(found), spanSize(found)) + "]";
}

describe("parameters of the query", () => {
  test("are found and decoded", () => {
    expect(x("/")).toBe("absent");
    expect(x("/?")).toBe("absent");
    expect(x("/?&&")).toBe("absent");
    expect(x("/?x")).toBe("[]");
    expect(x("/?x=")).toBe("[]");
    expect(x("/?x=1")).toBe("[1]");
    expect(x("/?a=1&x=2&b=3")).toBe("[2]");
    expect(x("/?xx=1&ax=2")).toBe("absent");
    expect(x("/?%78=a%20b%26c")).toBe("[a b&c]");
    expect(x("/?x=a=b?c/d")).toBe("[a=b?c/d]");
    expect(x("/?x=%C3%A9")).toBe("[é]");
    expect(x("/?a=1+2&x=3")).toBe("[3]");
    expect(x("/?a=%ff&x=3")).toBe("[3]");
  });

  test("that two readers could take differently are ambiguous", () => {
    expect(x("/?x=1&x=1")).toBe("ambiguous");
    expect(x("/?x=1&%78=2")).toBe("ambiguous");
    expect(x("/?x=a+b")).toBe("ambiguous");
    expect(x("/?x=%zz")).toBe("ambiguous");
    expect(x("/?x=%2")).toBe("ambiguous");
    expect(x("/?x=%00")).toBe("ambiguous");
    expect(x("/?x=%ff")).toBe("ambiguous");
    expect(x("/?%ff=1&x=2")).toBe("ambiguous");
    expect(x("/?x=2&a=%00")).toBe("ambiguous");
    expect(x("/?a=b%00&x=2")).toBe("ambiguous");
    expect(x("/?a=1;x=2")).toBe("ambiguous");
    expect(x("/?a=1#x=2")).toBe("ambiguous");
    expect(x("/?a=é&x=2")).toBe("ambiguous");
    expect(x("/?x=1&a=" + "b".repeat(8186))).toBe("[1]");
    expect(x("/?x=1&a=" + "b".repeat(8187))).toBe("ambiguous");
  });
});
