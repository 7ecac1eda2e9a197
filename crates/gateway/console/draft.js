// The call that is being edited. Its parts change one at a time, and each change is an event that
// says who made it, so that the form and the JSON do not answer each other.

import { check } from "./check.js";
import { dialectsOf } from "./dialects.js";
import { parse, print } from "./json.js";
import { looksSecret } from "./secret.js";

export class Draft extends EventTarget {
  method = null;
  text = "{}";
  value = {};
  // A sentence about the text, if it is not JSON, and the faults of the message.
  syntaxProblem = "";
  problems = [];
  metadata = [];
  timeout = "";
  dialect = "";

  constructor(catalog) {
    super();
    this.catalog = catalog;
  }

  // Begins a call of a method. What `call` leaves out is empty.
  open(method, { text = "", metadata = [], timeout = "", dialect = "" } = {}) {
    this.method = method;
    this.metadata = metadata.map((entry) => ({ ...entry, secret: entry.secret ?? looksSecret(entry.name) }));
    this.timeout = timeout;
    this.dialect = dialectsOf(method).some(({ id }) => id === dialect) ? dialect : dialectsOf(method)[0].id;
    this.#read(pretty(text));
    this.#changed("method");
  }

  setText(text) {
    this.#read(text);
    this.#changed("text");
  }

  setValue(value) {
    this.#read(print(value));
    this.#changed("form");
  }

  set(settings) {
    Object.assign(this, settings);
    this.#changed("settings");
  }

  #read(text) {
    this.text = text;
    this.syntaxProblem = "";
    this.problems = [];
    try {
      const { value, problems } = check(this.catalog, this.method.input, parse(text));
      this.value = value;
      this.problems = problems;
    } catch (error) {
      this.syntaxProblem = error.message;
    }
  }

  #changed(source) {
    this.dispatchEvent(new CustomEvent("change", { detail: source }));
  }
}

// Returns JSON with a line for each member, and other text as it is.
function pretty(text) {
  try {
    return print(parse(text));
  } catch {
    return text;
  }
}
