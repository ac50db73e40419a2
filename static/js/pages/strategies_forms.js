// New strategies of the library and new versions: parameters checked by the server, told at fields.

import { formData, post, Problem, run } from "../lib/api.js";
import { $, $$ } from "../lib/dom.js";
import { forgive, mark } from "../lib/fields.js";

const form = $("[data-new-strategy], [data-new-version]");
const OWN = new Set(["name", "title", "note"]);

// Another member of the library has other parameters: the server shows them.
$("[data-go]")?.addEventListener("change", ({ target }) => target.form.requestSubmit());

function paramsOf(values) {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !OWN.has(name)));
}

async function send() {
  checkNumbers();
  const values = formData(form);
  const params = paramsOf(values);
  const note = values.note ?? "";
  const id = form.dataset.newVersion;
  const made = id
    ? await post(`/strategies/${id}/versions`, { params, note })
    : await post("/strategies", {
        name: values.name ?? "",
        title: values.title ?? "",
        kind: "library",
        plug: form.dataset.plug,
        params,
        note,
      });
  location.assign(`/strategies/versions/${made.id}/`);
}

/** What is no number is no value at all to the page: it would be left out unsaid. */
function checkNumbers() {
  const wrong = $$("input[type=number]", form).find((input) => input.validity.badInput);
  if (wrong) throw new Problem(422, { detail: "This is no number.", code: "request.invalid", errors: [{ field: wrong.name }] });
}

if (form) forgive(form);

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  run(
    event.submitter,
    async () => {
      try {
        await send();
      } catch (error) {
        mark(form, error);
        throw error;
      }
    },
    $("[data-error]", form),
  );
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
