// Elements, tabs and copying.

// Creates an element. Attributes that the element has as properties are set as such; `null` and
// `undefined` leave one out, and so does `false` where it is no property.
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name === "data") Object.assign(node.dataset, value);
    else if (name in node) node[name] = value;
    else if (value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function button(text, onclick, attributes = {}) {
  return element("button", { type: "button", className: "quiet", onclick, ...attributes }, text);
}

export const byId = (id) => document.getElementById(id);

// Makes tabs of the buttons in an element, each of which controls a panel. `shown` is called with the
// id of the panel that is shown.
export function tabs(list, shown = () => {}) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const select = (tab) => {
    for (const other of all) {
      const isSelected = other === tab;
      other.setAttribute("aria-selected", String(isSelected));
      other.tabIndex = isSelected ? 0 : -1;
      byId(other.getAttribute("aria-controls")).hidden = !isSelected;
    }
    shown(tab.getAttribute("aria-controls"));
  };
  for (const tab of all) {
    tab.onclick = () => select(tab);
    tab.onkeydown = ({ key }) => {
      const enabled = all.filter((other) => !other.disabled);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      const next = key === "Home" ? enabled[0] : key === "End" ? enabled.at(-1) : step && enabled.at((enabled.indexOf(tab) + step) % enabled.length);
      if (!next) return;
      select(next);
      next.focus();
    };
  }
  select(all.find((tab) => !tab.disabled));
  return { show: (id) => select(all.find((tab) => tab.getAttribute("aria-controls") === id)) };
}

// Copies text, and shows on the button that it was copied. Without the permission, selects the text
// of `source` instead.
export async function copy(text, source, button) {
  const label = (button.dataset.label ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    if (source) getSelection().selectAllChildren(source);
    button.textContent = source ? "Selected" : "Not copied";
  }
  announce(`${button.textContent}.`);
  setTimeout(() => (button.textContent = label), 2_000);
}

// Says a sentence to screen readers.
export function announce(sentence) {
  byId("announcement").textContent = sentence;
}
