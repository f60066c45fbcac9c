// A row of buttons with images. `props.value` is {items: [{image, caption}], selected};
// an image is null until it is made.
const row = () => element.querySelector(".thumbnails");

function button(index) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(document.createElement("img"), document.createElement("span"));
  made.firstChild.alt = ""; // the caption is the button's name
  made.addEventListener("click", () => trigger("select", { index, value: null }));
  return row().appendChild(made);
}

function draw() {
  const { items, selected } = props.value;
  while (row().children.length > items.length) row().lastChild.remove();
  items.forEach(({ image, caption }, index) => {
    const item = row().children[index] ?? button(index);
    if (image) item.firstChild.src = image.url;
    else item.firstChild.removeAttribute("src");
    item.disabled = !image;
    item.lastChild.textContent = caption;
    item.setAttribute("aria-pressed", index === selected);
  });
}

watch("value", draw);
draw();
