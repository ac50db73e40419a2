// Long work: the tray at the bottom right, and progress inside pages.
//
// <div data-job="ID"></div> anywhere becomes a live progress part. When the job ends, the element
// fires "job:done" or "job:failed" (detail: the job), and follows data-done-href when it has one.

import { get, post, run, showProblem } from "./api.js";
import { $, $$, duration, el, number, pill, toast } from "./dom.js";
import { subscribe } from "./socket.js";

const FINAL = new Set(["done", "failed", "cancelled", "lost", "blocked_no_isolation"]);
const KEEP_FINISHED = 8000;
const jobs = new Map();
const parts = new Map();
const followers = new Set();

/** Start listening; called once by the frame. */
export function start() {
  adopt(document);
  subscribe("jobs", accept, refetch);
  setInterval(refreshRunning, 1000);
}

/** Hear of every change of any job of the team. */
export function onJob(handler) {
  followers.add(handler);
  return () => followers.delete(handler);
}

/** Turn every [data-job] below root into a progress part. */
export function adopt(root) {
  for (const node of $$("[data-job]", root)) {
    if (node.dataset.adopted || !node.dataset.job) continue;
    node.dataset.adopted = "true";
    follow(node.dataset.job, node);
  }
}

/** Show a job inside a page element and keep it true; the element fires job:done, job:failed. */
export function follow(id, node) {
  node.dataset.job = id;
  node.dataset.adopted = "true";
  const known = jobs.get(id);
  if (known) draw(node, known);
  get(`/jobs/${id}`).then(accept, showProblem);
}

async function refetch() {
  try {
    const answer = await get("/jobs?open=true&limit=100");
    const open = new Set(answer.items.map((job) => job.id));
    answer.items.forEach(accept);
    for (const job of [...jobs.values()]) {
      if (!FINAL.has(job.status) && !open.has(job.id)) get(`/jobs/${job.id}`).then(accept, () => drop(job.id));
    }
    for (const node of $$("[data-job][data-adopted]")) {
      if (!jobs.has(node.dataset.job)) get(`/jobs/${node.dataset.job}`).then(accept, () => {});
    }
  } catch (error) {
    if (error.status !== 404) console.warn("jobs:", error.message);
  }
  drawTray();
}

function accept(job) {
  const before = jobs.get(job.id);
  if (before && FINAL.has(before.status)) return;
  jobs.set(job.id, { ...job, heardAt: performance.now() });
  for (const node of $$(`[data-job="${CSS.escape(job.id)}"]`)) draw(node, job);
  for (const follower of followers) follower(job, before);
  if (FINAL.has(job.status)) finish(job, before);
  drawTray();
}

function finish(job, before) {
  setTimeout(() => drop(job.id), KEEP_FINISHED);
  for (const node of $$(`[data-job="${CSS.escape(job.id)}"]`)) announce(node, job);
  if (!before) return;
  if (job.status === "done") toast(`${job.title}: done`, { tone: "ok" });
  else if (job.status !== "cancelled") toast(`${job.title}: ${job.error?.message ?? job.status}`, { tone: "bad", facts: job.error?.code ?? "" });
}

function announce(node, job) {
  const name = job.status === "done" ? "job:done" : "job:failed";
  node.dispatchEvent(new CustomEvent(name, { detail: job, bubbles: true }));
  const target = node.dataset.doneHref;
  if (job.status !== "done" || !target) return;
  if (target === "reload") location.reload();
  else location.assign(target);
}

function drop(id) {
  jobs.delete(id);
  parts.get(id)?.remove();
  parts.delete(id);
  drawTray();
}

// --- Drawing -----------------------------------------------------------------------------------

function draw(node, job) {
  node.classList.add("progress");
  node.dataset.status = job.status;
  if (!node.querySelector("progress")) build(node, job);
  const share = FINAL.has(job.status) ? 1 : job.progress;
  const bar = node.querySelector("progress");
  if (job.status === "running" && !job.total) bar.removeAttribute("value");
  else bar.value = share;
  node.querySelector("[data-title]").textContent = job.title;
  node.querySelector("[data-percent]").textContent = percentText(job);
  node.querySelector("[data-note]").textContent = noteText(job);
  node.querySelector("[data-eta]").textContent = etaText(job);
  node.querySelector("[data-state]").replaceChildren(job.status === "running" ? document.createTextNode("") : pill(job.status));
  node.querySelector("[data-cancel]").hidden = FINAL.has(job.status);
}

function build(node, job) {
  const cancel = el("button", { type: "button", class: "btn btn-quiet btn-small", "data-cancel": "", "aria-label": `Cancel ${job.title}` }, document.createTextNode("Cancel"));
  cancel.addEventListener("click", () =>
    run(cancel, async () => {
      accept(await post(`/jobs/${job.id}/cancel`));
    }),
  );
  node.replaceChildren(
    el("div", { class: "progress-head" }, el("span", { class: "progress-title", "data-title": "" }), el("span", { "data-state": "" }), el("span", { class: "num", "data-percent": "" }), cancel),
    el("progress", { max: 1, value: 0, "aria-label": job.title }),
    el("div", { class: "progress-foot" }, el("span", { class: "note", "data-note": "" }), el("span", { "data-eta": "" })),
  );
}

const percentText = (job) => (job.status === "running" && job.total ? `${Math.floor(job.progress * 100)}\u2009%` : "");

function noteText(job) {
  if (job.error?.message && FINAL.has(job.status)) return job.error.message;
  const places = Number.isInteger(job.total) ? 0 : 1;
  const counted = job.total > 1 && job.status === "running" ? `${number(job.done, places)} / ${number(job.total, places)}` : "";
  return [counted, job.note].filter(Boolean).join(" · ") || (job.status === "queued" ? "waiting for a worker" : "");
}

function etaText(job) {
  if (job.status !== "running" || job.eta_seconds === null || job.eta_seconds === undefined) return "";
  const since = (performance.now() - (jobs.get(job.id)?.heardAt ?? performance.now())) / 1000;
  const rate = job.started_at && job.total > 1 ? job.done / Math.max(0.5, (Date.now() - new Date(job.started_at)) / 1000) : 0;
  const pace = rate >= 0.1 ? `${number(rate, rate < 10 ? 1 : 0)}/s · ` : "";
  return `${pace}${duration(Math.max(0, job.eta_seconds - since))} left`;
}

function refreshRunning() {
  for (const job of jobs.values()) {
    if (job.status !== "running") continue;
    for (const node of $$(`[data-job="${CSS.escape(job.id)}"]`)) {
      const eta = node.querySelector("[data-eta]");
      if (eta) eta.textContent = etaText(job);
    }
  }
}

// --- Tray --------------------------------------------------------------------------------------

export function toggleTray(open = $("#tray").hidden) {
  sessionStorage.setItem("tray", open ? "open" : "closed");
  drawTray(open);
}

function drawTray(force = false) {
  const tray = $("#tray");
  if (!tray) return;
  const open = [...jobs.values()].filter((job) => !FINAL.has(job.status));
  for (const count of $$('[data-count="jobs"]')) count.textContent = open.length;
  const list = $("[data-tray-list]", tray);
  for (const job of jobs.values()) if (!parts.has(job.id)) addPart(list, job);
  const running = open.filter((job) => job.status === "running").length;
  const summary = open.length ? `${running} running, ${open.length - running} waiting` : "nothing in progress";
  $("[data-tray-summary]", tray).textContent = summary;
  tray.hidden = force !== true && isHidden();
  for (const job of open) if (job.status === "running" && list.firstChild !== parts.get(job.id)) moveUp(list, job);
}

/** Closed by the reader, idle, or on a page that shows the jobs itself. */
function isHidden() {
  const chosen = sessionStorage.getItem("tray");
  if (chosen) return chosen === "closed";
  return jobs.size === 0 || Boolean($("[data-jobs-here]"));
}

/** Running work stands above what waits. */
function moveUp(list, job) {
  const part = parts.get(job.id);
  const before = [...list.children].slice(0, [...list.children].indexOf(part));
  const waiting = before.find((node) => jobs.get(node.dataset.job)?.status !== "running");
  if (waiting) list.insertBefore(part, waiting);
}

function addPart(list, job) {
  const node = el("div", { "data-job": job.id, "data-adopted": "true" });
  parts.set(job.id, node);
  list.prepend(node);
  draw(node, job);
}

