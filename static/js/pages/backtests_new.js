// The form of a new run: parameters of the chosen strategy only, then to the run's page.

import { post, Problem, run, showProblem } from "../lib/api.js";
import { $, $$, el } from "../lib/dom.js";
import { showField } from "../lib/places.js";

const form = $("[data-new-run]");
const field = (name) => form.elements[name];
const partOf = () => $(`[data-params="${CSS.escape(field("strategy").value)}"]`, form);

// Ends when the parameters of the chosen strategy are there; what is sent waits for it.
let shown = Promise.resolve();

/** The fields of the chosen strategy whose names begin so. */
function inputs(prefix) {
  const part = partOf();
  return part ? $$(`[name^="${prefix}"]`, part) : [];
}

/** Show the parameters of the chosen strategy; those of the team's own are fetched when needed. */
async function showParameters() {
  const choice = field("strategy");
  if (!partOf()) {
    const href = `${choice.dataset.parametersHref}?strategy=${encodeURIComponent(choice.value)}`;
    await window.htmx.ajax("GET", href, { target: $("[data-all-params]", form), swap: "beforeend" });
  }
  $("#id_strategy-error").textContent = partOf() ? "" : "Its parameters could not be read; it runs with those it was saved with.";
  for (const part of $$("[data-params]", form)) {
    const chosen = part.dataset.params === choice.value;
    part.hidden = !chosen;
    part.disabled = !chosen;
  }
  showSweep();
}

function showSymbols() {
  $("[data-by-symbol]", form).hidden = field("universe").value !== "";
}

const valueOf = (input) => {
  if (input.type === "checkbox") return input.checked;
  return input.type === "number" ? Number(input.value) : input.value.trim();
};

function parameters() {
  const given = inputs("params.").filter((input) => input.type === "checkbox" || input.value !== "");
  return Object.fromEntries(given.map((input) => [input.name.slice("params.".length), valueOf(input)]));
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
  const axes = inputs("sweep.").map((input) => [input.name.slice("sweep.".length), axis(input.value)]);
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
    strategy: field("strategy").value,
    params: parameters(),
    cash: Number(field("cash").value),
    costs: { fee_bps: Number(field("fee_bps").value), slippage_bps: Number(field("slippage_bps").value) },
    labels: words(field("labels").value),
  };
  Object.assign(asked.costs, group("costs"));
  // Lots and ticks by symbol of the run begun from: no field shows them.
  const execution = { ...JSON.parse($("#kept-terms").textContent), ...group("execution") };
  if (Object.keys(execution).length) asked.execution = execution;
  const limits = group("limits");
  if (Object.keys(limits).length) asked.limits = limits;
  if (field("seed").value) asked.seed = Number(field("seed").value);
  if (field("finalize").checked) asked.finalize = true;
  if (field("confirm_look").checked) asked.confirm_look = true;
  Object.assign(asked, rows());
  if (field("universe").value) asked.universe = field("universe").value;
  else asked.instruments = words(field("instruments").value);
  for (const name of ["start", "end", "as_of", "timeframe", "price_mode", "benchmark", "units", "fill", "currency", "title", "study"]) {
    const text = field(name).value.trim();
    if (text) asked[name] = text;
  }
  return asked;
}

/** The terms of a group (costs, execution, limits) that were filled in; percent becomes a fraction. */
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

const ROW_KINDS = ["orders", "targets", "signals"];

/** The rows that were typed or chosen, under the names of their kinds. */
function rows() {
  const typed = ROW_KINDS.map((kind) => [kind, field(kind).value.trim()]).filter(([, text]) => text);
  const found = Object.fromEntries(typed);
  if (field("signal_weight").value) found.signal_weight = fraction(field("signal_weight"));
  return found;
}

/** The name of the field that an error speaks of. */
function nameOf(full) {
  const [first, ...rest] = full.split(".");
  if (first === "space" && rest.length) return `sweep.${rest[0]}`;
  if (ROW_KINDS.includes(first)) return first;
  if (first === "name") return "study";
  const dotted = [full, `${first}.${rest[0]}`, `params.${full}`].find((name) => $$(`[name="${CSS.escape(name)}"]`, form).length);
  return dotted ?? rest.at(-1) ?? first;
}

/** Refuse what is no number, and a term outside its range, beside its field in the unit typed. */
function checkNumbers() {
  const shown = $$("input[type=number]", form).filter((input) => !input.closest("[hidden], :disabled"));
  const isTerm = (input) => input.closest("[data-terms], [data-signal-weight]");
  const wrong = shown.find(({ validity }) => validity.badInput) ?? shown.find((input) => isTerm(input) && (input.validity.rangeUnderflow || input.validity.rangeOverflow));
  if (!wrong) return;
  const unit = wrong.parentElement.querySelector(".unit")?.textContent ?? "";
  const detail = wrong.validity.badInput ? "This is no number" : `${wrong.value} is outside ${wrong.min} to ${wrong.max} ${unit}`.trim();
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
  const told = String(error.body?.details?.field ?? error.body?.errors?.[0]?.field ?? (/^fx\./.test(error.code ?? "") ? "currency" : ""));
  // Who may run what is a matter of the strategy.
  const full = told || (/^(strategy|sandbox)\./.test(error.code ?? "") ? "strategy" : "");
  const name = full && nameOf(full);
  const found = name && $$(`[name="${CSS.escape(name)}"]`, form).find((input) => !input.closest("[hidden]"));
  if (!found) return;
  for (let fold = found.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  found.setAttribute("aria-invalid", "true");
  say(found, error);
  found.focus();
}

/** Rows of a chosen file go into the text, where they can be seen and changed. */
async function readRows({ target }) {
  const [file] = target.files;
  if (!file) return;
  field(target.dataset.fileOf).value = await file.text();
  showRows();
}

/** What a signal stands for is asked for when there are signals. */
function showRows() {
  $("[data-signal-weight]", form).hidden = !field("signals").value.trim() && !field("signal_weight").value;
}

function sweepBody() {
  const asked = { ...body(), space: space(), method: field("method").value, objective: field("objective").value, lanes: Number(field("lanes").value) };
  return field("trials").value ? { ...asked, trials: Number(field("trials").value) } : asked;
}

async function send(kind) {
  try {
    await shown;
    checkNumbers();
    const made = kind === "sweep" ? await post("/sweeps", sweepBody()) : await post("/backtests", body());
    location.assign(kind === "sweep" ? `/research/sweeps/${made.id}/` : `/research/${made.id}/`);
  } catch (error) {
    // The price of a look is told; the box beside it takes it.
    if (error.code === "holdout.confirm") $("[data-look]", form).hidden = false;
    mark(error);
    throw error;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, () => send(event.submitter.value), $("[data-error]", form));
});
form.addEventListener("input", showSweep);
field("strategy").addEventListener("change", () => (shown = showParameters()));
field("universe").addEventListener("change", showSymbols);
field("signals").addEventListener("input", showRows);
for (const input of $$("[data-file-of]", form)) input.addEventListener("change", readRows);
/** Why the run that this one begins from stopped, at its field. */
function tellRefused() {
  const node = $("#refused");
  if (!node) return;
  const { message, code, details = {} } = JSON.parse(node.textContent);
  const problem = new Problem(422, { detail: message, code, details });
  mark(problem);
  showProblem(problem, $("[data-error]", form));
}

shown = showParameters();
showSymbols();
showRows();
tellRefused();
shown.then(() => showField(form));
