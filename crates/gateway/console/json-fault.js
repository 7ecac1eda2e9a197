// The first fault of text that is not JSON. Browsers say in different words, and not always where.

const TOKEN = /\s+|[{}[\],:]|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

const EXPECTED = {
  value: "a value",
  firstItem: "a value or ]",
  firstName: "a name in quotes or }",
  name: "a name in quotes",
  colon: "a colon",
  "]": "a comma or ]",
  "}": "a comma or }",
  end: "the end",
};

// Returns a sentence with the line and the column.
export function explainFault(text) {
  // The closing brackets of what is open.
  const open = [];
  let [at, expects] = [0, "value"];
  for (;;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    const next = token === undefined ? null : /^\s/.test(token) ? expects : step(open, expects, token);
    if (next === null) break;
    at += token.length;
    expects = next;
  }
  const before = text.slice(0, at).split("\n");
  return `Line ${before.length}, column ${before.at(-1).length + 1}: ${EXPECTED[expects]} is expected.`;
}

// Returns what is expected after a token, or null if the token is a fault.
function step(open, expects, token) {
  if (token === "}" || token === "]") {
    const fits = expects === token || (token === "}" ? expects === "firstName" : expects === "firstItem");
    if (!fits) return null;
    open.pop();
    return open.at(-1) ?? "end";
  }
  if (token === ":") return expects === "colon" ? "value" : null;
  if (token === ",") return expects === "]" ? "value" : expects === "}" ? "name" : null;
  if (expects === "name" || expects === "firstName") return token.startsWith('"') ? "colon" : null;
  if (expects !== "value" && expects !== "firstItem") return null;
  if (token === "{") return open.push("}"), "firstName";
  if (token === "[") return open.push("]"), "firstItem";
  return open.at(-1) ?? "end";
}
