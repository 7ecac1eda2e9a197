// The services, methods and types, as `services.json` has them.

export class Catalog {
  constructor({ services, messages, enums }) {
    this.services = services;
    this.messages = messages;
    this.enums = enums;
    this.methods = new Map();
    for (const service of services) {
      for (const method of service.methods) {
        method.service = service.name;
        method.fullName = method.path.slice(1);
        this.methods.set(method.fullName, method);
      }
    }
  }

  // Returns the method with a name such as `pkg.Service/Method`.
  method(fullName) {
    return this.methods.get(fullName);
  }

  // Returns the fields of a message type; none for other types.
  fields(type) {
    return type?.kind === "message" ? (this.messages[type.type]?.fields ?? []) : [];
  }

  // Finds a field by its name in the definition or in JSON.
  field(type, name) {
    return this.fields(type).find((field) => field.jsonName === name || field.name === name);
  }

  // Returns the services that match a search, each with its methods that match: all words must be
  // in the name, the comment or a route of a method, in any case.
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (method) => {
      const routes = method.routes.map((route) => `${route.method} ${route.path}`).join(" ");
      const haystack = `${method.fullName} ${method.comment} ${routes}`.toLowerCase();
      return words.every((word) => haystack.includes(word));
    };
    return this.services
      .map((service) => ({ service, methods: service.methods.filter(matches) }))
      .filter(({ service, methods }) => methods.length > 0 || (words.length === 0 && service.methods.length === 0));
  }
}

export function isStream(method) {
  return method.clientStreaming || method.serverStreaming;
}

// Returns the kind of a method in words.
export function kindOf({ clientStreaming, serverStreaming }) {
  if (clientStreaming && serverStreaming) return "bidirectional stream";
  if (clientStreaming) return "client stream";
  return serverStreaming ? "server stream" : "unary";
}

// Returns the type of a field as a definition writes it.
export function typeText(field) {
  const name = field.type ?? wellKnown[field.kind] ?? field.kind;
  const short = name.split(".").pop();
  if (field.cardinality === "repeated") return `repeated ${short}`;
  return field.cardinality === "map" ? `map<${field.key}, ${short}>` : short;
}

const wellKnown = {
  any: "Any",
  timestamp: "Timestamp",
  duration: "Duration",
  fieldMask: "FieldMask",
  struct: "Struct",
  value: "Value",
  listValue: "ListValue",
  null: "NullValue",
};
