// Words of a POSIX shell.

// Splits a command into words as a shell does: quotes, `$'…'`, escapes and continued lines.
export function split(text) {
  const words = [];
  let word = null;
  let at = 0;
  const add = (part) => (word = (word ?? "") + part);
  while (at < text.length) {
    const rest = text.slice(at);
    const [match] =
      rest.match(/^\\\r?\n/) ?? rest.match(/^\s+/) ?? rest.match(/^\$'(?:\\[\s\S]|[^'\\])*'/) ??
      rest.match(/^'[^']*'/) ?? rest.match(/^"(?:\\[\s\S]|[^"\\])*"/) ?? rest.match(/^\\[\s\S]/) ?? [rest[0]];
    at += match.length;
    if (match.startsWith("\\\n") || match.startsWith("\\\r\n")) continue;
    if (/^\s/.test(match)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (match.length > 1 && match.startsWith("$'")) add(ansi(match.slice(2, -1)));
    else if (match.length > 1 && match.startsWith("'")) add(match.slice(1, -1));
    else if (match.length > 1 && match.startsWith('"')) add(match.slice(1, -1).replace(/\\\r?\n/g, "").replace(/\\([$`"\\])/g, "$1"));
    else if (match.length > 1) add(match[1]);
    else if (match === "'" || match === '"') throw new Error(`The quotation mark ${match} is not closed.`);
    else add(match);
  }
  if (word !== null) words.push(word);
  return words;
}

function ansi(text) {
  const named = { n: "\n", r: "\r", t: "\t", 0: "\0", a: "\x07", b: "\b", e: "\x1b", f: "\f", v: "\v" };
  return text.replace(/\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([\s\S]))/g, (_, x, u, U, other) => {
    const code = x ?? u ?? U;
    if (code !== undefined) return String.fromCodePoint(Math.min(parseInt(code, 16), 0x10ffff));
    return named[other] ?? other;
  });
}

// Quotes a word for a shell, if it needs that.
export function quote(word) {
  if (word !== "" && /^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

// Quotes text around the value of a variable: `name: $VALUE`.
export function quoteWithVariable(text, variable) {
  return `"${text.replace(/[$`"\\]/g, "\\$&")}$${variable}"`;
}
