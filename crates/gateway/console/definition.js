// The types of a method as definitions in a `.proto` file.

const WELL_KNOWN = {
  any: "google.protobuf.Any",
  timestamp: "google.protobuf.Timestamp",
  duration: "google.protobuf.Duration",
  fieldMask: "google.protobuf.FieldMask",
  struct: "google.protobuf.Struct",
  value: "google.protobuf.Value",
  listValue: "google.protobuf.ListValue",
  null: "google.protobuf.NullValue",
};

// Returns the definitions of these types and of all types in them, each once.
export function definitions(catalog, types) {
  const waiting = [...types];
  const seen = new Set();
  const texts = [];
  while (waiting.length > 0) {
    const { kind, type } = waiting.shift();
    if (!type || seen.has(type)) continue;
    seen.add(type);
    if (kind === "enum") {
      texts.push(enumText(type, catalog.enums[type]));
    } else {
      texts.push(messageText(type, catalog.messages[type]));
      waiting.push(...(catalog.messages[type]?.fields ?? []));
    }
  }
  return texts.join("\n\n");
}

function messageText(name, { comment = "", fields }) {
  const lines = [];
  let oneof;
  for (const field of fields) {
    if (field.oneof !== oneof) {
      if (oneof) lines.push("  }");
      if (field.oneof) lines.push(`  oneof ${field.oneof} {`);
      oneof = field.oneof;
    }
    const indent = oneof ? "    " : "  ";
    lines.push(...commentLines(field.comment, indent), `${indent}${fieldText(field)}`);
  }
  if (oneof) lines.push("  }");
  return [...commentLines(comment, ""), lines.length > 0 ? `message ${name} {` : `message ${name} {}`, ...lines, ...(lines.length > 0 ? ["}"] : [])].join("\n");
}

function fieldText(field) {
  const { kind, type, cardinality, key, presence, oneof, required, deprecated, name, number } = field;
  const value = type ?? WELL_KNOWN[kind] ?? kind;
  const isOptional = presence && !oneof && cardinality === "singular" && kind !== "message" && !(kind in WELL_KNOWN);
  const label = required ? "required " : cardinality === "repeated" ? "repeated " : isOptional ? "optional " : "";
  const full = cardinality === "map" ? `map<${key}, ${value}>` : `${label}${value}`;
  return `${full} ${name} = ${number}${deprecated ? " [deprecated = true]" : ""};`;
}

function enumText(name, { comment = "", values }) {
  const lines = values.flatMap((value) => [...commentLines(value.comment, "  "), `  ${value.name} = ${value.number};`]);
  return [...commentLines(comment, ""), `enum ${name} {`, ...lines, "}"].join("\n");
}

function commentLines(comment, indent) {
  return comment ? comment.split("\n").map((line) => `${indent}// ${line.trim()}`.trimEnd()) : [];
}
