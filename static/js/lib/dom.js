// Small things every page needs: elements, figures as text, times, flashing cells.

const THIN = "\u2009";
const MINUS = "\u2212";
export const MISSING = "–";

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Make an element: el("p", {class: "muted", text: "…"}, child, …). Never parses HTML. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Draw an icon of the sprite. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${meta("icons-src")}#${name}`);
  svg.append(use);
  return svg;
}

export const meta = (name) => $(`meta[name="${name}"]`)?.content ?? "";

/** 12345.6 → "12 345.60": thin-space thousands, a true minus, fixed decimals. */
export function number(value, places = 2, { signed = false } = {}) {
  const given = typeof value === "string" && value.trim() === "" ? NaN : Number(value);
  if (value === null || value === undefined || !Number.isFinite(given)) return MISSING;
  const body = Math.abs(given).toFixed(places).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, THIN);
  const isZero = !/[1-9]/.test(body);
  return (isZero ? "" : given < 0 ? MINUS : signed ? "+" : "") + body;
}

export const percent = (value, places = 2, options = {}) =>
  Number.isFinite(Number(value ?? NaN)) ? `${number(value * 100, places, options)}${THIN}%` : MISSING;

export const money = (value, currency = "USD", options = {}) => {
  const text = number(value, 2, options);
  return text === MISSING ? text : `${text}\u00a0${currency}`;
};

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return MISSING;
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))}${THIN}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${THIN}min ${Math.round(seconds % 60)}${THIN}s`;
  return `${Math.floor(minutes / 60)}${THIN}h ${minutes % 60}${THIN}min`;
}

/** "2026-01-31 14:05" in UTC. */
export const utc = (value, length = 16) => {
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? MISSING : at.toISOString().replace("T", " ").slice(0, length);
};

export function ago(value, now = Date.now()) {
  const seconds = (now - new Date(value).getTime()) / 1000;
  const size = Math.abs(seconds);
  if (Number.isNaN(size)) return MISSING;
  if (size < 1) return "now";
  const [unit, length] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].find(([, l]) => size >= l);
  const words = `${Math.floor(size / length)}${THIN}${unit}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}

export const tone = (status) => TONES[String(status).toLowerCase()] ?? "idle";
export const TONE_ICONS = { ok: "check", bad: "cross", person: "alert", busy: "jobs", idle: "circle" };
const TONES = Object.fromEntries(
  Object.entries({
    ok: "ok done passed pass approved filled active healthy complete",
    bad: "failed fail lost rejected halted down refused error broken blocked_no_isolation revoked expired stopped",
    person: "open pending waiting degraded warning stale paused proposed",
    busy: "running submitted accepted partially_filled new working starting",
  }).flatMap(([name, words]) => words.split(" ").map((word) => [word, name])),
);

/** A status pill: icon, word, tone. */
export function pill(status, words = String(status).replaceAll("_", " ")) {
  const name = tone(status);
  return el("span", { class: "pill", "data-tone": name }, icon(TONE_ICONS[name]), document.createTextNode(words));
}

// --- Cells that tick -----------------------------------------------------------------------------

const GAP = 250;
const lastFlash = new WeakMap();
const waiting = new Map();
let scheduled = false;

/**
 * Write a figure into a cell and flash it when it changed, at most four times a second per cell.
 * All writes of a frame are done together, so that hundreds of cells tick without jumps.
 */
export function tick(cell, value, format = (v) => number(v), { coloured = false, flash = true } = {}) {
  if (!cell) return;
  waiting.set(cell, { value, format, coloured, flash });
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(writeTicks);
  }
}

function writeTicks() {
  scheduled = false;
  const now = performance.now();
  for (const [cell, { value, format, coloured, flash }] of waiting) {
    const before = Number(cell.dataset.value ?? NaN);
    const text = format(value);
    if (cell.textContent !== text) cell.textContent = text;
    cell.dataset.value = value ?? "";
    if (coloured) markChange(cell, value);
    const moved = Number(value) - before;
    if (flash && moved && now - (lastFlash.get(cell) ?? -GAP) >= GAP) flashCell(cell, moved, now);
  }
  waiting.clear();
}

export function markChange(cell, value) {
  const change = Number(value);
  cell.classList.toggle("up", change > 0);
  cell.classList.toggle("down", change < 0);
  cell.classList.toggle("flat", !change);
}

function flashCell(cell, moved, now) {
  lastFlash.set(cell, now);
  const name = moved > 0 ? "flash-up" : "flash-down";
  cell.classList.remove("flash-up", "flash-down");
  requestAnimationFrame(() => cell.classList.add(name));
  setTimeout(() => cell.classList.remove(name), 320);
}

// --- Times: local on hover, ages kept true ---------------------------------------------------------

export function refreshTimes(root = document) {
  for (const time of $$("time[data-utc]:not([title])", root)) {
    time.title = `${new Date(time.dateTime).toLocaleString()} here`;
  }
  for (const time of $$("time[data-ago]", root)) time.textContent = ago(time.dateTime);
}

// --- Toasts ------------------------------------------------------------------------------------

/** Show a short message; errors stay until closed. */
export function toast(text, { tone: name = "info", facts = "", seconds = 6 } = {}) {
  const box = $("#toasts");
  if (!box) return null;
  const symbol = { ok: "check", bad: "alert" }[name] ?? "info";
  const close = el("button", { type: "button", "aria-label": "Close this message" }, icon("close"));
  const body = el("div", {}, el("div", { text }), facts ? el("div", { class: "facts", text: facts }) : null);
  const node = el("div", { class: "toast", "data-tone": name }, icon(symbol), body, close);
  close.addEventListener("click", () => node.remove());
  while (box.children.length >= 4) box.firstElementChild.remove();
  box.append(node);
  if (name !== "bad") setTimeout(() => node.remove(), seconds * 1000);
  return node;
}

/** Remember a choice of this browser where the server reads it, so that no page flickers. */
export function remember(name, value) {
  document.documentElement.dataset[name] = value;
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`;
}
