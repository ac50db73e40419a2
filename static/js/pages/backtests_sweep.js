// A sweep: counts move while its jobs run, pictures follow, any combination can be made a run.

import { get, post, run } from "../lib/api.js";
import { reload } from "../lib/chart.js";
import { $, $$, duration, number } from "../lib/dom.js";
import { onJob } from "../lib/jobs.js";

const page = $("[data-sweep]");
const id = page.dataset.sweep;
const problem = $("[data-error]", page);
const EVERY = 1000;
const PICTURES = 5000;
let asking = false;
let drawn = performance.now();

function show(sweep) {
  $("[data-seen]", page).textContent = number(sweep.done, 0);
  $("[data-refused]", page).textContent = number(sweep.refused, 0);
  $("[data-failed]", page).textContent = number(sweep.failed, 0);
  $("progress", page).value = sweep.progress;
  $("[data-eta]", page).textContent = duration(sweep.eta_seconds ?? NaN);
}

async function refresh() {
  if (asking) return;
  asking = true;
  try {
    const sweep = await get(`/sweeps/${id}`);
    show(sweep);
    const first = sweep.done && !$("[data-parallel]", page);
    if (first || sweep.status !== page.dataset.status || sweep.stalled) return location.reload();
    if (performance.now() - drawn > PICTURES) {
      drawn = performance.now();
      for (const figure of $$(".figure[data-figure-src]", page)) reload(figure);
    }
  } finally {
    setTimeout(() => (asking = false), EVERY);
  }
}

if (page.dataset.status === "running") {
  // Its jobs may be over before this page hears of them.
  refresh();
  setInterval(refresh, 2 * EVERY);
  onJob((job) => job.subject === `sweep:${id}` && refresh());
}

for (const button of $$("[data-act='pause'], [data-act='resume'], [data-act='cancel']")) {
  button.addEventListener("click", () =>
    run(
      button,
      async () => {
        await post(`/sweeps/${id}/${button.dataset.act}`);
        location.reload();
      },
      problem,
    ),
  );
}

for (const button of $$("[data-run]", page)) {
  button.addEventListener("click", () =>
    run(
      button,
      async () => {
        const confirmed = button.dataset.look ? "?confirm_look=true" : "";
        try {
          const made = await post(`/sweeps/${id}/trials/${button.dataset.run}/run${confirmed}`);
          location.assign(`/research/${made.id}/`);
        } catch (error) {
          // The price of a look at a holdout is told; a second press takes it.
          if (error.code === "holdout.confirm") {
            button.dataset.look = "1";
            button.textContent = "Take the look";
          }
          throw error;
        }
      },
      problem,
    ),
  );
}

for (const select of $$("[data-axis]", page)) {
  select.addEventListener("change", () => {
    const [x, y] = ["x", "y"].map((name) => encodeURIComponent($(`[data-axis="${name}"]`, page).value));
    reload($("[data-heat]", page), `/api/v1/sweeps/${id}/heat?x=${x}&y=${y}`);
  });
}
