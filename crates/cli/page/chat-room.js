// One chat room: its messages with the places where some are missing, its members, who is typing.
//
//   joining ──joined──► joined ──connection lost──► away ──joined──► joined
//      └──refused──► refused

import { count, duration } from "./format.js";

// Messages loaded when the room is joined.
const PAGE = 50;
// Lines that a room keeps on the page.
const MAX_LINES = 500;
// Sessions whose users a room remembers, so that what they said stays theirs when they leave.
const MAX_USERS = 1_000;
// The last time that a Date can have, in milliseconds (ECMA-262, Time Values and Time Range).
const MAX_TIME = 8.64e15;

const GAPS = {
  epoch: "the server has begun a new history",
  trimmed: "they are older than what the server keeps",
  rolled_back: "the server has lost a part of its history",
  limit: "too many to recover",
  slow: "this page read too slowly",
  expired: "they waited too long for this page",
  failed: "the server has failed to send them",
};

export class ChatRoom extends EventTarget {
  phase = "joining";
  problem = "";
  // Lines in their order: {kind: "message", name, verified, publisher, text, at, own} or
  // {kind: "note" | "gap", text}.
  lines = [];
  unread = 0;
  #hub;
  #room;
  #info;
  #positions = new Set();
  // The verified user of each session that has been seen, if the server verifies users.
  #users = new Map();
  #lostAt = 0;
  // How long the connection was lost, for the next line about it.
  #away = "";
  #recovery = null;
  #endings;

  constructor(hub, name, info) {
    super();
    this.name = name;
    this.#hub = hub;
    this.#info = info;
    const room = (this.#room = hub.room(name));
    this.#endings = [
      room.on("joined", (joined) => this.#onJoined(joined)),
      room.on("publication", (publication) => this.#onPublication(publication)),
      room.on("missed", (missed) => this.#onMissed(missed)),
      room.on("presence", () => this.#onPresence()),
      room.on("refused", (error) => this.#onRefused(error)),
      room.on("left", ({ reason }) => this.#onRefused(new Error(reason || "The server has ended the membership."))),
    ];
    room.join({ presence: true, info }).catch((error) => this.#onRefused(error));
  }

  // The members, this client first and then by name.
  get members() {
    const own = this.#hub.session;
    const members = [...this.#room.members.values()].map(({ session, user, info }) => ({
      session,
      own: session === own,
      name: nameOf(info, user),
      typing: info?.typing === true,
    }));
    return members.sort((one, other) => other.own - one.own || one.name.localeCompare(other.name));
  }

  // Publishes a message. Rejects if the server refuses it; without a connection it is sent later.
  say(text) {
    return this.#room.publish({ name: this.#info.name, text, at: Date.now() });
  }

  // Replaces what the others see of this client, such as {name, typing}.
  async update(info) {
    this.#info = info;
    // Without a connection it fails: joining again sends the info.
    await this.#room.update(info).catch(() => {});
  }

  // The connection was lost.
  lost() {
    if (this.phase !== "joined") return;
    this.phase = "away";
    this.#lostAt = performance.now();
    this.#changed();
  }

  leave() {
    for (const end of this.#endings) end();
    this.#room.leave().catch(() => {});
  }

  async #onJoined({ recovered }) {
    this.#away = this.#lostAt ? `The connection was lost for ${duration(performance.now() - this.#lostAt)}. ` : "";
    this.phase = "joined";
    this.problem = "";
    this.#lostAt = 0;
    this.#changed();
    if (recovered) return this.#countRecovered(this.#away);
    // A gap, if there is one, is told as missed messages.
    await this.#load();
    this.#changed();
  }

  // Adds a line that says how many messages were recovered, once they have all arrived: the newest
  // one that the history has now is the last of them.
  async #countRecovered(away) {
    this.#away = "";
    if (this.#recovery) this.#endRecovery();
    const line = this.#add({ kind: "note", text: `${away}Recovering what was said meanwhile.` });
    const recovery = (this.#recovery = { line, away, recovered: 0, last: null });
    const before = this.#room.position;
    try {
      recovery.last = (await this.#room.history({ reverse: true, limit: 1 })).position;
    } catch {
      recovery.last = before;
    }
    if (this.#recovery !== recovery) return;
    if (this.#positions.has(recovery.last) || recovery.last === before) this.#endRecovery();
  }

  // `complete` tells whether no message was missed since the recovery began.
  #endRecovery(complete = true) {
    const { line, away, recovered } = this.#recovery;
    const outcome = !complete
      ? `${count(recovered, "message")} recovered, then some were missed.`
      : recovered
        ? `${count(recovered, "message")} recovered, none missed.`
        : "Nothing was missed.";
    line.text = `${away}${outcome}`;
    this.#recovery = null;
    this.dispatchEvent(new CustomEvent("line", { detail: { line } }));
  }

  // Reads the newest part of the history; those that arrived already stay where they are.
  async #load() {
    for (const line of this.lines) line.live = false;
    let page;
    try {
      page = await this.#room.history({ reverse: true, limit: PAGE });
    } catch {
      // A room without history, or without permission to read it.
      return;
    }
    const old = page.publications.filter(({ position }) => !this.#positions.has(position)).reverse();
    const first = this.lines.findIndex(({ live }) => live);
    const lines = old.map((publication) => this.#line(publication));
    this.lines.splice(first < 0 ? this.lines.length : first, 0, ...lines);
    this.dispatchEvent(new Event("reset"));
  }

  #onPublication(publication) {
    if (publication.position && this.#positions.has(publication.position)) return;
    const line = this.#add({ ...this.#line(publication), live: true });
    this.unread += 1;
    const recovery = this.#recovery;
    if (recovery) {
      // What the user said without a connection is stored when it returns.
      if (!line.own) recovery.recovered += 1;
      if (publication.position === recovery.last) this.#endRecovery();
    }
    this.#changed();
  }

  #onPresence() {
    if (this.#hub.user) {
      for (const { session, user } of this.#room.members.values()) {
        if (user) this.#users.set(session, user);
      }
      while (this.#users.size > MAX_USERS) this.#users.delete(this.#users.keys().next().value);
      for (const line of this.lines) {
        if (line.verified !== false || !this.#users.has(line.publisher)) continue;
        Object.assign(line, this.#author(line.publisher, line.name));
        this.dispatchEvent(new CustomEvent("line", { detail: { line } }));
      }
    }
    this.#changed();
  }

  // Returns the name to show for a publisher, and whether the server vouches for it: anybody may
  // publish under any name. `verified` is null where the server verifies nobody.
  #author(publisher, name) {
    if (!this.#hub.user) return { name, verified: null };
    const user = publisher === this.#hub.session ? this.#hub.user : this.#users.get(publisher);
    return { name: user ?? name, verified: user !== undefined };
  }

  #onMissed({ reason, count: missed }) {
    if (this.#recovery) this.#endRecovery(false);
    const what = missed ? `${count(missed, "message")} ${missed === 1 ? "is" : "are"} missing here` : "Messages are missing here";
    this.#add({ kind: "gap", text: `${this.#away}${what}: ${GAPS[reason] ?? reason}.` });
    this.#away = "";
    this.#changed();
  }

  #onRefused(error) {
    if (error.code === "closed" || error.code === "lost" || error.code === "timeout") return;
    this.phase = "refused";
    this.problem = error.message;
    this.#changed();
  }

  // Other programs publish what they like: text is shown as it is, other values as JSON.
  #line({ data, position, publisher }) {
    this.#remember(position);
    const known = data && typeof data === "object" && typeof data.text === "string";
    const text = known ? data.text : data instanceof Uint8Array ? count(data.length, "byte") : typeof data === "string" ? data : JSON.stringify(data);
    return {
      kind: "message",
      ...this.#author(publisher, known ? nameOf(data) : "a program"),
      publisher,
      text,
      at: known && typeof data.at === "number" && Math.abs(data.at) <= MAX_TIME ? data.at : null,
      own: Boolean(publisher) && publisher === this.#hub.session,
    };
  }

  #remember(position) {
    if (!position) return;
    this.#positions.add(position);
    if (this.#positions.size > MAX_LINES + PAGE) this.#positions.delete(this.#positions.values().next().value);
  }

  #add(line) {
    this.lines.push(line);
    if (this.lines.length > MAX_LINES) {
      this.lines.splice(0, this.lines.length - MAX_LINES);
      this.dispatchEvent(new Event("reset"));
    } else {
      this.dispatchEvent(new CustomEvent("line", { detail: { line } }));
    }
    return line;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function nameOf(info, user) {
  const name = typeof info?.name === "string" ? info.name.trim().slice(0, 40) : "";
  return user || name || "somebody";
}
