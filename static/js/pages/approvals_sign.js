// Signs a decision: the passkey's challenge is the digest of what is shown on this page.

import { $ } from "../lib/dom.js";

const form = $("form[data-signature]");
const data = JSON.parse($("#signing")?.textContent ?? "null");

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function sign(decision) {
  const made = await navigator.credentials.get({
    publicKey: {
      challenge: bytes(data.challenges[decision]),
      allowCredentials: data.passkeys.map((id) => ({ type: "public-key", id: bytes(id) })),
      userVerification: "required",
      timeout: 60000,
    },
  });
  return {
    id: text(made.rawId),
    clientDataJSON: text(made.response.clientDataJSON),
    authenticatorData: text(made.response.authenticatorData),
    signature: text(made.response.signature),
  };
}

form?.addEventListener("submit", async (event) => {
  const decision = event.submitter?.value;
  if (!data?.passkeys.length || form.code?.value.trim() || form.passkey.value || !decision) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  try {
    form.passkey.value = JSON.stringify(await sign(decision));
    form.requestSubmit(event.submitter);
  } catch (error) {
    $("[data-signing-error]", form).textContent = `Not signed: ${error.message}`;
  }
});
