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
  const given = $$("input, select, textarea", part).filter((input) => !input.name.startsWith("sweep.") && (input.type === "checkbox" || input.value !== ""));
  return Object.fromEntries(given.map((input) => [input.name, valueOf(input)]));
}

const numeric = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : { true: true, false: false }[text] ?? text);

/** "5, 10" or "5:50:5" as an axis; null when it is left empty. */
function axis(text) {
  const parts = text.split(":").map((part) => part.trim());
  if (parts.length === 1) return text.trim() ? text.split(/[\s,]+/).filter(Boolean).map(numeric) : null;
  const [low, high, step] = parts.map(Number);
  return step === undefined ? { low, high } : { low, high, step };
}

function space() {
  const part = $(`[data-params="${CSS.escape(field("strategy").value)}"]`, form);
  const axes = $$("[name^='sweep.']", part).map((input) => [input.name.slice("sweep.".length), axis(input.value)]);
  return Object.fromEntries(axes.filter(([, values]) => values !== null));
}

function showSweep() {
  const some = Object.keys(space()).length > 0;
  $("[data-sweep-terms]", form).hidden = !some;
  $("[data-sweep-button]", form).hidden = !some;
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
  for (const name of ["start", "end", "as_of", "timeframe", "price_mode", "benchmark", "units", "fill", "title", "study"]) {
    const text = field(name).value.trim();
    if (text) asked[name] = text;
  }
  return asked;
}

/** Put the message at the field at fault, if the answer names one. */
function mark(error) {
  const full = String(error.body?.details?.field ?? error.body?.errors?.[0]?.field ?? "").split(".");
  const name = full[0] === "space" && full.length > 1 ? `sweep.${full[1]}` : full.pop();
  for (const input of $$("[aria-invalid]", form)) input.removeAttribute("aria-invalid");
  const found = $$(`[name="${CSS.escape(name)}"]`, form).find((input) => !input.closest("[hidden]"));
  if (!found) return;
  found.setAttribute("aria-invalid", "true");
  found.focus();
}

function sweepBody() {
  const asked = { ...body(), space: space(), method: field("method").value, objective: field("objective").value, lanes: Number(field("lanes").value) };
  return field("trials").value ? { ...asked, trials: Number(field("trials").value) } : asked;
}

async function send(kind) {
  try {
    const made = kind === "sweep" ? await post("/sweeps", sweepBody()) : await post("/backtests", body());
    location.assign(kind === "sweep" ? `/research/sweeps/${made.id}/` : `/research/${made.id}/`);
  } catch (error) {
    mark(error);
    throw error;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, () => send(event.submitter.value), $("[data-error]", form));
});
form.addEventListener("input", showSweep);
field("strategy").addEventListener("change", showParameters);
field("strategy").addEventListener("change", showSweep);
field("universe").addEventListener("change", showSymbols);
showSymbols();
showSweep();
