// The truth: one byte a pixel, 0 to 3 for classes and 255 for unknown. Whole numbers only.

const KEPT = 60;

export class Mask {
  constructor(side) {
    this.side = side;
    this.labels = new Uint8Array(side * side);
    this.past = [];
    this.future = [];
    this.onChange = () => {};
  }

  /** Put what follows, until the next call, into one step of undo. */
  begin() {
    this.past.push(this.labels.slice());
    if (this.past.length > KEPT) this.past.shift();
    this.future = [];
  }

  /** A disc of whole pixels: all within half a pixel more than `radius` of (x, y). */
  stamp(x, y, radius, label) {
    const { side, labels } = this;
    for (let row = Math.max(0, y - radius); row <= Math.min(side - 1, y + radius); row++) {
      const half = Math.floor(Math.sqrt(radius * (radius + 1) - (row - y) ** 2));
      const first = Math.max(0, x - half);
      const last = Math.min(side - 1, x + half);
      if (first <= last) labels.fill(label, row * side + first, row * side + last + 1);
    }
  }

  /** Discs along a line, so that a fast stroke leaves no gaps. */
  line(from, to, radius, label) {
    const num = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y));
    for (let i = 0; i <= num; i++) {
      const part = num ? i / num : 0;
      const x = Math.round(from.x + part * (to.x - from.x));
      const y = Math.round(from.y + part * (to.y - from.y));
      this.stamp(x, y, radius, label);
    }
    this.onChange();
  }

  /** The area of one label around (x, y), over edges: a step of undo, if it is of another label. */
  fill(x, y, label) {
    const { side, labels } = this;
    const start = y * side + x;
    const old = labels[start];
    if (old === label) return;
    this.begin();
    const waiting = [start];
    labels[start] = label;
    const visit = (place) => {
      if (labels[place] !== old) return;
      labels[place] = label;
      waiting.push(place);
    };
    while (waiting.length) {
      const place = waiting.pop();
      const column = place % side;
      if (column > 0) visit(place - 1);
      if (column < side - 1) visit(place + 1);
      if (place >= side) visit(place - side);
      if (place < side * (side - 1)) visit(place + side);
    }
    this.onChange();
  }

  /** Another mask in its place; can be undone. */
  replace(labels) {
    if (labels.length !== this.labels.length) {
      throw new Error(`that mask has ${labels.length} pixels; expected ${this.labels.length}`);
    }
    this.begin();
    this.labels.set(labels);
    this.onChange();
  }

  undo() { this.#step(this.past, this.future); }

  redo() { this.#step(this.future, this.past); }

  #step(from, to) {
    if (!from.length) return;
    to.push(this.labels.slice());
    this.labels.set(from.pop());
    this.onChange();
  }
}

/** What the page starts with: benign tissue with two patterns in it. */
export function paintExample(mask) {
  const part = (fraction) => Math.round(fraction * mask.side);
  mask.labels.fill(0);
  mask.stamp(part(0.32), part(0.34), part(0.24), 1);
  mask.line({ x: part(0.62), y: part(0.8) }, { x: part(0.84), y: part(0.52) }, part(0.17), 2);
}
