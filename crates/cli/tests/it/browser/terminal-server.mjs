// The program under test with a terminal, a network that can be cut before it, and its page.

import { spawn } from "node:child_process";
import { createServer as createHttpServer, request as requestHttp } from "node:http";
import { createServer, connect } from "node:net";

const { SOCKEYE } = process.env;

// Ended with the script: those that live on keep its output open.
const servers = [];

// Starts `program exec` with `flags` and a shell, and resolves to its process and printed URL.
export function exec(...flags) {
  const server = spawn(SOCKEYE, ["exec", "--listen", "127.0.0.1:0", "--pty", "--env", "PS1=$ ", ...flags, "--", "sh"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.stdout.once("data", (line) => resolve({ server, url: String(line).match(/http:\S+/)[0] }));
    server.once("exit", (status) => reject(new Error(`the server exited with ${status}`)));
  });
}

// A network between the browser and the server that can be cut: then nothing passes, and the browser
// gets no sign of it.
export function network(url) {
  const { hostname, port } = new URL(url);
  const pairs = new Set();
  const webSockets = new Set();
  let isUp = true;
  const proxy = createServer((client) => {
    const server = connect(port, hostname);
    const pair = [client, server];
    pairs.add(pair);
    for (const socket of pair) socket.on("error", () => {});
    client.once("data", (head) => {
      if (/^upgrade: websocket/im.test(head)) webSockets.add(pair);
    });
    if (isUp) {
      client.pipe(server);
      server.pipe(client);
    } else {
      client.destroy();
    }
  });
  return new Promise((resolve) => {
    proxy.listen(0, "127.0.0.1", () => resolve({
      url: `http://127.0.0.1:${proxy.address().port}/`,
      cut() {
        isUp = false;
        for (const [client, server] of pairs) {
          client.unpipe(server);
          server.unpipe(client);
          client.pause();
          server.destroy();
        }
      },
      // Nothing more passes on the WebSockets that are open.
      freeze() {
        for (const [client, server] of webSockets) {
          client.unpipe(server);
          server.unpipe(client);
          client.pause();
        }
      },
      // The browser notices that its old connections are gone.
      mend() {
        isUp = true;
        for (const [client, server] of pairs) if (server.destroyed) client.destroy();
      },
      close: () => proxy.close(),
    }));
  });
}

// A proxy with several servers, each below a path that the proxy removes from requests.
export function below(servers) {
  const forward = ({ method, headers, url }) => {
    const path = Object.keys(servers).find((prefix) => url.startsWith(prefix));
    if (!path) return null;
    const { hostname, port } = new URL(servers[path]);
    return requestHttp({ hostname, port, method, headers, path: url.slice(path.length - 1) });
  };
  const proxy = createHttpServer((request, response) => {
    const forwarded = forward(request);
    if (forwarded === null) {
      response.writeHead(404).end();
      return;
    }
    forwarded.on("response", (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forwarded);
  });
  proxy.on("upgrade", (request, client) => {
    const forwarded = forward(request);
    if (forwarded === null) {
      client.destroy();
      return;
    }
    forwarded.on("upgrade", ({ headers }, server, head) => {
      const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join("")}\r\n`);
      client.write(head);
      client.pipe(server);
      server.pipe(client);
      for (const socket of [client, server]) socket.on("error", () => {});
    });
    forwarded.end();
  });
  return new Promise((resolve) => {
    proxy.listen(0, "127.0.0.1", () => resolve({
      url: `http://127.0.0.1:${proxy.address().port}`,
      close() {
        proxy.close();
        proxy.closeAllConnections();
      },
    }));
  });
}

export const connected = (page) => page.waitForSelector("#state[data-phase=open]");

export const shows = (page, text) =>
  page.waitForFunction((words) => document.querySelector(".xterm-rows")?.innerText.replaceAll("\u00a0", " ").includes(words), text);

export async function types(page, command) {
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type(command);
  await page.keyboard.press("Enter");
}

export function stopAll() {
  for (const server of servers) server.kill();
}
