// The code editor: Ace over a text area, in the house's look, under the content security policy.
//
// The page loads ace.js, ext-language_tools.js, ext-searchbox.js (and mode-python.js) before its own
// module. Without scripts the text area itself stays.

import { $, el } from "./dom.js";

const LANGUAGE = "ace/mode/lab_expression";
const THEME = { cssClass: "ace-lab", cssText: "", isDark: true, padding: 8 };
const Range = () => window.ace.require("ace/range").Range;

/**
 * Put an editor in the place of a text area, which goes on to hold the text for forms.
 *
 * language  "python", or {fields, functions, groups} of the expression language
 * complete  () => [{name, insert, about, kind}], offered while one types
 * save, run what Ctrl+S and Ctrl+Enter do
 */
export function mount(area, { language, label, complete, save, run, lines = [4, 14] }) {
  window.ace.config.set("useStrictCSP", true);
  window.ace.config.set("loadWorkerFromBlob", false);
  const box = el("div", { class: "editor" });
  area.after(box);
  area.hidden = true;
  const ace = window.ace.edit(box, { useWorker: false });
  ace.setTheme(THEME);
  ace.setOptions(options(lines, label, language === "python"));
  ace.session.setMode(modeOf(language));
  ace.session.setUseWrapMode(language !== "python");
  ace.setValue(area.value, -1);
  ace.session.getUndoManager().reset();
  ace.textInput.getElement().setAttribute("aria-label", label);
  bind(ace, { save, run, tabs: language === "python" });
  if (complete) offer(ace, complete);
  ace.session.on("change", () => {
    area.value = ace.getValue();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
  box.dataset.ready = "true";
  return handle(ace, area, box);
}

function options([minLines, maxLines], label, isCode) {
  return {
    minLines,
    maxLines,
    fontFamily: "var(--mono)",
    fontSize: innerWidth <= 760 ? 14 : 13,
    showPrintMargin: isCode,
    printMarginColumn: 100,
    showFoldWidgets: isCode,
    showGutter: true,
    highlightActiveLine: isCode,
    highlightGutterLine: isCode,
    tabSize: 4,
    useSoftTabs: true,
    scrollPastEnd: 0,
    textInputAriaLabel: label,
    // Escape leaves code for the page; in a formula Tab moves on as in any field.
    enableKeyboardAccessibility: isCode,
    enableMobileMenu: false,
  };
}

function modeOf(language) {
  if (language === "python") return "ace/mode/python";
  defineLanguage(language);
  return LANGUAGE;
}

function bind(ace, { save, run, tabs }) {
  if (save) ace.commands.addCommand({ name: "labSave", bindKey: { win: "Ctrl-S", mac: "Command-S" }, exec: () => save() });
  if (run) ace.commands.addCommand({ name: "labRun", bindKey: { win: "Ctrl-Enter", mac: "Command-Enter" }, exec: () => run() });
  if (!tabs) {
    ace.commands.bindKey("Tab", null);
    ace.commands.bindKey("Shift-Tab", null);
  }
  // The lab's palette has these keys on every page.
  ace.commands.bindKey("Ctrl-K", null);
  ace.commands.bindKey("Command-K", null);
}

function offer(ace, complete) {
  window.ace.require("ace/ext/language_tools");
  ace.setOptions({ enableBasicAutocompletion: true, enableLiveAutocompletion: true, enableSnippets: false, liveAutocompletionDelay: 0 });
  const one = {
    id: "lab",
    getCompletions: (_editor, _session, _at, _prefix, done) => done(null, complete().map(completion)),
  };
  ace.completers = [one];
  insertWhatIsShown(ace);
}

/** Enter right after a letter: the list is brought to what is typed first, or its start would stay. */
function insertWhatIsShown(ace) {
  const { Autocomplete } = window.ace.require("ace/autocomplete");
  const completer = Autocomplete.for(ace);
  const insert = completer.insertMatch.bind(completer);
  completer.insertMatch = (data, options) => {
    if (!data) completer.updateCompletions(true);
    return completer.activated ? insert(data, options) : false;
  };
}

function completion({ name, insert, about, kind, weight = 0 }) {
  const text = insert.includes("$") ? { snippet: insert } : { value: insert };
  return { caption: name, meta: kind, docText: about, score: weight, ...text };
}

function handle(ace, area, box) {
  let markers = [];
  return {
    ace,
    box,
    get text() {
      return ace.getValue();
    },
    /** Replace the text as one step that Ctrl+Z takes back. */
    set text(value) {
      ace.session.doc.setValue(value);
      ace.clearSelection();
      area.value = value;
    },
    focus: () => ace.focus(),
    readOnly: (state) => ace.setReadOnly(state),
    /** Show findings [{row, column, end, text, type}], rows and columns from 0; none clears. */
    mark(findings) {
      for (const marker of markers) ace.session.removeMarker(marker);
      markers = findings.map((one) => {
        const range = new (Range())(one.row, one.column, one.row, Math.max(one.end ?? 0, one.column + 1));
        return ace.session.addMarker(range, `lab-mark lab-mark-${one.type}`, "text");
      });
      ace.session.setAnnotations(findings);
      area.toggleAttribute("data-wrong", findings.some((one) => one.type === "error"));
      box.dataset.marks = String(findings.length);
    },
    goTo(row, column) {
      ace.gotoLine(row + 1, column, false);
      ace.focus();
    },
  };
}

/** Row and column, from 0, of a place counted in characters from 0. */
export function placeOf(text, index) {
  const before = text.slice(0, index).split("\n");
  return { row: before.length - 1, column: before.at(-1).length };
}

/** Where the word that stands at a place ends. */
export function endOf(text, index) {
  const word = text.slice(index).match(/^[A-Za-z_][\w.]*|^[\d.]+|^\S/);
  return index + (word?.[0].length ?? 1);
}

// --- The expression language ---------------------------------------------------------------------

function defineLanguage({ fields, functions, groups }) {
  if (window.ace.require(LANGUAGE)) return;
  window.ace.define(
    LANGUAGE,
    ["require", "exports", "module", "ace/lib/oop", "ace/mode/text", "ace/mode/text_highlight_rules", "ace/mode/behaviour/cstyle"],
    (require, exports) => {
      const oop = require("ace/lib/oop");
      const { Mode: Plain } = require("ace/mode/text");
      const { TextHighlightRules } = require("ace/mode/text_highlight_rules");
      const known = new Map([
        ...Object.keys(fields).map((name) => [name, "variable.language"]),
        ...functions.map((name) => [name, "support.function"]),
        ...groups.map((name) => [name, "constant.language"]),
      ]);
      const word = (text) => known.get(text.toLowerCase()) ?? (/^adv\d+$/.test(text) ? "variable.language" : "identifier");
      function Rules() {
        this.$rules = {
          start: [
            { token: "constant.numeric", regex: /\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+/.source },
            { token: word, regex: "[A-Za-z_]\\w*" },
            { token: "keyword.operator", regex: "&&|\\|\\||[<>=!]=|[-+*/^<>?:]" },
            { token: "paren.lparen", regex: "[(]" },
            { token: "paren.rparen", regex: "[)]" },
          ],
        };
      }
      oop.inherits(Rules, TextHighlightRules);
      function Mode() {
        this.HighlightRules = Rules;
        this.$behaviour = this.$defaultBehaviour;
      }
      oop.inherits(Mode, Plain);
      Mode.prototype.$id = LANGUAGE;
      exports.Mode = Mode;
    },
  );
}

// --- Unsaved text ----------------------------------------------------------------------------------

//
// Kept in the browser, encrypted: the key is the server's, one per person and team, and comes with the
// pages of who has signed in. So a lost tab or a lapsed session loses nothing, and what lies in the
// browser's storage is unreadable to whoever finds it there.

const [draftOwner = "", draftSecret = ""] = ($("[data-draft-key]")?.dataset.draftKey ?? "").split(".");
const draftName = (key) => `draft:${document.body.dataset.team ?? ""}:${draftOwner}:${key}`;
const toBase64 = (bytes) => btoa(Array.from(new Uint8Array(bytes), (one) => String.fromCharCode(one)).join(""));
const fromBase64 = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const cipher = (iv) => ({ name: "AES-GCM", iv });
let draftKey = null;
let lastKept = Promise.resolve();

function openDraftKey() {
  draftKey ??= crypto.subtle.importKey("raw", fromBase64(draftSecret), "AES-GCM", false, ["encrypt", "decrypt"]);
  return draftKey;
}

/** What this browser keeps of a text that was not saved: {text, base, at, ...}, or null. */
export async function draftOf(key) {
  try {
    const [iv, sealed] = localStorage.getItem(draftName(key)).split(".").map(fromBase64);
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt(cipher(iv), await openDraftKey(), sealed)));
  } catch {
    return null;
  }
}

/** Keep unsaved text through a reload and a lost connection; null forgets it. One after the other. */
export function keepDraft(key, draft) {
  lastKept = lastKept.then(() => putDraft(draftName(key), draft));
  return lastKept;
}

async function putDraft(name, draft) {
  try {
    if (!draft) {
      localStorage.removeItem(name);
      return true;
    }
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const words = new TextEncoder().encode(JSON.stringify({ ...draft, at: new Date().toISOString() }));
    const sealed = await crypto.subtle.encrypt(cipher(iv), await openDraftKey(), words);
    localStorage.setItem(name, `${toBase64(iv)}.${toBase64(sealed)}`);
    return true;
  } catch {
    return false;
  }
}

/** Call what is meant after a pause in typing. */
export function afterPause(act, wait) {
  let timer;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), wait);
  };
  later.now = (...given) => {
    clearTimeout(timer);
    return act(...given);
  };
  return later;
}

/** Ctrl+S and Ctrl+Enter anywhere on the page, as inside the editor. */
export function pageKeys({ save, run }) {
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || $("dialog[open]") || event.defaultPrevented) return;
    const act = event.key.toLowerCase() === "s" ? save : event.key === "Enter" ? run : null;
    if (!act) return;
    event.preventDefault();
    act();
  });
}
