// Masks from elsewhere: a recipe, a real tile, a PNG.

import { drawPng, fromBase64 } from "./draw.js";
import { askBytes, askJson } from "./server.js";

const by = (id) => document.getElementById(id);

export function setUpSources(mask, tell) {
  for (const id of ["primary", "secondary"]) {
    for (const grade of [0, 3, 4, 5]) by(id).append(new Option(grade || "0 (benign)", grade));
  }
  by("primary").value = 3;
  by("secondary").value = 4;
  by("primary").onchange = offerSecondary;
  offerSecondary();
  let drawn = 0;
  const take = (work) => async (event) => {
    event.preventDefault();
    try {
      tell("taking a mask…");
      by("real-tile").hidden = true;
      tell((await work()) ?? "");
    } catch (error) { tell(error); }
  };
  by("recipe").onsubmit = take(async () => {
    const asked = { primary: by("primary").value, secondary: by("secondary").value, seed: drawn++ };
    const { mask: labels, lacking, drawn: num } =
      await askJson(`masks/recipe?${new URLSearchParams(asked)}`);
    mask.replace(fromBase64(labels));
    if (!lacking.length) return "";
    return `No ${lacking.join(" and no ")} here: none of the ${num} masks drawn holds all that was `
      + "asked for. Draw another.";
  });
  by("real").onclick = take(async () => {
    const found = await askJson(`masks/real?seed=${drawn++}`);
    mask.replace(fromBase64(found.mask));
    await drawPng(by("real-tile").querySelector("canvas"), fromBase64(found.tile));
    by("real-tile").querySelector("figcaption").textContent = `Real: ${found.name}`;
    by("real-tile").hidden = false;
  });
  by("png").onsubmit = take(async () => {
    const values = by("png-values").value;
    const body = by("png-file").files[0];
    mask.replace(await askBytes(`masks/png?values=${values}`, { method: "POST", body }));
  });
}

/** No slide is graded 0 + 4 or 4 + 0: only benign goes with benign. */
function offerSecondary() {
  const isBenign = by("primary").value === "0";
  for (const option of by("secondary").options) {
    option.disabled = (option.value === "0") !== isBenign;
  }
  if (by("secondary").selectedOptions[0]?.disabled ?? true) {
    by("secondary").value = by("primary").value;
  }
}
