// The request of REST that the call becomes, by each of its routes.

import { byId, element } from "./dom.js";
import { requestText } from "./rest.js";
import { restRequest } from "./rest-view.js";

export function restPanel(draft) {
  const place = byId("rest-routes");
  return () => {
    const { method, value } = draft;
    const items = method.routes.map((route) => {
      const request = restRequest(draft.catalog, method, route, value);
      return element(
        "li",
        {},
        element("p", { className: "route" }, element("b", {}, route.method === "*" ? "any method" : route.method), " ", element("code", {}, route.path)),
        element("p", { className: "note" }, explain(route)),
        element("pre", { className: "code", tabIndex: 0 }, requestText(request)),
        request.problems.length > 0 && element("ul", { className: "problems" }, request.problems.map((problem) => element("li", {}, problem))),
      );
    });
    byId("rest-empty").hidden = items.length > 0;
    place.replaceChildren(...items);
  };
}

function explain({ body, responseBody }) {
  const parts = [];
  if (body === "*") parts.push("The body is the message without the fields of the path.");
  else if (body) parts.push(`The body is the field ${body}; the query has the others.`);
  else parts.push("The query has the fields that the path does not have.");
  if (responseBody) parts.push(`The response is the field ${responseBody}.`);
  return parts.join(" ");
}
