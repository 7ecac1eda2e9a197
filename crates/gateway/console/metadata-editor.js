// The metadata of a call: names and values, of which some are secrets.

import { button, byId, element } from "./dom.js";
import { looksSecret } from "./secret.js";

// Shows the metadata of the draft, and changes it.
export function metadataEditor(draft) {
  const list = byId("metadata");
  const add = byId("metadata-add");
  const rows = new Map();

  const changed = () => draft.set({ metadata: [...rows.values()].map((read) => read()) });
  const addRow = ({ name = "", value = "", secret = false }) => {
    const nameInput = element("input", { type: "text", value: name, placeholder: "name", "aria-label": "Name of metadata", spellcheck: false, autocomplete: "off", className: "code" });
    const valueInput = element("input", { type: secret ? "password" : "text", value, placeholder: secret ? "secret, not stored" : "value", "aria-label": "Value of metadata", spellcheck: false, autocomplete: "off", className: "code" });
    const secretInput = element("input", { type: "checkbox", checked: secret });
    const show = () => {
      valueInput.type = secretInput.checked ? "password" : "text";
      valueInput.placeholder = secretInput.checked ? "secret, not stored" : "value";
    };
    nameInput.oninput = () => {
      // The mark of a person stays.
      if (!secretInput.dataset.touched) secretInput.checked = looksSecret(nameInput.value);
      show();
      changed();
    };
    valueInput.oninput = changed;
    secretInput.oninput = () => {
      secretInput.dataset.touched = "true";
      show();
      changed();
    };
    const remove = button("×", () => {
      rows.delete(row);
      row.remove();
      changed();
      add.focus();
    }, { "aria-label": "Remove this metadata" });
    const mark = element("label", { className: "check", title: "Not stored, not in links; a variable in commands" }, secretInput, "secret");
    const row = element("li", {}, nameInput, valueInput, mark, remove);
    rows.set(row, () => ({ name: nameInput.value.trim().toLowerCase(), value: valueInput.value, secret: secretInput.checked }));
    list.append(row);
    return nameInput;
  };
  add.onclick = () => addRow({}).focus();
  draft.addEventListener("change", ({ detail }) => {
    if (detail !== "method") return;
    rows.clear();
    list.replaceChildren();
    draft.metadata.forEach(addRow);
  });
}
