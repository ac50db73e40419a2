// The panel of a run that holds it against luck: asks for a gauntlet, then the part reads itself anew.

import { formData, post, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-gauntlet]");
  if (!form) return;
  event.preventDefault();
  run(event.submitter, async () => {
    const worlds = Number(formData(form).worlds);
    await post(`/backtests/${form.dataset.gauntlet}/gauntlets`, { worlds });
    $("#gauntlet-part").dispatchEvent(new CustomEvent("gauntlet:asked"));
  }, $("[data-error]", form));
});
