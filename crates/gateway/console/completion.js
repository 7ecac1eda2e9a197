// A list of the fields and values that fit at the caret of the JSON.

import { paragraphs } from "./comment.js";
import { suggest } from "./complete.js";
import { byId, element } from "./dom.js";

// Suggestions that are shown.
const MAX_SHOWN = 12;

// `Ctrl+Space` takes the first suggestion, a click takes any.
export function completion(draft) {
  const json = byId("json");
  const place = byId("suggestions");
  let current = [];

  const update = () => {
    const isFocused = document.activeElement === json && json.selectionStart === json.selectionEnd;
    current = isFocused && draft.method ? suggest(draft.catalog, draft.method.input, json.value, json.selectionStart) : [];
    const shown = current.slice(0, MAX_SHOWN).map((suggestion) =>
      element("button", { type: "button", className: "suggestion", tabIndex: -1, title: paragraphs(suggestion.note), onmousedown: (event) => (event.preventDefault(), take(suggestion)) }, suggestion.label),
    );
    place.replaceChildren(...shown);
  };
  const take = ({ start, end, insert, back }) => {
    json.setRangeText(insert, start, end, "end");
    json.selectionStart = json.selectionEnd = start + insert.length - back;
    json.dispatchEvent(new Event("input", { bubbles: true }));
    update();
  };
  json.addEventListener("input", update);
  json.addEventListener("blur", update);
  document.addEventListener("selectionchange", update);
  json.addEventListener("keydown", (event) => {
    if (event.key !== " " || !event.ctrlKey) return;
    event.preventDefault();
    update();
    if (current.length > 0) take(current[0]);
  });
}
