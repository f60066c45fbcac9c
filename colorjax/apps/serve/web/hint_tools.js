// The tools beside the picture, and what the server sends. `hint_drawing.js` comes
// before.

function show() { // the page has another picture, or the hints of a file
  const { picture: name, hints: text, loaded } = props.value ?? {};
  if (!name) return;
  const next = text ? { ...NONE, ...JSON.parse(text) } : NONE;
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
  one(`[value=${name}]`).checked = true;
  deselect();
  if (tool === "brush") ask(cross.x, cross.y);
  draw();
}

function pressed({ target }) {
  const { color: own, select: row, remove: gone } = target.dataset;
  const points = hints.points.length;
  if (own) useColor(own);
  else if (row < points) select(Number(row));
  else if (row) useTool("brush");
  else if (gone < points) remove(Number(gone));
  else if (gone) change({ ...hints, strokes: null });
  else if (target.matches(".undo")) step(past, future);
  else if (target.matches(".redo")) step(future, past);
  else if (target.matches(".advise")) trigger("advise");
  else if (target.matches(".save")) trigger("save");
  else if (target.matches(".load")) one("input[type=file]").click();
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
  } else if (target.closest(".size") && selected >= 0) {
    const points = [...hints.points];
    points[selected] = { ...points[selected], radius: radius() };
    change({ ...hints, points }, final);
  }
}

function chosen({ target }) {
  if (target.name === "tool") useTool(target.value);
  else if (target.type === "checkbox") change({ ...hints, only_here: target.checked });
  else if (target.type === "file" && target.files.length) {
    target.files[0].text().then((text) => trigger("upload", { text }));
    target.value = "";
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
element.addEventListener("keydown", escaped);
element.addEventListener("answer", answered);
element.addEventListener("toggle", draw, true);
watch("value", show);
show();
