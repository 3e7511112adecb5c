// Talking to the server: a sentence when it refuses, events while it works.

takeToken();

/** The secret stands behind # in the address that was printed; it is taken out of sight, so that no
 * link that is copied holds it. Returns whether it was there. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("token")) return false;
  sessionStorage.setItem("token", given.get("token"));
  given.delete("token");
  history.replaceState(null, "", `${location.pathname}#${given}`);
  return true;
}

/** For this tab, until it is closed: a token, or the printed address that holds one. */
export function keepToken(text) {
  const given = new URLSearchParams(text.slice(text.indexOf("#") + 1));
  sessionStorage.setItem("token", given.get("token") ?? text);
}

export async function ask(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(`api/${path}`, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the studio does not answer; is it still running?");
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    const error = new Error(said.error || `the studio answered ${response.status}`);
    throw Object.assign(error, { status: response.status });
  }
  return response;
}

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
