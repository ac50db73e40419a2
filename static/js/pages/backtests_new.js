// The form of a new run: parameters of the chosen strategy only, then to the run's page.

import { post, run } from "../lib/api.js";
import { $, $$ } from "../lib/dom.js";

const form = $("[data-new-run]");
const field = (name) => form.elements[name];
let version = form.dataset.version;
const first = field("strategy").value;

function showParameters() {
  for (const part of $$("[data-params]", form)) {
    const chosen = part.dataset.params === field("strategy").value;
    part.hidden = !chosen;
    part.disabled = !chosen;
  }
  version = field("strategy").value === first ? form.dataset.version : "";
}

function showSymbols() {
  $("[data-by-symbol]", form).hidden = field("universe").value !== "";
}

const valueOf = (input) => {
  if (input.type === "checkbox") return input.checked;
  return input.type === "number" ? Number(input.value) : input.value.trim();
};

function parameters() {
  const part = $(`[data-params="${CSS.escape(field("strategy").value)}"]`, form);
  const given = $$("input, select, textarea", part).filter((input) => input.type === "checkbox" || input.value !== "");
  return Object.fromEntries(given.map((input) => [input.name, valueOf(input)]));
}

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

function body() {
  const asked = {
    strategy: version || field("strategy").value,
    params: parameters(),
    cash: Number(field("cash").value),
    costs: { fee_bps: Number(field("fee_bps").value), slippage_bps: Number(field("slippage_bps").value) },
    labels: words(field("labels").value),
  };
  if (field("universe").value) asked.universe = field("universe").value;
  else asked.instruments = words(field("instruments").value);
  for (const name of ["start", "end", "timeframe", "price_mode", "benchmark", "units", "fill", "title", "study"]) {
    const text = field(name).value.trim();
    if (text) asked[name] = text;
  }
  return asked;
}

/** Put the message at the field at fault, if the answer names one. */
function mark(error) {
  const name = String(error.body?.details?.field ?? error.body?.errors?.[0]?.field ?? "").split(".").pop();
  for (const input of $$("[aria-invalid]", form)) input.removeAttribute("aria-invalid");
  const found = $$(`[name="${CSS.escape(name)}"]`, form).find((input) => !input.closest("[hidden]"));
  if (!found) return;
  found.setAttribute("aria-invalid", "true");
  found.focus();
}

async function send() {
  try {
    const made = await post("/backtests", body());
    location.assign(`/research/${made.id}/`);
  } catch (error) {
    mark(error);
    throw error;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, send, $("[data-error]", form));
});
field("strategy").addEventListener("change", showParameters);
field("universe").addEventListener("change", showSymbols);
showSymbols();
