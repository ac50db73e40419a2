// The frame of every page: rail, menus, look, job tray, palette, keys, HALT, counts, times.

import { get, post, run, showProblem } from "./api.js";
import { adopt as adoptFigures, redraw } from "./chart.js";
import { $, $$, icon, refreshTimes, remember, toast, utc } from "./dom.js";
import * as jobs from "./jobs.js";
import * as keys from "./keys.js";
import * as palette from "./palette.js";
import { subscribe, watchState } from "./socket.js";
import { adopt as adoptTables } from "./table.js";

const root = document.documentElement;
const signedIn = Boolean(document.body.dataset.team);

const ACTS = {
  rail: (button) => {
    const next = root.dataset.rail === "closed" ? "open" : "closed";
    remember("rail", next);
    button.setAttribute("aria-expanded", String(next === "open"));
    dispatchEvent(new Event("resize"));
  },
  more: (button) => {
    const rail = $("#rail");
    const open = rail.dataset.open !== "true";
    rail.dataset.open = String(open);
    button.setAttribute("aria-expanded", String(open));
    if (open) $("a", rail).focus();
  },
  theme: () => {
    remember("theme", root.dataset.theme === "light" ? "dark" : "light");
    redraw();
  },
  updown: () => {
    remember("updown", root.dataset.updown === "swapped" ? "teal" : "swapped");
    redraw();
  },
  density: () => remember("density", root.dataset.density === "compact" ? "normal" : "compact"),
  palette: () => palette.open(),
  tray: () => jobs.toggleTray(),
  "tray-close": () => jobs.toggleTray(false),
  keys: () => $("#keys").showModal(),
  halt: () => openHalt(),
  copy: (button) => copy(button),
  confirm: (button) => $(`#${CSS.escape(button.dataset.dialog)}`)?.showModal(),
  close: (button) => button.closest("dialog")?.close(),
  print: () => window.print(),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button && ACTS[button.dataset.act]) ACTS[button.dataset.act](button);
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const rail = $("#rail");
  if (rail?.dataset.open === "true" && !rail.contains(event.target) && !event.target.closest("[data-act='more']")) rail.dataset.open = "false";
});

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(icon("copy")), 1200);
  } catch {
    toast("The browser does not allow copying here; select the text instead.", { tone: "bad" });
  }
}

// --- HALT: one dialog, one act ---------------------------------------------------------------------

function openHalt() {
  const dialog = $("#halt");
  dialog.returnValue = "";
  dialog.showModal();
  $("#halt-reason").focus();
}

$("#halt form")?.addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "halt") return;
  event.preventDefault();
  const dialog = $("#halt");
  const reason = $("#halt-reason").value;
  const panel = $("[data-error]", dialog);
  const done = await run(event.submitter, () => post("/halts", { scope: "team", reason }), panel);
  if (!done) return;
  dialog.close();
  toast("Trading is halted. Resume it from the live page, with a reason.", { tone: "ok" });
  document.dispatchEvent(new CustomEvent("lab:halted", { detail: done }));
  setCount("halted", 1);
  if ($("[data-live-account]")) setTimeout(() => location.reload(), 1200);
});

// A dialog that destroys something: the button stays shut until the name is typed.
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-confirm-name]");
  if (!field) return;
  const button = $("[data-confirm-button]", field.closest("dialog, form"));
  button.disabled = field.value.trim() !== field.dataset.confirmName;
});

// Fields that tell their range as it is left, in words.
document.addEventListener("invalid", (event) => markInvalid(event.target), true);
// While it is typed, not when it is left: what then moves would take the button from under a click.
document.addEventListener("input", (event) => {
  if (event.target.matches?.("[aria-invalid='true']") && event.target.validity?.valid) {
    event.target.removeAttribute("aria-invalid");
    const message = $(`#${CSS.escape(event.target.id)}-error`);
    if (message) message.textContent = "";
  }
});

function markInvalid(field) {
  field.setAttribute("aria-invalid", "true");
  const message = field.id && $(`#${CSS.escape(field.id)}-error`);
  if (message) message.textContent = field.validationMessage;
}

// --- What lives in the top bar ---------------------------------------------------------------------

function setCount(name, value) {
  for (const node of $$(`[data-count="${name}"]`)) {
    if (name !== "halted") node.textContent = value;
    if (name !== "jobs") node.hidden = !value;
  }
}

function feedMoved(data) {
  const item = $("[data-feed]");
  if (!item || (data.feed && item.dataset.feed && data.feed !== item.dataset.feed)) return;
  if (data.position_at) $("[data-feed-at]", item).textContent = utc(data.position_at);
}

function addCompareGuard() {
  const button = $("[data-act='compare']");
  if (!button) return;
  const count = () => $$("table[data-table] input[data-select]:checked").length;
  const refresh = () => (button.disabled = count() < 2);
  document.addEventListener("change", refresh);
  refresh();
}

function watchSocket() {
  let told = null;
  watchState((state) => {
    root.dataset.socket = state;
    if (state === "open") told?.remove();
  });
  addEventListener("offline", () => {
    told = toast("This browser is offline; figures stand still until it is back.", { tone: "bad" });
  });
}

async function refreshCounts() {
  try {
    const answer = await get("/dashboard/frame");
    setCount("waiting", answer.waiting);
    setCount("alerts", answer.alerts);
    setCount("halted", answer.halted);
    if (answer.feed_at) feedMoved({ position_at: answer.feed_at });
  } catch (error) {
    if (![0, 401, 404, 429].includes(error.status)) showProblem(error);
  }
}

let countTimer = null;
function countsSoon() {
  clearTimeout(countTimer);
  countTimer = setTimeout(refreshCounts, 400);
}

/** What scrolls sideways must be reachable by keyboard. */
function reachable(node) {
  for (const box of $$("section[aria-labelledby] [role='region'][aria-label]", node)) {
    const section = document.getElementById(box.closest("section").getAttribute("aria-labelledby"));
    if (section?.textContent.trim() === box.getAttribute("aria-label").trim()) box.setAttribute("aria-label", `${section.textContent.trim()}, table`);
  }
  for (const box of $$(".table-wrap, pre, .diff", node)) {
    if (box.hasAttribute("tabindex") || box.scrollWidth <= box.clientWidth) continue;
    const heading = $("h2, h3", box.closest("section, .panel") ?? box);
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${heading?.textContent.trim() ?? "Wide content"}, scrolls`);
  }
}

/** Bring parts to life below a node: figures, tables, progress, times. */
export function enliven(node) {
  adoptFigures(node);
  adoptTables(node);
  jobs.adopt(node);
  refreshTimes(node);
  reachable(node);
}

enliven(document);
document.addEventListener("htmx:afterSwap", (event) => enliven(event.detail.target));
setInterval(() => refreshTimes(), 5000);
palette.start();
keys.start({ palette: palette.open });
addCompareGuard();
if (signedIn) {
  jobs.start();
  subscribe("feed", feedMoved);
  subscribe("approvals", countsSoon);
  subscribe("alerts", countsSoon);
  watchSocket();
}

