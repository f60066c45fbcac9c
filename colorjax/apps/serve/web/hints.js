// The hints of the picture on the page: the tools beside it and the layer over it.
// `props.value` is {picture, hints, text, advice, loaded, ...}: `hints` is JSON of
// `Guide`, or empty; `text`, `guidance` and the rest are for `words.js`; `advice` says
// whether the server knows where a hint would help, `exemplar` whether another picture
// can give its colors, `loaded` whether the hints are those of a file.
// An event "answer" has what the server replies to other events.
const NONE = { points: [], only_here: false, text: [], guidance: null };
const WITHOUT_PLACE = { // what else hints may hold, and its name in the list
  strokes: "Strokes",
  boxes: "Boxes",
  palette: "Palette",
  exemplar: "Colors of another picture",
};
const NEUTRAL = "neutral";
const GREY = "#808080"; // what neutral looks like
const STEP = 0.005; // of a side: how far an arrow key moves, ten times that with Shift
const EXEMPLAR_SIDE = 256; // pixels of the short side, as in `Guide`
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
  ArrowDown: [0, 1] };
const HELP = {
  point: "Click a place in the picture, then choose its color.",
  place: "Choose the color of this place.",
  selected: "Drag the point to move it, or choose another color.",
  brush: "Paint over things of one color.",
  eraser: "Paint over strokes to erase them.",
};

const one = (selector) => element.querySelector(selector);
const within = (x) => Math.round(1e4 * Math.min(1, Math.max(0, x))) / 1e4;
const percent = (x) => `${Math.round(100 * x)} %`;
const paint = (color) => (color === NEUTRAL ? GREY : color);

let hints = NONE;
let saved = NONE; // as they were at the last step that "Undo" returns to
let [past, future] = [[], []];
let picture = null; // the name of the one on the page
const histories = new Map(); // [past, future] of each picture
let tool = "point";
let color = null; // of the next stroke
let recent = [];
let mixed = null; // the color that the bars gave to the selected point
let place = null; // {x, y} that has no point yet
let selected = -1; // index of a point
let cross = { x: 0.5, y: 0.5 }; // what arrow keys move
let offer = { lightness: 60, colors: [] };
let advice = [];
let toPicker = false; // whether the answer moves the focus to the colors
let stroke = null; // {x, y}, the last place of the pointer while it paints
let drag = false;

const radius = () => 2 ** (one(".size input").value / 16 - 7); // 1/64 at 16
const current = () => (selected >= 0 ? hints.points[selected] : place);

// ---- Changes. A change that is not final is shown, but "Undo" skips it.

function send() {
  const { text, guidance, ...rest } = hints;
  const own = named().length ? JSON.stringify(rest) : "";
  props.value = { ...props.value, hints: own, text, guidance };
  trigger("input");
}

function change(next, final = true) {
  hints = next;
  if (final) finish();
  send();
  draw();
}

function finish() {
  if (hints === saved) return;
  past.push(saved);
  saved = hints;
  future.length = 0;
  if (document.querySelector("#variations button.open")) trigger("submit");
}

function drop(key) { // strokes, for example
  const { [key]: _, ...rest } = hints;
  change(rest);
}

function step(from, to) { // undo or redo
  if (!from.length) return;
  to.push(saved);
  hints = saved = from.pop();
  deselect();
  send();
  draw();
}

function undoByKey(event) { // Ctrl+Z, and with Shift the way back
  const { key, ctrlKey, metaKey, shiftKey, target } = event;
  if (target.type === "text" || !(ctrlKey || metaKey) || key.toLowerCase() !== "z") return false;
  step(...(shiftKey ? [future, past] : [past, future]));
  event.preventDefault();
  return true;
}

function movePoint(index, x, y, final) {
  const points = [...hints.points];
  points[index] = { ...points[index], x: within(x), y: within(y) };
  change({ ...hints, points }, final);
}

function remove(index) {
  const points = hints.points.filter((_, i) => i !== index);
  deselect();
  change({ ...hints, points });
}

function useColor(chosen, final = true) {
  color = chosen;
  if (final) recent = [chosen, ...recent.filter((x) => x !== chosen)].slice(0, 5);
  const points = [...hints.points];
  if (selected < 0 && place) {
    selected = points.push({ ...place, color, radius: radius() }) - 1;
    place = null;
  } else if (selected >= 0) points[selected] = { ...points[selected], color };
  else return draw();
  change({ ...hints, points }, final);
}

// ---- Places.

function deselect() {
  selected = thing = -1;
  place = mixed = null;
}

function ask(x, y) {
  trigger("place", { x, y });
}

function choosePlace(x, y, keyboard = false) {
  deselect();
  place = { x: within(x), y: within(y) };
  advice = advice.filter((at) => Math.hypot(at[0] - x, at[1] - y) > 0.02);
  toPicker = keyboard;
  ask(place.x, place.y);
  draw();
}

function select(index, keyboard = false) {
  deselect();
  selected = index;
  const point = hints.points[index];
  one(".size input").value = 16 * (Math.log2(Math.max(point.radius, 1e-3)) + 7);
  toPicker = keyboard;
  ask(point.x, point.y);
  draw();
}

function answered({ detail: answer }) {
  if (answer.things) return addThings(answer.things);
  if (answer.regions) return showRegions(answer);
  if (answer.advice) advice = answer.advice;
  else offer = answer;
  color ??= offer.colors[0] ?? NEUTRAL;
  draw();
  if (toPicker) one(".swatches button")?.focus();
  toPicker = false;
}

// ---- The layer over the picture.

function at(event) {
  const box = stage(".layer").getBoundingClientRect();
  return { x: within((event.clientX - box.left) / box.width),
    y: within((event.clientY - box.top) / box.height) };
}

function pointerDown(event) {
  if (event.button !== 0) return;
  const point = event.target.closest(".point");
  if (thing >= 0) corner = at(event);
  else if (tool === "point" && point) {
    select(Number(point.dataset.index));
    drag = true;
  } else if (tool !== "point") {
    stroke = at(event);
    if (tool === "brush") ask(stroke.x, stroke.y);
    pointerMove(event);
  } else return;
  event.target.setPointerCapture(event.pointerId);
}

function pointerMove(event) {
  const to = at(event);
  if (thing >= 0) return corner && drawBox(boxOf(corner, to));
  if (drag) movePoint(selected, to.x, to.y, false);
  else if (tool !== "point") drawDisc(to);
  if (!stroke) return;
  drawLine(stroke, to, radius(), tool === "brush" ? paint(color ?? NEUTRAL) : null);
  stroke = to;
}

function pointerUp(event) {
  if (corner) placeThing(event.type === "pointerup" ? at(event) : null);
  else if (drag) {
    const moved = hints !== saved;
    finish();
    if (moved) select(selected);
  } else if (stroke) {
    const strokes = readStrokes();
    if (strokes) change({ ...hints, strokes });
    else drop("strokes");
  }
  drag = false;
  stroke = null;
}

function click(event) {
  if (thing >= 0) return;
  const advised = event.target.closest(".advice button");
  if (advised) choosePlace(...advice[advised.dataset.index], event.detail === 0);
  else if (event.target.closest(".cross")) choosePlace(cross.x, cross.y, true);
  else if (event.target.closest(".point")) {
    if (event.detail === 0) select(Number(event.target.dataset.index), true);
  } else if (tool === "point") choosePlace(...Object.values(at(event)));
}

function keyDown(event) {
  if (undoByKey(event) || placeByKey(event)) return;
  const point = event.target.closest(".point");
  const index = Number(point?.dataset.index);
  const arrow = ARROWS[event.key];
  if (point && ["Delete", "Backspace"].includes(event.key)) {
    remove(index);
    stage(".cross").focus();
  } else if (arrow) {
    const [x, y] = arrow.map((part) => part * STEP * (event.shiftKey ? 10 : 1));
    const from = point ? hints.points[index] : cross;
    if (point) movePoint((selected = index), from.x + x, from.y + y, false);
    else cross = { x: within(from.x + x), y: within(from.y + y) };
    draw();
  } else return;
  event.preventDefault();
}

function keyUp(event) {
  if (!(event.key in ARROWS) || selected < 0) return;
  finish();
  select(selected);
}
