// The balancer of an account: when a run ends, by whomever it was started, the page shows it.

import { $ } from "../lib/dom.js";
import { onJob } from "../lib/jobs.js";
import { subscribe } from "../lib/socket.js";

const FINAL = new Set(["done", "failed", "cancelled", "lost"]);
const account = $("[data-balancer]").dataset.balancer;
const form = $("[data-balancer-form]");
let isDirty = false;

form?.addEventListener("input", () => (isDirty = true));
form?.addEventListener("submit", () => (isDirty = false));

// What somebody is typing is not taken away; a chosen run stays chosen.
function show() {
  if (isDirty || document.querySelector("dialog[open]")) return;
  location.reload();
}

subscribe(`account.${account}`, (_data, message) => {
  if (String(message.kind).startsWith("trading.balancer.")) show();
});
// A run that failed as a job stores nothing, and tells only here.
onJob((job) => {
  if (job.kind === "balance" && job.subject === `account:${account}` && FINAL.has(job.status) && $("[data-balancer-job]")) show();
});
