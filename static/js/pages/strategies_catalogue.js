// The catalogue of formulas: what does not hold the text goes while one types.

import { $, $$ } from "../lib/dom.js";

const field = $("[data-filter] [name=text]");
const count = $("[data-count-of-formulas]");

field?.addEventListener("input", () => {
  const wanted = field.value.trim().toLowerCase();
  const rows = $$("#catalogue tbody tr");
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  const shown = rows.filter((row) => !row.hidden).length;
  count.textContent = `${shown} found`;
  $("[data-none]").hidden = shown > 0;
  $("#catalogue").parentElement.hidden = shown === 0;
});

// A page that was narrowed by the server lacks the others: ask it again.
if (!new URLSearchParams(location.search).get("text")) {
  $("[data-filter]")?.addEventListener("submit", (event) => event.preventDefault());
}
