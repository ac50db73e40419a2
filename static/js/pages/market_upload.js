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

// A dataset named after the file, until somebody names it.
const dataset = $("#id_dataset", form);
let named = Boolean(dataset.value);
dataset.addEventListener("input", () => {
  named = dataset.value !== "";
});

function nameOf(file) {
  const stem = file.toLowerCase().replace(/(\.(csv|txt|tsv|parquet|zip|gz|bz2))+$/, "");
  return stem.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
}

input.addEventListener("change", () => {
  if (!named && input.files.length) dataset.value = nameOf(input.files[0].name);
  // The roles shown are those of the file before.
  if (input.files.length) for (const part of form.querySelectorAll('[name^="role:"]')) part.disabled = true;
});

form.addEventListener("submit", (event) => {
  const words = event.submitter?.value === "store" ? "Storing…" : "Reading…";
  $("[data-upload-wait]", form).textContent = words;
  // After the form was read: a second press must not send the file twice.
  setTimeout(() => {
    for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = true;
  });
});

addEventListener("pageshow", () => {
  for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = false;
});
