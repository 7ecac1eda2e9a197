import assert from "node:assert/strict";
import { test } from "node:test";

import { check } from "../check.js";
import { paragraphs } from "../comment.js";
import { definitions } from "../definition.js";
import { parse, print } from "../json.js";
import { library } from "./library.js";

const catalog = library();
const BOOK = { kind: "message", type: "library.Book" };
const checked = (value) => check(catalog, BOOK, value);
const problems = (value) => checked(value).problems.map(({ path, text }) => `${path} ${text}`);

test("members get the names of JSON and the order of the definition", () => {
  const { value, problems } = checked({ tags: ["a"], bar_code: "7", name: "x" });
  assert.deepEqual(problems, []);
  assert.equal(JSON.stringify(value), '{"name":"x","barCode":"7","tags":["a"]}');
});

test("every kind of value is checked", () => {
  assert.deepEqual(
    problems({
      name: "x", pages: -5, barCode: "9223372036854775807", cover: "AAE=", rating: 1.5, lent: true, genre: "NOVEL", author: { born: 1900 },
      labels: { a: "b" }, published: "2026-01-31T12:00:00.5Z", loan: "-1.5s", extra: { a: [1] }, paper: "thin",
    }),
    [],
  );
  for (const [value, path] of [
    [{ name: 5 }, "name"],
    [{ pages: 2147483648 }, "pages"],
    [{ pages: "abc" }, "pages"],
    [{ barCode: "9223372036854775808" }, "barCode"],
    [{ cover: "*" }, "cover"],
    [{ rating: "fast" }, "rating"],
    [{ lent: "yes" }, "lent"],
    [{ genre: "CRIME" }, "genre"],
    [{ author: [] }, "author"],
    [{ author: { born: true } }, "author.born"],
    [{ tags: "a" }, "tags"],
    [{ tags: ["a", 1] }, "tags[1]"],
    [{ labels: { a: 1 } }, "labels[a]"],
    [{ published: "yesterday" }, "published"],
    [{ loan: "1.5" }, "loan"],
    [{ extra: [] }, "extra"],
    [{ colour: "red" }, "colour"],
    [{ barCode: 1, bar_code: 2 }, "bar_code"],
    [{ paper: "thin", fileSize: 1 }, "fileSize"],
    [[], "the message"],
  ]) {
    const found = checked(value).problems;
    assert.deepEqual(found.map((problem) => problem.path), [path], JSON.stringify(value));
  }
});

test("null is no value, and is no problem", () => {
  assert.deepEqual(problems({ name: null, author: null, tags: null, paper: null, fileSize: 1 }), []);
});

test("JSON keeps its meaning through the checks", () => {
  const text = print({ name: "x", author: { name: "y" }, labels: { k: "v" }, reviews: [{ born: 1 }] });
  assert.equal(print(checked(parse(text)).value), text);
});

test("empty text is an empty message, and an error says where it is", () => {
  assert.deepEqual(parse("  "), {});
  for (const [text, place] of [
    ['{\n  "a": }', "Line 2, column 8: a value is expected."],
    ["{a: 1}", "Line 1, column 2: a name in quotes or } is expected."],
    ['{"a": 1,}', "Line 1, column 9: a name in quotes is expected."],
    ['{"a" 1}', "Line 1, column 6: a colon is expected."],
    ["[1 2]", "Line 1, column 4: a comma or ] is expected."],
    ["{} {}", "Line 1, column 4: the end is expected."],
    ["{'a': 1}", "Line 1, column 2: a name in quotes or } is expected."],
    ['{"a": "\n"}', "Line 1, column 7: a value is expected."],
    ["[01]", "Line 1, column 3: a comma or ] is expected."],
    ["{", "Line 1, column 2: a name in quotes or } is expected."],
  ]) {
    assert.throws(() => parse(text), { message: place }, text);
  }
});

// Node passes the source of a number from version 21 on.
const keepsDigits = JSON.parse("[1]", (_key, value, context) => context?.source ?? value)[0] === "1";
test("large integers keep their digits", { skip: !keepsDigits }, () => {
  assert.deepEqual(parse('{"barCode": 9007199254740993}'), { barCode: "9007199254740993" });
  assert.deepEqual(parse('{"rating": 1e300}'), { rating: 1e300 });
});

test("methods are found by words of their names, comments and routes", () => {
  const names = (text) => catalog.search(text).flatMap(({ methods }) => methods.map(({ name }) => name));
  assert.deepEqual(names("book FINDS"), ["Get"]);
  assert.deepEqual(names("patch"), ["Update"]);
  assert.deepEqual(names("nothing"), []);
  assert.equal(names("").length, 5);
  assert.deepEqual(catalog.search("").map(({ service }) => service.name), ["library.Books", "empty.Service"]);
});

test("types are shown as definitions", () => {
  const text = definitions(catalog, [BOOK]);
  for (const line of ["message library.Book {", "  optional string title = ", "  library.Author author = ", "  repeated library.Author reviews = ", "  map<string, string> labels = ", "  oneof form {", "enum library.Genre {", "  NOVEL = 1;"]) {
    assert.ok(text.includes(`${line}`), `${line}\n${text}`);
  }
  assert.equal(text.match(/message library.Author/g).length, 1);
});

test("comments are paragraphs", () => {
  assert.equal(paragraphs("One line\nand its end.\n\nA list:\n- a\n  b\n2. c"), "One line and its end.\n\nA list:\n- a b\n2. c");
});
