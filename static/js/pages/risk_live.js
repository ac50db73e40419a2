// Risk as it stands: an account's block, or the team's. What is told replaces what is shown;
// after a break of the socket, and at the start, the whole is fetched.

import { get } from "../lib/api.js";
import { $, $$, ago, el, number, percent, pill, tick } from "../lib/dom.js";
import { subscribe } from "../lib/socket.js";

const KIND = "risk.live.changed";
const SHOWN_PARTS = 15;
const LEVELS = { 0.95: "95", 0.99: "99" };
const TONES = { green: "ok", yellow: "warning", red: "bad" };

for (const block of $$("[data-risk-live]")) start(block);

function start(block) {
  const subject = block.dataset.subject;
  const show = subject ? (data) => showBook(block, data.book) : (data) => showTeam(block, data);
  const topic = subject ? subject.replace(":", ".") : "risk";
  const fetchAll = () => refetch(block, subject).catch(() => say(block, ["Could not be fetched; it is tried again with the next change."]));
  subscribe(topic, (data, message) => message.kind === KIND && show(data), fetchAll);
  fetchAll();
}

async function refetch(block, subject) {
  const state = await get(`/risk/live${subject ? `?subject=${encodeURIComponent(subject)}` : ""}`);
  if (subject) showBook(block, state.books[0]);
  else showTeam(block, state);
}

const money = (value) => number(value, 2);
const levelOf = (figures, level) => figures.levels.find((row) => row.level === level);

function showBook(block, book) {
  showHead(block, book, book.colour);
  $("[data-risk-figures]", block).hidden = !book.positions;
  for (const node of $$("[data-risk-currency]", block)) node.textContent = book.currency;
  const put = (name, value, format, flash = true) => tick($(`[data-risk="${name}"]`, block), value, format, { flash });
  for (const [level, name] of Object.entries(LEVELS)) {
    const row = levelOf(book, Number(level));
    for (const what of ["var", "es"]) {
      put(`${what}_${name}`, row?.[`${what}_money`] ?? NaN, money);
      put(`${what}_${name}_share`, row?.[what] ?? NaN, (value) => percent(value, 2), false);
    }
  }
  for (const what of ["gross", "net"]) {
    put(what, book[what], money);
    put(`${what}_share`, book[`${what}_share`] ?? NaN, (value) => percent(value, 1), false);
  }
  $("[data-risk-table]", block).hidden = !book.parts.length;
  $("[data-risk-parts]", block).replaceChildren(...book.parts.slice(0, SHOWN_PARTS).map(partRow));
  say(block, wordsOf(book));
}

function showHead(block, figures, colour) {
  const words = figures.model.replaceAll("_", " ");
  const head = $("[data-risk-model]", block);
  head.replaceChildren(`by ${words}, the model in force `, TONES[colour] ? pill(TONES[colour], colour) : pill("idle", "not graded yet"));
  const at = $("[data-risk-at]", block);
  at.textContent = figures.as_of ? `prices of the bar ${new Date(figures.as_of).toISOString().slice(0, 16).replace("T", " ")}` : "";
}

function wordsOf(figures) {
  const out = figures.unmeasured.map((row) => `${row.symbol} (${row.why})`);
  const shown = figures.parts.length - SHOWN_PARTS;
  return [
    figures.why_not,
    figures.model_note,
    out.length ? `Not in these figures: ${out.join(", ")}.` : "",
    figures.covered !== null && figures.covered < 1 ? `Measured: ${percent(figures.covered, 1)} of the gross value.` : "",
    figures.stale?.length ? `At an older price: ${figures.stale.map((row) => row.symbol).join(", ")}.` : "",
    ...(figures.levels.length ? figures.notes : []),
    shown > 0 ? `${shown} more position(s) in the answer of /api/v1/risk/live.` : "",
  ].filter(Boolean);
}

function say(block, lines) {
  $("[data-risk-said]", block).replaceChildren(...lines.map((text) => el("p", { class: "muted small", text })));
}

function partRow(row) {
  const share = Math.min(Math.max(row.share_of_es ?? 0, 0), 1);
  const bar = el("meter", { min: 0, max: 1, optimum: 0, value: share.toFixed(4), "aria-label": `Share of ES of ${row.symbol}` });
  return el(
    "tr",
    {},
    el("th", { scope: "row", class: "id", text: row.symbol }),
    figure(row.value, 2),
    el("td", { class: "num", text: percent(row.weight, 2) }),
    el("td", { class: "nowrap" }, bar, el("span", { class: "num", text: ` ${percent(row.share_of_es, 0)}` })),
    figure(row.es_99, 2),
    figure(row.var_99, 2),
  );
}

const figure = (value, places) => el("td", { class: "num", text: number(value ?? NaN, places) });

function showTeam(block, state) {
  const groups = state.groups.map((group) => groupOf(group));
  $("[data-risk-groups]", block).replaceChildren(...groups);
  $("[data-risk-at]", block).textContent = state.at ? `told ${ago(state.at)}` : "";
  say(block, state.groups.length ? state.apart : ["No account yet: open one on the Live page."]);
}

function groupOf(group) {
  const { figures } = group;
  const names = group.accounts.map((one) => one.title).join(", ");
  const models = group.models.length > 1 ? `; of ${group.models.join(", ").replaceAll("_", " ")} the one that tells most` : "";
  const said = wordsOf(figures).map((text) => el("p", { class: "muted small", text }));
  return el(
    "section",
    { class: "stack", "aria-label": `${group.currency} on ${group.feed}` },
    el("h3", { text: `${group.currency} on ${group.feed}` }),
    el("p", { class: "muted small", text: `${names}; one bar of ${group.timeframe}, by ${figures.model.replaceAll("_", " ")}${models}` }),
    wrapped(strategiesTable(group), `Strategies in ${group.currency} on ${group.feed}, table`),
    group.crossed.length ? wrapped(crossedTable(group), `Held against each other in ${group.currency} on ${group.feed}, table`) : null,
    ...said,
  );
}

const wrapped = (table, label) => el("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": label }, table);

function headOf(names) {
  return el("thead", {}, el("tr", {}, ...names.map((text, i) => el("th", { scope: "col", class: i ? "num" : null, text }))));
}

function strategiesTable(group) {
  const currency = group.currency;
  const of = (row, level, what) => row.levels.find((one) => one.level === level)?.[what];
  const rows = group.strategies.map((row) => {
    const account = group.accounts.find((one) => one.subject === row.account)?.title ?? row.account;
    const cells = [row.gross, row.net, of(row, 0.95, "var_money"), of(row, 0.99, "var_money"), of(row, 0.99, "es_money")];
    return lineOf(`${row.label}, ${account}`, cells);
  });
  const [at95, at99] = [0.95, 0.99].map((level) => group.benefit.find((one) => one.level === level) ?? {});
  const { figures } = group;
  const sums = [
    lineOf("Each alone, summed", [group.gross_apart, null, at95.sum_var, at99.sum_var, at99.sum_es]),
    lineOf("Together, net", [figures.gross, figures.net, at95.net_var, at99.net_var, at99.net_es], true),
    lineOf("Saved by netting and spread", [group.gross_apart - figures.gross, null, at95.var, at99.var, at99.es]),
  ];
  const head = headOf(["Strategy, alone", `Gross, ${currency}`, `Net, ${currency}`, "VaR 95 %", "VaR 99 %", "ES 99 %"]);
  return el("table", { class: "table" }, head, el("tbody", {}, ...rows), el("tfoot", {}, ...sums));
}

function lineOf(label, cells, strong = false) {
  const name = el("th", { scope: "row", class: "wrap" }, strong ? el("strong", { text: label }) : label);
  return el("tr", {}, name, ...cells.map((value) => figure(value, 2)));
}

function crossedTable(group) {
  const rows = group.crossed.map((row) => lineOf(row.symbol, [row.long, row.short, row.netted, row.value]));
  return el("table", { class: "table" }, headOf(["Held against each other", "Long", "Short", "Nets away", `Value, ${group.currency}`]), el("tbody", {}, ...rows));
}
