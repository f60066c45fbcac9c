// Drawing the tools and the layer. `hints.js` comes before.

function fill(parent, items, make, update) { // children are reused, so they keep focus
  while (parent.children.length > items.length) parent.lastChild.remove();
  items.forEach((item, i) => {
    update(parent.children[i] ?? parent.appendChild(make(i)), item, i);
  });
}

function button(index) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.index = index;
  return made;
}

function put(node, { x, y }) {
  node.style.left = `${100 * x}%`;
  node.style.top = `${100 * y}%`;
}

function drawDisc(where) {
  const disc = stage(".disc");
  disc.hidden = !where;
  if (!where) return;
  const { clientWidth: width, clientHeight: height } = stage(".layer");
  const share = ((where.radius ?? radius()) * Math.min(width, height)) / width;
  disc.style.width = `${200 * share}%`;
  put(disc, where);
}

function drawLayer() {
  const layer = stage(".layer");
  const open = one("details").open;
  layer.hidden = !open;
  stage(".frame").classList.toggle("hinting", open);
  layer.classList.toggle("painting", tool !== "point" || thing >= 0);
  Object.assign(layer, { onpointerdown: pointerDown, onpointermove: pointerMove,
    onpointerup: pointerUp, onpointercancel: pointerUp, onclick: click,
    onkeydown: keyDown, onkeyup: keyUp });
  stage(".colored").onload = draw; // the strokes have its size
  fill(stage(".points"), hints.points, button, (node, point, i) => {
    node.className = "point";
    node.style.setProperty("--color", paint(point.color));
    node.setAttribute("aria-label", `${named()[i].name}. Arrow keys move it, Enter ` +
      "chooses its color, Delete removes it");
    node.setAttribute("aria-pressed", i === selected);
    put(node, point);
  });
  fill(stage(".advice"), advice, button, (node, [x, y], i) => {
    node.textContent = i + 1;
    node.setAttribute("aria-label", `Place ${i + 1} where a hint would help`);
    put(node, { x, y });
  });
  put(stage(".cross"), cross);
  const uses = thing < 0 ? "Enter places a hint" : `Enter says that the ${
    hints.text[thing].name} is there, Space sets a corner of a box around it`;
  stage(".cross").setAttribute("aria-label", `Cross at ${percent(cross.x)} from the ` +
    `left, ${percent(cross.y)} from the top. Arrow keys move it, ${uses}`);
  drawStrokes(hints.strokes ?? null);
  drawRegions();
  drawDisc(current());
}

function named() { // all hints: the points, then those that have no place
  const points = hints.points.map(({ color, x, y }, i) => {
    const text = `${color} at ${percent(x)}, ${percent(y)}`;
    return { text, name: `Hint ${i + 1}: ${text}`, look: paint(color) };
  });
  const others = Object.entries(WITHOUT_PLACE).filter(([key]) => hints[key]);
  return [...points, ...others.map(([key, text]) => {
    const image = `url(data:image/png;base64,${hints.exemplar}) center / cover`;
    return { key, text, name: text, look: key === "exemplar" ? image : "none" };
  })];
}

function drawSwatches(row, colors) {
  const pressed = (current() ?? { color }).color;
  one(`.${row}`).hidden = !colors.length;
  fill(one(`.${row} .swatches`), colors, button, (node, own) => {
    node.style.setProperty("--color", paint(own));
    node.dataset.color = own;
    node.title = own === NEUTRAL ? "grey" : own;
    node.setAttribute("aria-label", node.title);
    node.setAttribute("aria-pressed", own === pressed);
  });
}

function drawFree() {
  const [hue, strength] = [one(".hue"), one(".strength")];
  const light = offer.lightness;
  const own = current()?.color ?? color;
  if (own && ![hue, strength].includes(document.activeElement)) {
    const [, a, b] = toLab(paint(own));
    const angle = (Math.atan2(b, a) * 180) / Math.PI;
    if (Math.hypot(a, b) > 1) hue.value = (angle + 360) % 360; // grey has none
    const room = Math.max(1, largestChroma(light, hue.value));
    strength.value = (100 * Math.hypot(a, b)) / room;
  }
  const share = Math.max(0.5, strength.value / 100);
  const hues = Array.from({ length: 13 }, (_, i) => mix(30 * i, share));
  hue.style.setProperty("--track", hues.join());
  strength.style.setProperty("--track", [mix(hue.value, 0), mix(hue.value, 1)].join());
}

const mix = (hue, share) => // a color at the L of the place
  toHex(offer.lightness, share * largestChroma(offer.lightness, hue), Number(hue));

function drawList() {
  fill(one("ol"), named(), () => {
    const row = document.createElement("li");
    row.append(button(), button());
    row.lastChild.textContent = "\u00d7";
    return row;
  }, (row, { key, text, name, look }, i) => {
    row.firstChild.dataset.select = row.lastChild.dataset.remove = key ?? i;
    row.firstChild.disabled = Boolean(key);
    row.firstChild.textContent = text;
    row.firstChild.style.setProperty("--color", look);
    row.firstChild.setAttribute("aria-pressed", i === selected);
    row.lastChild.setAttribute("aria-label", `Delete ${name}`);
  });
}

function draw() {
  if (!stage(".layer")) return;
  drawLayer();
  drawChips();
  drawGuidance(hints.guidance);
  const count = named().length + hints.text.length;
  const title = "Say what color a place has";
  one("summary").textContent = count ? `${title} (${count})` : title;
  const state = selected >= 0 ? "selected" : place ? "place" : "point";
  one(".help").textContent = helpWithThings() || HELP[tool === "point" ? state : tool];
  for (const radio of element.querySelectorAll("[name=tool]")) {
    radio.checked = thing < 0 && radio.value === tool;
  }
  one(".picker").hidden = thing >= 0 || tool === "eraser" ||
    (tool === "point" && state === "point");
  drawSwatches("likely", [...offer.colors, NEUTRAL]);
  drawSwatches("recent", recent);
  drawFree();
  drawList();
  one(".only input").checked = hints.only_here;
  one(".size").hidden = thing >= 0 || (tool === "point" && state === "point");
  one(".history").hidden = !past.length && !future.length && !count;
  one(".undo").disabled = !past.length;
  one(".redo").disabled = !future.length;
  for (const part of [".clear", ".save"]) one(part).hidden = !count;
  one(".only").hidden = !count || hints.text.length; // text implies it
  one("ol").hidden = !named().length;
  one(".things").hidden = !hints.text.length;
  one(".advise").hidden = !props.value?.advice;
  one(".like").hidden = !props.value?.exemplar;
}
