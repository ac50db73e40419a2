// Alerts about signals: targets stored, tested, forgotten; rules stored and deleted.

import { del, formData, post, put, run } from "../lib/api.js";
import { $, $$, toast } from "../lib/dom.js";
import { forgive, mark } from "../lib/fields.js";

const ROOT = "/signal-alerts";
const problem = $("[data-error]");

function onSubmit(form, save) {
  if (!form) return;
  forgive(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(
      event.submitter,
      async () => {
        try {
          await save(formData(form));
        } catch (error) {
          mark(form, error);
          throw error;
        }
        location.reload();
      },
      problem,
    );
  });
}

onSubmit($("#target-form"), ({ name, address }) => put(`${ROOT}/targets/${encodeURIComponent(name)}`, { address }));

onSubmit($("#rule-form"), ({ name, strategy, ...rule }) =>
  put(`${ROOT}/rules/${encodeURIComponent(name)}`, { ...rule, strategies: strategy ? [strategy] : [] }),
);

for (const button of $$("[data-test]")) {
  button.addEventListener("click", () =>
    run(
      button,
      async () => {
        const target = await post(`${ROOT}/targets/${button.dataset.test}/test`);
        toast(target.note, { tone: target.status === "works" ? "ok" : "bad" });
        setTimeout(() => location.reload(), 1500);
      },
      problem,
    ),
  );
}

for (const button of $$("[data-delete]")) {
  button.addEventListener("click", () =>
    run(
      button,
      async () => {
        await del(`${ROOT}/${button.dataset.delete}`);
        location.reload();
      },
      problem,
    ),
  );
}
