// Cards of generated tiles: the tile, the mask over it, what the referee reads in it.

import { drawLabels, drawOutline, drawPng, fromBase64 } from "./draw.js";
import { ask, follow } from "./server.js";

const percent = (fraction) => `${Math.round(100 * fraction)} %`;

export class Pictures {
  constructor(place, about, table, tell) {
    Object.assign(this, { place, about, table, tell, cards: new Map() });
  }

  /** Room for all that was asked for. */
  begin(columns, seeds, labels) {
    this.labels = labels;
    this.place.replaceChildren();
    this.place.style.setProperty("--columns", columns.length);
    this.cards = new Map();
    for (const seed of seeds) {
      columns.forEach((column, number) => {
        const card = make("figure");
        card.append(heading(column.replace(":", " · "), seed), make("div", "waits", "…"));
        this.cards.set(`${number} ${seed}`, card);
        this.place.append(card);
      });
    }
  }

  /** Take away what never came. */
  end() {
    for (const card of this.cards.values()) {
      if (card.querySelector(".waits")) card.querySelector(".waits").textContent = "not made";
    }
  }

  async add(picture) {
    const { facts } = picture;
    const card = this.cards.get(`${picture.column} ${facts.seed}`);
    const name = facts.variant === "sd-sc" ? `sd-sc · ${facts.plan}` : facts.variant;
    const reading = fromBase64(picture.reading);
    card.dataset.name = picture.name;
    card.replaceChildren(heading(name, facts.seed));
    const tile = await this.#tile(card, picture, name);
    const cost = `${facts.seconds.toFixed(2)} s · ${facts.evaluations} evaluations`;
    card.append(tile, make("p", "recalls", cost));
    if (reading.length) {
      this.#outline(tile, reading, "outline over-tile");
      card.append(...this.#read(picture, reading, name));
    }
    card.append(this.#buttons(card, picture, name));
  }

  async #tile(card, picture, name) {
    const stack = make("div", "stack");
    const tile = image(`Synthetic tile by ${name}`);
    const over = make("canvas", "labels over");
    over.setAttribute("aria-hidden", "true");
    await drawPng(tile, fromBase64(picture.tile));
    drawLabels(over, this.labels, this.about.tile_px, this.table);
    stack.append(tile, over);
    return stack;
  }

  #read(picture, reading, name) {
    const said = Object.entries(picture.recalls).map(([label, value]) => `${label} ${percent(value)}`);
    const stack = make("div", "stack");
    const map = image(`What the referee reads in the tile by ${name}: ${said.join(", ")}`);
    map.classList.add("labels", "reading");
    drawLabels(map, reading, this.about.tile_px, this.table);
    stack.append(map);
    this.#outline(stack, reading, "outline");
    const meter = make("p", "meter");
    const value = picture.agreement;
    meter.append("Agreement ", make("b", "agreement", value === null ? "–" : percent(value)));
    return [meter, stack, make("p", "recalls", `read as asked: ${said.join(", ")}`)];
  }

  #outline(stack, reading, names) {
    const outline = make("canvas", names);
    outline.setAttribute("aria-hidden", "true");
    drawOutline(outline, this.labels, reading, this.about.tile_px);
    stack.append(outline);
  }

  #buttons(card, picture, name) {
    const row = make("div", "buttons");
    const keep = make("button", "keep", "Download");
    keep.setAttribute("aria-label", `Download the tile by ${name}, seed ${picture.facts.seed}`);
    keep.onclick = () => this.#keep(picture).catch(this.tell);
    row.append(keep);
    if (!this.about.lacking.tiles && !this.about.lacking.referee) {
      const near = make("button", "near", "Nearest real");
      near.setAttribute("aria-label", `Nearest real training tile to the tile by ${name}`);
      near.onclick = () => {
        near.disabled = true;
        this.#nearest(card, picture).catch(this.tell).finally(() => { near.disabled = false; });
      };
      row.append(near);
    }
    for (const button of row.children) button.type = "button";
    return row;
  }

  async #keep(picture) {
    const response = await ask(`pictures/${picture.name}.zip`);
    const named = response.headers.get("content-disposition").match(/filename="(.*)"/)[1];
    const link = make("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = named;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async #nearest(card, picture) {
    const found = await follow(`pictures/${picture.name}/nearest`, {}, (kind, said) => {
      if (kind === "progress") this.tell(`${said.what}: ${said.done} of ${said.total}`);
    });
    this.tell("");
    card.querySelector(".nearest")?.remove();
    const part = make("div", "nearest");
    const tile = image(`Real training tile ${found.name}`);
    await drawPng(tile, fromBase64(found.tile));
    const words = `distance ${found.distance.toFixed(1)}; half of ${found.held_out} real tiles of `
      + `other patients are within ${found.median.toFixed(1)} of a training tile, `
      + `${percent(found.nearer)} are as near as this one.`;
    const warn = found.nearer < 0.05 ? " Nearer than that is rare: look whether it is a copy." : "";
    part.append(tile, make("p", "", `Nearest of ${found.of} training tiles: ${words}${warn}`));
    card.append(part);
  }
}

function make(kind, names = "", text = "") {
  const element = document.createElement(kind);
  element.className = names;
  element.textContent = text;
  return element;
}

function image(words) {
  const canvas = make("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  return canvas;
}

function heading(name, seed) {
  const title = make("h3", "", `${name} `);
  title.append(make("span", "", `seed ${seed}`));
  return title;
}
