// Runs when the page is loaded. Returns the key of the tab, which survives a reload.
() => {
  const invitation = "Drop photographs or a zip file here, paste, or click to choose";
  const label = () => {
    const text = document.querySelector("#drop [data-testid=upload-text]");
    if (!text || text.textContent === invitation) return;
    text.textContent = invitation;
    text.closest("button").removeAttribute("aria-label"); // it differs from the text
  };
  new MutationObserver(label).observe(document.body, { childList: true, subtree: true });
  label();

  document.addEventListener("paste", (event) => {
    const input = document.querySelector("#drop input[type=file]");
    if (!input || !event.clipboardData.files.length) return;
    input.files = event.clipboardData.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  let key = sessionStorage.getItem("colorjax");
  if (!key) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("colorjax", key);
  }
  return key;
}
