// The tools beside the picture, and what the server sends. `hint_drawing.js` comes
// before.

function show() { // the page has another picture, or the hints of a file
  const { picture: name, hints: own, text, guidance, loaded } = props.value ?? {};
  if (!name) return;
  const next = own || text.length || guidance !== null ?
    { ...NONE, ...JSON.parse(own || "{}"), text, guidance } : NONE;
  ({ regions, overruled, reads } = props.value);
  deselect();
  advice = [];
  if (name !== picture) {
    if (!histories.has(name)) histories.set(name, [[], []]);
    [past, future] = histories.get(name);
    hints = saved = next;
    picture = name;
  } else if (loaded) {
    hints = next;
    finish();
  }
  draw();
}

function useTool(name) {
  tool = name;
  deselect();
  if (tool === "brush") ask(cross.x, cross.y);
  draw();
}

function pressed({ target, detail }) { // detail is 0 for a key
  const { color: own, select: row, remove: gone, thing: chip, forget } = target.dataset;
  if (own) useColor(own);
  else if (chip) chooseThing(Number(chip) === thing ? -1 : Number(chip), !detail);
  else if (forget) removeThing(Number(forget));
  else if (row) select(Number(row));
  else if (gone in WITHOUT_PLACE) drop(gone);
  else if (gone) remove(Number(gone));
  else if (target.matches(".undo")) step(past, future);
  else if (target.matches(".redo")) step(future, past);
  else if (target.matches(".advise")) trigger("advise");
  else if (target.matches(".save")) trigger("save");
  else if (target.matches(".load, .like")) one("input[type=file]").click();
  else if (target.matches(".clear")) {
    deselect();
    change({ ...NONE, only_here: hints.only_here });
  }
}

function moved({ target, type }) { // a slider, on its way or released
  const final = type === "change";
  if (target.closest(".free")) {
    const chosen = mix(one(".hue").value, one(".strength").value / 100);
    if (final) {
      recent = recent.filter((x) => x !== mixed);
      mixed = chosen;
    }
    useColor(chosen, final);
  } else if (target.closest(".guidance")) useGuidance(Number(target.value), final);
  else if (target.closest(".size") && selected >= 0) {
    const points = [...hints.points];
    points[selected] = { ...points[selected], radius: radius() };
    change({ ...hints, points }, final);
  }
}

function chosen({ target }) {
  if (target.name === "tool") useTool(target.value);
  else if (target.type === "checkbox") change({ ...hints, only_here: target.checked });
  else if (target.type === "file" && target.files.length) {
    receive(target.files[0]);
    target.value = "";
  }
}

async function receive(file) { // hints, or a picture whose colors the result resembles
  if (file.name.endsWith(".json")) {
    trigger("upload", { text: await file.text() });
  } else try {
    change({ ...hints, exemplar: await reduced(file) });
  } catch {
    one(".help").textContent = `${file.name}: the browser cannot show this picture.`;
  }
}

async function reduced(file) { // a PNG in base 64
  const image = await createImageBitmap(file);
  const scale = Math.min(1, EXEMPLAR_SIDE / Math.min(image.width, image.height));
  const board = document.createElement("canvas");
  board.width = Math.round(scale * image.width);
  board.height = Math.round(scale * image.height);
  const context = board.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, board.width, board.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, board.width, board.height);
  return board.toDataURL("image/png").split(",")[1];
}

function dropped(event) {
  event.preventDefault();
  if (event.type === "drop" && event.dataTransfer.files.length) {
    receive(event.dataTransfer.files[0]);
  }
}

function escaped({ key, target }) { // from the colors back to their place
  if (key !== "Escape" || !target.closest(".picker")) return;
  (stage(".points").children[selected] ?? stage(".cross")).focus();
}

element.addEventListener("click", (event) => {
  if (event.target.matches("button")) pressed(event);
});
element.addEventListener("input", (event) => {
  if (event.target.type === "range") moved(event);
});
element.addEventListener("change", (event) => {
  if (event.target.type === "range") moved(event);
  else chosen(event);
});
element.addEventListener("submit", understand);
element.addEventListener("keydown", escaped);
element.addEventListener("keydown", undoByKey);
for (const type of ["dragover", "drop"]) element.addEventListener(type, dropped);
element.addEventListener("answer", answered);
element.addEventListener("toggle", draw, true);
watch("value", show);
show();
