// Firefox, driven by its own protocol, Marionette, since a bad certificate is accepted by that only. The environment says
// where things are: BROWSER, and SCRATCH, a folder for its profile.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

// As long as a busy machine may need; nothing waits for it on a good day.
const PATIENCE = 300_000;
// Nothing is fetched but the page.
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

// Starts it. `open` opens a page, `run` runs a script there, which calls its last argument with what it brings.
export async function launch() {
  const profile = mkdtempSync(join(process.env.SCRATCH, "firefox-"));
  const lines = Object.entries(SETTINGS).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  writeFileSync(join(profile, "user.js"), lines.join(""));
  const firefox = spawn(
    process.env.BROWSER,
    ["-headless", "-no-remote", "-marionette", "-profile", profile, "about:blank"],
    // A group of its own, which ends as one.
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
    await marionette.command("WebDriver:SetTimeouts", { script: PATIENCE, pageLoad: PATIENCE });
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

// The port that Firefox has chosen, once it says so.
async function port(profile) {
  const file = join(profile, "MarionetteActivePort");
  const until = Date.now() + PATIENCE;
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
