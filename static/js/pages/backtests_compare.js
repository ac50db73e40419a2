// Runs beside each other: ask what made the difference, and see it when the runs in between are done.

import { post, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";
import { onJob } from "../lib/jobs.js";

const form = $("[data-attribute]");
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, async () => {
    await post("/backtests/compare/attribute", { base_id: form.dataset.base, other_id: form.dataset.other });
    location.reload();
  }, $("[data-error]", form));
});

if ($("[data-attribution='running']")) {
  onJob((job, before) => {
    if (job.subject?.startsWith("backtest:") && job.status === "done" && before) location.reload();
  });
}
