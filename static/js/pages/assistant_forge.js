// The forge: start a search, judge what it found, make a strategy of it, have one written.

import { formData, post, run } from "../lib/api.js";
import { $, $$ } from "../lib/dom.js";

const CRITERIA = ["min_sharpe", "min_ic_t"];
const find = $("[data-find]");

function requestOf(form) {
  const values = formData(form);
  const criteria = {};
  for (const name of CRITERIA) {
    if (values[name] !== undefined) criteria[name] = values[name];
    delete values[name];
  }
  return { ...values, criteria };
}

find?.addEventListener("submit", (event) => {
  event.preventDefault();
  const start = async () => {
    const started = await post("/hypotheses", requestOf(find));
    location.assign(`/assistant/searches/${started.id}/`);
  };
  run(event.submitter, start, $("[data-error]", find));
});

const wish = $("[data-write]");

wish?.addEventListener("submit", (event) => {
  event.preventDefault();
  const ask = async () => {
    await post("/assistant/code/drafts", formData(wish));
    location.hash = "drafts";
    location.reload();
  };
  run(event.submitter, ask, $("[data-error]", wish));
});

const verdict = $("[data-verdict]");

verdict?.addEventListener("submit", (event) => {
  event.preventDefault();
  const judge = async () => {
    const note = formData(verdict).note ?? "";
    await post(`/hypotheses/${verdict.dataset.verdict}/judge`, { verdict: event.submitter.value, note });
    location.reload();
  };
  run(event.submitter, judge, $("[data-error]", verdict));
});

for (const button of $$("[data-accept]")) {
  button.addEventListener("click", () =>
    run(button, async () => {
      await post(`/hypotheses/${button.dataset.accept}/judge`, { verdict: "accept", note: "" });
      location.reload();
    }),
  );
}

for (const button of $$("[data-promote]")) {
  button.addEventListener("click", () =>
    run(button, async () => {
      const made = await post(`/hypotheses/${button.dataset.promote}/version`);
      location.assign(`/research/new/?strategy=${made.version_id}`);
    }),
  );
}

// A search that fails says why on its page, which the server writes.
for (const part of $$("[data-job]")) part.addEventListener("job:failed", () => location.reload());
