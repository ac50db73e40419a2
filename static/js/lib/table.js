// Data tables: the server sorts, filters and pages; scripts add selection, columns, CSV of what is shown.

import { $, $$, el } from "./dom.js";

/** Bring every table[data-table] below root to life. */
export function adopt(root) {
  for (const table of $$("table[data-table]", root)) {
    if (table.dataset.adopted) continue;
    table.dataset.adopted = "true";
    hideChosen(table);
    table.addEventListener("change", (event) => marked(table, event.target));
    table.addEventListener("click", (event) => clicked(table, event));
  }
  for (const menu of $$("[data-columns-of]", root)) offerColumns(menu);
  for (const button of $$("[data-csv-of]", root)) {
    if (button.dataset.adopted) continue;
    button.dataset.adopted = "true";
    button.addEventListener("click", () => download(button.dataset.csvOf));
  }
}

/** The values of the ticked boxes of a table. */
export const selected = (table) => $$("input[data-select]:checked", table).map((box) => box.value);

function marked(table, box) {
  if (box.matches("[data-select-all]")) {
    for (const one of $$("input[data-select]", table)) {
      one.checked = box.checked;
      one.closest("tr").setAttribute("aria-selected", String(box.checked));
    }
  } else if (box.matches("[data-select]")) {
    box.closest("tr").setAttribute("aria-selected", String(box.checked));
  }
  table.dispatchEvent(new CustomEvent("table:selected", { detail: selected(table), bubbles: true }));
}

function clicked(table, event) {
  const row = event.target.closest("tbody tr");
  if (!row || event.target.closest("a, button, input, label, select, summary")) return;
  for (const other of $$("tr.is-cursor", table)) other.classList.remove("is-cursor");
  row.classList.add("is-cursor");
}

// --- Columns -------------------------------------------------------------------------------------

const storeName = (table) => `columns:${table.id || location.pathname}`;

function hiddenColumns(table) {
  try {
    return new Set(JSON.parse(localStorage.getItem(storeName(table)) ?? "[]"));
  } catch {
    return new Set();
  }
}

function hideChosen(table) {
  const hidden = hiddenColumns(table);
  $$("thead th", table).forEach((head, index) => {
    const gone = hidden.has(head.dataset.column);
    for (const cell of $$(`tr > *:nth-child(${index + 1})`, table)) cell.hidden = gone;
  });
}

function offerColumns(menu) {
  const table = $(`#${CSS.escape(menu.dataset.columnsOf)}`);
  if (!table || menu.dataset.adopted) return;
  menu.dataset.adopted = "true";
  const hidden = hiddenColumns(table);
  const lines = $$("thead th[data-column]", table).map((head) => {
    const box = el("input", { type: "checkbox", value: head.dataset.column });
    box.checked = !hidden.has(head.dataset.column);
    return el("label", {}, box, el("span", { text: head.textContent.trim() }));
  });
  menu.replaceChildren(...lines);
  menu.addEventListener("change", () => {
    const gone = $$("input:not(:checked)", menu).map((box) => box.value);
    localStorage.setItem(storeName(table), JSON.stringify(gone));
    hideChosen(table);
  });
}

// --- CSV -----------------------------------------------------------------------------------------

const plain = (cell) =>
  (cell.dataset.value ?? cell.textContent.trim()).replaceAll("\u2009", "").replaceAll("\u2212", "-").replace(/\s+/g, " ");

const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function download(id) {
  const table = $(`#${CSS.escape(id)}`);
  const lines = $$("tr", table)
    .filter((row) => !row.hidden)
    .map((row) => $$("th, td", row).filter((cell) => !cell.hidden && !cell.classList.contains("check")).map((cell) => quoted(plain(cell))).join(","));
  const link = el("a", { href: URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" })), download: `${id}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
