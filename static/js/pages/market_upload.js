// The upload page: a file may be dropped; sending it says so.

import { $ } from "../lib/dom.js";

const form = $("[data-upload]");
const zone = $("[data-dropzone]", form);
const input = $("input[type=file]", zone);

for (const name of ["dragover", "dragleave", "drop"]) {
  zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}

input.addEventListener("change", () => {
  // The roles shown are those of the file before.
  if (input.files.length) for (const part of form.querySelectorAll('[name^="role:"]')) part.disabled = true;
});

form.addEventListener("submit", (event) => {
  const words = event.submitter?.value === "store" ? "Storing…" : "Reading…";
  $("[data-upload-wait]", form).textContent = words;
});
