// Labels and tiles onto canvases.

/** Colours as bytes by label, for pictures of masks. */
export function colourTable(labels) {
  const table = new Uint8Array(256 * 3);
  for (const { value, colour } of labels) table.set(colour, value * 3);
  return table;
}

export function drawLabels(canvas, labels, side, table) {
  canvas.width = canvas.height = side;
  const picture = new ImageData(side, side);
  for (let i = 0; i < labels.length; i++) {
    picture.data.set(table.subarray(labels[i] * 3, labels[i] * 3 + 3), i * 4);
    picture.data[i * 4 + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

export async function drawPng(canvas, bytes) {
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
}

/** A line along the edges of all pixels that were asked for as one label and read as another. */
export function drawOutline(canvas, mask, reading, side) {
  const scale = Math.max(1, Math.round(512 / side));
  canvas.width = canvas.height = side * scale;
  const differs = mask.map((label, i) => Number(label !== 255 && label !== reading[i]));
  const at = (x, y) => (x < 0 || y < 0 || x >= side || y >= side ? 0 : differs[y * side + x]);
  const edges = new Path2D();
  const edge = (x, y, x1, y1) => {
    edges.moveTo(x * scale, y * scale);
    edges.lineTo(x1 * scale, y1 * scale);
  };
  for (let y = 0; y <= side; y++) {
    for (let x = 0; x <= side; x++) {
      if (at(x, y) !== at(x - 1, y)) edge(x, y, x, y + 1);
      if (at(x, y) !== at(x, y - 1)) edge(x, y, x + 1, y);
    }
  }
  const pen = canvas.getContext("2d");
  pen.lineCap = "square";
  for (const [colour, width] of [["#000", 5], ["#fff", 2]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke(edges);
  }
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}
