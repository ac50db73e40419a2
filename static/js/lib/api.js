// REST from pages: JSON both ways, CSRF, problems shown to the person.

import { $, el, icon, meta, toast } from "./dom.js";

export const ROOT = "/api/v1";

/** What the server refused, with its stable code and request id. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.message || body.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code || "";
    this.requestId = body.request_id || body.requestId || "";
    this.body = body;
  }

  get facts() {
    return [this.code, this.requestId && `request ${this.requestId}`].filter(Boolean).join(" · ");
  }
}

/**
 * Ask the REST interface; the path is below /api/v1 or a whole address of this site.
 * Throws Problem. Writes carry an Idempotency-Key, so a repeated click acts once; a question that
 * is asked by POST needs none (key: false).
 */
export async function request(path, { method = "GET", body, headers = {}, signal, key } = {}) {
  const url = path.startsWith("/api/") || path.startsWith("http") ? path : ROOT + path;
  const sent = { Accept: "application/json", ...headers };
  if (method !== "GET") {
    sent["X-CSRFToken"] = csrfToken();
    if (key !== false) sent["Idempotency-Key"] = key ?? crypto.randomUUID();
  }
  // A form with a file goes as it is; the browser names the boundary of its parts.
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) sent["Content-Type"] = "application/json";
  const payload = body === undefined || isForm ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(url, { method, headers: sent, body: payload, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "The lab does not answer. It reconnects by itself; try again in a moment.", code: "network" });
  }
  return read(response);
}

async function read(response) {
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  // What was deleted answers with nothing (204), and still says it is JSON.
  const text = isJson ? await response.text() : "";
  const body = text ? JSON.parse(text) : {};
  if (response.ok) return body;
  const requestId = response.headers.get("X-Request-ID") ?? "";
  throw new Problem(response.status, { request_id: requestId, ...body });
}

const csrfToken = () =>
  document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1] ?? meta("csrf-token");

export const get = (path, options) => request(path, options);
export const post = (path, body = {}, options = {}) => request(path, { ...options, method: "POST", body });
export const patch = (path, body = {}, options = {}) => request(path, { ...options, method: "PATCH", body });
export const put = (path, body = {}, options = {}) => request(path, { ...options, method: "PUT", body });
export const del = (path, options = {}) => request(path, { ...options, method: "DELETE" });

/** Tell the person what went wrong, in a toast, or inside `panel` when one is given. */
export function showProblem(error, panel = null) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Problem)) console.error(error);
  const facts = error.facts ?? "";
  if (!panel) {
    toast(error.message, { tone: "bad", facts });
    return;
  }
  const title = el("h3", {}, icon("alert"), document.createTextNode("That did not work"));
  panel.classList.add("error-panel");
  panel.setAttribute("role", "alert");
  panel.replaceChildren(title, el("p", { text: error.message }), ...fieldErrors(error), el("div", { class: "facts", text: facts }));
  panel.hidden = false;
}

function fieldErrors(error) {
  const given = error.body?.errors ?? error.body?.details?.errors;
  const errors = Array.isArray(given) ? given.filter((one) => one.message ?? one.msg) : [];
  if (!errors.length) return [];
  const lines = errors.map((one) => el("li", { text: `${one.field ?? (one.loc ?? []).at(-1) ?? ""}: ${one.message ?? one.msg ?? ""}` }));
  return [el("ul", {}, ...lines)];
}

/** Run an act behind a button: busy while it runs, a toast when it fails; returns what it returned. */
export async function run(button, act, panel = null) {
  if (button?.getAttribute("aria-busy") === "true") return undefined;
  button?.setAttribute("aria-busy", "true");
  if (panel) panel.hidden = true;
  try {
    return await act();
  } catch (error) {
    showProblem(error, panel);
    return undefined;
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

/** Read a form as an object: numbers as numbers, check boxes as booleans, empty fields left out. */
export function formData(form) {
  const result = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.type === "submit" || field.name === "csrfmiddlewaretoken") continue;
    if (field.type === "radio" && !field.checked) continue;
    const value = valueOf(field);
    if (value !== undefined) result[field.name] = value;
  }
  return result;
}

function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  if (field.multiple) return [...field.selectedOptions].map((option) => option.value);
  if (field.value === "") return undefined;
  return field.type === "number" ? Number(field.value) : field.value;
}

export const errorPanel = (root = document) => $("[data-error]", root);
