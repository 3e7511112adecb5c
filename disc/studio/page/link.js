// A permalink: the mask, packed, and all that the picture depends on.

async function through(stream, bytes) {
  const packed = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function toText(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function toBytes(text) {
  const signs = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(signs, (sign) => sign.charCodeAt(0));
}

export async function writeLink(labels, order) {
  const packed = await through(new CompressionStream("deflate-raw"), labels);
  const given = { mask: toText(packed), ...order };
  return `#${new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ""))}`;
}

/** What a link says; null where it says nothing of a mask. */
export async function readLink(hash, numPixels) {
  const given = new URLSearchParams(hash.slice(1));
  if (!given.has("mask")) return null;
  try {
    const stream = new DecompressionStream("deflate-raw");
    const labels = await through(stream, toBytes(given.get("mask")));
    if (labels.length !== numPixels) throw new Error();
    return { labels, order: Object.fromEntries(given) };
  } catch {
    throw new Error("the link is damaged, or of weights with other tiles");
  }
}
