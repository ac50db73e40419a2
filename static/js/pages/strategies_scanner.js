// Scanner: ask for a scan, follow its batches, show what it found.

import { request } from "../lib/api.js";
import { $, toast } from "../lib/dom.js";

const EVERY = 1000;

$("#scan-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter;
  if (button) button.disabled = true;
  try {
    const universe = new FormData(event.target).get("universe");
    const made = await request("/scans", { method: "POST", body: { universe } });
    location.assign(`?scan=${made.id}`);
  } catch (problem) {
    toast(problem.message, { tone: "bad" });
    if (button) button.disabled = false;
  }
});

const shown = $("[data-scan][data-status='refreshing']");
if (shown) follow(shown);

/** Ask how far the scan is until it is over; a lab that does not answer is asked again. */
function follow(part) {
  const bar = $("progress", part);
  const count = $("[data-scan-count]", part);
  setTimeout(async () => {
    try {
      const scan = await request(`/scans/${part.dataset.scan}`);
      if (scan.status !== "refreshing") return location.reload();
      bar.value = scan.progress;
      count.textContent = `${scan.done} of ${scan.batches} batches`;
    } catch {
      // The next turn asks again.
    }
    return follow(part);
  }, EVERY);
}
