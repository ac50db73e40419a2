// Ctrl-K: every page and every act. An act is any element with data-command="What it does": choosing
// it clicks the element. Pages may also add("Name", function).

import { $, $$, el, icon } from "./dom.js";

const added = [];
let shown = [];
let at = 0;

/** Offer an act that has no button. */
export function add(name, act, hint = "") {
  added.push({ name, act, hint });
}

export function open() {
  const dialog = $("#palette");
  if (!dialog || dialog.open) return;
  const field = $("input", dialog);
  field.value = "";
  dialog.showModal();
  list();
}

export function start() {
  const dialog = $("#palette");
  if (!dialog) return;
  const field = $("input", dialog);
  field.addEventListener("input", list);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(at + 1);
    else if (event.key === "ArrowUp") choose(at - 1);
    else if (event.key === "Enter") run();
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    const line = event.target.closest("li");
    if (line) {
      at = Number(line.dataset.at);
      run();
    } else if (event.target === dialog) dialog.close();
  });
}

function commands() {
  const found = $$("[data-command]")
    .filter((node) => !node.disabled)
    .map((node) => ({ name: node.dataset.command, hint: node.dataset.key ?? "", act: () => node.click() }));
  const unique = new Map([...added, ...found].map((command) => [command.name, command]));
  return [...unique.values()];
}

/** How well a name answers what was typed: starts of words first, then parts, then letters in order; -1 for not. */
export function score(name, typed) {
  const hay = name.toLowerCase();
  const needle = typed.trim().toLowerCase();
  if (!needle) return 1;
  const found = hay.indexOf(needle);
  const starts = ` ${hay}`.indexOf(` ${needle}`);
  if (starts >= 0) return 200 - starts - hay.length / 100;
  if (found >= 0) return 100 - found - hay.length / 100;
  let from = 0;
  for (const letter of needle.replaceAll(" ", "")) {
    from = hay.indexOf(letter, from) + 1;
    if (!from) return -1;
  }
  return 10 - from / 10;
}

function list() {
  const typed = $("#palette input").value;
  shown = commands()
    .map((command) => ({ ...command, rank: score(command.name, typed) }))
    .filter((command) => command.rank >= 0)
    .sort((a, b) => b.rank - a.rank)
    .slice(0, 30);
  const lines = shown.map((command, index) =>
    el("li", { role: "option", id: `command-${index}`, "data-at": index, "aria-selected": "false" }, icon("right"), el("span", { text: command.name }), el("span", { class: "hint mono", text: command.hint })),
  );
  const none = el("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, el("span", { class: "muted", text: "Nothing of that name on this page" }));
  $("#palette-list").replaceChildren(...(lines.length ? lines : [none]));
  choose(0);
}

function choose(index) {
  const lines = $$("#palette-list li");
  if (!shown.length) return;
  lines[at]?.setAttribute("aria-selected", "false");
  at = (index + shown.length) % shown.length;
  lines[at].setAttribute("aria-selected", "true");
  lines[at].scrollIntoView({ block: "nearest" });
  $("#palette input").setAttribute("aria-activedescendant", `command-${at}`);
}

function run() {
  const command = shown[at];
  if (!command) return;
  $("#palette").close();
  command.act();
}
