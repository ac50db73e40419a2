// A validation: its page is read again when its job ends; it can be cancelled.

import { post, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";
import { onJob } from "../lib/jobs.js";

const page = $("[data-validation]");
const id = page.dataset.validation;
const OVER = new Set(["done", "failed", "cancelled", "lost", "blocked_no_isolation"]);

if (page.dataset.status === "running") {
  onJob((job) => job.subject === `validation:${id}` && OVER.has(job.status) && location.reload());
}

const button = $("[data-act='cancel']");
button?.addEventListener("click", () =>
  run(
    button,
    async () => {
      await post(`/validations/${id}/cancel`);
      location.reload();
    },
    $("[data-error]", page),
  ),
);
