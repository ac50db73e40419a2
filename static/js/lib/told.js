// What a figure is, below its name: placed inside the window, closed by Escape; intervals filled in.

import { get } from "./api.js";
import { $$ } from "./dom.js";

const GAP = 6;
const EDGE = 12;

/** Put the words below the name, or above it where there is no room. */
function place(told) {
  const name = told.querySelector(".told-name");
  const body = told.querySelector(".told-body");
  told.removeAttribute("data-closed");
  const at = name.getBoundingClientRect();
  const size = body.getBoundingClientRect();
  const left = Math.max(EDGE, Math.min(at.left, innerWidth - size.width - EDGE));
  const below = at.bottom + GAP;
  const top = below + size.height > innerHeight ? Math.max(EDGE, at.top - GAP - size.height) : below;
  body.style.left = `${left}px`;
  body.style.top = `${top}px`;
}

/** Let every name below root tell what it is. */
export function adopt(root = document) {
  for (const told of $$(".told", root)) {
    told.addEventListener("pointerenter", () => place(told));
    told.addEventListener("focusin", () => place(told));
    told.addEventListener("keydown", (event) => {
      if (event.key === "Escape") told.setAttribute("data-closed", "");
    });
  }
}

const minus = (text) => text.replace("-", "\u2212");

function written(value, node) {
  return minus((value * Number(node.dataset.factor)).toFixed(Number(node.dataset.places)));
}

function interval(row, node) {
  const prefix = node.dataset.prefix ?? "";
  if (!row || row.low === null) return row?.reason && node.dataset.prefix ? `No interval: ${row.reason}.` : "\u2013";
  const words = `${prefix}${written(row.low, node)} \u2026 ${written(row.high, node)}`;
  if (!("method" in node.dataset)) return words;
  const block = row.block > 1 ? `, blocks of ${row.block} bars` : "";
  return `${words}; ${row.method}, ${row.n} worlds${block}.`;
}

/** Write the intervals where they belong: [data-interval="figures/sharpe"]. */
export function fill(found, root = document) {
  for (const node of $$("[data-interval]", root)) {
    const [group, name] = node.dataset.interval.split("/");
    const row = found[group]?.[name];
    node.textContent = interval(row, node);
    if (row?.reason && row.low === null) node.title = row.reason;
  }
}

/** Fetch the intervals of a run; a page that can't have them shows dashes. */
export async function fetchIntervals(src, root = document) {
  try {
    fill(await get(src), root);
  } catch {
    fill({}, root);
  }
}
