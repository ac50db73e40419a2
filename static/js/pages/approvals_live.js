// Tells when a proposal on this page moved, and reloads unless words are being written.

import { $, $$, toast } from "../lib/dom.js";
import { subscribe } from "../lib/socket.js";

const here = $("[data-proposal]")?.dataset.proposal;
let isLeaving = false;
document.addEventListener("submit", () => (isLeaving = true));

const isWriting = () => $$("textarea").some((field) => field.value.trim() !== field.defaultValue.trim());

subscribe("approvals", (data) => {
  if (isLeaving || !data.id || (here && data.id !== here)) return;
  if (isWriting()) {
    toast(`“${data.title}” has moved: it is ${data.status} now. Reload before you decide.`, { tone: "info", seconds: 20 });
    return;
  }
  location.reload();
});
