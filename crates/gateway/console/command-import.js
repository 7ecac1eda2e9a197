// Commands that make a call, as a call: curl, grpcurl, buf curl and sockeye call.

import { isObject, parse } from "./json.js";
import { callOfRequest } from "./rest-match.js";
import { split } from "./shell.js";

// Options with a value, by tool. All others have none.
const CURL = {
  short: "XHdAebuomTUxEKcCDFrtywYz",
  long: [
    "request", "header", "data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json", "url", "user", "user-agent",
    "referer", "cookie", "output", "max-time", "connect-timeout", "proxy", "cacert", "cert", "key", "resolve", "form", "upload-file",
    "write-out", "retry", "range", "dump-header", "cookie-jar", "config", "unix-socket", "capath", "ciphers", "interface",
  ],
};
const GRPC = {
  short: "Hd",
  long: [
    "H", "d", "header", "data", "rpc-header", "reflect-header", "import-path", "proto", "protoset", "authority", "max-time", "connect-timeout",
    "cacert", "cert", "key", "schema", "protocol", "timeout", "user-agent", "user", "servername", "max-msg-sz", "keepalive-time", "format",
    "output", "descriptor-set", "unix-socket",
  ],
};

// Headers that belong to the request and not to the call.
const NOT_METADATA = new Set([
  "accept", "accept-encoding", "accept-language", "connection", "content-length", "content-type", "content-encoding", "host", "origin",
  "referer", "user-agent", "te", "connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-server-timeout",
  "cache-control", "pragma", "priority", "dnt", "cookie",
]);

// Returns `{ method, value, metadata, timeout, dialect }`. Throws an Error that says which part of
// the command is not understood.
export function importCommand(catalog, text) {
  const words = split(text.trim().replace(/^\$\s+/, ""));
  const tool = words.shift()?.split("/").pop();
  if (tool === "curl") return ofCurl(catalog, options(words, CURL));
  if (tool === "grpcurl") return ofGrpc(catalog, options(words, { ...GRPC, singleDash: true }));
  if ((tool === "buf" && words[0] === "curl") || (tool === "sockeye" && words[0] === "call")) {
    return ofGrpc(catalog, options(words.slice(1), GRPC));
  }
  throw new Error("A command begins with curl, grpcurl, buf curl or sockeye call.");
}

// Returns the options as a list of names and values, and the other words.
function options(words, { short, long, singleDash = false }) {
  const found = [];
  const others = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at];
    const value = () => words[(at += 1)] ?? "";
    if (word.startsWith("--") || (singleDash && word.startsWith("-") && word.length > 1)) {
      const [, name, , given] = word.match(/^--?([^=]+)(=([\s\S]*))?$/) ?? [];
      if (name === undefined) continue;
      found.push([name, given ?? (long.includes(name) ? value() : "")]);
    } else if (word.startsWith("-") && word.length > 1) {
      for (let letter = 1; letter < word.length; letter += 1) {
        if (!short.includes(word[letter])) {
          found.push([word[letter], ""]);
          continue;
        }
        found.push([word[letter], word.slice(letter + 1) || value()]);
        break;
      }
    } else {
      others.push(word);
    }
  }
  return { found, others };
}

function ofCurl(catalog, { found, others }) {
  const headers = [];
  const data = [];
  let [method, url, isGet, isJson] = [null, others[0], false, false];
  for (const [name, value] of found) {
    if (name === "X" || name === "request") method = value.toUpperCase();
    else if (name === "H" || name === "header") headers.push(header(value));
    else if (name === "url") url = value;
    else if (name === "G" || name === "get") isGet = true;
    else if (name === "I" || name === "head") method ??= "HEAD";
    else if (name === "u" || name === "user") headers.push(["authorization", `Basic ${btoa(value)}`]);
    else if (name === "data-urlencode") data.push(urlEncoded(value));
    else if (name === "d" || name.startsWith("data") || name === "json") {
      isJson ||= name === "json";
      if (value.startsWith("@") && name !== "data-raw") throw new Error(`The data are in the file ${value.slice(1)}, which the console cannot read.`);
      data.push(value);
    }
  }
  if (!url) throw new Error("The command has no URL.");
  const { path, query } = splitUrl(url);
  const joined = data.join(isJson ? "" : "&");
  const request = {
    method: method ?? (data.length > 0 && !isGet ? "POST" : "GET"),
    path,
    query: isGet ? [query, ...data].filter(Boolean).join("&") : query,
    body: isGet ? "" : joined,
  };
  const rest = { metadata: metadata(headers), timeout: timeout(headers) };
  const byPath = methodOfPath(catalog, path);
  const route = byPath ? null : callOfRequest(catalog, request);
  if (route) return { method: route.method, value: route.value, ...rest, dialect: `rest:${route.method.routes.indexOf(route.route)}` };
  if (!byPath) throw new Error(`No method has ${request.method} ${path}.`);
  const message = new URLSearchParams(request.query).get("message");
  const value = request.method === "GET" && message !== null ? parse(message) : firstValue(request.body);
  return { method: byPath, value, ...rest, dialect: null };
}

function ofGrpc(catalog, { found, others }) {
  const headers = [];
  let [data, limit] = ["", ""];
  for (const [name, value] of found) {
    if (["H", "header", "rpc-header"].includes(name)) headers.push(header(value));
    else if (["d", "data"].includes(name)) data = value;
    else if (["max-time", "timeout"].includes(name)) limit = /^[\d.]+$/.test(value) ? `${value}s` : value;
  }
  if (data.startsWith("@")) throw new Error(`The data are in the file ${data.slice(1) || "of the standard input"}, which the console cannot read.`);
  const candidates = others.map((word) => methodOfPath(catalog, splitUrl(word).path) ?? methodOfName(catalog, word));
  const method = candidates.findLast(Boolean);
  if (!method) throw new Error("The command names no method of these services.");
  return { method, value: firstValue(data), metadata: metadata(headers), timeout: limit || timeout(headers), dialect: null };
}

// Returns the method of an RPC path, which may be below a prefix.
function methodOfPath(catalog, path) {
  const parts = path.split("/");
  return catalog.method(parts.slice(-2).join("/"));
}

// Returns the method of `pkg.Service/Method` or `pkg.Service.Method`.
function methodOfName(catalog, name) {
  return catalog.method(name) ?? catalog.method(name.replace(/\.([^./]+)$/, "/$1"));
}

function splitUrl(url) {
  const [, path = "", query = ""] = url.match(/^(?:[a-z][a-z0-9+.-]*:\/\/)?[^/?#]*(\/[^?#]*)?(?:\?([^#]*))?/i) ?? [];
  return { path, query };
}

function header(text) {
  const colon = text.indexOf(":");
  if (colon < 0) return [text.replace(/;$/, "").trim().toLowerCase(), ""];
  return [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()];
}

function metadata(headers) {
  return headers
    .filter(([name]) => name && !NOT_METADATA.has(name) && !name.startsWith("sec-"))
    .map(([name, value]) => ({ name, value }));
}

function timeout(headers) {
  const value = (name) => headers.find(([other]) => other === name)?.[1];
  if (value("connect-timeout-ms")) return `${Number(value("connect-timeout-ms")) / 1000}s`;
  return value("x-server-timeout") ? `${value("x-server-timeout")}s` : "";
}

function urlEncoded(text) {
  const [, name, value] = text.match(/^([^=]*)=([\s\S]*)$/) ?? [null, "", text];
  return name ? `${name}=${encodeURIComponent(value)}` : encodeURIComponent(value);
}

// Returns the first of several JSON values: of a stream, that is the message to edit.
function firstValue(text) {
  const trimmed = text.trim();
  try {
    const value = parse(trimmed);
    return Array.isArray(value) ? (value[0] ?? {}) : value;
  } catch (error) {
    const first = firstObject(trimmed);
    if (first === null) throw new Error(`The data are not JSON. ${error.message}`);
    return parse(first);
  }
}

function firstObject(text) {
  for (let end = text.indexOf("}"); end >= 0; end = text.indexOf("}", end + 1)) {
    try {
      const value = JSON.parse(text.slice(0, end + 1));
      return isObject(value) ? text.slice(0, end + 1) : null;
    } catch {
      // The object goes on.
    }
  }
  return null;
}
