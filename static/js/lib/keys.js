// Keys: g + letter goes somewhere; j/k move in tables, x selects, c compares, / searches, ? lists.

import { $, $$ } from "./dom.js";

let prefix = "";
let timer = null;

export function start({ palette }) {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      palette();
      return;
    }
    if (event.key === "Escape") leave(event);
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || $("dialog[open]")) return;
    if (act(event.key)) event.preventDefault();
  });
}

function isTyping(target) {
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

function leave(event) {
  if (isTyping(event.target)) event.target.blur();
  for (const menu of $$("details.menu[open]")) menu.open = false;
  const rail = $("#rail");
  if (rail) rail.dataset.open = "false";
}

function act(key) {
  if (prefix) return go(key);
  if (key === "g") {
    prefix = "g";
    clearTimeout(timer);
    timer = setTimeout(() => (prefix = ""), 1200);
    return true;
  }
  return ACTS[key]?.() ?? false;
}

function go(key) {
  const target = $(`[data-key="${prefix} ${CSS.escape(key)}"]`);
  prefix = "";
  target?.click();
  return Boolean(target);
}

const ACTS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => ($("tr.is-cursor") ? move(1) : false),
  ArrowUp: () => ($("tr.is-cursor") ? move(-1) : false),
  x: () => select(),
  c: () => press("[data-act='compare']"),
  Enter: () => openRow(),
  "/": () => focusOn("[data-search], input[type='search']"),
  "?": () => show("#keys"),
};

function rows() {
  return $$("table[data-table] tbody tr:not([hidden])");
}

function move(step) {
  const all = rows();
  if (!all.length) return false;
  const at = all.findIndex((row) => row.classList.contains("is-cursor"));
  all[at]?.classList.remove("is-cursor");
  const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
  next.classList.add("is-cursor");
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function select() {
  const box = $("tr.is-cursor input[type='checkbox']");
  box?.click();
  return Boolean(box);
}

function openRow() {
  if (document.activeElement && document.activeElement !== document.body && document.activeElement.id !== "main") return false;
  const link = $("tr.is-cursor a[href]");
  link?.click();
  return Boolean(link);
}

function press(selector) {
  const button = $(selector);
  if (!button || button.disabled) return false;
  button.click();
  return true;
}

function focusOn(selector) {
  const field = $(selector, $("#main"));
  field?.focus();
  field?.select?.();
  return Boolean(field);
}

function show(selector) {
  $(selector)?.showModal();
  return true;
}
