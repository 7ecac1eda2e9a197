// The services that the tests use, in the form of services.json.

import { Catalog } from "../catalog.js";

const field = (name, kind, others = {}) => ({
  name,
  jsonName: name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()),
  kind,
  cardinality: "singular",
  presence: false,
  comment: "",
  ...others,
});
const message = (type) => ({ kind: "message", type });
const list = { cardinality: "repeated" };
const map = { cardinality: "map", key: "string" };

const route = (method, path, body = "", responseBody = "") => ({ method, path, body, responseBody });
const method = (name, routes, others = {}) => ({
  name,
  path: `/library.Books/${name}`,
  comment: "",
  clientStreaming: false,
  serverStreaming: false,
  safe: false,
  input: message("library.Book"),
  output: message("library.Book"),
  routes,
  ...others,
});

export function library() {
  return new Catalog({
    services: [
      {
        name: "library.Books",
        comment: "",
        methods: [
          method("Get", [route("GET", "/v1/{name=shelves/*/books/*}"), route("GET", "/v1/books/{pages}:count")], { comment: "Finds a book.", safe: true }),
          method("Create", [route("POST", "/v1/{author.name}/books", "*")]),
          method("Update", [route("PATCH", "/v1/{name=shelves/**}", "author"), route("*", "/v1/any/{title}", "*")]),
          method("Watch", [route("GET", "/v1/watch")], { serverStreaming: true }),
          method("Upload", [], { clientStreaming: true }),
        ],
      },
      { name: "empty.Service", comment: "", methods: [] },
    ],
    messages: {
      "library.Book": {
        fields: [
          field("name", "string"),
          field("title", "string", { presence: true }),
          field("pages", "int32"),
          field("bar_code", "int64"),
          field("cover", "bytes"),
          field("rating", "double"),
          field("lent", "bool"),
          field("genre", "enum", { type: "library.Genre" }),
          field("author", "message", { type: "library.Author", presence: true }),
          field("tags", "string", list),
          field("labels", "string", map),
          field("reviews", "message", { type: "library.Author", ...list }),
          field("published", "timestamp", { presence: true }),
          field("loan", "duration", { presence: true }),
          field("extra", "struct", { presence: true }),
          field("paper", "string", { oneof: "form", presence: true }),
          field("file_size", "uint32", { oneof: "form", presence: true }),
        ],
      },
      "library.Author": { fields: [field("name", "string"), field("born", "int32")] },
    },
    enums: {
      "library.Genre": { values: [{ name: "UNKNOWN", number: 0 }, { name: "NOVEL", number: 1 }] },
    },
  });
}

export function call(catalog, name, value, others = {}) {
  return { method: catalog.method(`library.Books/${name}`), value, text: JSON.stringify(value), metadata: [], timeout: "", dialect: "", ...others };
}
