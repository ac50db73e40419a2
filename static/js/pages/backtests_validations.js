// The form of a new validation: what a sweep tried, cut into folds.

import { post, run } from "../lib/api.js";
import { $, $$ } from "../lib/dom.js";

const form = $("[data-new-validation]");
const problem = $("[data-error]");

const plain = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : { true: true, false: false }[text] ?? text);

/** "5, 10" or "5:50:5" as an axis. */
function axis(text) {
  const parts = text.split(":").map((part) => part.trim());
  if (parts.length === 1) return text.split(",").map((part) => plain(part.trim())).filter((part) => part !== "");
  const [low, high, step] = parts.map(Number);
  return step === undefined ? { low, high } : { low, high, step };
}

function space() {
  const lines = form.elements.space.value.split("\n").filter((line) => line.trim());
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(":");
      return at < 0 ? [line.trim(), []] : [line.slice(0, at).trim(), axis(line.slice(at + 1))];
    }),
  );
}

/** The fields of the chosen kind whose names begin with plan. */
function plan() {
  const found = {};
  for (const field of $$("[name^='plan.']", form)) {
    if (field.closest("fieldset").disabled) continue;
    const name = field.name.slice("plan.".length);
    if (field.type === "checkbox") found[name] = field.checked;
    else if (field.value.trim()) found[name] = plain(field.value.trim());
  }
  return found;
}

function showKind() {
  for (const part of $$("[data-kinds]", form)) {
    const mine = part.dataset.kinds.split(" ").includes(form.elements.kind.value);
    part.hidden = !mine;
    part.disabled = !mine;
  }
}

async function send() {
  const body = {
    ...JSON.parse($("#begun-request").textContent),
    title: "",
    kind: form.elements.kind.value,
    objective: form.elements.objective.value,
    space: space(),
    plan: plan(),
  };
  if (form.elements.confirm_look.checked) body.confirm_look = true;
  try {
    const made = await post("/validations", body);
    location.assign(`/research/validations/${made.id}/`);
  } catch (error) {
    // The price of looks at a holdout is told; the box takes it.
    if (error.code === "holdout.confirm") $("[data-look]", form).hidden = false;
    throw error;
  }
}

if (form) {
  showKind();
  form.elements.kind.addEventListener("change", showKind);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run($("[type=submit]", form), send, problem);
  });
}
