// A call as the command of other tools, and as JavaScript.

import { isStream } from "./catalog.js";
import { restRequest, target } from "./rest-view.js";
import { variableOf } from "./secret.js";
import { quote, quoteWithVariable } from "./shell.js";
import { milliseconds, seconds } from "./timeout.js";

// The tools: an id, a name, and a function of the catalog, the call and the URL of the gateway,
// which ends with a slash.
export const TOOLS = [
  { id: "curl", name: "curl", write: curl },
  { id: "grpcurl", name: "grpcurl", write: grpcurl },
  { id: "buf", name: "buf curl", write: bufCurl },
  { id: "sockeye", name: "sockeye call", write: sockeyeCall },
  { id: "js", name: "JavaScript", write: javascript },
];

// Joins the parts of a command, a line each.
function command(...parts) {
  return parts.flat().filter(Boolean).join(" \\\n  ");
}

function headers(metadata, option) {
  return metadata
    .filter(({ name }) => name)
    .map(({ name, value, secret }) => {
      const text = secret ? quoteWithVariable(`${name}: `, variableOf(name)) : quote(`${name}: ${value}`);
      return `${option} ${text}`;
    });
}

function compact(value) {
  return JSON.stringify(value);
}

function limit(call) {
  try {
    return milliseconds(call.timeout);
  } catch {
    return null;
  }
}

function curl(catalog, call, base) {
  const { method, value, metadata, dialect } = call;
  const route = method.routes[Number(dialect?.match(/^rest:(\d+)$/)?.[1] ?? -1)];
  const time = limit(call);
  const stream = method.serverStreaming ? "-N" : "";
  if (route) {
    const request = restRequest(catalog, method, route, value);
    return command(
      ["curl", stream, request.method === "GET" ? "" : `-X ${request.method}`, quote(new URL(target(request).slice(1), base).href)].filter(Boolean).join(" "),
      headers(metadata, "-H"),
      time && `-H 'x-server-timeout: ${seconds(time)}'`,
      request.body !== null && ["-H 'content-type: application/json'", `-d ${quote(compact(JSON.parse(request.body)))}`],
    );
  }
  if (dialect === "connect-get") {
    return command(
      `curl -G ${quote(new URL(method.path.slice(1), base).href)}`,
      headers(metadata, "-H"),
      time && `-H 'connect-timeout-ms: ${time}'`,
      `-d connect=v1 -d encoding=json --data-urlencode ${quote(`message=${compact(value)}`)}`,
    );
  }
  const version = method.clientStreaming && method.serverStreaming ? (base.startsWith("https:") ? "--http2" : "--http2-prior-knowledge") : "";
  return command(
    ["curl", stream, version, quote(new URL(method.path.slice(1), base).href)].filter(Boolean).join(" "),
    "-H 'content-type: application/json'",
    // With it, streams would be those of Connect, which are not JSON.
    !isStream(method) && "-H 'connect-protocol-version: 1'",
    headers(metadata, "-H"),
    time && (isStream(method) ? `-H 'x-server-timeout: ${seconds(time)}'` : `-H 'connect-timeout-ms: ${time}'`),
    `-d ${quote(compact(value))}`,
  );
}

function grpcurl(_catalog, call, base) {
  const { host, protocol } = new URL(base);
  const time = limit(call);
  return command(
    protocol === "https:" ? "grpcurl" : "grpcurl -plaintext",
    headers(call.metadata, "-H"),
    time && `-max-time ${seconds(time)}`,
    `-d ${quote(compact(call.value))}`,
    `${withPort(host, protocol)} ${call.method.fullName}`,
  );
}

function withPort(host, protocol) {
  return /:\d+$/.test(host) ? host : `${host}:${protocol === "https:" ? 443 : 80}`;
}

function bufCurl(_catalog, call, base) {
  const time = limit(call);
  return command(
    base.startsWith("https:") ? "buf curl --protocol grpc" : "buf curl --protocol grpc --http2-prior-knowledge",
    headers(call.metadata, "--header"),
    time && `--timeout ${time}ms`,
    `--data ${quote(compact(call.value))}`,
    quote(new URL(call.method.path.slice(1), base).href),
  );
}

function sockeyeCall(_catalog, call, base) {
  const time = limit(call);
  const protocol = { connect: "connect", "connect-get": "connect --get", websocket: "websocket" }[call.dialect] ?? (call.dialect?.startsWith("rest:") ? "json" : "");
  return command(
    `sockeye call ${quote(base.replace(/\/$/, ""))} ${call.method.fullName}`,
    protocol && `--protocol ${protocol}`,
    headers(call.metadata, "-H"),
    time && `--timeout ${time}ms`,
    `-d ${quote(compact(call.value))}`,
  );
}

function javascript(_catalog, call, base) {
  return isStream(call.method) ? socketScript(call, base) : fetchScript(call, base);
}

// Returns the lines that declare secrets, and the members of an object with all metadata.
function scriptMetadata(metadata) {
  const named = metadata.filter(({ name }) => name);
  const secrets = named.filter(({ secret }) => secret);
  return {
    declarations: secrets.map(({ name }) => `const ${variableOf(name)} = "…"; // a secret, which is not copied`),
    members: named.map(({ name, value, secret }) => `${JSON.stringify(name)}: ${secret ? variableOf(name) : JSON.stringify(value)}`),
  };
}

function fetchScript(call, base) {
  const { declarations, members } = scriptMetadata(call.metadata);
  const time = limit(call);
  const all = ['"content-type": "application/json"', '"connect-protocol-version": "1"', ...members];
  if (time) all.push(`"connect-timeout-ms": "${time}"`);
  return [
    ...declarations,
    `const response = await fetch(${JSON.stringify(new URL(call.method.path.slice(1), base).href)}, {`,
    '  method: "POST",',
    "  headers: {",
    ...all.map((member) => `    ${member},`),
    "  },",
    `  body: JSON.stringify(${indent(call.value, 2)}),`,
    "});",
    "const reply = await response.json();",
    "if (!response.ok) throw new Error(`${reply.code}: ${reply.message}`);",
    "console.log(reply);",
  ].join("\n");
}

function socketScript(call, base) {
  const { method, value } = call;
  const { declarations, members } = scriptMetadata(call.metadata);
  const time = limit(call);
  const settings = [members.length > 0 && `metadata: { ${members.join(", ")} }`, time && `timeout: ${time}`].filter(Boolean).join(", ");
  const options = settings && `, { ${settings} }`;
  const name = JSON.stringify(method.fullName);
  const begin = [
    'import { GrpcClient } from "./sockeye-grpc.js";',
    "",
    ...declarations,
    `const client = new GrpcClient(${JSON.stringify(base)});`,
  ];
  const message = indent(value, 0);
  if (!method.clientStreaming) {
    return [...begin, `for await (const message of client.serverStream(${name}, ${message}${options})) {`, "  console.log(message);", "}"].join("\n");
  }
  return [
    ...begin,
    `const call = client.call(${name}${options});`,
    `await call.send(${message});`,
    "await call.halfClose();",
    "for await (const message of call) console.log(message);",
  ].join("\n");
}

function indent(value, columns) {
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${" ".repeat(columns)}`);
}
