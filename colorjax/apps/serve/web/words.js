// The things of a text: chips beside the picture, regions over it. `hints.js` comes
// before. `hints.text` has what the server made of the words (`texts.py`), and a place
// for each thing that the visitor placed: [x, y], or a box [x0, y0, x1, y1].
const SMALL = 0.01; // of a side: a shorter drag is a click
let thing = -1; // index of the one that the next click or drag places
let corner = null; // {x, y}, where a box begins
let regions = {}; // by name: whether it is sure, its center, an overlay
let overruled = []; // names of the things that hints recolor in part
let reads = ""; // the text that the network reads; it finds its things itself
let asking = false; // whether the answer chooses a thing whose place is not sure

const regionOf = ({ name }) => regions[name];
const isUnsure = (own) => regionOf(own)?.sure === false;
const isRead = (own) => regionOf(own)?.overlay === null;

// ---- Words become things.

function understand(event) {
  event.preventDefault();
  const sentence = one("#sentence").value.trim();
  if (sentence) trigger("words", { sentence });
}

function addThings(things) { // a noun that is there already gets another color
  const text = [...hints.text];
  for (const own of things) {
    const i = text.findIndex(({ name }) => name === own.name);
    if (i < 0) text.push(own);
    else text[i] = { ...own, place: text[i].place };
    forgetRegion(own);
  }
  one("#sentence").value = "";
  asking = true;
  deselect();
  change({ ...hints, text });
}

function removeThing(index) {
  deselect();
  change({ ...hints, text: hints.text.filter((_, i) => i !== index) });
  (one(".things button") ?? one("#sentence")).focus();
}

// ---- Regions and places.

function showRegions(answer) {
  ({ regions, overruled, reads } = answer);
  if (asking) chooseThing(hints.text.findIndex(isUnsure));
  asking = false;
  draw();
}

function chooseThing(index, keyboard = false) {
  deselect();
  thing = index;
  const [x, y] = regionOf(hints.text[index] ?? {})?.center ?? [0.5, 0.5];
  if (index >= 0) cross = { x: within(x), y: within(y) };
  draw();
  if (keyboard) stage(".cross").focus();
}

const boxOf = (from, to) => // upper left and lower right corner
  [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x),
    Math.max(from.y, to.y)];

function forgetRegion({ name }) { // until the server answers
  const { [name]: _, ...rest } = regions;
  regions = rest;
}

function placeThing(to) { // a click, or a box from `corner`; null if it was canceled
  const from = corner ?? to;
  corner = null;
  if (!to) return draw();
  const box = boxOf(from, to);
  const isBox = box[2] - box[0] > SMALL && box[3] - box[1] > SMALL;
  const text = [...hints.text];
  asking = isUnsure(text[thing]);
  forgetRegion(text[thing]);
  text[thing] = { ...text[thing], place: isBox ? box : [to.x, to.y] };
  change({ ...hints, text });
}

function placeByKey(event) { // the cross is the place, or a corner of a box
  if (thing < 0 || !event.target.closest(".cross")) return false;
  if (event.key === "Enter") placeThing(cross);
  else if (event.key === " " && corner) placeThing(cross);
  else if (event.key === " ") corner = cross;
  else if (event.key === "Escape") {
    const chip = one(".things").children[thing].firstChild;
    deselect();
    chip.focus();
  } else return false;
  event.preventDefault();
  draw();
  return true;
}

// ---- Drawing.

function drawBox(box) {
  const frame = stage(".box");
  frame.hidden = !box;
  if (!box) return;
  const [x0, y0, x1, y1] = box;
  put(frame, { x: x0, y: y0 });
  frame.style.width = `${100 * (x1 - x0)}%`;
  frame.style.height = `${100 * (y1 - y0)}%`;
}

function drawRegions() {
  const known = hints.text.filter((own) => regionOf(own)?.overlay);
  fill(stage(".regions"), known, () => new Image(), (node, own) => {
    const source = `data:image/png;base64,${regionOf(own).overlay}`;
    if (node.src !== source) node.src = source;
    node.alt = ""; // the chips say it
    node.classList.toggle("chosen", own === hints.text[thing]);
  });
  const place = hints.text[thing]?.place;
  if (corner) drawBox(boxOf(corner, cross));
  else drawBox(place?.length === 4 ? place : null);
}

const HELP_WITH_THING = {
  looking: (names) => `Looking for ${names} ...`,
  unsure: (name) => `Where is the ${name}? Click it in the picture, or draw a box ` +
    "around it. It gets no color before.",
  read: (name) => `The network finds the ${name} itself. To say where it is, click it ` +
    "in the picture, or draw a box around it.",
  sure: (name) => `If the region of the ${name} is wrong, click the ${name} in the ` +
    "picture, or draw a box around it.",
};

function helpWithThings() { // "" if there is no text, or a point is selected
  if (current()) return "";
  const lost = hints.text.filter((own) => !regionOf(own)).map(({ name }) => name);
  if (lost.length) return HELP_WITH_THING.looking(`the ${lost.join(" and the ")}`);
  const own = hints.text[thing];
  const state = isUnsure(own ?? {}) ? "unsure" : isRead(own ?? {}) ? "read" : "sure";
  if (own) return HELP_WITH_THING[state](own.name);
  return hints.text.length ? `${HELP[tool]} To move a region, press its thing.` : "";
}

function drawChips() {
  fill(one(".things"), hints.text, () => {
    const row = document.createElement("li");
    row.append(button(), button());
    row.lastChild.textContent = "\u00d7";
    return row;
  }, (row, own, i) => {
    const unsure = isUnsure(own);
    row.classList.toggle("unsure", unsure);
    row.firstChild.dataset.thing = row.lastChild.dataset.forget = i;
    row.firstChild.textContent = unsure ? `${own.name}?` : own.name;
    row.firstChild.style.setProperty("--color", own.look);
    const state = unsure ? "not sure where" : isRead(own) ? "read" : "found";
    row.firstChild.setAttribute("aria-label", `${own.name}, ${own.label}, ${state}. ` +
      "Place it");
    row.firstChild.setAttribute("aria-pressed", i === thing);
    row.lastChild.setAttribute("aria-label", `Remove ${own.name}`);
  });
  one(".overruled").hidden = !overruled.length;
  one(".overruled").textContent =
    `Hints win over the text on parts of: ${overruled.join(", ")}`;
  one(".reads").hidden = !reads;
  one(".reads").textContent = `The network reads "${reads}" and finds the place.` +
    (hints.points.length || hints.strokes ? " Hints win over it." : "");
}

// ---- Guidance: how much the network heeds the words; null is that of the run.

function useGuidance(guidance, final) { // the network runs again only at the end
  if (final) change({ ...hints, guidance });
  else drawGuidance(guidance);
}

function drawGuidance(guidance) {
  const value = guidance ?? props.value?.own_guidance ?? null;
  one(".guidance").hidden = (props.value?.own_guidance ?? null) === null;
  if (value === null) return;
  one(".guidance span").textContent = `Guidance ${value}`;
  one(".guidance input").value = value;
}
