// A study: its title, name, objective; closing and reopening it.

import { formData, patch, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";

const form = $("[data-study]");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const what = event.submitter.value;
  const asked = what === "save" ? { note: "", ...formData(form) } : { closed: what === "close" };
  run(
    event.submitter,
    async () => {
      await patch(`/studies/${form.dataset.study}`, asked);
      location.reload();
    },
    $("[data-error]", form),
  );
});
