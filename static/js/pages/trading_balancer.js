// The balancer of an account: when a run ends, by whomever it was started, the page shows it.

import { $ } from "../lib/dom.js";
import { onJob } from "../lib/jobs.js";
import { subscribe } from "../lib/socket.js";

const FINAL = new Set(["done", "failed", "cancelled", "lost"]);
const { balancer: account, href } = $("[data-balancer]").dataset;
const form = $("[data-balancer-form]");
// A form that came back with something wrong in it is somebody's work as well.
let isTyping = location.pathname !== href;
let isLeaving = false;

form?.addEventListener("input", () => (isTyping = true));
addEventListener("submit", () => (isLeaving = true));

// Never a reload: what was sent would be sent again. A run that was chosen stays chosen.
function show() {
  if (!isTyping && !isLeaving) location.replace(href + location.search);
}

subscribe(`account.${account}`, (_data, message) => {
  if (String(message.kind).startsWith("trading.balancer.")) show();
});
// A run that failed as a job stores nothing, and tells only here.
onJob((job) => {
  if (job.kind === "balance" && job.subject === `account:${account}` && FINAL.has(job.status) && $("[data-balancer-job]")) show();
});
