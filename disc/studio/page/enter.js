// The way in: what the weights are, and the token first where one is needed and missing.

import { askJson, keepToken, takeToken } from "./server.js";

const by = (id) => document.getElementById(id);

/** Let `open` begin with what the server says of the weights, and again with every other link. */
export async function enter(open, tell) {
  let about = null;
  const begin = async () => {
    try {
      about ??= await askJson("about");
      askForToken(false);
      await open(about);
    } catch (error) {
      if (error.status === 401 && !about) askForToken(true);
      tell(error);
    }
  };
  by("enter").onsubmit = (event) => {
    event.preventDefault();
    keepToken(by("token").value);
    by("token").value = "";
    begin();
  };
  addEventListener("hashchange", () => {
    takeToken();
    begin();
  });
  await begin();
}

/** The link behind # stays where it is meanwhile. */
function askForToken(isAsked) {
  if (by("enter").hidden === !isAsked) return;
  by("enter").hidden = !isAsked;
  document.querySelector("nav").hidden = by("paint-view").hidden = isAsked;
  if (isAsked) by("token").focus();
}
