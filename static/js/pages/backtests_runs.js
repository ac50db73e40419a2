// The table of runs: a search box that completes names, views, marks on several runs at once.

import { del, post, run } from "../lib/api.js";
import { $, $$, el, pill } from "../lib/dom.js";
import { onJob } from "../lib/jobs.js";
import { selected } from "../lib/table.js";

const table = $("#runs");
const compare = $("[data-act='compare']");
const bulk = $("[data-bulk]");
const MOST_COMPARED = 12;

// --- Selection -----------------------------------------------------------------------------------

const rowOf = (id) => $(`tr[data-id="${CSS.escape(id)}"]`, table);

table?.addEventListener("table:selected", (event) => {
  const ids = event.detail;
  const areDone = ids.every((id) => rowOf(id)?.dataset.status === "done");
  if (compare) compare.disabled = ids.length < 2 || ids.length > MOST_COMPARED || !areDone;
  if (!bulk) return;
  bulk.hidden = ids.length === 0;
  $("[data-count]", bulk).textContent = String(ids.length);
});

compare?.addEventListener("click", () => {
  const ids = selected(table);
  if (ids.length > 1) location.assign(`${table.dataset.compareHref}?ids=${ids.join(",")}`);
});

const tagsOf = (text) => text.split(",").map((one) => one.trim()).filter(Boolean);

const ASKED = {
  tag: (form) => ({ tag: tagsOf(form.elements.tag.value) }),
  untag: (form) => ({ untag: tagsOf(form.elements.tag.value) }),
  study: (form) => ({ study: form.elements.study.value }),
  archive: () => ({ archive: true }),
};

bulk?.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = ASKED[event.submitter.value](bulk);
  run(
    event.submitter,
    async () => {
      await post("/backtests/mark", { runs: selected(table), ...asked });
      location.reload();
    },
    $("[data-error]", bulk),
  );
});

// --- Views ---------------------------------------------------------------------------------------

const box = $("#id_q");
const keep = $("[data-save-view]");

$("[data-act='save-view']")?.addEventListener("click", (event) =>
  run(event.currentTarget, async () => {
    const made = await post("/backtests/views", {
      name: $("#view-name").value,
      query: box.value,
      sort: keep.dataset.sort,
      columns: keep.dataset.columns.split(","),
      is_shared: $("#view-shared")?.checked ?? false,
      is_default: $("#view-default").checked,
    });
    location.assign(`?view=${made.id}`);
  }),
);

for (const button of $$("[data-remove-view]")) {
  button.addEventListener("click", () =>
    run(button, async () => {
      await del(`/backtests/views/${button.dataset.removeView}`);
      location.assign(location.pathname);
    }),
  );
}

// --- Names in the search box ---------------------------------------------------------------------

const names = JSON.parse($("#names").textContent);
const list = $("#q-names");
const MOST = 8;
let at = -1;

const wordAt = () => box.value.slice(0, box.selectionStart).match(/[\w.:]*$/)[0];

function offer() {
  const word = wordAt().toLowerCase();
  const found = word.length ? names.filter((name) => name.toLowerCase().startsWith(word) && name.toLowerCase() !== word) : [];
  at = -1;
  list.replaceChildren(
    ...found.slice(0, MOST).map((name, n) =>
      el("li", { role: "option", id: `q-name-${n}`, "aria-selected": "false", text: name, onmousedown: (event) => { event.preventDefault(); complete(name); } }),
    ),
  );
  show(found.length > 0);
}

function show(isOpen) {
  list.hidden = !isOpen;
  box.setAttribute("aria-expanded", String(isOpen));
  if (!isOpen) box.removeAttribute("aria-activedescendant");
}

function complete(name) {
  const end = box.selectionStart;
  const start = end - wordAt().length;
  box.setRangeText(`${name} `, start, end, "end");
  show(false);
  box.focus();
}

function move(by) {
  const lines = $$("li", list);
  at = (at + by + lines.length) % lines.length;
  lines.forEach((line, n) => line.setAttribute("aria-selected", String(n === at)));
  box.setAttribute("aria-activedescendant", lines[at].id);
  lines[at].scrollIntoView({ block: "nearest" });
}

const KEYS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  Escape: () => show(false),
  Enter: () => complete(list.children[at].textContent),
  Tab: () => complete(list.children[Math.max(at, 0)].textContent),
};

box.addEventListener("input", offer);
box.addEventListener("blur", () => show(false));
box.addEventListener("keydown", (event) => {
  if (list.hidden || !KEYS[event.key] || (event.key === "Enter" && at < 0)) return;
  event.preventDefault();
  KEYS[event.key]();
});

// --- Jobs ----------------------------------------------------------------------------------------

onJob((job, before) => {
  const id = job.subject?.startsWith("backtest:") ? job.subject.slice("backtest:".length) : "";
  const row = id && table && rowOf(id);
  if (!row) return;
  $("[data-state] .pill", row)?.replaceWith(pill(job.status));
  if (job.status === "done" && before) location.reload();
});
