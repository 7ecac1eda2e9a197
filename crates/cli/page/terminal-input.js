// What was typed and is not acknowledged yet, numbered by byte: after a lost connection it is sent
// again from the offset that the server names, so that nothing is lost or doubled.

// As much as the server holds for a terminal that takes no input.
const MAX_BYTES = 4 * 1024 * 1024;
// Input is sent in messages of at most this length.
const MESSAGE_BYTES = 32 * 1024;
// Maximum length of the input that outlives a reload of the page.
const MAX_SAVED_BYTES = 64 * 1024;
// The length of the offset in front of the input of a message.
const OFFSET_BYTES = 8;

export class InputBuffer {
  // Pieces in order, each with its offset, and at most as long as a message.
  #pieces = [];
  #start = 0;
  #end = 0;
  // The offset after the input sent on this connection, and after that sent on any.
  #next = 0;
  #sent = 0;

  // The number of bytes that are not acknowledged.
  get length() {
    return this.#end - this.#start;
  }

  // Adds input. `false` if there is no space for it; then none of it is kept.
  push(bytes) {
    if (this.length + bytes.length > MAX_BYTES) return false;
    for (let at = 0; at < bytes.length; ) {
      let piece = this.#pieces.at(-1);
      if (!piece || piece.bytes.length === MESSAGE_BYTES) {
        piece = { offset: this.#end, bytes: new Uint8Array() };
        this.#pieces.push(piece);
      }
      const added = bytes.subarray(at, at + MESSAGE_BYTES - piece.bytes.length);
      const longer = new Uint8Array(piece.bytes.length + added.length);
      longer.set(piece.bytes);
      longer.set(added, piece.bytes.length);
      piece.bytes = longer;
      at += added.length;
      this.#end += added.length;
    }
    return true;
  }

  // Returns the next message of this connection: an offset and input. `null` if all is sent.
  next() {
    const piece = this.#pieces.find(({ offset, bytes }) => offset + bytes.length > this.#next);
    if (!piece) return null;
    const input = piece.bytes.subarray(this.#next - piece.offset);
    const message = new Uint8Array(OFFSET_BYTES + input.length);
    new DataView(message.buffer).setBigUint64(0, BigInt(this.#next));
    message.set(input, OFFSET_BYTES);
    this.#next += input.length;
    this.#sent = Math.max(this.#sent, this.#next);
    return message;
  }

  // Forgets the input before an offset: the terminal has taken it.
  acknowledge(offset) {
    this.#start = Math.min(Math.max(this.#start, offset), this.#end);
    this.#pieces = this.#pieces.filter((piece) => piece.offset + piece.bytes.length > this.#start);
  }

  // Begins a connection, from the input on that the terminal has not taken.
  resume(offset) {
    this.acknowledge(offset);
    this.#next = this.#start;
  }

  // Begins a connection that knows nothing of this input. What an earlier one may have taken is
  // forgotten: returns its length.
  renumber(offset) {
    const uncertain = Math.max(0, this.#sent - this.#start);
    const kept = this.#bytes().subarray(uncertain);
    this.#pieces = [];
    this.#start = this.#end = this.#next = this.#sent = offset;
    this.push(kept);
    return uncertain;
  }

  // Forgets everything, and returns the length of what was not acknowledged.
  clear() {
    const length = this.length;
    this.#pieces = [];
    this.#start = this.#end = this.#next = this.#sent = 0;
    return length;
  }

  // Returns the state as JSON can hold it; `null` for more input than is saved.
  save() {
    if (this.length > MAX_SAVED_BYTES) return null;
    return { start: this.#start, sent: this.#sent, data: Array.from(this.#bytes()) };
  }

  restore({ start, sent, data }) {
    this.clear();
    this.#start = this.#end = this.#next = start;
    this.push(Uint8Array.from(data));
    this.#sent = sent;
  }

  #bytes() {
    const all = new Uint8Array(this.length);
    for (const { offset, bytes } of this.#pieces) {
      const skipped = Math.max(0, this.#start - offset);
      all.set(bytes.subarray(skipped), offset + skipped - this.#start);
    }
    return all;
  }
}
