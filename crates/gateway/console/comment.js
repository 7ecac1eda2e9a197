// Comments of definitions.

// Returns a comment whose lines are joined to paragraphs: definitions wrap them at a column. Empty
// lines, and lines that begin as items of a list, stay.
export function paragraphs(comment) {
  return comment.replace(/([^\n])\n(?!\n|\s*(?:[-*•]|\d+[.)])\s)[ \t]*/g, "$1 ");
}
