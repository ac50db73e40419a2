// A family of trials: days marked as its holdout, and joining it to another.

import { formData, post, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";

/** Send a form when it is submitted; what comes back says where to go. */
function send(form, act) {
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    run(event.submitter, () => act(formData(form)), $("[data-error]", form));
  });
}

const mark = $("[data-mark]");
send(mark, async (asked) => {
  await post("/holdouts", { ...asked, family_id: Number(mark.dataset.mark) });
  location.reload();
});

const join = $("[data-join]");
send(join, async (asked) => {
  const whole = await post(`/trials/families/${join.dataset.join}/join`, { why: asked.why ?? "", other_id: Number(asked.other_id) });
  location.assign(`/research/families/${whole.id}/`);
});
