// Two versions compared: j and k go from change to change, u changes the layout.

import { $, $$ } from "../lib/dom.js";

/** The first line of each run of changed lines. */
const starts = $$("[data-diff] tr[data-change]").filter((row) => !row.previousElementSibling?.matches("[data-change]"));
let at = -1;

function go(step) {
  if (!starts.length) return;
  starts[at]?.classList.remove("is-cursor");
  at = Math.min(starts.length - 1, Math.max(0, at + step));
  starts[at].classList.add("is-cursor");
  starts[at].scrollIntoView({ block: "center" });
}

const KEYS = { j: () => go(1), k: () => go(-1), n: () => go(1), p: () => go(-1), u: () => $("[data-switch]")?.click() };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  if ($("dialog[open]") || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

$("[data-choose] select")?.addEventListener("change", (event) => event.target.form.requestSubmit());
