// Path templates of HTTP rules, such as `/v1/{name=shelves/*}:read`.

// Returns `{ segments, variables, verb }`. A segment is `{ literal }` or `{ wildcard: "*" | "**" }`;
// a variable is `{ fieldPath, start, end }`, its range of segments.
export function parseTemplate(text) {
  const segments = [];
  const variables = [];
  let rest = text.slice(1);
  let verb = "";
  const push = (part) => segments.push(part === "*" || part === "**" ? { wildcard: part } : { literal: decode(part) });
  while (rest !== "") {
    const variable = rest.match(/^\{([^}=]+)(?:=([^}]*))?\}/);
    const taken = variable ? variable[0] : rest.match(/^[^/:]*/)[0];
    if (variable) {
      const start = segments.length;
      (variable[2] ?? "*").split("/").forEach(push);
      variables.push({ fieldPath: variable[1], start, end: segments.length });
    } else {
      push(taken);
    }
    rest = rest.slice(taken.length);
    if (rest.startsWith(":")) {
      verb = decode(rest.slice(1));
      rest = "";
    }
    rest = rest.replace(/^\//, "");
  }
  return { segments, variables, verb };
}

// Returns the values of the variables of a path that matches, as `[fieldPath, value]`; null if it
// does not match.
export function matchTemplate(template, path) {
  let raw = path.slice(1);
  if (template.verb) {
    const colon = raw.lastIndexOf(`:${template.verb}`);
    if (colon < 0 || raw.length !== colon + template.verb.length + 1) return null;
    raw = raw.slice(0, colon);
  }
  const parts = raw === "" ? [] : raw.split("/");
  const multi = template.segments.findIndex(({ wildcard }) => wildcard === "**");
  const extra = parts.length - template.segments.length;
  if (multi < 0 ? extra !== 0 : extra < -1) return null;
  // The place in the path of a segment of the template.
  const at = (place) => (multi >= 0 && place > multi ? place + extra : place);
  for (const [place, { literal, wildcard }] of template.segments.entries()) {
    if (wildcard === "**") continue;
    const part = parts[at(place)];
    if (wildcard ? !part : decode(part) !== literal) return null;
  }
  return template.variables.map(({ fieldPath, start, end }) => {
    const values = parts.slice(at(start), at(end));
    return [fieldPath, values.map(decode).join("/")];
  });
}

// Returns text by which templates that match a path are ordered: the greatest one wins. A verb wins
// over none, and from the left a literal over `*`, and `*` over `**`.
export function rankOf({ segments, verb }) {
  const ranks = segments.map(({ literal, wildcard }) => (literal !== undefined ? "2" : wildcard === "*" ? "1" : "0"));
  return (verb ? "1" : "0") + ranks.join("");
}

export function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
