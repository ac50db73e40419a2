// Checks an event's proof in the browser: leaf, path, root, signature. Trusts the server with nothing
// but the event's own bytes, the path and the key.

import { $ } from "../lib/dom.js";

const data = JSON.parse($("#proof-data").textContent);
const button = $("[data-check-here]");
const card = $("[data-browser-check]");

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0")).join("");
const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const sha = async (...parts) => {
  const whole = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
};
const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** Return the root that the leaf and its path lead to (RFC 9162 2.1.3.2), or null. */
async function rootOf(leaf, index, size, path) {
  let digest = leaf;
  let node = index;
  let last = size - 1;
  for (const sibling of path) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      digest = await sha(NODE, sibling, digest);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      digest = await sha(NODE, digest, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? digest : null;
}

async function isSigned(note, verifier) {
  const [name, , encoded] = verifier.split("+");
  const key = fromBase64(verifier.slice(name.length + 10)).slice(1);
  if (!encoded || key.length !== 32) throw new Error("the public key is not readable");
  const [text, signatures] = note.split("\n\n");
  const line = signatures.split("\n").find((one) => one.startsWith(`— ${name} `));
  if (!line) return false;
  const signature = fromBase64(line.slice(`— ${name} `.length)).slice(4);
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  const signed = new TextEncoder().encode(`${text}\n`);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, signed);
}

async function check() {
  const leaf = await sha(LEAF, bytes(data.leaf_data));
  const root = await rootOf(leaf, data.leaf_index, data.tree_size, data.path.map(bytes));
  const [, size, written] = data.checkpoint.split("\n");
  const claimed = hex(fromBase64(written));
  if (!root || hex(root) !== claimed || Number(size) !== data.tree_size) {
    return [false, `the path leads to ${root ? hex(root) : "nothing"}, the checkpoint says ${claimed}`];
  }
  const signed = await isSigned(data.checkpoint, data.public_key);
  return [signed, signed ? `${data.path.length} hashes computed here lead to the signed root ${claimed}` : "the signature over the checkpoint does not hold"];
}

async function show() {
  card.hidden = false;
  try {
    const [ok, detail] = await check();
    card.dataset.outcome = ok ? "pass" : "fail";
    $("[data-browser-result]").textContent = ok ? "holds" : "does not hold";
    $("[data-browser-detail]").textContent = detail;
  } catch (error) {
    $("[data-browser-result]").textContent = "not checked";
    $("[data-browser-detail]").textContent = `This browser can't: ${error.message}.`;
  }
}

if (globalThis.crypto?.subtle) {
  button.hidden = false;
  button.addEventListener("click", show);
}
