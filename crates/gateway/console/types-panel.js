// The definitions of the types of the method.

import { definitions } from "./definition.js";
import { byId } from "./dom.js";

export function typesPanel(draft) {
  let shownMethod = null;
  return () => {
    if (draft.method === shownMethod) return;
    shownMethod = draft.method;
    byId("definitions").textContent = definitions(draft.catalog, [draft.method.input, draft.method.output]) || "The types are well-known ones of protobuf.";
  };
}
