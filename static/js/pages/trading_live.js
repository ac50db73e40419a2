// The live page of an account: figures, positions and orders as each bar closes.
// After a break of the socket the whole is fetched again, so nothing is missed.

import { get } from "../lib/api.js";
import { reload } from "../lib/chart.js";
import { $, $$, el, number, pill, tick, utc } from "../lib/dom.js";
import { subscribe } from "../lib/socket.js";

const SPARK_BARS = 30;
const FIGURE_EVERY = 3000;
const SHOWN_ORDERS = 60;
const seed = JSON.parse($("#live-seed").textContent);
const sparks = new Map(Object.entries(seed.sparks));
const positions = $("[data-positions]");
const orders = $("[data-orders]");
let figureAt = performance.now();

const KPIS = {
  equity: { of: (a) => a.equity, places: 2 },
  day_pnl: { of: (a) => a.day_pnl, places: 2, signed: true },
  total_return: { of: (a) => a.total_return * 100, places: 2, signed: true },
  exposure: { of: (a) => (a.exposure ?? NaN) * 100, places: 1 },
  drawdown: { of: (a) => (a.drawdown ?? NaN) * 100, places: 2 },
};

function showAccount(account) {
  for (const [name, { of, places, signed }] of Object.entries(KPIS)) {
    const format = (value) => number(value, places, { signed });
    tick($(`[data-live="${name}"]`), of(account), format, { coloured: signed });
  }
  const day = $('[data-live="day_pnl-change"]');
  if (day) day.textContent = `${number((account.day_return ?? NaN) * 100, 2, { signed: true })}\u2009%`;
  const at = $("[data-live-at]");
  if (at) at.textContent = utc(account.last_bar_at);
}

const CELLS = {
  quantity: { of: (p) => Number(p.quantity), places: 4, flash: false },
  average_price: { of: (p) => Number(p.average_price), places: 2, flash: false },
  last_price: { of: (p) => Number(p.last_price), places: 2 },
  value: { of: (p) => p.value, places: 2 },
  weight: { of: (p) => (p.weight ?? NaN) * 100, places: 2, flash: false },
  pnl: { of: (p) => p.pnl, places: 2, signed: true },
};

function showPositions(rows) {
  const kept = new Set();
  for (const row of rows) {
    const key = `${row.deployment_id ?? "own"}/${row.symbol}`;
    kept.add(key);
    const node = $(`[data-position="${CSS.escape(key)}"]`, positions) ?? positions.appendChild(newPosition(key, row));
    for (const [name, { of, places, signed, flash }] of Object.entries(CELLS)) {
      const format = (value) => number(value, places, { signed });
      tick($(`[data-cell="${name}"]`, node), of(row), format, { coloured: signed, flash });
    }
    drawSpark($('[data-cell="spark"]', node), remember(row), row.symbol);
  }
  for (const node of $$("[data-position]", positions)) if (!kept.has(node.dataset.position)) node.remove();
  $("[data-no-positions]").hidden = rows.length > 0;
}

function newPosition(key, row) {
  const by = row.deployment_id ? (seed.labels[row.deployment_id] ?? "deployment") : "hand";
  const cells = Object.keys(CELLS).map((name) => el("td", { class: "num", "data-cell": name }));
  const head = el("th", { scope: "row", class: "id", text: row.symbol });
  return el("tr", { "data-position": key }, head, el("td", { text: by }), ...cells, el("td", { "data-cell": "spark" }));
}

function remember(row) {
  const line = row.spark?.length ? row.spark : [...(sparks.get(row.symbol) ?? []), Number(row.last_price)];
  sparks.set(row.symbol, line.slice(-SPARK_BARS));
  return sparks.get(row.symbol);
}

function drawSpark(cell, values, label) {
  if (!cell || values.length < 2) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((value, i) => {
    const x = (i * 72) / (values.length - 1);
    const y = high > low ? 26 - ((value - low) / (high - low)) * 24 : 14;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  const line = `M${points.join(" L")}`;
  const change = values.at(-1) - values[0];
  const svg = shape("svg", {
    class: `spark ${change > 0 ? "up" : change < 0 ? "down" : "flat"}`,
    viewBox: "0 0 72 28",
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": label,
  });
  svg.append(shape("path", { class: "spark-fill", d: `${line} L72 28 L0 28 Z` }), shape("path", { class: "spark-line", d: line }));
  cell.replaceChildren(svg);
}

function shape(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function showOrders(rows) {
  for (const row of [...rows].reverse()) {
    const node = newOrder(row);
    const before = $(`[data-order="${CSS.escape(row.id)}"]`, orders);
    if (before) before.replaceWith(node);
    else orders.prepend(node);
  }
  for (const node of $$("[data-order]", orders).slice(SHOWN_ORDERS)) node.remove();
  if (rows.length) $("[data-no-orders]").hidden = true;
}

function newOrder(row) {
  const figure = (value, places) => el("td", { class: "num", text: number(value === null ? NaN : Number(value), places) });
  const target = row.target_weight === null ? NaN : row.target_weight * 100;
  return el(
    "tr",
    { "data-order": row.id },
    el("td", { class: "nowrap" }, el("span", { class: "num", text: utc(row.created_at, 19) })),
    el("td", { class: "nowrap" }, el("span", { class: "num", text: row.bar_at ? utc(row.bar_at) : "–" })),
    el("th", { scope: "row", class: "id" }, el("a", { href: `/live/orders/${row.id}/`, text: row.symbol })),
    el("td", { text: row.side }),
    figure(row.quantity, 4),
    figure(target, 2),
    el("td", {}, pill(row.state)),
    figure(row.filled_quantity, 4),
    figure(row.average_price, 4),
    figure(row.fees, 4),
    el("td", { class: "wrap muted", text: row.reasons.map((reason) => reason.message).join(" ") }),
  );
}

function show(data) {
  showAccount(data.account);
  showPositions(data.positions);
  showOrders(data.orders);
  showDeployments(data.deployments);
  refreshFigure();
}

function showDeployments(rows) {
  for (const row of rows) {
    const node = $(`[data-deployment="${row.id}"]`);
    if (!node) continue;
    tick($('[data-cell="equity"]', node), row.equity, (value) => number(value, 2));
    tick($('[data-cell="return"]', node), row.total_return * 100, (value) => number(value, 2, { signed: true }), { coloured: true });
    tick($('[data-cell="bars"]', node), row.bars_done, (value) => number(value, 0), { flash: false });
  }
}

/** The figure is fetched again at most every few seconds, and not while nobody looks. */
function refreshFigure() {
  const now = performance.now();
  const figure = $(".figure[data-figure-src]");
  if (!figure || document.hidden || now - figureAt < FIGURE_EVERY) return;
  figureAt = now;
  reload(figure).catch(() => {});
}

async function resync() {
  show(await get(`/accounts/${seed.account}/snapshot`));
}

const HANDLERS = {
  "trading.account.marked": show,
  "trading.deployment.changed": (data) => {
    const status = $(`[data-deployment="${data.deployment_id}"] [data-deployment-status]`);
    if (status) status.replaceChildren(pill(data.status));
  },
};

subscribe(`account.${seed.account}`, (data, message) => HANDLERS[message.kind]?.(data), () => resync().catch(() => {}));
