// `sockeye exec`, and viewers of its terminals over sockeye.tty.v1 with terminals of xterm.js. Environment:
// SOCKEYE (the program), MODULES (node_modules).

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.MODULES, "here.js"));
const { Terminal } = require("@xterm/headless");
export const WebSocket = require("ws");

// A silence of this length ends the output of a step.
const SILENCE_MS = 400;
const OFFSET_BYTES = 8;

// Starts `sockeye exec`, and resolves to its process and address.
export function start(flags, ...command) {
  const words = ["exec", "--listen", "127.0.0.1:0", ...flags, "--", ...command];
  const server = spawn(process.env.SOCKEYE, words, { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve) => {
    server.stdout.once("data", (line) => resolve({ server, url: `ws${String(line).match(/http(\S+)/)[1]}` }));
  });
}

export class Viewer {
  #socket;
  #input = 0n;
  #heard = Date.now();
  terminal = new Terminal({ cols: 80, rows: 24, allowProposedApi: true });

  static async attach({ url }, columns = 80, rows = 24) {
    const viewer = new Viewer();
    viewer.terminal.resize(columns, rows);
    viewer.#socket = new WebSocket(url, "sockeye.tty.v1");
    viewer.#socket.binaryType = "arraybuffer";
    viewer.#socket.on("message", (data, isBinary) => viewer.#receive(data, isBinary));
    await new Promise((resolve) => viewer.#socket.once("open", resolve));
    viewer.#send({ type: "hello", columns, rows });
    return viewer;
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #receive(data, isBinary) {
    if (isBinary) {
      this.#heard = Date.now();
      const offset = Number(new DataView(data).getBigUint64(0)) + data.byteLength - OFFSET_BYTES;
      this.terminal.write(new Uint8Array(data, OFFSET_BYTES), () => this.#send({ type: "ack", offset }));
      return;
    }
    const message = JSON.parse(new TextDecoder().decode(data));
    if (message.type === "session") this.#input = BigInt(message.input);
    if (message.type === "size") this.terminal.resize(message.columns, message.rows);
    if (message.type === "screen") {
      this.#heard = Date.now();
      this.terminal.reset();
      this.terminal.write(message.data);
    }
  }

  resize(columns, rows) {
    this.terminal.resize(columns, rows);
    this.#send({ type: "resize", columns, rows });
  }

  type(text) {
    const bytes = Buffer.from(text);
    const offset = Buffer.alloc(OFFSET_BYTES);
    offset.writeBigUInt64BE(this.#input);
    this.#input += BigInt(bytes.length);
    this.#socket.send(Buffer.concat([offset, bytes]));
  }

  async settle() {
    this.#heard = Date.now();
    while (Date.now() - this.#heard < SILENCE_MS) await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise((resolve) => this.terminal.write("", resolve));
  }

  close() {
    this.#socket.close();
  }

  text() {
    const buffer = this.terminal.buffer.active;
    return Array.from({ length: this.terminal.rows }, (_, row) => buffer.getLine(buffer.baseY + row).translateToString(true)).join("\n");
  }

  // Everything that a user sees, and the modes that decide what keys and pastes send.
  state() {
    const buffer = this.terminal.buffer.active;
    const rows = Array.from({ length: this.terminal.rows }, (_, row) => {
      const line = buffer.getLine(buffer.baseY + row);
      return Array.from({ length: this.terminal.cols }, (_, column) => {
        const cell = line.getCell(column);
        const style = [cell.getFgColorMode(), cell.getFgColor(), cell.getBgColorMode(), cell.getBgColor(), cell.isBold(), cell.isItalic(), cell.isUnderline(), cell.isInverse()];
        // An empty cell looks like a space.
        return `${cell.getChars() || " "}${cell.getWidth()}:${style.map(Number)}`;
      });
    });
    const { applicationCursorKeysMode, applicationKeypadMode, bracketedPasteMode, mouseTrackingMode } = this.terminal.modes;
    const modes = { applicationCursorKeysMode, applicationKeypadMode, bracketedPasteMode, mouseTrackingMode };
    return { rows, cursor: [buffer.cursorX, buffer.cursorY], buffer: buffer.type, modes };
  }
}

