// The list of services and methods, with a search.

import { kindOf } from "./catalog.js";
import { byId, element } from "./dom.js";

const SYMBOLS = { unary: "→", "server stream": "⇉", "client stream": "⇇", "bidirectional stream": "⇄" };

// Shows the list, and returns a function that marks the current method.
export function methodList(catalog) {
  const search = byId("search");
  const list = byId("methods");
  const count = byId("search-count");
  let current = null;

  const show = () => {
    const found = catalog.search(search.value);
    const total = found.reduce((sum, { methods }) => sum + methods.length, 0);
    list.replaceChildren(...found.map(({ service, methods }) => serviceItem(service, methods, current)));
    count.textContent = search.value.trim() === "" ? "" : total === 1 ? "1 method" : `${total} methods`;
    byId("methods-empty").hidden = total > 0;
  };
  search.oninput = show;
  search.onkeydown = (event) => {
    const links = [...list.querySelectorAll("a")];
    if (event.key === "ArrowDown" && links.length > 0) {
      event.preventDefault();
      links[0].focus();
    } else if (event.key === "Enter" && links.length > 0) {
      links[0].click();
    }
  };
  list.onkeydown = (event) => {
    const links = [...list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const next = { ArrowDown: links[at + 1], ArrowUp: at === 0 ? search : links[at - 1] }[event.key];
    if (!next || at < 0) return;
    event.preventDefault();
    next.focus();
  };
  show();

  return (method) => {
    current = method;
    show();
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  };
}

function serviceItem(service, methods, current) {
  const cut = service.name.lastIndexOf(".") + 1;
  const title = element(
    "h3",
    { title: service.comment },
    element("small", {}, service.name.slice(0, cut)),
    service.name.slice(cut),
    service.deprecated && element("span", { className: "mark-word" }, "deprecated"),
  );
  return element("section", { className: "service" }, title, element("ul", {}, methods.map((method) => methodItem(method, method === current))));
}

function methodItem(method, isCurrent) {
  const kind = kindOf(method);
  const link = element(
    "a",
    { href: `#/${method.fullName}`, "aria-current": isCurrent ? "true" : null, title: method.comment },
    element("span", { className: "kind", "aria-hidden": "true" }, SYMBOLS[kind]),
    element("span", { className: method.deprecated ? "name old" : "name" }, method.name),
    kind !== "unary" && element("span", { className: "unseen" }, `, ${kind}`),
  );
  return element("li", {}, link);
}
