// The way in: what the weights are, and the token first where one is needed, or another one.

import { askAbout, offerToken, takeToken } from "./server.js";

const by = (id) => document.getElementById(id);

/** Let `open` begin with what the server says of the weights, and again with every other link. */
export async function enter(open, tell) {
  let isAwaited = true;
  const begin = async () => {
    try {
      const about = await askAbout();
      const wasAsked = askForToken(false);
      if (!isAwaited && wasAsked) tell("The token is right. Press again what was refused.");
      if (!isAwaited) return;
      isAwaited = false;
      await open(about);
    } catch (error) { tell(error); }
  };
  // whatever was asked for
  addEventListener("refused", () => askForToken(true));
  by("enter").onsubmit = (event) => {
    event.preventDefault();
    offerToken(by("token").value);
    by("token").value = "";
    begin();
  };
  addEventListener("hashchange", () => {
    takeToken();
    isAwaited = true;
    begin();
  });
  await begin();
}

/** The link behind #, and the view that was chosen, stay meanwhile. Returns whether it was asked. */
function askForToken(isAsked) {
  const wasAsked = !by("enter").hidden;
  if (wasAsked === isAsked) return wasAsked;
  by("enter").hidden = !isAsked;
  document.querySelector("nav").hidden = isAsked;
  for (const view of ["paint", "quiz"]) {
    const isChosen = by(`to-${view}`).getAttribute("aria-pressed") === "true";
    by(`${view}-view`).hidden = isAsked || !isChosen;
  }
  if (isAsked) by("token").focus();
  return wasAsked;
}
