// The head of the page, the critical path, the theme; and the first drawing.

(function head() {
  const { build } = data;
  const name = data.workspace.split("/").filter(Boolean).pop() ?? "/";
  document.title = `percache report: ${name}`;
  $("workspace").textContent = name;
  $("workspace").title = data.workspace;
  $("about").append(el("code", {}, build.command), ` · ${when(build.began)} · ${build.jobs} at a time`, build.interrupted ? " · interrupted" : "");
  if (data.trouble) { $("trouble").textContent = data.trouble; $("trouble").hidden = false; }
  const path = data.critical_path.reduce((sum, i) => sum + tasks[i].seconds, 0);
  const busy = tasks.reduce((sum, task) => sum + (task.row === null ? 0 : task.seconds), 0);
  const count = (outcome) => tasks.filter((task) => task.outcome === outcome).length;
  const tile = (value, words, outcome) => el("div", { className: "tile" }, el("b", {}, value),
    el("span", {}, outcome ? el("i", { style: `background: var(--${outcome})` }) : null, words));
  const counted = ["ran", "cut_off", "restored", "up_to_date", "failed", "stopped", "skipped"].filter(count);
  $("summary").append(
    tile(seconds(build.seconds), "the build took"),
    tile(seconds(build.saved_seconds), "saved by the cache"),
    ...(build.from_remote ? [tile(String(build.from_remote), `from the remote (${bytes(build.fetched_bytes)})`)] : []),
    tile(seconds(path), "on the critical path"),
    tile(`${(busy / Math.max(build.seconds, 1e-6)).toFixed(1)} ×`, "tasks at a time, on average"),
    ...counted.map((outcome) => tile(String(count(outcome)), OUTCOMES[outcome], outcome)));
  $("critical-about").textContent = data.critical_path.length
    ? `Each of these waits for the one before. However many tasks run at a time, this takes ${seconds(path)}; the build took ${seconds(build.seconds)}.`
    : "No task took part.";
  const longest = Math.max(...data.critical_path.map((i) => tasks[i].seconds), 1e-6);
  const LISTED = 100;
  $("critical-list").append(...data.critical_path.slice(0, LISTED).map((i) => el("li", {}, el("span", { className: "said" }, swatch(tasks[i].outcome), taskLink(i), ` ${seconds(tasks[i].seconds)}`),
    el("span", { className: "share", style: `width: ${(160 * tasks[i].seconds) / longest}px; background: var(--${tasks[i].outcome})` }))));
  if (data.critical_path.length > LISTED) $("critical-list").after(el("p", {}, `and ${data.critical_path.length - LISTED} more`));
})();

function redraw() {
  readPalette();
  timeline.draw();
  graph.draw();
}

(function theme() {
  const themes = ["auto", "light", "dark"];
  let theme = 0;
  $("theme").addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    if (theme) document.documentElement.dataset.theme = themes[theme]; else delete document.documentElement.dataset.theme;
    $("theme").textContent = `Theme: ${themes[theme]}`;
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();

showDetail();
readPalette();
graph.fit();
redraw();
window.addEventListener("resize", () => { graph.fit(); redraw(); });
window.addEventListener("reflow", redraw);
// For tests: says that everything was drawn without an error.
document.documentElement.dataset.ready = String(tasks.length);
