// Copy buttons beside what carries data-copy. Without this script the text can be selected as any other.
"use strict";

for (const source of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  const name = source.closest("dd")?.previousElementSibling?.textContent || source.labels?.[0]?.textContent;
  if (name) {
    button.setAttribute("aria-label", `Copy: ${name.trim()}`);
  }
  button.addEventListener("click", async () => {
    const text = source.value ?? source.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      source.select ? source.select() : getSelection().setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 3000);
  });
  source.after(button);
}
