// Calls by a route of REST.

import { atHalfClose, headersOf, metadataOf, parseJson } from "./http-call.js";
import { print } from "./json.js";
import { restRequest, target } from "./rest-view.js";
import { OK, ofRest, status } from "./status.js";
import { seconds } from "./timeout.js";

// Returns the function that begins calls by a route.
export function rest(route) {
  return ({ catalog, method, metadata, time, base }, on) =>
    atHalfClose(async (messages, signal, end) => {
      const request = restRequest(catalog, method, route, messages[0] ?? {});
      if (request.problems.length > 0) {
        end(status(3, request.problems.join(" ")), []);
        return;
      }
      const others = { accept: method.serverStreaming ? "application/x-ndjson" : "application/json" };
      if (time) others["x-server-timeout"] = seconds(time);
      if (request.body !== null) others["content-type"] = "application/json";
      const response = await fetch(new URL(target(request).slice(1), base), {
        method: request.method,
        headers: headersOf(metadata, others),
        body: bodyOf(catalog, method, route, messages, request),
        signal,
      });
      on.headers(metadataOf(response.headers).leading, `HTTP ${response.status}`);
      if (response.ok && method.serverStreaming) await lines(response.body, on, end);
      else await whole(response, on, end);
    }, on);
}

function bodyOf(catalog, method, route, messages, request) {
  if (request.body === null) return undefined;
  if (!method.clientStreaming) return request.body;
  return messages.map((message) => restRequest(catalog, method, route, message).body).join("\n");
}

async function whole(response, on, end) {
  const text = await response.text();
  const body = parseJson(text);
  if (!response.ok) {
    end(body?.code === undefined ? status(2, `HTTP ${response.status}: ${text.slice(0, 200)}`) : ofRest(body), []);
  } else if (body === null && text.trim() !== "null") {
    end(status(2, `The response is not JSON: ${text.slice(0, 200)}`), []);
  } else {
    on.message(body, text.length);
    end(OK, []);
  }
}

async function lines(stream, on, end) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? "";
    const complete = rest.split("\n");
    rest = done ? "" : complete.pop();
    for (const line of complete.filter((line) => line.trim() !== "")) {
      const item = parseJson(line);
      if (item?.error) {
        end(ofRest(item.error), []);
        await reader.cancel();
        return;
      }
      on.message(item?.result ?? item, line.length);
    }
    if (done) return end(OK, []);
  }
}

// Returns the text of a request, as it is sent.
export function requestText({ method, body, ...request }) {
  const head = `${method} ${target(request)}`;
  return body === null ? head : `${head}\ncontent-type: application/json\n\n${print(JSON.parse(body))}`;
}
