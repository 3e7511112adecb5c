// Talking to the server: a sentence when it refuses, events while it works.

/** A token that the server has not seen yet. */
let offered = "";
takeToken();

/** The secret stands behind # in the address that was printed; it is taken out of sight, so that no
 * link that is copied holds it. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("token")) return;
  offered = given.get("token");
  given.delete("token");
  history.replaceState(null, "", `${location.pathname}#${given}`);
}

/** A token, or the printed address that holds one. */
export function offerToken(text) {
  const given = new URLSearchParams(text.slice(text.indexOf("#") + 1));
  offered = given.get("token") ?? text;
}

/** What the weights are. A token that was offered is kept, for this tab until it is closed, if the
 * server takes it; else the one before stays. */
export async function askAbout() {
  const token = offered;
  offered = "";
  // no header holds other signs, nor does any token
  if (/^[!-~]+$/.test(token)) {
    try {
      const about = await askJson("about", { token });
      sessionStorage.setItem("token", token);
      return about;
    } catch (error) {
      if (error.status !== 401) throw error;
    }
  }
  return askJson("about");
}

/** Where the kept token is refused, or none is kept, the window hears `refused`. */
export async function ask(path, { token = keptToken(), ...options } = {}) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(`api/${path}`, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the studio does not answer; is it still running?");
  }
  if (!response.ok) {
    // an answer to the token before the one that is kept now tells nothing
    if (response.status === 401 && token === keptToken()) dispatchEvent(new Event("refused"));
    const said = await response.json().catch(() => ({}));
    const error = new Error(said.error || `the studio answered ${response.status}`);
    throw Object.assign(error, { status: response.status });
  }
  return response;
}

const keptToken = () => sessionStorage.getItem("token");

export const askJson = async (path, options) => (await ask(path, options)).json();

export const askBytes = async (path, options) =>
  new Uint8Array(await (await ask(path, options)).arrayBuffer());

/** Listen until the work is done; returns its result. `hear` is told of every event before. */
export async function follow(path, options, hear) {
  const response = await ask(path, { method: "POST", ...options });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the studio stopped in the middle");
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const [, kind, data] = part.match(/^event: (.*)\ndata: (.*)$/);
      const said = JSON.parse(data);
      if (kind === "failed") throw new Error(said.error);
      if (kind === "done") return said;
      hear(kind, said);
    }
  }
}
