// The files of a run: put one beside it.

import { post, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";

const form = $("[data-attach]");
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, async () => {
    await post(`/backtests/${form.dataset.attach}/artifacts`, new FormData(form));
    location.reload();
  }, $("[data-error]", form));
});
