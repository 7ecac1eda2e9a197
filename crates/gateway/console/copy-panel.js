// The call as a command of other tools.

import { TOOLS } from "./commands.js";
import { button, byId, copy } from "./dom.js";

export function copyPanel(draft, base) {
  const choices = byId("tools-choice");
  const code = byId("command");
  let tool = TOOLS[0];
  const write = () => tool.write(draft.catalog, draft, base);
  const update = () => {
    for (const choice of choices.children) choice.setAttribute("aria-pressed", String(choice.dataset.tool === tool.id));
    code.textContent = draft.syntaxProblem ? "The message is not JSON yet." : write();
  };
  choices.replaceChildren(
    ...TOOLS.map((choice) => button(choice.name, () => { tool = choice; update(); }, { data: { tool: choice.id } })),
  );
  byId("command-copy").onclick = ({ currentTarget }) => copy(code.textContent, code, currentTarget);
  return update;
}
