// The dashboard: accounts tick, feeds move, jobs come and go.

import { get } from "../lib/api.js";
import { $, $$, number, pill, tick, utc } from "../lib/dom.js";
import { follow, onJob } from "../lib/jobs.js";
import { subscribe } from "../lib/socket.js";

const signed = (value) => number(value, 2, { signed: true });

// --- Feeds ---------------------------------------------------------------------------------------

function feedMoved(data) {
  const part = $(`[data-feed-name="${CSS.escape(data.feed ?? "")}"]`);
  if (!part) return;
  if (data.position_at) $("[data-feed-clock]", part).textContent = utc(data.position_at);
  if (data.bars_total) $("progress", part).value = data.bars_done / data.bars_total;
  $("[data-feed-count]", part).textContent = `${number(data.bars_done, 0)} / ${number(data.bars_total, 0)}`;
  const state = $("[data-feed-status]", part);
  if (data.status && state.textContent.trim() !== data.status) state.replaceChildren(pill(data.status));
  const closes = Object.entries(data.closes ?? {}).slice(0, 3);
  if (closes.length) $("[data-feed-closes]", part).textContent = closes.map(([symbol, close]) => `${symbol} ${number(close, close < 10 ? 4 : 2)}`).join(" · ");
}

// --- Accounts: a message about one refreshes the figures of all, at most once a second --------------

let fetching = null;

function refreshSoon() {
  fetching ??= setTimeout(async () => {
    try {
      show(await get("/dashboard/overview"));
    } catch (error) {
      console.warn("dashboard:", error.message);
    } finally {
      fetching = null;
    }
  }, 1000);
}

function show(overview) {
  const totals = overview.totals ?? {};
  tick($("[data-live='equity']"), totals.equity, (value) => number(value, 2));
  tick($("[data-live='day']"), totals.day_pnl, signed, { coloured: true });
  tick($("[data-live='exposure']"), totals.exposure, (value) => number(value, 1));
  tick($("[data-live='deployments']"), overview.deployments?.running, (value) => number(value, 0));
  const halted = overview.deployments?.halted;
  $("[data-live='deployments-change']").textContent = halted ? `${halted} halted` : "none halted";
  for (const account of overview.accounts ?? []) showAccount(account);
}

function showAccount(account) {
  const row = $(`tr[data-account="${CSS.escape(String(account.id))}"]`);
  if (!row) return;
  tick($("[data-live='account-equity']", row), account.equity, (value) => number(value, 2));
  tick($("[data-live='account-day']", row), account.day_pnl, signed, { coloured: true });
  tick($("[data-live='account-drawdown']", row), account.drawdown, (value) => number(value * 100, 2), { flash: false });
  tick($("[data-live='account-positions']", row), account.positions, (value) => number(value, 0), { flash: false });
}

// --- Jobs ----------------------------------------------------------------------------------------

onJob((job) => {
  const list = $("[data-dashboard-jobs]");
  const known = $(`[data-job="${CSS.escape(job.id)}"]`, list);
  if (!known && ["queued", "running"].includes(job.status)) {
    const part = document.createElement("div");
    list.prepend(part);
    follow(job.id, part);
  }
  if (known && ["done", "cancelled"].includes(job.status)) setTimeout(() => known.remove(), 4000);
  $("[data-no-jobs]", list).hidden = Boolean($("[data-job]", list));
});

document.addEventListener("lab:halted", refreshSoon);
subscribe("feed", feedMoved);
for (const row of $$("tr[data-account]")) subscribe(`account.${row.dataset.account}`, refreshSoon, refreshSoon);
