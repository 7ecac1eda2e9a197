// Numbers and bytes, formatted for people.

export function size(bytes) {
  if (bytes < 1024) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  const digits = value >= 100 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

export function count(number, noun, nouns = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : nouns}`;
}

// Returns a duration in milliseconds as [number, unit]: three significant digits, as precise as the
// browser's clock.
export function durationParts(milliseconds) {
  if (milliseconds < 1) return [(milliseconds * 1000).toFixed(0), "µs"];
  if (milliseconds < 1000) return [milliseconds.toFixed(milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0), "ms"];
  return [(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1), "s"];
}

export function duration(milliseconds) {
  return durationParts(milliseconds).join(" ");
}

// Returns whole seconds as `42 s`, `3 min 05 s` or `2 h 10 min`.
export function elapsed(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Returns `de ad be ef |....|`, eight bytes a line, at most `lines` lines.
export function hexDump(bytes, lines = 8) {
  const rows = [];
  for (let at = 0; at < bytes.length && rows.length < lines; at += 8) {
    const row = bytes.subarray(at, at + 8);
    const pairs = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = Array.from(row, (byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    rows.push(`${pairs.padEnd(23)}  ${letters}`);
  }
  const left = bytes.length - rows.length * 8;
  if (left > 0) rows.push(`and ${count(left, "more byte")}`);
  return rows.join("\n");
}

// Parses bytes in hexadecimal, with any spaces, commas and `0x` between them; throws an Error that
// explains a mistake.
export function parseHex(text) {
  const digits = text.replace(/0x/gi, "").replace(/[\s,:]+/g, "");
  const stranger = digits.match(/[^0-9a-f]/iu);
  if (stranger) throw new Error(`“${stranger[0]}” is not a hexadecimal digit. Binary takes bytes such as: 48 65 6c 6c 6f`);
  if (digits.length % 2) throw new Error("A byte is two hexadecimal digits, and one digit is left over.");
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) => parseInt(digits.slice(2 * index, 2 * index + 2), 16));
}

// Returns the beginning of a random id, enough for people to tell two of them apart.
export function shortId(id) {
  return id.slice(0, 8);
}
