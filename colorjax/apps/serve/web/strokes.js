// The canvas of strokes over the picture. `lab.js` comes before, `hints.js` after.
const stage = (selector) => document.querySelector(`#pair ${selector}`);
const canvas = () => stage("canvas").getContext("2d", { willReadFrequently: true });
let shown = null; // the strokes, a PNG in base 64, that the canvas has or will have

function drawStrokes(strokes) {
  const { naturalWidth: width, naturalHeight: height } = stage(".colored");
  const board = stage("canvas");
  const sized = board.width === width && board.height === height;
  if (!width || (sized && strokes === shown)) return;
  shown = strokes;
  Object.assign(board, { width, height }); // clears it
  if (!strokes) return;
  const image = new Image();
  image.onload = () => {
    if (strokes === shown) canvas().drawImage(image, 0, 0);
  };
  image.src = `data:image/png;base64,${strokes}`;
}

// Both ends are fractions of the sides; `radius` is one of the short side.
function drawLine(from, to, radius, color) {
  const { width, height } = stage("canvas");
  const context = canvas();
  context.globalCompositeOperation = color ? "source-over" : "destination-out";
  context.strokeStyle = color ?? "#000";
  context.lineWidth = Math.max(2, 2 * radius * Math.min(width, height));
  context.lineCap = "round";
  context.beginPath();
  context.moveTo(from.x * width, from.y * height);
  context.lineTo(to.x * width, to.y * height);
  context.stroke();
}

function readStrokes() { // null if no pixel is opaque
  const { width, height } = stage("canvas");
  const { data } = canvas().getImageData(0, 0, width, height);
  shown = null;
  for (let at = 3; at < data.length && !shown; at += 4) {
    if (data[at] === 255) shown = stage("canvas").toDataURL("image/png").split(",")[1];
  }
  return shown;
}
