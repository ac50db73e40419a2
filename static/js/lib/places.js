// Places in a run that an address names: ?symbol=…&at=… a bar of the price, ?from=…&to=… a
// stretch of equity. The doctor's links lead here.

import { reload } from "./chart.js";
import { $, $$, el } from "./dom.js";

const asked = new URLSearchParams(location.search);
const MARGIN = 1 / 60; // of all that is drawn, on each side of a short stretch

/** Draw the bars around the moment that the address names, in place of all of them. */
export function showBar() {
  const chooser = $("[data-price-of]");
  const [symbol, at] = [asked.get("symbol"), asked.get("at")];
  if (!chooser || !symbol) return;
  if (![...chooser.options].some((option) => option.value === symbol)) chooser.append(el("option", { text: symbol }));
  chooser.value = symbol;
  const query = new URLSearchParams(at ? { symbol, at } : { symbol });
  reload($("#price-figure"), `${chooser.dataset.priceOf}?${query}`);
}

/** Go to the stretch of equity that the address names, once it is drawn, and shade it. */
export function showStretch() {
  const figure = $(`.figure[data-figure="equity-figure"]`);
  const [from, to] = ["from", "to"].map((name) => Date.parse(asked.get(name) ?? ""));
  if (!figure || !Number.isFinite(from) || !Number.isFinite(to)) return;
  figure.addEventListener("figure:drawn", () => stretch(figure, from, to), { once: true });
  // It may have been drawn before this was read.
  if (figure.dataset.state === "drawn") stretch(figure, from, to);
}

function stretch(figure, from, to) {
  const plot = $(".js-plotly-plot", figure);
  if (!plot || !window.Plotly) return;
  const times = momentsOf(plot);
  const room = times.length ? MARGIN * (times.at(-1) - times[0]) : 0;
  const edge = Math.max(room, 0.25 * (to - from));
  const iso = (moment) => new Date(moment).toISOString();
  const box = { type: "rect", xref: "x", yref: "paper", x0: iso(from - room / 20), x1: iso(to + room / 20), y0: 0, y1: 1, line: { width: 0 } };
  const tint = getComputedStyle(document.documentElement).getPropertyValue("--amber").trim();
  const layout = { "xaxis.range": [iso(from - edge), iso(to + edge)], shapes: [{ ...box, fillcolor: tint, opacity: 0.18 }] };
  const values = valuesBetween(plot, from - edge, to + edge);
  if (values.length) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const air = 0.05 * (high - low || Math.abs(high) || 1);
    layout["yaxis.range"] = [low - air, high + air];
  }
  window.Plotly.relayout(plot, layout);
}

/** What is drawn on the first axis between two moments. */
function valuesBetween(plot, from, to) {
  const found = [];
  for (const { x = [], y = [], yaxis = "y" } of plot.data ?? []) {
    if (yaxis !== "y") continue;
    for (let i = 0; i < x.length; i += 1) {
      const moment = momentOf(x[i]);
      if (moment >= from && moment <= to && Number.isFinite(y[i])) found.push(y[i]);
    }
  }
  return found;
}

const momentOf = (text) => Date.parse(`${text}`.length === 10 ? text : `${text}Z`);
const momentsOf = (plot) => (plot.data?.[0]?.x ?? []).map(momentOf);

/** Go to the row that the address names: it is there, but the table scrolls by itself. */
export function showRow() {
  const row = location.hash.startsWith("#row-") && document.getElementById(location.hash.slice(1));
  if (!row) return;
  const go = () => row.scrollIntoView({ block: "center" });
  go();
  // The browser goes to it as well, to the very top, where the bar of the page lies.
  if (document.readyState !== "complete") addEventListener("load", () => setTimeout(go), { once: true });
}

/** Go to the field that the address names, through folds and hidden parts. */
export function showField(form) {
  const name = asked.get("field");
  const found = name && $$(`[name="${CSS.escape(name)}"]`, form).find((node) => !node.closest("[disabled]"));
  if (!found) return;
  for (let node = found.closest("details"); node; node = node.parentElement.closest("details")) node.open = true;
  found.scrollIntoView({ block: "center" });
  found.focus({ preventScroll: true });
}
