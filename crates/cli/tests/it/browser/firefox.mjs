// Firefox, driven by its own protocol, Marionette: only Marionette can make it accept an invalid
// certificate. Environment: BROWSER, and SCRATCH, a folder for the profile.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

// Timeout, long enough for a busy machine.
const TIMEOUT_MS = 300_000;
// No requests besides those of the page.
const SETTINGS = {
  "app.normandy.enabled": false,
  "app.update.auto": false,
  "browser.aboutwelcome.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "marionette.port": 0,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.proxy.type": 0,
  "toolkit.telemetry.enabled": false,
};

// Starts Firefox. `open` opens a page; `run` runs a script in that page, which passes its result to
// its last argument, a callback.
export async function launch() {
  const profile = mkdtempSync(join(process.env.SCRATCH, "firefox-"));
  const lines = Object.entries(SETTINGS).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  writeFileSync(join(profile, "user.js"), lines.join(""));
  const firefox = spawn(
    process.env.BROWSER,
    ["-headless", "-no-remote", "-marionette", "-profile", profile, "about:blank"],
    // A separate process group, so that all its processes can be ended together.
    { stdio: "ignore", detached: true },
  );
  const close = async () => {
    const gone = new Promise((resolve) => firefox.once("exit", resolve));
    process.kill(-firefox.pid, "SIGKILL");
    await gone;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  try {
    const marionette = await Marionette.connect(await port(profile));
    await marionette.command("WebDriver:NewSession", { acceptInsecureCerts: true });
    await marionette.command("WebDriver:SetTimeouts", { script: TIMEOUT_MS, pageLoad: TIMEOUT_MS });
    return {
      open: (url) => marionette.command("WebDriver:Navigate", { url }),
      run: async (script, ...args) =>
        (await marionette.command("WebDriver:ExecuteAsyncScript", { script, args })).value,
      close: () => {
        marionette.end();
        return close();
      },
    };
  } catch (problem) {
    await close();
    throw problem;
  }
}

// Returns the port that Firefox has chosen, once its profile has the port.
async function port(profile) {
  const file = join(profile, "MarionetteActivePort");
  const until = Date.now() + TIMEOUT_MS;
  while (!existsSync(file) || !readFileSync(file, "utf8")) {
    assert.ok(Date.now() < until, "Firefox did not start");
    await pause(50);
  }
  return Number(readFileSync(file, "utf8"));
}

// Packets of Marionette: a length in decimal, a colon, and JSON. Commands are answered in order.
class Marionette {
  #socket;
  #received = Buffer.alloc(0);
  #waiting = [];
  #commands = 0;

  static async connect(port) {
    const marionette = new Marionette();
    const greeting = marionette.#next();
    marionette.#socket = connect(port, "127.0.0.1");
    marionette.#socket.on("data", (data) => marionette.#take(data));
    marionette.#socket.on("error", () => {});
    await greeting;
    return marionette;
  }

  async command(name, parameters) {
    const answer = this.#next();
    const json = JSON.stringify([0, ++this.#commands, name, parameters]);
    this.#socket.write(`${Buffer.byteLength(json)}:${json}`);
    const [, , error, result] = await answer;
    if (error) throw new Error(`${name}: ${error.error}: ${error.message}`);
    return result;
  }

  end() {
    this.#socket.destroy();
  }

  #next() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(data) {
    this.#received = Buffer.concat([this.#received, data]);
    for (;;) {
      const colon = this.#received.indexOf(":");
      const end = colon + 1 + Number(this.#received.subarray(0, colon));
      if (colon < 0 || this.#received.length < end) return;
      const packet = JSON.parse(this.#received.subarray(colon + 1, end));
      this.#received = this.#received.subarray(end);
      this.#waiting.shift()?.(packet);
    }
  }
}
