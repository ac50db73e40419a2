// The expression editor: read while one types, previewed on bars, backtested, saved as a version.

import { formData, post, run, showProblem } from "../lib/api.js";
import { show } from "../lib/chart.js";
import { $, $$, el, number, percent, pill, toast, utc } from "../lib/dom.js";
import { afterPause, draftOf, endOf, keepDraft, mount, pageKeys, placeOf } from "../lib/editor.js";
import { follow } from "../lib/jobs.js";

const form = $("[data-expression-page]");
const area = form.elements.expression;
const words = JSON.parse($("#words").textContent);
const field = (name) => form.elements[name];
let opened = area.value;
let key = `expression:${form.dataset.base || "new"}:${new URLSearchParams(location.search).get("alpha") ?? ""}`;

const editor = mount(area, {
  language: { fields: words.fields, functions: words.functions.map((one) => one.name), groups: words.groups },
  label: "Formula",
  complete: completions,
  save: () => save($("[value=save]", form)),
  run: () => backtest($("[value=run]", form)),
  lines: [4, 12],
});

function completions() {
  const fields = Object.entries(words.fields).map(([name, about]) => ({ name, insert: name, about, kind: "field", weight: 3 }));
  const functions = words.functions.map((one) => ({ name: one.name, insert: `${one.name}($1)`, about: `${one.usage}: ${one.words}`, kind: "function", weight: 2 }));
  const groups = words.groups.map((name) => ({ name, insert: name, about: `grouping by ${name}; where the data has it`, kind: "group", weight: 1 }));
  const published = words.catalogue.map((one) => ({ name: one.name.replace("#", ""), insert: one.expression, about: `${one.name}: ${one.words}`, kind: one.needs.length ? `needs ${one.needs.join(", ")}` : "published", weight: 0 }));
  return [...fields, ...functions, ...groups, ...published];
}

// --- Reading -------------------------------------------------------------------------------------

const reading = $("[data-reading]", form);
const facts = $("[data-facts]", form);
let asking = null;
let understood = false;

async function check() {
  asking?.abort();
  asking = new AbortController();
  const text = editor.text;
  understood = false;
  if (!text.trim()) return say("Write a formula, or open one of the catalogue.", "idle");
  try {
    const found = await post("/expressions/check", { expression: text }, { signal: asking.signal, key: false });
    if (text === editor.text) accept(found);
  } catch (error) {
    if (error.name !== "AbortError" && text === editor.text) refuse(error, text);
  }
  return undefined;
}

function accept(found) {
  understood = true;
  editor.mark([]);
  say([`It computes ${found.words}.`, ...found.remarks].join(" "), "ok");
  const bars = found.lookback === 1 ? "1 bar" : `${number(found.lookback, 0)} bars`;
  facts.replaceChildren(pill("ok", "reads"), chip(`looks back ${bars}`), chip(`unit: ${found.unit}`));
  previewSoon();
}

function refuse(error, text) {
  const column = error.body?.errors?.[0]?.column;
  stale();
  if (!column) return say(error.message, "bad");
  const at = placeOf(text, column - 1);
  const end = placeOf(text, endOf(text, column - 1));
  editor.mark([{ ...at, end: end.row === at.row ? end.column : at.column + 1, text: error.message, type: "error" }]);
  say(error.message, "bad");
  const go = el("button", { type: "button", class: "btn btn-small", text: `Go to column ${column}`, onclick: () => editor.goTo(at.row, at.column) });
  facts.replaceChildren(pill("failed", "does not read"), go);
  return undefined;
}

const chip = (text) => el("span", { class: "pill", text });

function say(text, tone) {
  reading.textContent = text;
  reading.dataset.tone = tone;
  if (tone !== "ok") facts.replaceChildren();
}

const checkSoon = afterPause(check, 200);

// --- Preview -------------------------------------------------------------------------------------

const shown = $("[data-preview]", form);
const trouble = $("[data-preview-error]", form);
let previewing = null;

function stale() {
  previewing?.abort();
  shown.classList.add("is-stale");
}

async function preview() {
  if (!understood || !field("universe").value) return;
  previewing?.abort();
  const mine = (previewing = new AbortController());
  shown.setAttribute("aria-busy", "true");
  try {
    const found = await post("/expressions/preview", previewBody(), { signal: mine.signal, key: false });
    trouble.hidden = true;
    shown.classList.remove("is-stale");
    await draw(found);
  } catch (error) {
    if (error.name === "AbortError") return;
    stale();
    showProblem(error, trouble);
    markField(error);
  }
  if (mine === previewing) shown.removeAttribute("aria-busy");
}

const previewSoon = afterPause(preview, 400);

function sayNoUniverse() {
  const text = "There is no universe to look at yet; make one in the data room.";
  shown.replaceChildren(el("div", { class: "empty" }, el("strong", { text: "Nothing to preview on" }), el("p", { text }), el("a", { class: "btn", href: "/data/", text: "Data room" })));
  shown.removeAttribute("aria-busy");
}

function previewBody() {
  const values = formData(form);
  const asked = { expression: editor.text, universe: values.universe, horizon: values.horizon, buckets: values.buckets };
  for (const name of ["start", "end"]) if (values[name]) asked[name] = values[name];
  return asked;
}

async function draw(found) {
  const { figures } = found;
  $("[data-preview-note]", form).textContent = subtitle(found);
  const coverage = tile("Coverage", percent(figures.coverage, 1), `of ${number(found.symbols, 0)} instruments`);
  const ic = tile("Rank IC", number(figures.ic, 4, { signed: true }), `t ${number(figures.ic_t, 2, { signed: true })} over ${number(figures.ic_bars, 0)} bars`);
  const hits = tile("IC above 0", percent(figures.ic_positive, 1), "share of bars");
  const turned = tile("Turnover", percent(figures.turnover, 1), "of ranks a bar");
  $("[data-preview-figures]", form).replaceChildren(coverage, ic, hits, turned);
  await Promise.all([
    show($("[data-preview-buckets]", form), bucketFigure(found)),
    show($("[data-preview-ic]", form), correlationFigure(found)),
    show($("[data-preview-values]", form), valueFigure(found)),
    show($("[data-preview-turnover]", form), turnoverFigure(found)),
  ]);
  for (const side of ["highest", "lowest"]) $(`[data-preview-${side}]`, form).replaceChildren(...found[side].map(line));
  $("[data-preview-last]", form).hidden = found.highest.length === 0;
  shown.dataset.state = "drawn";
}

function subtitle(found) {
  if (!found.ts.length) return "no bar is left after what the formula looks back at";
  const span = `${utc(found.ts[0], 10)} to ${utc(found.ts.at(-1), 10)}, ${number(found.bars, 0)} bars`;
  const cut = found.is_cut ? "; the last ones a preview may show" : "";
  return `${span}${cut}; in sample, before costs`;
}

const tile = (label, figure, note) =>
  el("div", { class: "kpi" }, el("span", { class: "kpi-label", text: label }), el("span", { class: "kpi-figure", text: figure }), el("span", { class: "kpi-change", text: note }));

const line = ({ symbol, value }) => el("tr", {}, el("th", { scope: "row", class: "mono", text: symbol }), el("td", { class: "num", text: number(value, 4) }));

const ahead = (found) => (found.horizon === 1 ? "the next bar" : `the next ${found.horizon} bars`);

function bucketFigure(found) {
  const known = found.buckets.filter((value) => value !== null);
  const spread = known.length > 1 ? found.buckets.at(-1) - found.buckets[0] : NaN;
  const finding = Number.isFinite(spread) ? `Highest less lowest: ${number(spread * 1e4, 1, { signed: true })} bps` : "Too few values to compare";
  const x = found.buckets.map((_value, at) => (at === 0 ? "lowest" : at === found.buckets.length - 1 ? "highest" : String(at + 1)));
  const colours = found.buckets.map((value) => (value < 0 ? "$down" : "$up"));
  return {
    data: [{ type: "bar", name: "mean return", x, y: found.buckets.map((value) => (value === null ? null : value * 1e4)), marker: { color: colours }, customdata: found.counts, hovertemplate: "%{y:.2f} bps of %{customdata} values<extra></extra>" }],
    layout: { title: { text: `${finding}<br>return over ${ahead(found)} less the bar's mean, by value`, automargin: false }, yaxis: { title: { text: "bps" } }, xaxis: { title: { text: "instruments by value" }, type: "category" }, hovermode: "closest" },
  };
}

/** The mean of the last `length` known values at each place. */
function rolling(values, length) {
  const known = [];
  return values.map((value) => {
    if (value !== null) known.push(value);
    const last = known.slice(-length);
    return last.length === length ? last.reduce((sum, one) => sum + one, 0) / last.length : null;
  });
}

function correlationFigure(found) {
  const length = Math.max(5, Math.min(63, Math.floor(found.bars / 4)));
  const mean = found.figures.ic;
  const finding = mean === null ? "No bar has a rank correlation" : `Rank correlation ${number(mean, 3, { signed: true })} on average`;
  return {
    data: [{ type: "scatter", mode: "lines", name: `mean of ${length} bars`, x: found.ts, y: rolling(found.ic, length), line: { color: "$accent" } }],
    layout: { title: { text: `${finding}<br>value against the return over ${ahead(found)}, mean of ${length} bars` }, yaxis: { title: { text: "rank IC" }, zeroline: true } },
  };
}

function valueFigure(found) {
  const band = (low, high, share) => [
    { type: "scatter", mode: "lines", x: found.ts, y: found.quantiles[low], line: { width: 0 }, hoverinfo: "skip", showlegend: false },
    { type: "scatter", mode: "lines", name: `${Number(low.slice(1))}–${Number(high.slice(1))} %`, x: found.ts, y: found.quantiles[high], line: { width: 0 }, fill: "tonexty", fillcolor: `$accent/${share}`, hoverinfo: "skip" },
  ];
  return {
    data: [...band("p05", "p95", 14), ...band("p25", "p75", 26), { type: "scatter", mode: "lines", name: "median", x: found.ts, y: found.quantiles.p50, line: { color: "$accent" } }],
    layout: { title: { text: "Values over time" }, yaxis: { title: { text: "value" } } },
  };
}

function turnoverFigure(found) {
  const length = Math.max(5, Math.min(63, Math.floor(found.bars / 4)));
  return {
    data: [
      { type: "scatter", mode: "lines", name: "turnover", x: found.ts, y: rolling(found.turnover, length), line: { color: "$amber" } },
      { type: "scatter", mode: "lines", name: "coverage", x: found.ts, y: found.coverage, line: { color: "$teal" } },
    ],
    layout: { title: { text: `${percent(found.figures.turnover, 0)} of ranks change a bar<br>mean of ${length} bars` }, yaxis: { title: { text: "share" }, tickformat: ".0%", rangemode: "tozero" } },
  };
}

// --- Acts ----------------------------------------------------------------------------------------

const OWN = new Set(["expression", "universe", "start", "end", "horizon", "buckets", "cash", "fee_bps", "slippage_bps", "target", "name", "title", "note"]);

function params() {
  const given = Object.entries(formData(form)).filter(([name]) => !OWN.has(name));
  return { ...Object.fromEntries(given), expression: editor.text.trim() };
}

function clearMarks() {
  for (const one of $$("[aria-invalid]", form)) one.removeAttribute("aria-invalid");
}

/** Put the message at the field at fault, if the answer names one. */
function markField(error) {
  const name = String(error.body?.errors?.[0]?.field ?? "").split(".").at(-1);
  const found = name && name !== "expression" && form.elements[name];
  if (!found?.setAttribute) return;
  found.setAttribute("aria-invalid", "true");
  const note = $(`#${CSS.escape(found.id)}-error`);
  if (note) note.textContent = error.message;
  found.focus();
}

for (const note of $$(".field .error", form)) {
  note.closest(".field").addEventListener("input", () => {
    note.textContent = "";
    $("[aria-invalid]", note.closest(".field"))?.removeAttribute("aria-invalid");
  });
}

async function tried(button, act, panel) {
  clearMarks();
  return run(button, async () => {
    try {
      return await act();
    } catch (error) {
      markField(error);
      if (error.code === "version.newer") newer = error.body.errors[0];
      if (error.body?.errors?.[0]?.column) refuse(error, editor.text);
      throw error;
    }
  }, panel);
}

function backtest(button) {
  return tried(button, async () => {
    const values = formData(form);
    const asked = {
      strategy: "expression",
      params: params(),
      universe: values.universe,
      cash: values.cash,
      costs: { fee_bps: values.fee_bps ?? 0, slippage_bps: values.slippage_bps ?? 0 },
    };
    for (const name of ["start", "end"]) if (values[name]) asked[name] = values[name];
    const made = await post("/backtests", asked);
    const progress = $("[data-run-progress]", form);
    const node = el("div", { "data-done-href": `/research/${made.id}/` });
    progress.replaceChildren(node, el("p", { class: "small" }, el("a", { href: `/research/${made.id}/`, text: "Open the run" })));
    progress.hidden = false;
    follow(made.job.id, node);
  }, $("[data-run-error]", form));
}

let newer = null;

async function save(button) {
  newer = null;
  await tried(button, async () => {
    const values = formData(form);
    const note = values.note ?? "";
    const made = values.target
      ? await post(`/strategies/${values.target}/versions`, { params: params(), note, base: baseFor(values.target) })
      : await post("/strategies", { name: values.name ?? "", title: values.title ?? "", kind: "expression", params: params(), note });
    saved(made);
  }, $("[data-save-error]", form));
  if (newer) offerBoth(newer);
}

/** Someone else saved since: nothing is lost, the person chooses. */
function offerBoth({ version_id: id, number: count }) {
  const mine = el("button", { type: "button", class: "btn", text: `Save mine after v${count}` });
  mine.addEventListener("click", () => {
    form.dataset.base = id;
    save(mine);
  });
  const theirs = el("a", { class: "btn btn-quiet", href: `/strategies/versions/${id}/`, text: `See v${count}` });
  $("[data-save-error]", form).append(el("div", { class: "row" }, mine, theirs));
}

/** The version this text began from, when it is saved to the same strategy. */
const baseFor = (target) => (target === form.dataset.strategy ? Number(form.dataset.base) : undefined);

function saved(made) {
  keepDraft(key, null);
  // The page's address is the version's from here on, and so is what is kept of it.
  key = `expression:${made.id}:`;
  opened = editor.text;
  form.dataset.base = made.id;
  form.dataset.strategy = made.strategy_id;
  if (!$(`option[value="${made.strategy_id}"]`, field("target"))) field("target").append(el("option", { value: made.strategy_id, text: made.title }));
  field("target").value = String(made.strategy_id);
  showNames();
  history.replaceState(null, "", `?version=${made.id}`);
  $("[data-saved]", form).replaceChildren(el("a", { href: `/strategies/versions/${made.id}/`, text: `Saved as ${made.title} v${made.number}` }));
  toast(`Saved: ${made.title} v${made.number}`, { tone: "ok" });
  state("saved");
}

function showNames() {
  $("[data-new-names]", form).hidden = Boolean(field("target").value);
}

const state = (text) => {
  $("[data-state-of-text]", form).textContent = text;
};

// --- Unsaved text ----------------------------------------------------------------------------------

const keepSoon = afterPause(async () => {
  const kept = editor.text === opened || await keepDraft(key, { text: editor.text });
  state(editor.text === opened ? "" : kept ? "not saved; kept in this browser" : "not saved; this browser keeps nothing");
}, 300);

async function restore() {
  const draft = await draftOf(key);
  if (!draft?.text || draft.text === opened) return;
  editor.text = draft.text;
  const note = $("[data-restored]", form);
  const forget = el("button", { type: "button", class: "btn btn-small", text: "Discard it" });
  forget.addEventListener("click", () => {
    keepDraft(key, null);
    editor.text = opened;
    note.hidden = true;
    editor.focus();
  });
  note.replaceChildren(el("div", { class: "notice", role: "status" }, el("div", { class: "row" }, el("span", { text: `Your unsaved text of ${utc(draft.at)} UTC is here again.` }), forget)));
  note.hidden = false;
  state("not saved; kept in this browser");
}

// --- Begin ---------------------------------------------------------------------------------------

editor.ace.session.on("change", () => {
  checkSoon();
  keepSoon();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.submitter;
  if (button?.value === "save") save(button);
  else if (button?.value === "run") backtest(button);
});
field("target").addEventListener("change", showNames);
for (const name of ["universe", "start", "end", "horizon", "buckets"]) field(name).addEventListener("change", previewSoon);
addEventListener("online", () => checkSoon.now());
pageKeys({ save: () => save($("[value=save]", form)), run: () => backtest($("[value=run]", form)) });
showNames();
await restore();
if (!field("universe").value) sayNoUniverse();
check();
