// The chat page: the rooms of this page over one connection to the hub, one module per panel.

import { ChatRoom } from "./chat-room.js";
import { clusterPanel } from "./cluster-panel.js";
import { socketUrl } from "./connection.js";
import { conversationPanel } from "./conversation-panel.js";
import { hubPanel } from "./hub-panel.js";
import { membersPanel } from "./members-panel.js";
import { roomsPanel } from "./rooms-panel.js";

const FIRST_ROOM = "lobby";

// The rooms that the page is in, and the one that it shows.
class Chat extends EventTarget {
  rooms = new Map();
  current = null;
  #hub = null;
  #name = "";
  #typing = false;

  // Attaches the rooms to a connection; those of another one end.
  attach(hub) {
    const names = this.rooms.size ? [...this.rooms.keys()] : [FIRST_ROOM];
    const shown = this.current?.name ?? names[0];
    this.rooms.clear();
    this.#hub = hub;
    hub.on("state", ({ state }) => {
      if (state === "open") return;
      for (const room of this.rooms.values()) room.lost();
    });
    for (const name of names) this.join(name);
    this.join(shown);
  }

  rename(name) {
    this.#name = name;
    for (const room of this.rooms.values()) room.update(this.#infoFor(room));
  }

  setTyping(typing) {
    if (typing === this.#typing || !this.current) return;
    this.#typing = typing;
    this.current.update(this.#infoFor(this.current));
  }

  join(name) {
    if (!this.#hub) return;
    this.setTyping(false);
    let room = this.rooms.get(name);
    if (!room) {
      room = new ChatRoom(this.#hub, name, { name: this.#name });
      room.addEventListener("change", () => this.dispatchEvent(new Event("rooms")));
      this.rooms.set(name, room);
    }
    this.#select(room);
  }

  leave(room) {
    room.leave();
    this.rooms.delete(room.name);
    this.#select([...this.rooms.values()].at(-1) ?? null);
  }

  // The user has seen what was said in a room.
  read(room) {
    if (!room.unread) return;
    room.unread = 0;
    this.dispatchEvent(new Event("rooms"));
  }

  #select(room) {
    this.current = room;
    if (room) this.read(room);
    this.dispatchEvent(new Event("select"));
  }

  #infoFor(room) {
    const typing = this.#typing && room === this.current;
    return typing ? { name: this.#name, typing } : { name: this.#name };
  }
}

const element = (id) => document.getElementById(id);
const chat = new Chat();
const rooms = roomsPanel(chat);
conversationPanel(chat, (typing) => chat.setTyping(typing));
membersPanel(chat);
element("hub-url").textContent = socketUrl("/hub");
element("centrifuge-url").textContent = socketUrl("/connection/websocket");
begin();

async function begin() {
  const server = await fetch("/server.json", { cache: "no-store" }).then((answer) => answer.json()).catch(() => null);
  if (server) {
    element("version").textContent = `version ${server.version}`;
    element("version").hidden = false;
  }
  const admission = server?.hub ?? "unreachable";
  rooms.enable(admission === "anybody" || admission === "token");
  hubPanel(admission, {
    onConnection: (hub) => chat.attach(hub),
    onName: (name) => chat.rename(name),
  });
  clusterPanel(admission, (names) => rooms.show(names));
}
