import assert from "node:assert/strict";
import { test } from "node:test";

import { importCommand } from "../command-import.js";
import { TOOLS } from "../commands.js";
import { quote, split } from "../shell.js";
import { call, library } from "./library.js";

const catalog = library();
const BASE = "http://127.0.0.1:8080/";

test("words of a shell are told apart", () => {
  assert.deepEqual(split(`a 'b c' "d \\"e\\" $" f\\ g \\\n h'i'j "" $'k\\n\\'\\u00e4'`), ["a", "b c", 'd "e" $', "f g", "hij", "", "k\n'ä"]);
  for (const word of ["", "it's", '{"a": "b"}', "plain/word", "$HOME", "back\\slash", "new\nline"]) assert.deepEqual(split(quote(word)), [word]);
  assert.throws(() => split("curl 'x"), /not closed/);
});

test("every command that is written is read again", () => {
  const value = { title: "it's \"quoted\"", pages: 3 };
  const metadata = [{ name: "x-tenant", value: "a b" }];
  for (const tool of TOOLS.filter(({ id }) => id !== "js")) {
    const text = tool.write(catalog, call(catalog, "Create", value, { metadata, timeout: "1.5s" }), BASE);
    const read = importCommand(catalog, text);
    assert.equal(read.method.name, "Create", text);
    assert.deepEqual(read.value, value, text);
    assert.deepEqual(read.metadata, metadata, text);
    assert.match(read.timeout, /^(1\.5s|1500ms)$/, text);
  }
});

test("a command by REST is read by its route", () => {
  const value = { name: "shelves/1/books/2", pages: 3 };
  const [curl] = TOOLS;
  const text = curl.write(catalog, call(catalog, "Get", value, { dialect: "rest:0" }), BASE);
  assert.equal(text, "curl 'http://127.0.0.1:8080/v1/shelves/1/books/2?pages=3'");
  const read = importCommand(catalog, text);
  assert.equal(read.dialect, "rest:0");
  assert.deepEqual(read.value, value);
});

test("a call of Connect by GET is read by its query", () => {
  const value = { title: "a&b=c" };
  const text = TOOLS[0].write(catalog, call(catalog, "Get", value, { dialect: "connect-get" }), BASE);
  assert.deepEqual(importCommand(catalog, text).value, value);
});

test("commands of browsers and people are understood", () => {
  const copied = `curl 'http://localhost:8080/library.Books/Create' \\
    -X POST -H 'Accept: */*' -H 'Content-Type: application/json' -H 'X-Tenant: a' \\
    -H 'connect-timeout-ms: 2500' --compressed --data-raw $'{"title":"it\\'s"}'`;
  const read = importCommand(catalog, copied);
  assert.deepEqual(read.value, { title: "it's" });
  assert.deepEqual(read.metadata, [{ name: "x-tenant", value: "a" }]);
  assert.equal(read.timeout, "2.5s");

  assert.deepEqual(importCommand(catalog, `$ curl -sS -G localhost/v1/watch -d pages=3 --data-urlencode 'title=a b'`).value, { pages: 3, title: "a b" });
  assert.deepEqual(importCommand(catalog, `curl -XPATCH --json '{"born":1}' https://x/v1/shelves/1 -u user:pass`), {
    method: catalog.method("library.Books/Update"), value: { author: { born: 1 }, name: "shelves/1" },
    metadata: [{ name: "authorization", value: "Basic dXNlcjpwYXNz" }], timeout: "", dialect: "rest:0",
  });
  assert.deepEqual(importCommand(catalog, `grpcurl -plaintext -max-time 3 -d '{"pages":1}{"pages":2}' 127.0.0.1:50051 library.Books.Upload`).value, { pages: 1 });
  assert.deepEqual(importCommand(catalog, `buf curl --data '{}' https://x/prefix/library.Books/Watch`).method.name, "Watch");
});

test("commands that cannot be read say why", () => {
  for (const [text, expected] of [
    ["wget x", /begins with curl/],
    ["curl", /no URL/],
    ["curl http://x/none", /No method has GET \/none/],
    ["curl -d @body.json http://x/library.Books/Create", /the file body.json/],
    ["curl -d 'a=b' http://x/library.Books/Create", /not JSON/],
    ["grpcurl localhost:1 list", /names no method/],
  ]) {
    assert.throws(() => importCommand(catalog, text), expected, text);
  }
});

test("secrets are variables in commands", () => {
  const metadata = [{ name: "authorization", value: "Bearer hidden", secret: true }];
  for (const tool of TOOLS) {
    for (const name of ["Create", "Watch"]) {
      const text = tool.write(catalog, call(catalog, name, {}, { metadata }), BASE);
      assert.doesNotMatch(text, /hidden/);
      assert.match(text, /AUTHORIZATION/);
    }
  }
});

test("scripts are JavaScript", () => {
  const script = TOOLS.find(({ id }) => id === "js");
  for (const name of ["Create", "Watch", "Upload"]) {
    const text = script.write(catalog, call(catalog, name, { title: "x" }, { metadata: [{ name: "a-b", value: '"' }], timeout: "2s" }), BASE);
    const body = text.replace(/^import .*$/m, "");
    assert.doesNotThrow(() => new Function(`return async () => { ${body} }`), text);
  }
});
