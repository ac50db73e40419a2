// Figures: Plotly JSON made by the server, drawn in the house's template.
//
// <div class="figure" data-figure-src="/api/v1/…"></div>   fetched when it comes near the screen
// <div class="figure" data-figure="id"></div>              from {{ figure|json_script:"id" }}
// Colours in the JSON may be written as tokens: "$up", "$down", "$accent", "$muted", "$amber", …

import { get, showProblem } from "./api.js";
import { $, $$, el, icon, meta } from "./dom.js";

const SERIES = ["accent", "teal", "amber", "violet", "rose", "sky", "lime", "vermilion"];
const CONFIG = { displayModeBar: false, displaylogo: false, responsive: false, showTips: false, doubleClick: "reset" };
const MAX_ROWS = 2000;
const figures = new Map();
let loading = null;

/** Draw every figure below root that is not drawn yet. */
export function adopt(root) {
  const found = $$(".figure[data-figure-src], .figure[data-figure]", root);
  for (const node of found) {
    if (figures.has(node)) continue;
    figures.set(node, { json: null, plot: null });
    sight.observe(node);
  }
  if (found.length) {
    loadPlotly().catch(() => {});
    setTimeout(drawRest, 2500);
  }
  else if (root === document && meta("plotly-src")) addEventListener("load", () => setTimeout(fetchAhead, 1500), { once: true });
}

/** What is further down is drawn once the page is at rest, so that it is there for printing too. */
async function drawRest() {
  for (const [node, figure] of figures) {
    if (figure.begun) continue;
    sight.unobserve(node);
    await begin(node);
    await new Promise((next) => setTimeout(next, 50));
  }
}

/** A page without figures fetches the drawing library for the next one. */
function fetchAhead() {
  if (!loading && !navigator.connection?.saveData) document.head.append(el("link", { rel: "prefetch", as: "script", href: meta("plotly-src") }));
}

/** Draw a figure from an object, now and whenever it is called again. */
export async function show(node, json) {
  const figure = figures.get(node) ?? { json: null, plot: null };
  figures.set(node, figure);
  figure.begun = true;
  figure.json = json;
  await draw(node, figure);
}

/** Fetch a figure again, from a new address when one is given. */
export async function reload(node, src = node.dataset.figureSrc) {
  node.dataset.figureSrc = src;
  const figure = figures.get(node) ?? { json: null, plot: null };
  figures.set(node, figure);
  figure.begun = true;
  await fetchAndDraw(node, figure);
}

/** Draw all again: the theme has changed. */
export function redraw() {
  for (const [node, figure] of figures) if (figure.json) draw(node, figure);
}

const sight = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      sight.unobserve(entry.target);
      begin(entry.target);
    }
  },
  { rootMargin: "400px" },
);

const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const figure = figures.get(entry.target);
    if (figure?.plot) requestAnimationFrame(() => window.Plotly?.Plots.resize(figure.plot));
  }
});

async function begin(node) {
  const figure = figures.get(node);
  figure.begun = true;
  if (!node.dataset.figure) return fetchAndDraw(node, figure);
  const source = document.getElementById(node.dataset.figure);
  if (!source) return fail(node, new Error(`The page carries no figure ${node.dataset.figure}.`));
  figure.json = JSON.parse(source.textContent);
  return draw(node, figure);
}

async function fetchAndDraw(node, figure) {
  try {
    loadPlotly();
    const answer = await get(node.dataset.figureSrc);
    figure.json = answer.figure ?? answer;
    await draw(node, figure);
  } catch (error) {
    fail(node, error);
  }
}

async function draw(node, figure) {
  try {
    const plotly = await loadPlotly();
    if (!figure.plot) build(node, figure);
    const json = figure.json;
    if (!hasData(json)) return empty(node, figure);
    const layout = merged(json.layout ?? {}, node.clientWidth, json.data ?? []);
    await plotly.react(figure.plot, painted(json.data ?? []), layout, { ...CONFIG, ...(json.config ?? {}) });
    node.dataset.state = "drawn";
    describe(node, json);
    node.dispatchEvent(new CustomEvent("figure:drawn", { bubbles: true }));
  } catch (error) {
    fail(node, error);
  }
  return undefined;
}

const hasData = (json) => (json.data ?? []).length > 0;

function empty(node, figure) {
  node.dataset.state = "failed";
  const words = figure.json.layout?.meta?.empty ?? "There is nothing to draw yet.";
  figure.plot.replaceChildren(el("div", { class: "empty" }, el("p", { text: words })));
}

function build(node, figure) {
  figure.plot = el("div", { class: "figure-plot" });
  const tools = el("div", { class: "figure-tools" }, tool("table", "Show the data", () => toggleData(node, figure)), tool("download", "Save as PNG", () => save(node, figure)), tool("expand", "Full screen", () => toggleFull(node)));
  node.replaceChildren(figure.plot, tools);
  sizes.observe(node);
}

function tool(name, label, act) {
  return el("button", { type: "button", title: label, "aria-label": label, onclick: act }, icon(name));
}

function fail(node, error) {
  node.dataset.state = "failed";
  const panel = el("div", { class: "error-panel" });
  node.replaceChildren(panel);
  showProblem(error, panel);
  panel.append(el("div", {}, el("button", { type: "button", class: "btn btn-small", text: "Try again", onclick: () => again(node) })));
}

function again(node) {
  const figure = { json: figures.get(node)?.json ?? null, plot: null };
  figures.set(node, figure);
  node.removeAttribute("data-state");
  node.replaceChildren();
  begin(node);
}

/** Give screen readers the finding, which the title states. */
function describe(node, json) {
  const title = json.layout?.title?.text ?? json.layout?.title ?? node.dataset.label ?? "Figure";
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", String(title).replace(/<[^>]*>/g, " "));
}

// --- Plotly: loaded once, on the first figure -------------------------------------------------------

function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    prepareStyles();
    const script = el("script", { src: meta("plotly-src"), async: true });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      loading = null;
      reject(new Error("The drawing library did not load; reload the page."));
    });
    document.head.append(script);
    return undefined;
  });
  return loading;
}

/**
 * plotly.js looks for these two elements before it injects style elements, which the content security
 * policy forbids: the first is a style sheet of ours with the same rules, the second is for maps.
 */
function prepareStyles() {
  document.head.append(
    el("link", { rel: "stylesheet", href: meta("plotly-css"), id: "plotly.js-style-global", class: "no-inline-styles" }),
    el("meta", { id: "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53", name: "plotly-maps", content: "none" }),
  );
}

// --- The house's template --------------------------------------------------------------------------

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function resolved(name) {
  const value = token(name);
  const other = value.match(/^var\(--([\w-]+)\)$/);
  return other ? resolved(other[1]) : value;
}

/** Replace "$up" and the like by colours of the theme, anywhere in the figure. */
function painted(value) {
  if (typeof value === "string") return value.startsWith("$") ? colour(value) : value;
  // A series of numbers is left alone; a stop of a colour scale begins with one and ends with a token.
  if (Array.isArray(value)) return typeof value[0] === "number" && typeof value.at(-1) !== "string" ? value : value.map(painted);
  if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
  }
  return value;
}

/** "$up" or "$up/20": a token, with a share of its opacity in percent. */
function colour(text) {
  const [name, share] = text.slice(1).split("/");
  const value = resolved(name);
  if (!value) return text;
  if (!share || !/^#[0-9a-f]{6}$/i.test(value)) return value;
  return value + Math.round((Number(share) / 100) * 255).toString(16).padStart(2, "0");
}

const KEY = 36; // the line and the space before a name of the legend, px
const LETTER = 6.2;
const LEGEND_LINE = 19;

function merged(layout, width, data) {
  const given = painted(layout);
  const narrow = innerWidth <= 760;
  const title = titled(given.title, width);
  const lines = title ? (title.text.match(/<br>/g) ?? []).length + (title.subtitle?.text?.match(/<br>/g) ?? []).length : 0;
  const named = legendNames(given, data);
  const above = !narrow && (given.legend?.y ?? 1) >= 1 && crowds(title?.subtitle?.text, named, width) ? LEGEND_LINE : 0;
  const below = narrow ? LEGEND_LINE * Math.ceil(named.length / 2) : 0;
  return {
    ...given,
    template: template(),
    title,
    autosize: true,
    width: undefined,
    height: undefined,
    legend: narrow ? { ...(given.legend ?? {}), x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom" } : given.legend,
    margin: { l: narrow ? 44 : 56, r: narrow ? 12 : 20, t: title ? 52 + 15 * lines + above : 14, b: narrow ? 40 + below : 36, ...(given.margin ?? {}) },
  };
}

/** What the legend names; plotly shows none for a single series unless it is asked to. */
function legendNames(given, data) {
  const names = data.filter((trace) => trace.showlegend !== false && trace.name).map((trace) => String(trace.name));
  return given.showlegend === false || (names.length < 2 && !given.showlegend) ? [] : names;
}

/** Whether the legend, which stands above the plot on the right, would lie on the subtitle. */
function crowds(subtitle, names, width) {
  if (!subtitle || !names.length) return false;
  const last = subtitle.split("<br>").at(-1).length * LETTER;
  return last + names.reduce((sum, name) => sum + KEY + name.length * LETTER, 0) > width - 76;
}

/** The finding in the first line; what follows a line break is the subtitle. Both wrap. */
function titled(given, width) {
  const title = typeof given === "string" ? { text: given } : { ...(given ?? {}) };
  if (!title.text) return undefined;
  const [first, ...rest] = title.text.split(/<br\s*\/?>/i);
  const below = title.subtitle?.text ?? rest.join(" ").replace(/<[^>]*>/g, "");
  const text = wrapped(first, width / 7.2);
  // plotly drops the shift of the first line when there are more
  const pad = text.includes("<br>") ? { t: 16, l: 4 } : undefined;
  return below ? { ...title, text, pad, subtitle: { ...title.subtitle, text: wrapped(below, width / 6) } } : { ...title, text, pad };
}

/** Break a text into lines of at most so many letters. */
function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line && line.length + word.length + 1 > most) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join("<br>");
}

function template() {
  const [text, muted, line, edge, raised, accent] = ["text", "muted", "line", "line-strong", "overlay", "accent"].map(resolved);
  const mono = { family: token("mono"), size: 11, color: muted };
  const axis = {
    gridcolor: line,
    linecolor: edge,
    zerolinecolor: edge,
    zerolinewidth: 1,
    tickfont: mono,
    title: { font: { family: token("sans"), size: 11, color: muted }, standoff: 6 },
    automargin: true,
    separatethousands: true,
    minexponent: 6,
    spikecolor: muted,
    spikethickness: 1,
    spikedash: "dot",
    spikemode: "across",
    hoverformat: undefined,
  };
  const up = { line: { color: resolved("up"), width: 1 }, fillcolor: resolved("up") };
  const down = { line: { color: resolved("down"), width: 1 }, fillcolor: resolved("down") };
  const range = { activecolor: accent, bgcolor: raised, bordercolor: edge, font: mono };
  return {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: token("sans"), size: 12, color: text },
      title: { font: { size: 13, color: text, weight: 550 }, x: 0, xref: "container", xanchor: "left", y: 1, yref: "container", yanchor: "top", pad: { t: 6, l: 4 }, subtitle: { font: { size: 11, color: muted } } },
      colorway: SERIES.map(resolved),
      xaxis: { ...axis, showgrid: false, rangeselector: range },
      yaxis: axis,
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1, yanchor: "bottom", font: { size: 11, color: muted }, bgcolor: "rgba(0,0,0,0)" },
      hoverlabel: { bgcolor: raised, bordercolor: edge, font: { family: token("mono"), size: 11, color: text } },
      hovermode: "x unified",
      separators: ".\u2009",
      dragmode: "zoom",
      modebar: { remove: ["zoom"] },
      annotationdefaults: { font: { size: 11, color: muted }, arrowcolor: muted },
      colorscale: { diverging: [[0, resolved("down")], [0.5, resolved("raised")], [1, resolved("up")]] },
      bargap: 0.15,
    },
    data: {
      scatter: [{ line: { width: 1.5 } }],
      bar: [{ marker: { line: { width: 0 } } }],
      candlestick: [{ increasing: up, decreasing: down }],
      ohlc: [{ increasing: up, decreasing: down }],
    },
  };
}

// --- Tools -----------------------------------------------------------------------------------------

function toggleFull(node) {
  if (document.fullscreenElement === node) document.exitFullscreen();
  else node.requestFullscreen?.();
}

async function save(node, figure) {
  const plotly = await loadPlotly();
  const image = { format: "png", filename: fileName(node), scale: 2, width: node.clientWidth, height: node.clientHeight };
  const before = figure.plot.layout.paper_bgcolor;
  await plotly.relayout(figure.plot, { paper_bgcolor: resolved("raised") });
  await plotly.downloadImage(figure.plot, image).catch((error) => showProblem(error));
  await plotly.relayout(figure.plot, { paper_bgcolor: before ?? "rgba(0,0,0,0)" });
}

const fileName = (node) => (node.getAttribute("aria-label") ?? "figure").toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);

function toggleData(node, figure) {
  const open = $(".figure-data", node);
  if (open) {
    open.remove();
    return;
  }
  node.append(el("div", { class: "figure-data", tabindex: "0", role: "region", "aria-label": "Data of the figure" }, dataTable(figure)));
}

/** The first rows of what is drawn; numbers as the browser decoded them. */
function dataTable(figure) {
  const traces = (figure.plot.data ?? []).filter((trace) => trace.x ?? trace.y ?? trace.close);
  const head = el("tr", {}, ...["series", "x", "value"].map((name) => el("th", { text: name })));
  const rows = traces.flatMap((trace) => rowsOf(trace)).slice(0, MAX_ROWS);
  return el("table", { class: "table" }, el("thead", {}, head), el("tbody", {}, ...rows));
}

function rowsOf(trace) {
  const values = plainArray(trace.close ?? trace.y);
  const at = plainArray(trace.x);
  return values.slice(0, MAX_ROWS).map((value, index) => el("tr", {}, el("td", { text: trace.name ?? "" }), el("td", { class: "mono", text: at[index] ?? index }), el("td", { class: "num", text: value ?? "–" })));
}

/** Plotly keeps binary arrays as {bdata, dtype} beside the decoded ones. */
function plainArray(values) {
  if (!values) return [];
  if (values._inputArray) return [...values._inputArray];
  return Array.isArray(values) || ArrayBuffer.isView(values) ? [...values] : [];
}
