// Two images of one size; the divider shows one on its left, the other on its right.
// `props.value` is {name, comparison, other, colored}.
const part = (selector) => element.querySelector(selector);
let position = 50; // percent of the width

function move() {
  part(".frame").style.setProperty("--at", `${position}%`);
  part("input").value = position;
}

function draw() {
  if (!props.value) return;
  const { name, comparison, other, colored } = props.value;
  part(".other").src = other.url;
  part(".other").alt = `${name}, ${comparison}`;
  part(".colored").src = colored.url;
  part(".colored").alt = `${name}, colorized`;
  move();
}

// Events are caught where they bubble to, because Gradio may redraw what is inside.
element.addEventListener("input", (event) => {
  position = event.target.value;
  move();
});
element.addEventListener("load", ({ target }) => {
  const ratio = target.naturalWidth / target.naturalHeight;
  part(".frame").style.setProperty("--ratio", ratio);
}, true);
element.addEventListener("click", ({ target }) => {
  if (!target.matches(".fullscreen")) return;
  if (document.fullscreenElement) document.exitFullscreen();
  else part(".pair").requestFullscreen();
});

watch("value", draw);
draw();
