// The conversation panel: the lines of the current room, who is typing, and the form to send.

// Silence after which somebody no longer counts as typing, in milliseconds.
const TYPING = 3_000;
const DAY = 86_400_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// `chat` has the current room and its changes; `setTyping` tells the others.
export function conversationPanel(chat, setTyping) {
  const element = (id) => document.getElementById(id);
  const [lines, input] = [element("lines"), element("message")];
  const elements = new WeakMap();
  let room = null;
  let typingUntil = 0;

  const isAtEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  const toEnd = () => (lines.scrollTop = lines.scrollHeight);

  const draw = (line) => {
    const drawn = newLine(line);
    elements.get(line)?.replaceWith(drawn);
    elements.set(line, drawn);
    return drawn;
  };

  const onLine = ({ detail: { line } }) => {
    const follows = isAtEnd() || line.own;
    if (elements.has(line)) draw(line);
    else lines.append(draw(line));
    if (follows) toEnd();
  };

  const reset = () => {
    lines.replaceChildren(...room.lines.map(draw));
    toEnd();
  };

  const refresh = () => {
    const writable = room?.phase === "joined" || room?.phase === "away";
    element("conversation-title").textContent = room ? `#${room.name}` : "No room";
    element("leave").disabled = !room;
    input.disabled = element("send").disabled = !writable;
    lines.classList.toggle("away", room?.phase === "away");
    if (!room) return complain("Join a room to begin.");
    complain(room.phase === "refused" ? room.problem : "");
    element("typing").textContent = describeTyping(room.members);
    if (room.unread && !document.hidden) chat.read(room);
  };

  const select = () => {
    for (const [event, listener] of [["line", onLine], ["reset", reset], ["change", refresh]]) {
      room?.removeEventListener(event, listener);
      chat.current?.addEventListener(event, listener);
    }
    room = chat.current;
    if (room) reset();
    else lines.replaceChildren();
    refresh();
  };

  input.oninput = () => {
    const typing = input.value.trim() !== "";
    typingUntil = typing ? performance.now() + TYPING : 0;
    setTyping(typing);
  };
  setInterval(() => {
    if (!typingUntil || performance.now() < typingUntil) return;
    typingUntil = 0;
    setTyping(false);
  }, 500);

  element("message-form").onsubmit = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!room || !text) return;
    input.value = "";
    typingUntil = 0;
    setTyping(false);
    const sent = room;
    sent.say(text).catch((problem) => {
      if (room === sent) complain(`Not sent: ${problem.message}`);
      input.value ||= text;
    });
  };
  element("leave").onclick = () => chat.leave(room);
  document.addEventListener("visibilitychange", refresh);

  const complain = (words) => (element("message-problem").textContent = words);
  chat.addEventListener("select", select);
  select();
}

function newLine({ kind, name, verified, text, at, own }) {
  const item = document.createElement("li");
  item.className = kind;
  if (kind !== "message") {
    item.textContent = text;
    return item;
  }
  item.classList.toggle("own", own);
  const speaker = document.createElement("b");
  speaker.textContent = verified === false ? `${name} (unverified)` : name;
  const words = document.createElement("span");
  words.className = "words";
  words.textContent = text;
  item.append(speaker, words);
  if (at) {
    const time = document.createElement("time");
    const date = new Date(at);
    time.dateTime = date.toISOString();
    time.textContent = (Date.now() - at < DAY ? clock : calendar).format(date);
    item.append(time);
  }
  return item;
}

function describeTyping(members) {
  const names = members.filter(({ own, typing }) => typing && !own).map(({ name }) => name);
  if (!names.length) return "";
  if (names.length > 2) return "Several people are typing.";
  return `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing.`;
}
