// The list of versions: tick two (x) and compare them (c), the older one first.

import { $ } from "../lib/dom.js";
import { selected } from "../lib/table.js";

const table = $("#versions");
const button = $("[data-act='compare']");

table?.addEventListener("table:selected", () => {
  if (button) button.disabled = selected(table).length !== 2;
});

button?.addEventListener("click", () => {
  const [before, after] = selected(table).map(Number).sort((one, other) => one - other);
  location.assign(table.dataset.compareHref.replace("/0/diff/0/", `/${after}/diff/${before}/`));
});
