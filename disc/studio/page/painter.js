// The canvas that shows the mask, and the hands that paint on it: pointer and keyboard.

import { drawLabels } from "./draw.js";

export class Painter {
  constructor(mask, table, elements) {
    Object.assign(this, { mask, table, ...elements });
    this.label = 1;
    this.tool = "brush";
    this.radius = 0;
    this.at = { x: mask.side >> 1, y: mask.side >> 1 };
    this.isDown = false;
    this.onMove = () => {};
    this.#listen();
    new ResizeObserver(() => this.#placeRing()).observe(this.canvas);
  }

  show() { drawLabels(this.canvas, this.mask.labels, this.mask.side, this.table); }

  setRadius(radius) {
    this.radius = radius;
    this.#placeRing();
  }

  setTool(tool) {
    this.tool = tool;
    this.#placeRing();
  }

  /** Paint or fill where the cursor is. */
  touch() {
    this.#moveTo(this.#inside(this.at));
    if (this.tool === "fill") {
      this.mask.fill(this.at.x, this.at.y, this.label);
      return;
    }
    this.mask.begin();
    this.mask.line(this.at, this.at, this.radius, this.label);
  }

  /** The pixel of the mask that is nearest: a stroke may end beside it. */
  #inside({ x, y }) {
    const clamp = (value) => Math.min(this.mask.side - 1, Math.max(0, value));
    return { x: clamp(x), y: clamp(y) };
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: Math.floor(((event.clientX - box.left) * this.mask.side) / box.width),
      y: Math.floor(((event.clientY - box.top) * this.mask.side) / box.height),
    };
  }

  #listen() {
    const { canvas } = this;
    let isStroke = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#moveTo(this.#place(event));
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      isStroke = this.tool === "brush";
      this.touch();
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      const between = event.getCoalescedEvents?.() ?? [];
      for (const each of between.length ? between : [event]) {
        const from = this.at;
        this.#moveTo(this.#place(each));
        if (isStroke) this.mask.line(from, this.at, this.radius, this.label);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => { isStroke = false; });
    }
    canvas.addEventListener("pointerleave", () => { this.ring.style.visibility = "hidden"; });
    canvas.addEventListener("focus", () => this.#placeRing());
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    const by = event.shiftKey ? Math.max(1, this.mask.side >> 3) : 1;
    const ways = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ways) {
      const [x, y] = ways[event.key];
      const from = this.at;
      this.#moveTo(this.#inside({ x: from.x + x, y: from.y + y }));
      if (this.isDown) this.mask.line(from, this.at, this.radius, this.label);
      this.onMove(this.at);
    } else if (event.key === " ") {
      this.touch();
    } else if (event.key.toLowerCase() === "d") {
      this.isDown = !this.isDown;
      if (this.isDown) this.touch();
      this.onMove(this.at);
    } else return;
    event.preventDefault();
  }

  #moveTo(at) {
    this.at = at;
    this.#placeRing();
  }

  /** The ring shows the pixels that a click would paint. */
  #placeRing() {
    const pixel = this.canvas.clientWidth / this.mask.side;
    const radius = this.tool === "fill" ? 0 : this.radius;
    const { style } = this.ring;
    style.visibility = "visible";
    style.width = style.height = `${(2 * radius + 1) * pixel}px`;
    style.transform =
      `translate(${(this.at.x - radius) * pixel}px, ${(this.at.y - radius) * pixel}px)`;
  }
}
