import assert from "node:assert/strict";
import { test } from "node:test";

import { envelope, envelopes } from "../connect-stream.js";
import { diff } from "../diff.js";
import { callOfHash, hashOf } from "../permalink.js";
import { looksSecret, variableOf } from "../secret.js";
import { describe, ofConnect, ofRest } from "../status.js";
import { Store } from "../store.js";
import { milliseconds, seconds } from "../timeout.js";
import { call, library } from "./library.js";

const catalog = library();
const METADATA = [{ name: "x-a", value: "1:2", secret: false }, { name: "authorization", value: "hidden", secret: true }];

test("a link has all of a call but its secrets", () => {
  const draft = call(catalog, "Get", { name: "a&b=c#d" }, { metadata: METADATA, timeout: "2s", dialect: "rest:0", text: '{\n  "name": "a &b"\n}' });
  const hash = hashOf(draft);
  assert.doesNotMatch(hash, /hidden/);
  assert.deepEqual(callOfHash(hash), {
    method: "library.Books/Get", text: '{"name":"a &b"}', timeout: "2s", dialect: "rest:0",
    metadata: [METADATA[0], { ...METADATA[1], value: "" }],
  });
  assert.equal(hashOf(call(catalog, "Get", {}, { text: "{}" })), "#/library.Books/Get");
  assert.equal(callOfHash("#other"), null);
});

test("the storage has calls but no secrets", () => {
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) };
  const store = new Store(storage);
  const draft = call(catalog, "Get", { pages: 1 }, { metadata: METADATA });
  store.save("mine", draft);
  store.record(draft, { status: "ok", code: 0, duration: 5, at: 1 });
  store.record(draft, { status: "not_found", code: 5, duration: 6, at: 2 });
  assert.doesNotMatch([...items.values()].join(), /hidden/);
  assert.deepEqual(store.history.map(({ status }) => status), ["not_found"]);
  assert.deepEqual(store.saved.map(({ name, metadata }) => [name, metadata[0]]), [["mine", METADATA[0]]]);
  for (let number = 0; number < 60; number += 1) store.record(call(catalog, "Get", { pages: number }), { code: 0 });
  assert.equal(store.history.length, 50);
  store.remove("mine");
  assert.deepEqual(store.saved, []);
  items.set("sockeye.console.history", "[1, {}, broken");
  assert.deepEqual(store.history, []);
  const full = new Store({ getItem: () => null, setItem: () => { throw new Error("full"); } });
  assert.doesNotThrow(() => full.save("x", draft));
});

test("names of secrets are recognised", () => {
  for (const name of ["authorization", "x-api-key", "X-Auth-Token", "cookie", "client-secret"]) assert.ok(looksSecret(name), name);
  for (const name of ["x-tenant", "traceparent", "accept"]) assert.ok(!looksSecret(name), name);
  assert.equal(variableOf("x-api-key"), "X_API_KEY");
});

test("statuses of all dialects are one", () => {
  const violation = { fieldViolations: [{ field: "name", description: "is empty" }] };
  const connect = ofConnect({ code: "invalid_argument", message: "no", details: [{ type: "google.rpc.BadRequest", value: "AA", debug: violation }] });
  const rest = ofRest({ code: 3, message: "no", details: [{ "@type": "type.googleapis.com/google.rpc.BadRequest", ...violation }] });
  assert.deepEqual(connect, rest);
  assert.deepEqual(describe(rest.details[0]), ["name: is empty"]);
  assert.deepEqual(ofRest({ code: 5, details: [{ "@type": "t/a.B", value: "AA==" }] }).details, [{ type: "a.B", value: "AA==" }]);
  assert.equal(describe({ type: "a.B", value: "AA==" }), null);
  assert.equal(ofConnect({}).name, "unknown");
  assert.equal(ofConnect({ code: "canceled" }).code, 1);
});

test("timeouts have units", () => {
  assert.deepEqual(["500ms", "2s", "1.5m", "3", ""].map(milliseconds), [500, 2000, 90000, 3000, null]);
  for (const text of ["soon", "-1s", "0s", "5d"]) assert.throws(() => milliseconds(text), /unit/);
  assert.equal(seconds(1500), "1.5");
});

test("texts are compared by lines", () => {
  const sides = (left, right) => diff(left, right).map(({ side, text }) => `${side[0]}${text}`);
  assert.deepEqual(sides("a\nb\nc", "a\nc\nd"), ["ba", "lb", "bc", "rd"]);
  assert.deepEqual(sides("a", "a"), ["ba"]);
  const long = "x\n".repeat(2_000);
  assert.ok(diff(long, long).every(({ side }) => side === "both"));
});

test("envelopes are read at every split", async () => {
  const bytes = [envelope('{"a":"ä"}'), envelope("{}")].flatMap((part) => [...part]);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const stream = new ReadableStream({
      start(controller) {
        for (const part of [bytes.slice(0, cut), bytes.slice(cut)]) if (part.length > 0) controller.enqueue(Uint8Array.from(part));
        controller.close();
      },
    });
    const found = [];
    for await (const { text } of envelopes(stream)) found.push(text);
    assert.deepEqual(found, ['{"a":"ä"}', "{}"]);
  }
});
