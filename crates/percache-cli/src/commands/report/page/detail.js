// The panel about the chosen task.

const LISTED = 30;

function taskLink(i) {
  return el("button", { type: "button", className: "link", onclick: () => choose(i) }, tasks[i].name);
}

function taskList(title, positions) {
  if (!positions.length) return [];
  const items = positions.slice(0, LISTED).map((i) => el("li", {}, swatch(tasks[i].outcome), taskLink(i)));
  if (positions.length > LISTED) items.push(el("li", {}, `and ${positions.length - LISTED} more`));
  return [el("h3", {}, `${title} (${positions.length})`), el("ul", {}, ...items)];
}

function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== "");
  return el("dl", {}, ...shown.flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]));
}

// The command of a task that failed, and the end of its log.
function aboutFailure({ command, log, log_is_whole: isWhole }) {
  const part = (title, text) => (text ? [el("h3", {}, title), el("pre", { tabIndex: 0 }, text)] : []);
  return [...part("command", command), ...part(isWhole ? "log" : "the end of the log", log)];
}

function aboutTask(i) {
  const task = tasks[i];
  const took = task.row !== null;
  return [
    el("h2", {}, task.name),
    facts([
      ["outcome", el("span", {}, swatch(task.outcome), OUTCOMES[task.outcome])],
      [task.outcome === "failed" ? "status" : "why", task.reason ?? ""],
      ["first cause", task.cause && task.cause !== task.reason ? task.cause : ""],
      ["began", took ? `after ${seconds(task.began)}` : ""],
      ["took", took ? seconds(task.seconds) : ""],
      ["executed", task.remote_queued_seconds !== null ? `remotely, after ${seconds(task.remote_queued_seconds)} in the queue` : ""],
      ["saved", task.saved_seconds > 0 ? seconds(task.saved_seconds) : ""],
      ["outputs", task.bytes ? bytes(task.bytes) : ""],
      ["fetched from", task.fetched_from ? `${task.fetched_from} (${bytes(task.fetched_bytes)})` : ""],
      ["not used", task.refused ? `the remote's result: ${task.refused}` : ""],
      ["", task.critical ? "on the critical path" : ""],
    ]),
    ...(task.failure ? aboutFailure(task.failure) : []),
    ...taskList("needs", task.needs),
    ...taskList("needed by", task.neededBy),
  ];
}

function aboutTemplate(template) {
  const instances = tasks.map((_, i) => i).filter((i) => tasks[i].template === template);
  const counts = Object.keys(OUTCOMES).map((outcome) => [outcome, instances.filter((i) => tasks[i].outcome === outcome).length]);
  const total = (field) => instances.reduce((sum, i) => sum + tasks[i][field], 0);
  const slowest = [...instances].sort((a, b) => tasks[b].seconds - tasks[a].seconds);
  return [
    el("h2", {}, `${template} × ${instances.length}`),
    facts([
      ...counts.filter(([, n]) => n).map(([outcome, n]) => [String(n), el("span", {}, swatch(outcome), OUTCOMES[outcome])]),
      ["took", seconds(total("seconds"))],
      ["saved", total("saved_seconds") ? seconds(total("saved_seconds")) : ""],
      ["outputs", bytes(total("bytes"))],
    ]),
    ...taskList("slowest first", slowest),
  ];
}

function showDetail() {
  const panel = $("detail");
  const close = el("button", { type: "button", onclick: () => choose(null) }, "Close");
  const empty = chosen.task === null && chosen.template === null;
  if (empty !== panel.classList.contains("empty")) {
    // The panel takes its room from the rest only while it has something to show.
    panel.classList.toggle("empty", empty);
    $("columns").classList.toggle("split", !empty);
    window.dispatchEvent(new CustomEvent("reflow"));
  }
  if (chosen.task !== null) panel.replaceChildren(close, ...aboutTask(chosen.task));
  else if (chosen.template !== null) panel.replaceChildren(close, ...aboutTemplate(chosen.template));
  else {
    panel.replaceChildren(el("h2", {}, "No task chosen"),
      el("p", {}, "Click a task in the timeline, the graph or the table, or move to one of them with Tab and use the arrow keys."));
  }
}
onChoice.push(showDetail);
