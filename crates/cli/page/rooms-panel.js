// The rooms panel: the rooms that this page is in, and those that others are in.

const MAX_OTHERS = 12;

// `chat` has the rooms of this page; `others` are the names of the occupied rooms, as far as known.
export function roomsPanel(chat) {
  const element = (id) => document.getElementById(id);
  const list = element("room-list");
  const input = element("room-name");
  let others = [];

  const draw = () => {
    const joined = [...chat.rooms.values()];
    const open = others.filter((name) => !chat.rooms.has(name)).slice(0, MAX_OTHERS);
    const rows = [
      ...joined.map((room) => newRow(room.name, { current: room === chat.current, unread: room.unread })),
      ...open.map((name) => newRow(name, { joinable: true })),
    ];
    const focused = document.activeElement?.dataset?.room;
    list.replaceChildren(...rows);
    if (focused) list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  };

  const newRow = (name, { current, unread, joinable }) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "room";
    button.dataset.room = name;
    if (current) button.setAttribute("aria-current", "true");
    button.append(`#${name}`);
    const state = unread && !current ? String(unread) : joinable ? "join" : "";
    if (state) {
      const badge = document.createElement("span");
      badge.className = joinable ? "note" : "badge";
      badge.textContent = state;
      button.append(badge);
    }
    button.onclick = () => chat.join(name);
    row.append(button);
    return row;
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
