// What all parts share: the data, the chosen task, small helpers.

const data = JSON.parse(document.getElementById("data").textContent);
const tasks = data.tasks;
tasks.forEach((task) => { task.neededBy = []; });
tasks.forEach((task, i) => task.needs.forEach((need) => tasks[need].neededBy.push(i)));

const OUTCOMES = {
  ran: "ran", cut_off: "ran, early cutoff", restored: "restored", up_to_date: "up to date",
  failed: "failed", stopped: "stopped", skipped: "not started", group: "group",
};

const $ = (id) => document.getElementById(id);

/** An element with properties and children; text stays text. */
function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style" || key.includes("-") || key === "role") node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function seconds(value) {
  if (value < 0.001) return value > 0 ? "< 1 ms" : "0 s";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 100) return `${value.toFixed(value < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(value % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < 4) { value /= 1024; unit += 1; }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

const when = (time) => new Date(time * 1000).toLocaleString();

/** A colour of the theme that holds now. */
let palette = {};
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const names = [...Object.keys(OUTCOMES), "page", "card", "text", "faint", "line", "accent", "on-bar", "critical"];
  palette = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

const swatch = (name) => el("span", { className: "swatch", style: `background: var(--${name})` });

const MEANING = { cut_off: "its outputs came out as before, so what needs it did not have to run for that" };

function legend(id, outcomes, critical) {
  const present = outcomes.filter((outcome) => tasks.some((task) => task.outcome === outcome));
  $(id).append(...present.map((outcome) => el("span", { title: MEANING[outcome] ?? "" }, swatch(outcome), OUTCOMES[outcome])));
  if (critical) $(id).append(el("span", {}, el("span", { className: "swatch critical" }), "critical path"));
}

// ---- the chosen task, or the template of several -----------------------------------------------------------------

let chosen = { task: null, template: null };
const onChoice = [];
function choose(task, template = null) {
  chosen = { task, template };
  onChoice.forEach((tell) => tell());
}

/** A canvas that is as sharp as the screen; gives its context and size in CSS pixels. */
function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return { context, width, height };
}

/** Draws with the next picture, however often it is asked for. */
function later(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
}

const tip = $("tip");
function showTip(event, lines) {
  tip.hidden = !lines;
  if (!lines) return;
  tip.replaceChildren(...lines.map((line) => el("div", {}, line)));
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 8))}px`;
}

/** The text, shortened to fit. */
function fitted(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle; else high = middle - 1;
  }
  return low ? `${text.slice(0, low)}…` : "";
}
