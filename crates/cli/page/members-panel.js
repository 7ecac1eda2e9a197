// The members panel: who is in the current room, on all servers.

import { count } from "./format.js";

const MAX_ROWS = 50;

export function membersPanel(chat) {
  const list = document.getElementById("member-list");
  const total = document.getElementById("member-count");
  let room = null;
  let drawn = "";

  const draw = () => {
    const members = room?.members ?? [];
    // Most changes of a room leave its members as they are.
    const state = JSON.stringify(members);
    if (state === drawn) return;
    drawn = state;
    total.textContent = members.length ? String(members.length) : "";
    const rows = members.slice(0, MAX_ROWS).map(newRow);
    const more = members.length - rows.length;
    if (more > 0) rows.push(newNote(`and ${count(more, "other")}`));
    if (!rows.length) rows.push(newNote(room ? "Nobody to be seen." : "Nobody: you are in no room."));
    list.replaceChildren(...rows);
  };

  const select = () => {
    room?.removeEventListener("change", draw);
    chat.current?.addEventListener("change", draw);
    room = chat.current;
    draw();
  };

  chat.addEventListener("select", select);
  select();
}

function newRow({ name, own, typing }) {
  const row = document.createElement("li");
  row.classList.toggle("typing-now", typing);
  const who = document.createElement("span");
  who.className = "who";
  who.textContent = name;
  row.append(who);
  const state = own ? "you" : typing ? "typing" : "";
  if (state) row.append(newNote(state, "span"));
  return row;
}

function newNote(text, element = "li") {
  const note = document.createElement(element);
  note.className = "note";
  note.textContent = text;
  return note;
}
