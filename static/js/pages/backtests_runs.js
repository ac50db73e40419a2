// The list of runs: tick some and compare them; states move as jobs do.

import { $, pill } from "../lib/dom.js";
import { onJob } from "../lib/jobs.js";
import { selected } from "../lib/table.js";

const table = $("#runs");

$("[data-act='compare']")?.addEventListener("click", () => {
  const ids = selected(table);
  if (ids.length > 1) location.assign(`${table.dataset.compareHref}?ids=${ids.join(",")}`);
});

onJob((job, before) => {
  const id = job.subject?.startsWith("backtest:") ? job.subject.slice("backtest:".length) : "";
  const row = id && $(`tr[data-id="${CSS.escape(id)}"]`, table ?? document);
  if (!row) return;
  $(".pill", row.children[3])?.replaceWith(pill(job.status));
  if (job.status === "done" && before) location.reload();
});
