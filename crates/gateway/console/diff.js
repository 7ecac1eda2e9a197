// The lines in which two texts differ.

// The longest texts that are compared line by line: the table of the comparison has this number of
// lines squared.
const MAX_LINES = 1_000;

// Returns a list of `{ side, text }`: side is "both", "left" or "right".
export function diff(left, right) {
  const [one, other] = [left.split("\n"), right.split("\n")];
  if (one.length > MAX_LINES || other.length > MAX_LINES) {
    if (left === right) return one.map((text) => ({ side: "both", text }));
    return [...one.map((text) => ({ side: "left", text })), ...other.map((text) => ({ side: "right", text }))];
  }
  // lengths[i][j] is the length of the longest common sequence of the lines from i and from j on.
  const lengths = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = one[i] === other[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      lines.push({ side: "both", text: one[i] });
      i += 1;
      j += 1;
    } else if (j >= other.length || (i < one.length && lengths[i + 1][j] >= lengths[i][j + 1])) {
      lines.push({ side: "left", text: one[i] });
      i += 1;
    } else {
      lines.push({ side: "right", text: other[j] });
      j += 1;
    }
  }
  return lines;
}
