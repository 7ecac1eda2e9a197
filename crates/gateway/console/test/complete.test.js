import assert from "node:assert/strict";
import { test } from "node:test";

import { suggest } from "../complete.js";
import { library } from "./library.js";

const catalog = library();

// Returns the suggestions at the mark `|`.
function at(text) {
  const caret = text.indexOf("|");
  return suggest(catalog, { kind: "message", type: "library.Book" }, text.replace("|", ""), caret);
}

const labels = (text) => at(text).map(({ label }) => label);

// Returns the text after the first suggestion, with a mark at the caret.
function taken(text) {
  const [{ start, end, insert, back }] = at(text);
  const result = text.replace("|", "");
  const cut = insert.length - back;
  return `${result.slice(0, start)}${insert.slice(0, cut)}|${insert.slice(cut)}${result.slice(end)}`;
}

test("fields are suggested where a name is expected", () => {
  assert.equal(labels("{|}").length, 17);
  assert.deepEqual(labels('{"name": "x", t|}'), ["title", "tags"]);
  assert.deepEqual(labels('{"title": "x", "t|"}'), ["tags"]);
  assert.deepEqual(labels('{"author": {|}}'), ["name", "born"]);
  assert.deepEqual(labels('{"reviews": [{"name": ""}, {"b|'), ["born"]);
  assert.deepEqual(labels('{"labels": {|}}'), []);
  assert.deepEqual(labels('{"extra": {|}}'), []);
});

test("values are suggested of enums and bools", () => {
  assert.deepEqual(labels('{"genre": |}'), ["UNKNOWN", "NOVEL"]);
  assert.deepEqual(labels('{"genre": "n|"}'), ["NOVEL"]);
  assert.deepEqual(labels('{"lent": t|}'), ["true"]);
  assert.deepEqual(labels('{"name": |}'), []);
});

test("nothing is suggested elsewhere", () => {
  for (const text of ["|", '{"name"|}', '{"name": "x"|}', '{"name": "{|"}', '{"name": "x"} |', '{"author": {}|}']) {
    assert.deepEqual(labels(text), [], text);
  }
});

test("a suggestion replaces the word, and the caret goes inside", () => {
  assert.equal(taken("{|}"), '{"name": "|"}');
  assert.equal(taken('{"ti|"}'), '{"title": "|"}');
  assert.equal(taken("{au|}"), '{"author": {|}}');
  assert.equal(taken("{ta|}"), '{"tags": [|]}');
  assert.equal(taken("{pag|}"), '{"pages": 0|}');
  assert.equal(taken('{"genre": "NO|"}'), '{"genre": "NOVEL"|}');
});
