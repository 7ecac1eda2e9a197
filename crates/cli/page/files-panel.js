// The files panel: sends files and compares their echoes, each over a separate connection so that
// the round-trip times stay undisturbed.

import { describeClose } from "./closing.js";
import { SUBPROTOCOL } from "./connection.js";
import { same } from "./echo-panel.js";
import { fileTarget } from "./file-target.js";
import { duration, hex, size } from "./format.js";

export function filesPanel(url, limit) {
  const input = document.getElementById("file");
  const drop = document.getElementById("drop");
  let queue = Promise.resolve();

  const enqueue = (files) => {
    for (const file of files) {
      const row = newRow(file);
      document.getElementById("transfers").prepend(row.item);
      queue = queue.then(() => transfer(file, row, url, limit()));
    }
  };

  fileTarget(input, drop, enqueue);
}

async function transfer(file, row, url, limit) {
  try {
    if (file.size > limit) {
      throw new Error(`Not sent: the server takes ${size(limit)} in one message at most, and this is ${size(file.size - limit)} more. Start it with a larger --max-message to allow more.`);
    }
    row.setStatus("Reading");
    const bytes = await read(file);
    const { echo, roundTripTime } = await roundTrip(url, bytes, row);
    row.setStatus("Comparing");
    row.succeed(`${await compare(bytes, echo)} Round trip in ${duration(roundTripTime)}.`);
  } catch (problem) {
    row.fail(problem.message);
  }
}

async function read(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error("The file could not be read. Folders cannot be sent, and a file must stay where it is meanwhile.");
  }
}

function roundTrip(url, bytes, row) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    let sentAt = 0;
    let watching = 0;

    const watch = () => {
      const sent = bytes.length - Math.min(socket.bufferedAmount, bytes.length);
      if (sent < bytes.length) {
        row.progress(sent, bytes.length);
      } else {
        row.waiting();
        clearInterval(watching);
      }
    };
    socket.onopen = () => {
      sentAt = performance.now();
      socket.send(bytes);
      watching = setInterval(watch, 30);
      watch();
    };
    socket.onmessage = ({ data }) => {
      resolve({ echo: new Uint8Array(data), roundTripTime: performance.now() - sentAt });
      socket.close(1000);
    };
    socket.onclose = (event) => {
      clearInterval(watching);
      reject(new Error(sentAt ? `The connection ended on the way: ${describeClose(event)}.` : "The server could not be reached."));
    };
  });
}

// Returns a sentence on how the echo was found equal; throws an Error if it is not.
async function compare(bytes, echo) {
  if (bytes.length !== echo.length) {
    throw new Error(`The echo has ${size(echo.length)} where ${size(bytes.length)} were sent.`);
  }
  // Browsers offer crypto.subtle only to pages from localhost or over https.
  if (!globalThis.crypto?.subtle) {
    if (!same(bytes, echo)) throw new Error("The echo has the right length but different bytes.");
    return "Came back the same, byte by byte.";
  }
  const [sum, echoSum] = await Promise.all([bytes, echo].map((data) => crypto.subtle.digest("SHA-256", data)));
  const [expected, actual] = [hex(new Uint8Array(sum)), hex(new Uint8Array(echoSum))];
  if (expected !== actual) throw new Error(`The echo differs: SHA-256 ${actual.slice(0, 12)} where ${expected.slice(0, 12)} was sent.`);
  return `Came back the same (SHA-256 ${expected.slice(0, 12)}…).`;
}

function newRow(file) {
  const createElement = (tag, className, text = "") => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  };
  const item = createElement("li", "transfer");
  const bar = createElement("progress", "");
  const status = createElement("p", "transfer-word", "Waiting its turn");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Progress of ${file.name}`);
  item.append(createElement("span", "transfer-name", file.name), createElement("span", "transfer-size", size(file.size)), bar, status);

  const end = (outcome, words) => {
    item.dataset.outcome = outcome;
    status.textContent = words;
    document.getElementById("files-status").textContent = `${file.name}: ${words}`;
  };
  return {
    item,
    setStatus: (words) => (status.textContent = words),
    // Progress may be reported after the end, and must not overwrite the outcome.
    progress(sent, total) {
      if (item.dataset.outcome) return;
      bar.value = total ? sent / total : 1;
      status.textContent = `Sending: ${size(sent)} sent`;
    },
    waiting() {
      if (item.dataset.outcome) return;
      bar.removeAttribute("value");
      status.textContent = "Sent; waiting for the echo";
    },
    succeed(words) {
      bar.value = 1;
      end("same", words);
    },
    fail(words) {
      bar.remove();
      end("failed", words);
    },
  };
}
