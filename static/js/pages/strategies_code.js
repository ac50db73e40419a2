// The code editor: findings while one types, a form of the declared parameters, versions, runs.

import { formData, get, post, run } from "../lib/api.js";
import { $, $$, el, icon, pill, toast, utc } from "../lib/dom.js";
import { afterPause, draftOf, keepDraft, mount, pageKeys } from "../lib/editor.js";
import { follow } from "../lib/jobs.js";

const form = $("[data-code-page]");
const area = form.elements.text;
const field = (name) => form.elements[name];
let key = `code:${form.dataset.strategy || "new"}`;
let saved = form.dataset.base ? area.value : null;
const opened = area.value;

const button = (value) => $(`button[value=${value}]`, form);
const editor = mount(area, {
  language: "python",
  label: "Code of the strategy",
  save: () => save(button("save")),
  run: () => start(button("run")),
  lines: innerWidth <= 760 ? [14, 22] : [22, 36],
});

// --- Findings --------------------------------------------------------------------------------------

const reading = $("[data-reading]", form);
const facts = $("[data-facts]", form);
const list = $("[data-findings]", form);
let asking = null;

async function check() {
  asking?.abort();
  asking = new AbortController();
  const text = editor.text;
  try {
    const found = await post("/code/check", { text }, { signal: asking.signal, key: false });
    if (text === editor.text) accept(found);
  } catch (error) {
    if (error.name === "AbortError") return;
    reading.textContent = error.message;
    reading.dataset.tone = "bad";
  }
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function accept({ findings, declared }) {
  const errors = findings.filter((one) => one.level === "error").length;
  const remarks = findings.length - errors;
  editor.mark(findings.map((one) => ({ row: one.line - 1, column: one.column - 1, end: wordEnd(one), text: `${one.message} (${one.code})`, type: one.level === "error" ? "error" : "warning" })));
  const counted = [errors ? plural(errors, "error") : "", remarks ? plural(remarks, "remark") : ""].filter(Boolean).join(", ");
  reading.textContent = counted ? `${counted}; errors keep the text from being saved.` : "Nothing found. The text is read, not run.";
  reading.dataset.tone = errors ? "bad" : "ok";
  facts.replaceChildren(errors ? pill("failed", "does not read") : pill("ok", "reads"), ...(declared ? [chip(`warm-up: ${declared.warmup} bars`), chip(`reads ${declared.inputs.join(", ")}`)] : []));
  list.hidden = findings.length === 0;
  list.replaceChildren(...findings.slice(0, 20).map(finding));
  if (declared) showParameters(declared.parameters);
}

const chip = (text) => el("span", { class: "pill", text });

function wordEnd({ line, column }) {
  const word = (editor.text.split("\n")[line - 1] ?? "").slice(column - 1).match(/^\w+|^\S/);
  return column - 1 + (word?.[0].length ?? 1);
}

function finding(one) {
  const go = el("button", { type: "button", class: "btn btn-quiet btn-small mono", text: `${one.line}:${one.column}`, "aria-label": `Go to line ${one.line}, column ${one.column}` });
  go.addEventListener("click", () => editor.goTo(one.line - 1, one.column - 1));
  return el("li", {}, go, el("span", { class: "grow", text: one.message }), pill(one.level === "error" ? "failed" : "warning", one.level), el("code", { class: "muted small", text: one.code }));
}

// --- Parameters ------------------------------------------------------------------------------------

const place = $("[data-params]", form);
let shown = "";

/** The form of what the text declares; what was typed into it stays. */
function showParameters(parameters) {
  const now = JSON.stringify(parameters);
  if (now === shown) return;
  const typed = new Map($$("[data-parameter]", place).filter((input) => input.dataset.touched).map((input) => [input.name, input]));
  shown = now;
  place.replaceChildren(...(parameters.length ? parameters.map((one) => parameterField(one, typed.get(`params.${one.name}`))) : [el("p", { class: "muted small", text: "The text declares none." })]));
}

function parameterField(one, before) {
  const id = `id_params_${one.name}`;
  const input = inputOf(one, id);
  if (before && one.kind === "bool") input.checked = before.checked;
  else if (before) input.value = before.value;
  input.dataset.touched = before ? "true" : "";
  input.addEventListener("input", () => {
    input.dataset.touched = "true";
    judge(one, input);
  });
  const words = one.name.replaceAll("_", " ");
  const label = el("label", { for: id, text: words[0].toUpperCase() + words.slice(1) });
  const range = one.low === null && one.high === null ? "" : `${one.low ?? "any"} to ${one.high ?? "any"}`;
  const help = el("span", { class: "help", id: `${id}-help`, text: [one.about && `${one.about}.`, range].filter(Boolean).join(" ") });
  const error = el("span", { class: "error", id: `${id}-error`, role: "alert" });
  if (one.kind === "bool") return el("div", { class: "field check" }, input, label, help, error);
  const held = ["int", "float"].includes(one.kind) ? el("span", { class: "with-unit" }, input, one.unit ? el("span", { class: "unit", text: one.unit }) : null) : input;
  return el("div", { class: "field" }, label, held, help, error);
}

function inputOf(one, id) {
  const common = { id, name: `params.${one.name}`, "data-parameter": one.kind, "aria-describedby": `${id}-help ${id}-error` };
  if (one.kind === "bool") return el("input", { ...common, type: "checkbox", checked: one.default });
  if (one.kind === "choice") return el("select", common, ...one.choices.map((choice) => el("option", { value: choice, text: choice, selected: choice === one.default })));
  if (one.kind === "text") {
    const text = el("textarea", common);
    text.value = one.default;
    return text;
  }
  return el("input", { ...common, type: "number", value: one.default, min: one.low, max: one.high, step: one.kind === "int" ? 1 : "any" });
}

/** Say at the field what is wrong with its value. */
function judge(one, input) {
  const said = $(`#${CSS.escape(input.id)}-error`);
  const value = Number(input.value);
  const outside = (one.low !== null && value < one.low) || (one.high !== null && value > one.high);
  let why = "";
  if (["int", "float"].includes(one.kind)) {
    if (input.value.trim() === "" || !Number.isFinite(value)) why = "A number is needed.";
    else if (one.kind === "int" && !Number.isInteger(value)) why = "A whole number is needed.";
    else if (outside) why = `It lies outside ${one.low ?? "any"} to ${one.high ?? "any"} ${one.unit}`.trim() + ".";
  }
  said.textContent = why;
  input.toggleAttribute("aria-invalid", Boolean(why));
  if (why) input.setAttribute("aria-invalid", "true");
  return !why;
}

function parameters() {
  const inputs = $$("[data-parameter]", place);
  return Object.fromEntries(inputs.map((input) => [input.name.slice("params.".length), valueOf(input)]));
}

function valueOf(input) {
  if (input.dataset.parameter === "bool") return input.checked;
  return ["int", "float"].includes(input.dataset.parameter) ? Number(input.value) : input.value;
}

// --- Saving ----------------------------------------------------------------------------------------

async function tried(pressed, act, panel) {
  return run(pressed, async () => {
    try {
      return await act();
    } catch (error) {
      if (error.code === "version.newer") await showConflict(error);
      mark(error);
      throw error;
    }
  }, panel);
}

/** Put the message at the field at fault, if the answer names one. */
function mark(error) {
  const name = String(error.body?.errors?.[0]?.field ?? "");
  const input = form.elements[name] ?? form.elements[name.split(".").at(-1)];
  if (!name || name === "text" || !input?.setAttribute || input.type === "hidden") return;
  input.setAttribute("aria-invalid", "true");
  const said = $(`#${CSS.escape(input.id)}-error`);
  if (said) said.textContent = error.message;
  input.focus();
}

form.addEventListener("input", (event) => {
  const input = event.target;
  if (input.dataset.parameter || !input.matches("[aria-invalid]")) return;
  input.removeAttribute("aria-invalid");
  const said = $(`#${CSS.escape(input.id)}-error`);
  if (said) said.textContent = "";
});

async function store() {
  const text = editor.text;
  const body = { name: field("name").value.trim(), text, note: field("note").value };
  if (form.dataset.base) body.base = Number(form.dataset.base);
  const made = await post("/code", body);
  keep(made, text);
  return made;
}

const save = (pressed) => tried(pressed, store, $("[data-save-error]", form));

function keep(made, text) {
  const first = !form.dataset.strategy;
  const isNew = String(made.id) !== form.dataset.base;
  const before = form.dataset.base;
  saved = text;
  keepDraft(key, null);
  key = `code:${made.strategy_id}`;
  Object.assign(form.dataset, { base: made.id, strategy: made.strategy_id, number: made.number });
  field("note").value = "";
  $("[data-conflict]", form).hidden = true;
  $("[data-saved]", form).replaceChildren(el("a", { href: `/strategies/versions/${made.id}/`, text: isNew ? `Saved as v${made.number}` : `v${made.number} is exactly this` }));
  if (isNew) addVersion(made, before);
  if (first) {
    history.replaceState(null, "", `/strategies/${made.strategy_id}/edit/`);
    field("name").readOnly = true;
  }
  toast(isNew ? `Saved: ${made.title} v${made.number}` : `${made.title} v${made.number} is exactly this already`, { tone: "ok" });
  tell();
  showLeave();
}

function addVersion(made, before) {
  $("[data-no-versions]", form)?.remove();
  const diff = before ? el("a", { class: "btn btn-small", href: `/strategies/versions/${made.id}/diff/${before}/`, text: "Diff" }) : null;
  const line = el("li", { "data-version": made.id }, el("a", { href: `/strategies/versions/${made.id}/`, text: `v${made.number}` }), el("span", { class: "grow clip muted small", text: made.note || "–" }), el("span", { class: "muted small nowrap", text: `${made.created_by_label || made.created_by} · ${utc(made.created_at)}` }), diff);
  $("[data-versions]", form).prepend(line);
}

/** Someone else saved since: show how theirs differs, keep what is here, let the person choose. */
async function showConflict(error) {
  const newest = error.body.errors[0];
  const found = await post(`/versions/${newest.version_id}/compare`, { source: editor.text }, { key: false });
  const mine = el("button", { type: "button", class: "btn", text: `Save mine after v${newest.number}` });
  mine.addEventListener("click", () => {
    form.dataset.base = newest.version_id;
    save(mine);
  });
  const theirs = el("button", { type: "button", class: "btn btn-quiet", text: "Take over theirs" });
  theirs.addEventListener("click", async () => {
    const version = await get(`/versions/${newest.version_id}`);
    editor.text = version.source;
    keep(version, version.source);
  });
  const words = `${newest.by} saved v${newest.number} since you began. Your text is here still; below, theirs on the left and yours on the right.`;
  const notice = el("div", { class: "notice", "data-tone": "person", role: "alert" }, icon("alert"), el("div", { class: "stack" }, el("div", { text: words }), el("div", { class: "row" }, mine, theirs, el("a", { class: "btn btn-quiet", href: `/strategies/versions/${newest.version_id}/`, text: `See v${newest.number}` }))));
  const box = $("[data-conflict]", form);
  box.replaceChildren(notice, sides(found.rows));
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
}

function sides(rows) {
  const parts = (given, tag) => given.map((part) => (part.changed ? el(tag, { text: part.text }) : document.createTextNode(part.text)));
  const line = (row) => {
    if (row.kind === "skipped") return el("tr", { class: "hunk" }, el("td", { colspan: 4, text: plural(row.hidden, "equal line") }));
    const tone = (number, name) => (number === null ? "none" : row.kind === "same" ? "" : name);
    return el("tr", { class: row.kind }, el("td", { class: "at", text: row.old ?? "" }), el("td", { class: tone(row.old, "del") }, ...parts(row.before, "del")), el("td", { class: "at", text: row.new ?? "" }), el("td", { class: tone(row.new, "add") }, ...parts(row.after, "ins")));
  };
  const columns = el("colgroup", {}, el("col", { class: "at" }), el("col"), el("col", { class: "at" }), el("col"));
  return el("div", { class: "diff sides", tabindex: 0, role: "region", "aria-label": "Their text and yours" }, el("table", {}, columns, el("tbody", {}, ...rows.map(line))));
}

// --- Running ---------------------------------------------------------------------------------------

function start(pressed) {
  return tried(pressed, async () => {
    const wrong = $$("[data-parameter][aria-invalid=true]", place);
    if (wrong.length) return wrong[0].focus();
    if (editor.text !== saved) await store();
    const values = formData(form);
    const asked = {
      strategy: Number(form.dataset.base),
      params: parameters(),
      universe: values.universe,
      cash: values.cash,
      costs: { fee_bps: values.fee_bps ?? 0, slippage_bps: values.slippage_bps ?? 0 },
    };
    for (const name of ["start", "end"]) if (values[name]) asked[name] = values[name];
    const made = await post("/backtests", asked);
    const node = el("div", { "data-done-href": `/research/${made.id}/` });
    const progress = $("[data-run-progress]", form);
    progress.replaceChildren(node, el("p", { class: "small" }, el("a", { href: `/research/${made.id}/`, text: "Open the run" })));
    progress.hidden = false;
    follow(made.job.id, node);
    return undefined;
  }, $("[data-run-error]", form));
}

// --- Leave to run ----------------------------------------------------------------------------------

const LEAVE = {
  none: "Nobody was asked whether exactly this text may run.",
  open: "It waits for another person's decision.",
  approved: "A person approved exactly this text; it runs in the sandbox.",
  rejected: "It was rejected; change the text, or ask again with what was missing.",
};

async function showLeave() {
  if (!form.dataset.base) return;
  const box = $("[data-leave]", form);
  try {
    const found = await get(`/versions/${form.dataset.base}/code`);
    const link = found.proposal_id ? el("a", { href: `/approvals/${found.proposal_id}/`, text: "See the proposal" }) : null;
    const holds = found.sandbox_holds ? null : el("p", { class: "small amber", text: `The sandbox does not hold here: ${found.sandbox_why}` });
    box.replaceChildren(pill(found.state === "none" ? "waiting" : found.state, found.state === "none" ? "not asked" : found.state), el("span", { class: "small", text: `v${form.dataset.number}: ${LEAVE[found.state] ?? "It may not run."}` }), ...[link, holds].filter(Boolean));
    box.dataset.leave = found.state;
    $("[data-ask]", form).hidden = ["open", "approved"].includes(found.state);
  } catch (error) {
    box.replaceChildren(el("span", { class: "small muted", text: error.message }));
  }
}

function propose(pressed) {
  return tried(pressed, async () => {
    await post(`/versions/${form.dataset.base}/code/propose`, { rationale: field("rationale").value });
    toast("Proposed. Another person decides.", { tone: "ok" });
    await showLeave();
  }, $("[data-ask-error]", form));
}

// --- Unsaved text ----------------------------------------------------------------------------------

function tell() {
  const said = editor.text === saved ? `as v${form.dataset.number}` : "not saved; kept in this browser";
  $("[data-state-of-text]", form).textContent = editor.text === opened && saved === null ? "" : said;
}

const keepSoon = afterPause(async () => {
  if (editor.text === saved || (saved === null && editor.text === opened)) await keepDraft(key, null);
  else if (!await keepDraft(key, { text: editor.text, base: form.dataset.base })) {
    $("[data-state-of-text]", form).textContent = "not saved; this browser keeps nothing";
    return;
  }
  tell();
}, 300);

async function restore() {
  const draft = await draftOf(key);
  if (!draft?.text || draft.text === editor.text) return;
  const isOlder = draft.base && form.dataset.base && draft.base !== form.dataset.base;
  editor.text = draft.text;
  // It was begun from an older version: saving must not pass over what came since.
  if (isOlder) form.dataset.base = draft.base;
  const forget = el("button", { type: "button", class: "btn btn-small", text: "Discard it" });
  forget.addEventListener("click", async () => {
    await keepDraft(key, null);
    location.reload();
  });
  const words = `Your unsaved text of ${utc(draft.at)} UTC is here again.${isOlder ? " A newer version was saved since you began." : ""}`;
  const note = $("[data-restored]", form);
  note.replaceChildren(el("div", { class: "notice", role: "status" }, el("div", { class: "row" }, el("span", { text: words }), forget)));
  note.hidden = false;
}

// --- Begin -----------------------------------------------------------------------------------------

const checkSoon = afterPause(check, 350);
editor.ace.session.on("change", () => {
  checkSoon();
  keepSoon();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const act = { save, run: start, propose }[event.submitter?.value];
  act?.(event.submitter);
});
addEventListener("online", () => checkSoon.now());
addEventListener("focus", () => showLeave());
pageKeys({ save: () => save(button("save")), run: () => start(button("run")) });
await restore();
tell();
check();
showLeave();
