// A tear sheet: the instrument of the price chart, the proposal, archiving.

import { del, formData, post, run } from "../lib/api.js";
import { adopt as adoptFigures, reload } from "../lib/chart.js";
import { $ } from "../lib/dom.js";
import { showBar, showRow, showStretch } from "../lib/places.js";
import { adopt, fetchIntervals } from "../lib/told.js";

adopt();
// A part that htmx has put in place of its words: the event of the swap names what is gone.
document.addEventListener("htmx:load", (event) => {
  if (event.detail.elt !== document.body) adoptFigures(event.detail.elt);
});
const tiles = $("[data-intervals]");
if (tiles) {
  // After the first chart: nobody reads an interval before the figure.
  let asked = false;
  const ask = () => {
    if (!asked) fetchIntervals(tiles.dataset.intervals);
    asked = true;
  };
  $(".figure[data-figure]")?.addEventListener("figure:drawn", ask, { once: true });
  setTimeout(ask, 3000);
}

const chooser = $("[data-price-of]");
chooser?.addEventListener("change", () => {
  reload($("#price-figure"), `${chooser.dataset.priceOf}?symbol=${encodeURIComponent(chooser.value)}`);
});

showBar();
showStretch();
showRow();

const form = $("[data-propose]");
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, async () => {
    const { rationale = "" } = formData(form);
    const made = await post(`/backtests/${form.dataset.propose}/propose`, { rationale, target_stage: "paper" });
    location.assign(`/approvals/${made.proposal_id}/`);
  }, $("[data-error]", form));
});

const share = $("[data-share]");
share?.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, async () => {
    const { hours, note = "", shows_strategy } = formData(share);
    const body = { hours: Number(hours), note, shows_strategy: Boolean(shows_strategy) };
    const made = await post(`/backtests/${share.dataset.share}/shares`, body);
    $("[data-made]", share).hidden = false;
    const shown = $("#id_made");
    shown.value = new URL(made.path, location.origin).href;
    shown.select();
  }, $("[data-error]", share));
});

for (const button of document.querySelectorAll("[data-revoke]")) {
  button.addEventListener("click", () =>
    run(button, async () => {
      await del(`/shares/${button.dataset.revoke}`);
      location.reload();
    }),
  );
}

const archive = $("[data-archive]");
archive?.addEventListener("click", () =>
  run(archive, async () => {
    await del(`/backtests/${archive.dataset.archive}`);
    location.assign("/research/");
  }),
);
