// Timeouts as people write them: 500ms, 2s, 1.5m.

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

// Returns milliseconds, or null for empty text. Throws an Error for other text.
export function milliseconds(text) {
  if (text.trim() === "") return null;
  const [, number, unit = "s"] = text.trim().match(/^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/) ?? [];
  const value = Math.round(Number(number) * UNITS[unit]);
  if (!number || value < 1 || value > 9_999_999_999) throw new Error("A timeout is a number with a unit: 500ms, 2s, 1.5m.");
  return value;
}

// Returns milliseconds as seconds, for headers and options: 0.5.
export function seconds(value) {
  return String(value / 1_000);
}
