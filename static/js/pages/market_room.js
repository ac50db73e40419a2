// The data room: feeds move, an instrument is found by symbol or name.

import { get } from "../lib/api.js";
import { $, el, number, pill, utc } from "../lib/dom.js";
import { subscribe } from "../lib/socket.js";

function feedMoved(data) {
  const part = $(`[data-feed-name="${CSS.escape(data.feed ?? "")}"]`);
  if (!part) return;
  if (data.position_at) $("[data-feed-clock]", part).textContent = utc(data.position_at);
  if (data.bars_total) $("progress", part).value = data.bars_done / data.bars_total;
  $("[data-feed-count]", part).textContent = `${number(data.bars_done, 0)} / ${number(data.bars_total, 0)}`;
  const state = $("[data-feed-status]", part);
  if (data.status && state.textContent.trim() !== data.status) state.replaceChildren(pill(data.status));
  const closes = Object.entries(data.closes ?? {}).slice(0, 3);
  if (!closes.length) return;
  const words = closes.map(([symbol, close]) => `${symbol} ${number(close, close < 10 ? 4 : 2)}`);
  $("[data-feed-closes]", part).textContent = words.join(" · ");
}

async function refetch() {
  for (const feed of await get("/feeds")) feedMoved({ ...feed, feed: feed.name });
}

subscribe("feed", feedMoved, refetch);

function liveMoved(part, data) {
  const at = data.opened_at ?? data.last_bar_at;
  if (at) $("[data-live-clock]", part).textContent = utc(at);
  if (data.state) {
    $("[data-live-state]", part).replaceChildren(pill(data.state));
    $("[data-live-note]", part).textContent = data.note;
    $("[data-live-count]", part).textContent = `${number(data.added, 0)} bars, ${number(data.changed, 0)} corrected`;
  }
  const closes = Object.entries(data.closes ?? {}).slice(0, 3);
  if (!closes.length) return;
  const words = closes.map(([symbol, close]) => `${symbol} ${number(close, close < 10 ? 4 : 2)}`);
  $("[data-live-closes]", part).textContent = words.join(" · ");
}

for (const part of document.querySelectorAll("[data-live-name]")) {
  const name = part.dataset.liveName;
  subscribe(`feed.${name}`, (data) => liveMoved(part, data), async () => liveMoved(part, await get(`/live-feeds/${name}`)));
}

const form = $("[data-find]");
const input = $("input", form);
const note = $("[data-find-note]");
const list = $("datalist", form);
let asked = 0;

async function search(text) {
  asked += 1;
  const mine = asked;
  const answer = await get(`/instruments?limit=12&search=${encodeURIComponent(text)}`);
  return mine === asked ? answer.items : null;
}

input.addEventListener("input", async () => {
  const text = input.value.trim();
  if (!text) return;
  const found = await search(text).catch(() => null);
  if (!found) return;
  list.replaceChildren(...found.map((one) => el("option", { value: one.symbol, label: `${one.name} · ${one.dataset}` })));
  note.textContent = found.length ? "" : `Nothing is called ${text}.`;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  const found = (await search(text)) ?? [];
  const one = found.find((item) => item.symbol === text.toUpperCase()) ?? found[0];
  if (one) location.assign(`/data/instruments/${encodeURIComponent(one.symbol)}/?dataset=${encodeURIComponent(one.dataset)}`);
  else note.textContent = `Nothing is called ${text}.`;
});
