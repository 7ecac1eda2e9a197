// The rooms panel: the rooms that this page is in, and those that others are in.

const MAX_OTHERS = 12;

// `chat` has the rooms of this page; `others` are the names of the occupied rooms, as far as known.
export function roomsPanel(chat) {
  const element = (id) => document.getElementById(id);
  const list = element("room-list");
  const input = element("room-name");
  let others = [];

  // The row of each room that is shown, in their order.
  let rows = new Map();

  const draw = () => {
    const joined = [...chat.rooms.values()];
    const open = others.filter((name) => !chat.rooms.has(name)).slice(0, MAX_OTHERS);
    const states = new Map([
      ...joined.map((room) => [room.name, { current: room === chat.current, unread: room.unread }]),
      ...open.map((name) => [name, { joinable: true }]),
    ]);
    const before = [...rows.keys()];
    rows = new Map([...states.keys()].map((name) => [name, rows.get(name) ?? newRow(name)]));
    for (const [name, state] of states) update(rows.get(name), state);
    // A button that leaves the document, if only to return, loses the click that has begun on it.
    if (before.length === rows.size && [...rows.keys()].every((name, at) => name === before[at])) return;
    const focused = document.activeElement?.dataset?.room;
    list.replaceChildren(...rows.values());
    if (focused) list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  };

  const newRow = (name) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "room";
    button.dataset.room = name;
    const badge = document.createElement("span");
    badge.hidden = true;
    button.append(`#${name}`, badge);
    button.onclick = () => chat.join(name);
    row.append(button);
    return row;
  };

  const update = (row, { current, unread, joinable }) => {
    const button = row.firstElementChild;
    const badge = button.lastElementChild;
    if (current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    const state = unread && !current ? String(unread) : joinable ? "join" : "";
    badge.hidden = !state;
    badge.className = joinable ? "note" : "badge";
    if (badge.textContent !== state) badge.textContent = state;
  };

  element("room-form").onsubmit = (event) => {
    event.preventDefault();
    const name = input.value.trim().replace(/^#/, "");
    element("room-problem").textContent = "";
    if (!name) return;
    chat.join(name);
    input.value = "";
  };

  chat.addEventListener("rooms", draw);
  chat.addEventListener("select", draw);
  draw();
  return {
    show(names) {
      others = names;
      draw();
    },
    enable(enabled) {
      input.disabled = element("room-join").disabled = !enabled;
    },
  };
}
