// Calls that were made, and calls that were saved, in the storage of the browser. Values of secrets
// are never written.

import { withoutSecrets } from "./secret.js";

const HISTORY = "sockeye.console.history";
const SAVED = "sockeye.console.saved";
// The oldest calls of the history give way to new ones.
const MAX_HISTORY = 50;
// A storage of 5 MiB holds a full history of the longest messages.
const MAX_TEXT = 50_000;

export class Store extends EventTarget {
  #storage;

  constructor(storage) {
    super();
    this.#storage = storage;
  }

  get history() {
    return this.#read(HISTORY);
  }

  get saved() {
    return this.#read(SAVED);
  }

  // Adds a call with its outcome to the history.
  record(call, outcome) {
    const entry = { ...stored(call), ...outcome };
    const same = (other) => other.method === entry.method && other.text === entry.text && other.dialect === entry.dialect;
    this.#write(HISTORY, [entry, ...this.history.filter((other) => !same(other))].slice(0, MAX_HISTORY));
  }

  // Saves a call under a name, in place of an earlier one of that name.
  save(name, call) {
    this.#write(SAVED, [{ ...stored(call), name }, ...this.saved.filter((other) => other.name !== name)]);
  }

  remove(name) {
    this.#write(SAVED, this.saved.filter((other) => other.name !== name));
  }

  clearHistory() {
    this.#write(HISTORY, []);
  }

  #read(key) {
    try {
      const entries = JSON.parse(this.#storage.getItem(key) ?? "[]");
      return Array.isArray(entries) ? entries.filter(isEntry) : [];
    } catch {
      return [];
    }
  }

  #write(key, entries) {
    try {
      this.#storage.setItem(key, JSON.stringify(entries));
    } catch {
      // The storage is full, or switched off: the page works without it.
    }
    this.dispatchEvent(new Event("change"));
  }
}

function isEntry(entry) {
  return typeof entry?.method === "string" && typeof entry.text === "string" && Array.isArray(entry.metadata);
}

function stored({ method, text, metadata, timeout, dialect }) {
  return {
    method: method.fullName,
    text: text.length > MAX_TEXT ? "" : text,
    metadata: withoutSecrets(metadata).map(({ name, value, secret }) => ({ name, value, secret: Boolean(secret) })),
    timeout,
    dialect,
  };
}
