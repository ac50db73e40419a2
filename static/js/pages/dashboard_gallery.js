// The gallery: a toast, and a figure that ticks.

import { $, number, tick, toast } from "../lib/dom.js";

$("[data-gallery-toast]").addEventListener("click", () => toast("This is a toast; it leaves by itself.", { tone: "ok" }));

const cell = $("[data-live='gallery-equity']");
let equity = Number(cell.dataset.value);
setInterval(() => {
  equity += (Math.random() - 0.5) * 40;
  tick(cell, equity, (value) => number(value, 2));
}, 1000);
