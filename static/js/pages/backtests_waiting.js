// A run that is waited for: when it stops, the page says why as it would after a reload.

import { $ } from "../lib/dom.js";

const page = $("[data-run-status]");

page.addEventListener("job:failed", () => {
  // A run that had ended when the page was made is told already.
  if (["queued", "running"].includes(page.dataset.runStatus)) location.reload();
});
