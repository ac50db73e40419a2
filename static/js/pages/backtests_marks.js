// Tags and notes on one run or one study.

import { post, put, run } from "../lib/api.js";
import { $, $$, el } from "../lib/dom.js";

const panel = $("[data-marks]");
const place = panel?.dataset.marks ?? "";
const problem = panel && $("[data-error]", panel);
const isRun = place.startsWith("/backtests/");
const id = place.split("/").at(-1);

const retag = (asked) => (isRun ? post("/backtests/mark", { runs: [id], ...asked }) : post(`${place}/tags`, asked));

function act(button, what) {
  return run(
    button,
    async () => {
      await what();
      location.reload();
    },
    problem,
  );
}

for (const button of panel ? $$("[data-untag]", panel) : []) {
  button.addEventListener("click", () => act(button, () => retag({ untag: [button.dataset.untag] })));
}

panel && $("[data-add-tags]", panel)?.addEventListener("submit", (event) => {
  event.preventDefault();
  const tag = event.target.elements.tag.value.split(",").map((one) => one.trim()).filter(Boolean);
  act(event.submitter, () => retag({ tag }));
});

panel && $("[data-write-note]", panel)?.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, () => post(`${place}/notes`, { text: event.target.elements.text.value }));
});

for (const button of panel ? $$("[data-edit-note]", panel) : []) {
  button.addEventListener("click", () => edit(button.closest("[data-note]")));
}

function edit(note) {
  const words = $(".note-text", note);
  const area = el("textarea", { rows: "4", maxlength: "8000", "aria-label": "New words of the note" });
  area.value = words.textContent;
  const save = el("button", { class: "btn btn-small", type: "button", text: "Keep the edit" });
  save.addEventListener("click", () =>
    act(save, () => put(`/notes/${note.dataset.note}`, { text: area.value, version: Number(note.dataset.version) })),
  );
  words.replaceWith(area, save);
  $("[data-edit-note]", note).remove();
  area.focus();
}
