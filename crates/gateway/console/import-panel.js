// A command that is pasted becomes the call.

import { byId } from "./dom.js";
import { importCommand } from "./command-import.js";
import { print } from "./json.js";

// `open` shows a call.
export function importPanel(catalog, open) {
  const text = byId("import-text");
  const problem = byId("import-problem");
  const read = () => {
    problem.textContent = "";
    try {
      const { method, value, metadata, timeout, dialect } = importCommand(catalog, text.value);
      open(method, { text: print(value), metadata, timeout, dialect: dialect ?? "" });
      text.value = "";
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  byId("import-read").onclick = read;
  text.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) read();
  };

}
