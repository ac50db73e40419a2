// New strategies and versions, with the formula read while it is typed.

import { formData, post, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";

const form = $("[data-new-strategy], [data-new-version]");
const OWN = new Set(["name", "title", "note"]);

function paramsOf(values) {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !OWN.has(name)));
}

async function send() {
  const values = formData(form);
  const params = paramsOf(values);
  const note = values.note ?? "";
  const id = form.dataset.newVersion;
  const kind = form.dataset.plug === "expression" ? "expression" : "library";
  const made = id
    ? await post(`/strategies/${id}/versions`, { params, note })
    : await post("/strategies", {
        name: values.name ?? "",
        title: values.title ?? "",
        kind,
        plug: form.dataset.plug,
        params,
        note,
      });
  location.assign(`/strategies/versions/${made.id}/`);
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, send, $("[data-error]", form));
});

const formula = form && $("[name=expression]", form);
const reading = form && $("[data-reading]", form);
let waiting;

async function read() {
  const text = formula.value.trim();
  if (!text) {
    reading.textContent = "";
    return;
  }
  try {
    const found = await post("/expressions/check", { expression: text });
    const bars = found.lookback === 1 ? "1 bar" : `${found.lookback} bars`;
    reading.textContent = [`It computes ${found.words}; looks back ${bars}.`, ...found.remarks].join(" ");
    formula.removeAttribute("aria-invalid");
  } catch (error) {
    reading.textContent = error.message;
    formula.setAttribute("aria-invalid", "true");
  }
}

formula?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(read, 400);
});
if (formula) read();
