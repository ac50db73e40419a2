// The form of a new run: parameters of the chosen strategy only, then to the run's page.

import { post, Problem, run } from "../lib/api.js";
import { $, $$, el } from "../lib/dom.js";

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
  Object.assign(asked.costs, group("costs"));
  // Lots and ticks by symbol of the run begun from: no field shows them.
  const execution = { ...JSON.parse($("#kept-terms").textContent), ...group("execution") };
  if (Object.keys(execution).length) asked.execution = execution;
  Object.assign(asked, rows());
  if (field("universe").value) asked.universe = field("universe").value;
  else asked.instruments = words(field("instruments").value);
  for (const name of ["start", "end", "as_of", "timeframe", "price_mode", "benchmark", "units", "fill", "title", "study"]) {
    const text = field(name).value.trim();
    if (text) asked[name] = text;
  }
  return asked;
}

/** The terms of a group (costs, execution) that were filled in; percent becomes a fraction. */
function group(name) {
  const found = {};
  for (const input of $$(`[name^="${name}."]`, form)) {
    const key = input.name.slice(name.length + 1);
    if (input.type === "checkbox") {
      if (input.checked) found[key] = true;
    } else if (key === "schedule") {
      const tiers = schedule(input.value);
      if (tiers.length) found[key] = tiers;
    } else if (key === "venues") {
      if (input.value.trim()) found[key] = Object.fromEntries(lines(input.value));
    } else if (input.value !== "") {
      found[key] = isPercent(input) ? fraction(input) : Number(input.value);
    }
  }
  return found;
}

const isPercent = (input) => input.parentElement.querySelector(".unit")?.textContent === "%";
// 7 / 100 has a digit too many in binary: what was typed is what is sent.
const fraction = (input) => Number((Number(input.value) / 100).toPrecision(12));

const lines = (text) =>
  text.split("\n").filter((line) => line.trim()).map((line) => line.split(",").map((part) => part.trim()));

/** "2020-01-01, kraken, 10, 8, 0" by line as fees that begin on a day. */
function schedule(text) {
  return lines(text).map(([start, venue, ...fees]) => {
    const tier = { start, venue: venue ?? "" };
    for (const [i, name] of ["fee_bps", "maker_bps", "per_unit"].entries()) if (fees[i]) tier[name] = numeric(fees[i]);
    return tier;
  });
}

/** The rows that were typed or chosen, under the name of their kind. */
function rows() {
  const text = field("rows").value.trim();
  if (!text) return {};
  const kind = field("rows_kind").value;
  const found = { [kind]: text };
  if (kind === "signals" && field("signal_weight").value) found.signal_weight = fraction(field("signal_weight"));
  return found;
}

const ROW_KINDS = ["orders", "targets", "signals"];

/** The name of the field that an error speaks of. */
function nameOf(full) {
  const [first, ...rest] = full.split(".");
  if (first === "space" && rest.length) return `sweep.${rest[0]}`;
  if (ROW_KINDS.includes(first)) return "rows";
  const dotted = [full, `${first}.${rest[0]}`].find((name) => $$(`[name="${CSS.escape(name)}"]`, form).length);
  return dotted ?? rest.at(-1) ?? first;
}

/** Refuse a term outside the range beside its field, in the unit that was typed. */
function checkTerms() {
  const terms = $$("[data-terms] input[type=number], [data-signal-weight] input", form);
  const wrong = terms.find((input) => input.validity.badInput || input.validity.rangeUnderflow || input.validity.rangeOverflow);
  if (!wrong) return;
  const unit = wrong.parentElement.querySelector(".unit")?.textContent ?? "";
  const detail = `${wrong.value || "This"} is outside ${wrong.min} to ${wrong.max} ${unit}`.trim();
  throw new Problem(422, { detail: `${detail}.`, code: "request.invalid", errors: [{ field: wrong.name }] });
}

/** What is wrong, at the field itself: every bad row, or the message. */
function say(input, error) {
  const place = document.getElementById(`${input.id}-error`);
  if (!place) return;
  const faults = (error.body?.errors?.[0]?.rows ?? []).map((fault) => `Row ${fault.row}, ${fault.field}: ${fault.message}`);
  place.replaceChildren(...(faults.length ? faults : [error.message]).map((text) => el("span", { class: "line", text })));
}

/** Put the message at the field at fault, if the answer names one; what was typed stays. */
function mark(error) {
  for (const input of $$("[aria-invalid]", form)) {
    input.removeAttribute("aria-invalid");
    document.getElementById(`${input.id}-error`)?.replaceChildren();
  }
  const full = String(error.body?.details?.field ?? error.body?.errors?.[0]?.field ?? "");
  const name = full && nameOf(full);
  const found = name && $$(`[name="${CSS.escape(name)}"]`, form).find((input) => !input.closest("[hidden]"));
  if (!found) return;
  for (let fold = found.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  found.setAttribute("aria-invalid", "true");
  say(found, error);
  found.focus();
}

/** Rows of a chosen file go into the text, where they can be seen and changed. */
async function readRows() {
  const [file] = $("#id_rows_file").files;
  if (file) field("rows").value = await file.text();
}

function showRows() {
  $("[data-signal-weight]", form).hidden = field("rows_kind").value !== "signals";
}

function sweepBody() {
  const asked = { ...body(), space: space(), method: field("method").value, objective: field("objective").value, lanes: Number(field("lanes").value) };
  return field("trials").value ? { ...asked, trials: Number(field("trials").value) } : asked;
}

async function send(kind) {
  try {
    checkTerms();
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
field("rows_kind").addEventListener("change", showRows);
$("#id_rows_file").addEventListener("change", readRows);
showSymbols();
showSweep();
showRows();
