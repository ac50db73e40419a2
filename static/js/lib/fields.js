// What the server refused, told beside the field at fault; what was typed stays.

import { $$ } from "./dom.js";

const errorOf = (input) => document.getElementById(`${input.id}-error`);

function clear(input) {
  input.removeAttribute("aria-invalid");
  errorOf(input)?.replaceChildren();
}

/** The name of the field that an answer speaks of, "" for none. */
export const fieldOf = (error) => String(error.body?.errors?.[0]?.field ?? error.body?.details?.field ?? "");

/** Put the message at its field and go there; returns whether there was such a field. */
export function mark(form, error) {
  for (const input of $$("[aria-invalid]", form)) clear(input);
  const name = fieldOf(error).split(".").at(-1);
  const input = name && form.elements[name];
  if (!input?.setAttribute || !errorOf(input)) return false;
  input.setAttribute("aria-invalid", "true");
  errorOf(input).textContent = error.message;
  input.focus();
  return true;
}

/** A field that is changed is no longer wrong. */
export function forgive(form) {
  form.addEventListener("input", ({ target }) => target.matches("[aria-invalid]") && clear(target));
}
