// The upload panel: sends a file as a stream of pieces, and compares the length and hash in the
// answer.

import { describeFailure, wasCancelled } from "./call-failure.js";
import { fileTarget } from "./file-target.js";
import { duration, hex, size } from "./format.js";

// Maximum size of a file to hash, in bytes: browsers hash only data in memory. A larger file is
// sent too, and only its length compared.
const MOST_HASHED = 256 * 1024 * 1024;

export function uploadPanel() {
  const element = (id) => document.getElementById(id);
  const [input, drop, bar, cancel] = ["file", "drop", "upload-progress", "upload-cancel"].map(element);
  let demo = null;
  let call = null;

  const send = async (file) => {
    if (!file || !demo || call) return;
    const begun = performance.now();
    call = demo.upload(file, (sent) => {
      bar.value = file.size ? sent / file.size : 1;
      say(`${file.name}: ${size(sent)} of ${size(file.size)}`);
    });
    bar.hidden = false;
    bar.value = 0;
    input.disabled = true;
    cancel.disabled = false;
    try {
      const reply = await call.done;
      const took = performance.now() - begun;
      say(`${file.name}: ${await compare(file, reply)} ${size(file.size)} in ${duration(took)}.`);
    } catch (problem) {
      say(wasCancelled(problem) ? `${file.name}: cancelled.` : `${file.name}: ${describeFailure(problem)}`);
    } finally {
      call.free();
      call = null;
      input.disabled = false;
      cancel.disabled = true;
    }
  };

  fileTarget(input, drop, ([file]) => send(file));
  cancel.onclick = () => call?.cancel();

  const say = (words) => (element("upload-word").textContent = words);
  return (connected) => {
    demo = connected;
    input.disabled = false;
  };
}

// Returns a sentence on what the server received; throws an Error if that differs from what was
// sent.
async function compare(file, { length, sha256 }) {
  if (length !== file.size) throw new Error(`The server got ${size(length)} of ${size(file.size)}.`);
  if (file.size > MOST_HASHED || !globalThis.crypto?.subtle) return "The server got every byte.";
  const ours = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())));
  if (ours !== hex(sha256)) throw new Error("The server got other bytes: the hashes differ.");
  return `The server got the same (SHA-256 ${ours.slice(0, 12)}…).`;
}
