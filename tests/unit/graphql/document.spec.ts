/** Documents of GraphQL: the grammar piece by piece, which operation is meant, and what it selects. */
import { absent, ambiguous, failed, Span, spanOf, spanSize, spanStart } from "../../../assembly/bytes/span";
import { DefinitionKind } from "../../../assembly/graphql/definitions";
import { parseDocument } from "../../../assembly/graphql/document";
import { GraphqlFault } from "../../../assembly/graphql/fault";
import { fieldName, fieldTimes, selected } from "../../../assembly/graphql/selected";
import { bytesOf, textOf } from "../support";

const many: u32 = u32.MAX_VALUE;

function parse(text: string, name: Span = absent): GraphqlFault {
  const input = bytesOf(text);
  return parseDocument(input.start, input.size, name, many, many, many);
}

function parseNamed(text: string, name: string): GraphqlFault {
  const bytes = bytesOf(name);
  return parse(text, spanOf(bytes.start, bytes.size));
}

/** The fields at the root, each with how often it is selected; or the fault's number. */
function fieldsOf(text: string, name: string = ""): string {
  const fault = name == "" ? parse(text) : parseNamed(text, name);
  if (fault != GraphqlFault.NONE) return "fault " + (<i32>fault).toString();
  let found = "";
  for (let index: u32 = 0; index < selected.fields; index++) {
    const field = fieldName(index);
    if (index > 0) found += " ";
    found += textOf(spanStart(field), spanSize(field)) + "*" + fieldTimes(index).toString();
  }
  return found;
}

/** Texts, parted by `|`, that are documents; the first that is none, or "". */
function firstRefused(texts: string): string {
  const all = texts.split("|");
  for (let index = 0; index < all.length; index++) if (parse(all[index]) != GraphqlFault.NONE) return all[index];
  return "";
}

/** Texts, parted by `|`, that are refused for a fault; the first that is not, or "". */
function firstOther(fault: GraphqlFault, texts: string): string {
  const all = texts.split("|");
  for (let index = 0; index < all.length; index++) if (parse(all[index]) != fault) return all[index];
  return "";
}

describe("the grammar", () => {
  test("operations", () => {
    expect(firstRefused("{a}|query{a}|query A{a}|mutation{a}|subscription S{a}|query query{a}|query@a{b}")).toBe("");
    const wrong = "|a|Query{a}|query|query A|query A B{a}|{}|{a|a}|{a}}|{a}a|{{a}}|query{}|(a)|{a}{|on{a}|query(){a}";
    expect(firstOther(GraphqlFault.SYNTAX, wrong)).toBe("");
  });

  test("fields", () => {
    expect(firstRefused("{a b}|{a,b}|{a{b}c}|{a:b}|{a:b{c}}|{on}|{query fragment true null}|{a(b:1)@c{d}}")).toBe("");
    expect(
      firstOther(GraphqlFault.SYNTAX, '{a{}}|{a:}|{:a}|{a:b:c}|{a()}|{a@b(c:1}|{1}|{a:1}|{$a}|{"a"}|{a@c(b:1)(d:1)}'),
    ).toBe("");
  });

  test("fragments", () => {
    expect(
      firstRefused("{...{a}}|{...on T{a}}|{...on on{a}}|{...@a{b}}|{...on T@a(b:1){c}}|{...F@a}fragment F on on@b{c}"),
    ).toBe("");
    const wrong =
      "{...}|{...on}|{...on T}|{...on{a}}|{...F{a}}|{..F}|{.}|fragment on on T{a}|fragment F{a}|fragment F on{a}|fragment F on T|fragment F T{a}";
    expect(firstOther(GraphqlFault.SYNTAX, wrong)).toBe("");
  });

  test("values", () => {
    expect(
      firstRefused("{a(b:$c)}|{a(b:[])}|{a(b:{})}|{a(b:[1 $c[{d:[]}]])}|{a(b:{c:1 d:{}e:E})}|{a(b:true c:null d:on)}"),
    ).toBe("");
    const wrong =
      "{a(b)}|{a(b:)}|{a(b:[)}|{a(b:{c})}|{a(b:{c:})}|{a(b:[}])}|{a(b:{])}|{a(b:$)}|{a(b:$1)}|{a(:1)}|{a(b:...)}|{a(b:{1:1})}";
    expect(firstOther(GraphqlFault.SYNTAX, wrong)).toBe("");
  });

  test("numbers", () => {
    expect(
      firstRefused(
        "{a(b:0)}|{a(b:-0)}|{a(b:10)}|{a(b:1.0)}|{a(b:0.00)}|{a(b:1e5)}|{a(b:-1.2E+10)}|{a(b:1e-0)}|{a(b:[1 2,3-4])}",
      ),
    ).toBe("");
    const wrong =
      "{a(b:00)}|{a(b:01)}|{a(b:-)}|{a(b:+1)}|{a(b:1.)}|{a(b:.1)}|{a(b:1e)}|{a(b:1e+)}|{a(b:1x)}|{a(b:1_)}|{a(b:1.2.3)}|{a(b:0x1)}|{a(b:1.2f)}|{a(b:1e2e)}";
    expect(firstOther(GraphqlFault.SYNTAX, wrong)).toBe("");
  });

  test("strings", () => {
    expect(
      firstRefused(
        '{a(b:"")}|{a(b:"c")}|{a(b:"\\"\\\\\\/\\b\\f\\n\\r\\t")}|{a(b:"\\u0000\\uAbCd")}|{a(b:"\\ud83d\\ude00")}|{a(b:["c""d"])}|{a(b:["""c""""d"])}',
      ),
    ).toBe("");
    const wrong =
      '{a(b:")}|{a(b:"\\")}|{a(b:"\\x")}|{a(b:"\\u12")}|{a(b:"\\u12g4")}|{a(b:"\\u{41}")}|{a(b:"\\ud83d")}|{a(b:"\\ude00")}|{a(b:"\\ud83d\\n")}|{a(b:"\n")}|{a(b:"\r")}|"';
    expect(firstOther(GraphqlFault.SYNTAX, wrong)).toBe("");
  });

  test("block strings", () => {
    expect(
      firstRefused(
        '{a(b:"""""")}|{a(b:"""c"d""e\n\r\\x\\u""")}|{a(b:"""\\"""""")}|{a(b:"""\\\\"""""")}|{a(b:"""é😀""")}',
      ),
    ).toBe("");
    expect(
      firstOther(GraphqlFault.SYNTAX, '{a(b:""")}|{a(b:"""\\""")}|{a(b:""""""")}|{a(b:["""""c"])}|{a(b:"""c"")}'),
    ).toBe("");
  });

  test("variables and types", () => {
    expect(
      firstRefused(
        'query($a:T){b}|query($a:T!$b:[T]){c}|query A($a:[[T!]!]!=[1]@b(c:{d:""})){e}|query($a:T={b:{}}){c}',
      ),
    ).toBe("");
    const wrong =
      "query($a){b}|query(a:T){b}|query($a:){b}|query($a:[T){b}|query($a:T]){b}|query($a:T!!){b}|query($a:[]){b}|query($a:T=$b){c}|query($a:T=[$b]){c}|query($a:T@b(c:$d)){e}|query($a:1){b}";
    expect(firstOther(GraphqlFault.SYNTAX, wrong)).toBe("");
  });

  test("what stands between tokens", () => {
    expect(firstRefused(' \t\r\n,,{a,}|#c\n{a}|{a#}\r}|{a}#|{a#\u00e9"""\\\n}|{,,,a,,,(,b,:,1,),}')).toBe("");
    expect(firstOther(GraphqlFault.SYNTAX, "#{a}|{a\u00a0b}|{a\u00e9}|{a;}|{a&b}|{'a'}|{a-b}")).toBe("");
  });

  test("text", () => {
    expect(
      firstOther(
        GraphqlFault.TEXT,
        '\ufeff{a}|{\ufeffa}|{a\u000cb}|{a}#\u0001|{a(b:"\u001f")}|{a(b:"""\u0008""")}|{a}\u0000',
      ),
    ).toBe("");
    expect(firstRefused('{a(b:"\ufeff\t\u007f")}|{a}#\ufeff')).toBe("");
    const input = bytesOf('{a(b:"xx")}');
    store<u16>(input.start + 6, 0x80c0);
    expect(parseDocument(input.start, input.size, absent, many, many, many)).toBe(GraphqlFault.TEXT);
    store<u16>(input.start + 6, 0xa9c3);
    expect(parseDocument(input.start, input.size, absent, many, many, many)).toBe(GraphqlFault.NONE);
  });

  test("definitions of types are none that is executed; descriptions are newer", () => {
    const types =
      "type T{a:T}|{a}schema{query:Q}|scalar T|interface T|union T=A|enum T{A}|input T{a:T}|directive@a on FIELD|extend type T@a";
    expect(firstOther(GraphqlFault.DEFINITION, types)).toBe("");
    expect(
      firstOther(GraphqlFault.SYNTAX, '"d"{a}|"d"query A{a}|"""d"""fragment F on T{a}|query("d"$a:T){a}|types{a}'),
    ).toBe("");
  });
});

describe("which operation is meant", () => {
  const two = "query A{a}mutation B{b}";

  test("the only one, or the one that is named", () => {
    expect(fieldsOf("query A{a}")).toBe("a*1");
    expect(fieldsOf(two, "A")).toBe("a*1");
    expect(selected.type).toBe(DefinitionKind.QUERY);
    expect(fieldsOf(two, "B")).toBe("b*1");
    expect(selected.type).toBe(DefinitionKind.MUTATION);
    expect(fieldsOf("subscription{c}")).toBe("c*1");
    expect(selected.type).toBe(DefinitionKind.SUBSCRIPTION);
  });

  test("where that cannot be told", () => {
    expect(parse(two)).toBe(GraphqlFault.OPERATION_NAME);
    expect(parseNamed(two, "C")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parseNamed(two, "a")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parseNamed("{a}", "A")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parseNamed("{a}", "")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parseNamed("fragment A on T{a}query B{...A}", "A")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parse("{a}", failed)).toBe(GraphqlFault.OPERATION_NAME);
    expect(parse("{a}", ambiguous)).toBe(GraphqlFault.OPERATION_NAME);
    expect(parse("fragment F on T{a}")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parse("{a}{b}")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parseNamed("query A{a}{b}", "A")).toBe(GraphqlFault.OPERATION_NAME);
    expect(parseNamed("query A{a}mutation A{b}", "A")).toBe(GraphqlFault.OPERATION_NAME);
  });

  test("its syntax comes first, and that of all others", () => {
    expect(parseNamed("query A{a}query A{}", "A")).toBe(GraphqlFault.SYNTAX);
    expect(parseNamed("query A{a}query B", "A")).toBe(GraphqlFault.SYNTAX);
    expect(parseNamed("query A{a}fragment F on T{...F", "A")).toBe(GraphqlFault.SYNTAX);
  });
});

describe("what it selects", () => {
  test("fields by their names, each alias counted", () => {
    expect(fieldsOf("{a b a}")).toBe("a*2 b*1");
    expect(fieldsOf("{b:a c:a d}")).toBe("a*2 d*1");
    expect(selected.aliases).toBe(2);
    expect(selected.selections).toBe(3);
    expect(fieldsOf("{a{b c}d}")).toBe("a*1 d*1");
    expect(selected.depth).toBe(2);
  });

  test("fields through fragments, in the order of the document", () => {
    expect(fieldsOf("fragment F on T{c}query{...F a ...on U{b ...F}}")).toBe("c*2 a*1 b*1");
    expect(fieldsOf("{...F}fragment G on T{b}fragment F on T{a{...H}...G...G}fragment H on T{d}")).toBe("b*2 a*1");
    expect(fieldsOf("query A{...F}fragment F on T{a}query B{b ...G}fragment G on T{...F}", "B")).toBe("a*1 b*1");
  });

  test("whatever directives say", () => {
    expect(fieldsOf("{a@skip(if:true)...@include(if:false){b}}")).toBe("a*1 b*1");
  });

  test("depth and aliases through fragments", () => {
    expect(parse("{a{...F}x:b}fragment F on T{y:c{d}...on U{e{f{g}}}}")).toBe(GraphqlFault.NONE);
    expect(selected.depth).toBe(4);
    expect(selected.aliases).toBe(2);
    const input = bytesOf("{x:a{b}}");
    expect(parseDocument(input.start, input.size, absent, 2, 1, 1)).toBe(GraphqlFault.NONE);
    expect(parseDocument(input.start, input.size, absent, 1, 1, 1)).toBe(GraphqlFault.DEPTH);
    expect(parseDocument(input.start, input.size, absent, 2, 0, 1)).toBe(GraphqlFault.ALIASES);
    expect(parseDocument(input.start, input.size, absent, 2, 1, 0)).toBe(GraphqlFault.FIELDS);
  });

  test("introspection, at the root and below; the type's name is told apart", () => {
    expect(fieldsOf("{__typename a b:__typename}")).toBe("a*1");
    expect(selected.typenames).toBe(2);
    expect(selected.isIntrospecting).toBeFalsy();
    expect(fieldsOf("{__schema{types{name}}}")).toBe("__schema*1");
    expect(selected.isIntrospecting).toBeTruthy();
    expect(fieldsOf('{a{...F}}fragment F on Query{b:__type(name:"T"){name}}')).toBe("a*1");
    expect(selected.isIntrospecting).toBeTruthy();
    expect(fieldsOf("query A{a}query B{__schema{a}}", "A")).toBe("a*1");
    expect(selected.isIntrospecting).toBeFalsy();
    expect(fieldsOf("{__schema:a __types}")).toBe("a*1 __types*1");
    expect(selected.isIntrospecting).toBeFalsy();
  });

  test("fragments that are not defined, are defined twice, or lead back to themselves", () => {
    const wrong =
      "{...F}|{a}fragment F on T{...G}|{a}fragment F on T{...F}|{...F}fragment F on T{a{...G}}fragment G on T{...on U{...F}}|{a}fragment F on T{a}fragment F on T{a}|{...F}query F{a}";
    expect(firstOther(GraphqlFault.FRAGMENT, wrong)).toBe("");
    expect(
      firstRefused("{a}fragment F on T{b}|{...F}fragment F on T{...H ...G}fragment G on T{...H}fragment H on T{b}"),
    ).toBe("");
  });

  test("a subscription has one field, which is none of introspection", () => {
    expect(
      firstRefused("subscription{a{b c}}|subscription{a a}|subscription{x:a ...F}fragment F on T{...on U{x:a}}"),
    ).toBe("");
    const wrong =
      "subscription{a b}|subscription{x:a y:a}|subscription{a __typename}|subscription{__typename}|subscription{__schema{a}}|subscription{a ...F}fragment F on T{b}";
    expect(firstOther(GraphqlFault.SUBSCRIPTION_FIELDS, wrong)).toBe("");
  });
});
