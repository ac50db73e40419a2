// Scanner: ask for a scan, follow its batches, show what it found; parts of a score on hover.

import { del, patch, post, request } from "../lib/api.js";
import { $, $$, toast } from "../lib/dom.js";
import { forgive, mark } from "../lib/fields.js";

const EVERY = 1000;
const GAP = 6;

/** Do what a button or form asks; a refusal is told and leaves the page be. */
async function act(button, work, form = null) {
  if (button) button.disabled = true;
  try {
    await work();
  } catch (problem) {
    if (!form || !mark(form, problem)) toast(problem.message, { tone: "bad" });
    if (button) button.disabled = false;
  }
}

$("#scan-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, async () => {
    const universe = new FormData(event.target).get("universe");
    const made = await post("/scans", { universe });
    location.assign(`?scan=${made.id}`);
  }, event.target);
});

$("#schedule-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, async () => {
    await post("/scan-schedules", Object.fromEntries(new FormData(event.target)));
    location.reload();
  }, event.target);
});

for (const form of $$("#scan-form, #schedule-form")) forgive(form);

for (const button of $$("[data-schedule]")) {
  button.addEventListener("click", () =>
    act(button, async () => {
      await patch(`/scan-schedules/${button.dataset.schedule}`, { is_on: button.dataset.isOn === "true" });
      location.reload();
    }),
  );
}

for (const button of $$("[data-schedule-delete]")) {
  button.addEventListener("click", () =>
    act(button, async () => {
      await del(`/scan-schedules/${button.dataset.scheduleDelete}`);
      location.reload();
    }),
  );
}

// Without this script the parts open by click, touch and keyboard, in the middle of the page.
for (const button of $$("[data-parts]")) {
  const parts = document.getElementById(button.getAttribute("popovertarget"));
  let byHover = false;
  parts.addEventListener("toggle", (event) => event.newState === "open" && place(button, parts));
  button.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "mouse" || parts.matches(":popover-open")) return;
    byHover = true;
    parts.showPopover();
  });
  button.addEventListener("pointerleave", () => {
    if (byHover) parts.hidePopover();
    byHover = false;
  });
  button.addEventListener("click", (event) => {
    // What hovering showed, a click keeps: pressing the button may have closed it.
    if (byHover) {
      event.preventDefault();
      if (!parts.matches(":popover-open")) parts.showPopover();
    }
    byHover = false;
  });
}

/** Put the parts below their score, or above where there is no room. */
function place(button, parts) {
  const at = button.getBoundingClientRect();
  const size = parts.getBoundingClientRect();
  const below = at.bottom + GAP + size.height <= innerHeight;
  const left = Math.min(Math.max(at.right - size.width, GAP), innerWidth - size.width - GAP);
  parts.style.inset = "auto";
  parts.style.margin = "0";
  parts.style.left = `${Math.max(left, GAP)}px`;
  parts.style.top = `${Math.max(below ? at.bottom + GAP : at.top - GAP - size.height, GAP)}px`;
}

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
