// The page: what stands where, and what happens when it is used.

import { colourTable } from "./draw.js";
import { enter } from "./enter.js";
import { readLink, writeLink } from "./link.js";
import { Mask, paintExample } from "./mask.js";
import { checkOrder, readOrder, setUpOrder, writeOrder } from "./order.js";
import { Painter } from "./painter.js";
import { Pictures } from "./pictures.js";
import { setUpQuiz } from "./quiz.js";
import { follow } from "./server.js";
import { setUpSources } from "./sources.js";

const by = (id) => document.getElementById(id);

/** Say something to everybody, screen readers too; an Error as such. */
function tell(said) {
  const isError = said instanceof Error;
  if (isError && said.name === "AbortError") return;
  by("status").className = isError ? "bad" : "";
  by("status").textContent = isError ? said.message : said;
}

class Page {
  constructor(about) {
    this.about = about;
    const table = colourTable(about.labels);
    this.mask = new Mask(about.tile_px);
    this.painter = new Painter(this.mask, table, { canvas: by("mask"), ring: by("ring") });
    this.pictures = new Pictures(by("pictures"), about, table, tell);
    this.mask.onChange = () => {
      this.painter.show();
      by("undo").disabled = !this.mask.past.length;
      by("redo").disabled = !this.mask.future.length;
    };
    this.painter.onMove = ({ x, y }) => {
      const label = about.labels.find(({ value }) => value === this.mask.labels[y * about.tile_px + x]);
      tell(`column ${x + 1}, row ${y + 1}: ${label.name}${this.painter.isDown ? ", brush down" : ""}`);
    };
    this.work = null;
    this.link = null;
    this.#describe();
    this.#setUpTools();
    setUpSources(this.mask, tell);
    setUpOrder(about);
    this.#setUpForm();
    setUpQuiz(about, tell);
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The link's picture, or an example. */
  async openLink() {
    const link = await readLink(location.hash, this.mask.labels.length);
    if (link) {
      this.mask.replace(link.labels);
      this.link = { weights: link.order.weights, lacking: writeOrder(link.order) };
    } else if (!this.mask.past.length) {
      paintExample(this.mask);
      this.mask.onChange();
    }
    await this.generate();
  }

  #describe() {
    const { about } = this;
    const size = about.um_per_px ? `, ${Math.round(about.tile_px * about.um_per_px)}\u00a0µm` : "";
    by("weights").textContent = `${about.name}: tiles of ${about.tile_px} px${size}`;
    if (about.is_simulated) by("weights").append(badge("simulated tissue only"));
    by("mask").setAttribute("aria-label", `Mask of ${about.tile_px} by ${about.tile_px} pixels`);
    const parts = { shapes: "Masks of a recipe", tiles: "Masks of real tiles", referee: "Reading again" };
    for (const [part, name] of Object.entries(parts)) {
      const why = about.lacking[part];
      by(`lack-${part}`).hidden = !why;
      by(`lack-${part}`).textContent = why ? `${name}: not here; ${why}.` : "";
    }
    by("recipe").hidden = "shapes" in about.lacking;
    by("real").parentElement.hidden = "tiles" in about.lacking;
    const isRead = !("referee" in about.lacking);
    by("read").checked = isRead;
    by("read").disabled = !isRead;
    by("outline").parentElement.hidden = !isRead;
  }

  #setUpTools() {
    this.about.labels.forEach(({ name, value, colour }, number) => {
      const button = document.createElement("button");
      const swatch = document.createElement("i");
      swatch.style.background = `rgb(${colour.join(" ")})`;
      button.type = "button";
      button.setAttribute("role", "radio");
      button.title = `Key ${number + 1}`;
      button.dataset.value = value;
      button.append(swatch, `${number + 1} ${name}`);
      button.onclick = () => this.chooseLabel(number);
      by("labels").append(button);
    });
    by("labels").onkeydown = (event) => this.#walkLabels(event);
    this.chooseLabel(1);
    by("radius").max = this.about.tile_px >> 2;
    by("radius").oninput = () => this.setRadius(Number(by("radius").value));
    this.setRadius(this.about.tile_px >> 4);
    for (const tool of ["brush", "fill"]) by(tool).onclick = () => this.chooseTool(tool);
    by("undo").onclick = () => this.mask.undo();
    by("redo").onclick = () => this.mask.redo();
    for (const view of ["paint", "quiz"]) by(`to-${view}`).onclick = () => this.showView(view);
  }

  showView(view) {
    tell("");
    for (const other of ["paint", "quiz"]) {
      by(`to-${other}`).setAttribute("aria-pressed", String(other === view));
      by(`${other}-view`).hidden = other !== view;
    }
  }

  chooseLabel(number) {
    [...by("labels").children].forEach((button, place) => {
      button.setAttribute("aria-checked", String(place === number));
      button.tabIndex = place === number ? 0 : -1;
    });
    this.painter.label = this.about.labels[number].value;
  }

  /** Arrow keys go through radio buttons. */
  #walkLabels(event) {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    const buttons = [...by("labels").children];
    const now = buttons.findIndex((button) => button.tabIndex === 0);
    const next = (now + way + buttons.length) % buttons.length;
    this.chooseLabel(next);
    buttons[next].focus();
    event.preventDefault();
  }

  chooseTool(tool) {
    for (const other of ["brush", "fill"]) {
      by(other).setAttribute("aria-pressed", String(other === tool));
    }
    this.painter.setTool(tool);
  }

  setRadius(radius) {
    const kept = Math.min(Number(by("radius").max), Math.max(0, radius));
    const { um_per_px: scale } = this.about;
    by("radius").value = kept;
    by("radius-said").textContent = `${kept} px${scale ? ` = ${Math.round(kept * scale)} µm` : ""}`;
    this.painter.setRadius(kept);
  }

  #setUpForm() {
    by("dice").onclick = () => {
      by("seed").value = Math.floor(Math.random() * 1e6);
      this.generate();
    };
    by("order").onsubmit = (event) => {
      event.preventDefault();
      this.generate();
    };
    by("cancel").onclick = () => this.work?.abort();
    by("link").onclick = () => this.copyLink().catch(tell);
    const look = () => {
      by("pictures").style.setProperty("--opacity", by("opacity").value / 100);
      by("pictures").classList.toggle("outlined", by("outline").checked);
    };
    by("opacity").oninput = by("outline").onchange = look;
    look();
  }

  async generate() {
    this.work?.abort();
    if (!by("order").reportValidity()) return;
    const work = new AbortController();
    this.work = work;
    this.#showWork(true);
    tell("");
    try {
      await this.#make(work.signal);
    } catch (error) {
      // what other work took the place of has nothing more to say
      if (this.work === work) tell(error.name === "AbortError" ? "Cancelled." : error);
    } finally {
      if (this.work === work) {
        this.pictures.end();
        this.#showWork(false);
      }
    }
  }

  async #make(signal) {
    const order = readOrder();
    const link = this.link ?? { lacking: [] };
    this.link = null;
    checkOrder(order, link.lacking);
    const body = this.mask.labels.slice();
    const asked = Object.entries(order).filter(([, value]) => value !== "");
    const drawn = [];
    const hear = (kind, said) => {
      // no sooner: where the order is refused, the pictures before it stay
      if (kind === "queued") this.#makeRoom(order, body);
      this.#hear(kind, said, drawn);
    };
    const end = await follow(`pictures?${new URLSearchParams(asked)}`, { body, signal }, hear);
    await Promise.all(drawn);
    tell(`Done in ${end.seconds.toFixed(1)} s.${this.#compare(link)}`);
    history.replaceState(null, "", await writeLink(body, { ...order, weights: this.checkpoint }));
  }

  #makeRoom(order, labels) {
    const seeds = Array.from({ length: Number(order.count) }, (_, i) => Number(order.seed) + i);
    this.pictures.begin(order.columns.split(","), seeds, labels);
    this.columns = order.columns;
  }

  #hear(kind, said, drawn) {
    if (kind === "queued" && said.before) tell(`${said.before} before you…`);
    if (kind === "progress") {
      by("progress").value = said.done / said.total;
      if (by("status").textContent) tell("");
    }
    if (kind === "picture") {
      this.checkpoint = said.facts.checkpoint;
      drawn.push(this.pictures.add(said));
    }
  }

  /** How the picture differs from the one that a link was made of. */
  #compare({ weights, lacking }) {
    const lacks = lacking.length
      ? ` The link asks for ${lacking.join(", ")} too, which these weights lack.` : "";
    const isOther = weights && weights !== this.checkpoint;
    return lacks + (isOther ? " The link was made with other weights: its picture was another." : "");
  }

  #showWork(isOn) {
    by("cancel").hidden = by("progress").hidden = !isOn;
    by("progress").value = 0;
    by("pictures").setAttribute("aria-busy", String(isOn));
  }

  async copyLink() {
    const order = readOrder();
    // other columns may be drawn by other weights than those that were shown last
    const weights = order.columns === this.columns ? this.checkpoint ?? "" : "";
    history.replaceState(null, "", await writeLink(this.mask.labels, { ...order, weights }));
    try {
      await navigator.clipboard.writeText(location.href);
      tell("The link is copied: mask, seed, variants and plans.");
    } catch {
      tell("The address above is the link; copy it from there.");
    }
  }

  #key(event) {
    const isElsewhere = event.target.matches("input:not([type=range], [type=checkbox]), select");
    if (by("paint-view").hidden || isElsewhere || event.altKey) return;
    const key = event.key.toLowerCase();
    const hasCommand = event.ctrlKey || event.metaKey;
    const doing = {
      z: () => (event.shiftKey ? this.mask.redo() : this.mask.undo()),
      y: () => this.mask.redo(),
      ...(!hasCommand && {
        "[": () => this.setRadius(this.painter.radius - 1),
        "]": () => this.setRadius(this.painter.radius + 1),
        b: () => this.chooseTool("brush"),
        f: () => this.chooseTool("fill"),
        g: () => this.generate(),
        escape: () => this.work?.abort(),
      }),
    }[key];
    const number = Number(key) - 1;
    if (doing) doing();
    else if (!hasCommand && number in this.about.labels) this.chooseLabel(number);
    else return;
    event.preventDefault();
  }
}

function badge(words) {
  const element = document.createElement("span");
  element.className = "badge";
  element.textContent = words;
  return element;
}

await enter(async (about) => {
  window.studio ??= new Page(about);
  await window.studio.openLink();
}, tell);
