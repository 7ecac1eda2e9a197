import assert from "node:assert/strict";
import { test } from "node:test";

import { callOfRequest } from "../rest-match.js";
import { restRequest, target } from "../rest-view.js";
import { matchTemplate, parseTemplate } from "../template.js";
import { library } from "./library.js";

const catalog = library();

function request(name, route, value) {
  const method = catalog.method(`library.Books/${name}`);
  const found = restRequest(catalog, method, method.routes[route], value);
  return { ...found, line: `${found.method} ${target(found)}` };
}

test("path, query and body share the fields of a message", () => {
  const get = request("Get", 0, {
    name: "shelves/1/books/a b", pages: 3, tags: ["x", "y&z"], author: { name: "Z", born: 1900 }, labels: { k: "v" }, extra: { a: 1 }, lent: true,
  });
  assert.equal(
    get.line,
    "GET /v1/shelves/1/books/a%20b?pages=3&tags=x&tags=y%26z&author.name=Z&author.born=1900&labels[k]=v&extra=%7B%22a%22%3A1%7D&lent=true",
  );
  assert.equal(get.body, null);
  assert.deepEqual(get.problems, []);

  const create = request("Create", 0, { author: { name: "Z", born: 1 }, title: "T" });
  assert.equal(create.line, "POST /v1/Z/books");
  assert.deepEqual(JSON.parse(create.body), { author: { born: 1 }, title: "T" });

  const update = request("Update", 0, { name: "shelves/1/2", author: { born: 2 }, pages: 7 });
  assert.equal(update.line, "PATCH /v1/shelves/1/2?pages=7");
  assert.deepEqual(JSON.parse(update.body), { born: 2 });
  assert.equal(request("Update", 1, { title: "x" }).line, "POST /v1/any/x");
  assert.equal(request("Get", 1, { pages: 7 }).line, "GET /v1/books/7:count");
});

test("what REST cannot carry is a problem", () => {
  assert.deepEqual(request("Get", 0, {}).problems, ["The path needs a value of name."]);
  assert.match(request("Get", 0, {}).line, /^GET \/v1\/\{name\}$/);
  assert.deepEqual(request("Get", 0, { name: "books/1" }).problems, ["The value of name must have the form shelves/*/books/*."]);
  assert.match(request("Watch", 0, { reviews: [{}] }).problems[0], /^The field reviews has no form in a query/);
  assert.match(request("Update", 0, { name: "shelves/a:b" }).problems[0], /stay escaped/);
});

test("templates match as the gateway matches", () => {
  const match = (template, path) => matchTemplate(parseTemplate(template), path);
  assert.deepEqual(match("/v1/{name=shelves/*}:read", "/v1/shelves/7:read"), [["name", "shelves/7"]]);
  assert.equal(match("/v1/{name=shelves/*}:read", "/v1/shelves/7"), null);
  assert.deepEqual(match("/v1/{path=**}/tail", "/v1/a/b/tail"), [["path", "a/b"]]);
  assert.deepEqual(match("/v1/{path=**}/tail", "/v1/tail"), [["path", ""]]);
  assert.deepEqual(match("/{a}/{b}", "/x%2Fy/z"), [["a", "x/y"], ["b", "z"]]);
  assert.equal(match("/{a}/{b}", "//z"), null);
  assert.deepEqual(match("/", "/"), []);
});

test("a request is a call again", () => {
  const values = {
    Get: { name: "shelves/1/books/2", pages: 3, rating: 1.5, lent: true, tags: ["x"], labels: { k: "v" }, author: { born: 1900 }, barCode: "9" },
    Create: { author: { born: 1, name: "Z" }, title: "T" },
    Update: { author: { born: 2 }, pages: 7, name: "shelves/1/2" },
  };
  for (const [name, value] of Object.entries(values)) {
    const { method, path, query, body } = request(name, 0, value);
    const text = new URLSearchParams(query).toString();
    const found = callOfRequest(catalog, { method, path, query: text, body: body ?? "" });
    assert.equal(found.method.name, name);
    assert.deepEqual(found.value, value);
  }
  assert.equal(callOfRequest(catalog, { method: "GET", path: "/other" }), null);
  // Literals win over wildcards.
  assert.equal(callOfRequest(catalog, { method: "POST", path: "/v1/any/books", body: "{}" }).method.name, "Update");
});
