// The table of all tasks, and the reasons why they ran.

const table = (() => {
  const PAGE = 100;
  const why = (task) => task.reason ?? (task.fetched_from ? `fetched from ${task.fetched_from}` : "");
  const COLUMNS = [
    { title: "Task", key: (task) => task.name, cell: (task, i) => taskLink(i) },
    { title: "Outcome", key: (task) => task.outcome, className: "outcome",
      cell: (task) => el("span", {}, swatch(task.outcome), OUTCOMES[task.outcome]) },
    { title: "Took", number: true, key: (task) => (task.row === null ? -1 : task.seconds), cell: (task) => (task.row === null ? "" : seconds(task.seconds)) },
    { title: "Saved", number: true, key: (task) => task.saved_seconds, cell: (task) => (task.saved_seconds ? seconds(task.saved_seconds) : "") },
    { title: "Outputs", number: true, key: (task) => task.bytes, cell: (task) => (task.bytes ? bytes(task.bytes) : "") },
    { title: "Why", key: why, cell: why },
  ];
  const hidden = new Set(["group"]);
  let sort = { column: 2, down: true }, limit = PAGE, rows = [];

  function head() {
    $("table").tHead.replaceChildren(el("tr", {}, ...COLUMNS.map((column, position) => {
      const mine = sort.column === position;
      const arrow = mine ? (sort.down ? " ↓" : " ↑") : "";
      const turn = () => {
        sort = { column: position, down: mine ? !sort.down : Boolean(column.number) };
        show();
        $("table").tHead.querySelectorAll("button")[position].focus();
      };
      return el("th", { className: column.number ? "number" : "", scope: "col", "aria-sort": mine ? (sort.down ? "descending" : "ascending") : "none" },
        el("button", { type: "button", onclick: turn }, `${column.title}${arrow}`));
    })));
  }

  function wanted() {
    const text = $("filter").value.toLowerCase();
    return tasks.map((_, i) => i).filter((i) => !hidden.has(tasks[i].outcome)
      && (!text || `${tasks[i].name}\n${tasks[i].reason ?? ""}\n${tasks[i].cause ?? ""}`.toLowerCase().includes(text)));
  }

  function show() {
    const { key } = COLUMNS[sort.column];
    const compare = (a, b) => { const [x, y] = [key(tasks[a]), key(tasks[b])]; return x < y ? -1 : x > y ? 1 : a - b; };
    rows = wanted().sort((a, b) => (sort.down ? compare(b, a) : compare(a, b)));
    head();
    $("table").tBodies[0].replaceChildren(...rows.slice(0, limit).map((i) => {
      const cells = COLUMNS.map((column) => el("td", { className: column.number ? "number" : column.className ?? "" }, column.cell(tasks[i], i)));
      const row = el("tr", {}, ...cells);
      row.dataset.task = i;
      return row;
    }));
    $("more").hidden = rows.length <= limit;
    $("more").textContent = `Show ${Math.min(PAGE, rows.length - limit)} more`;
    $("count").textContent = rows.length === 1 ? "1 task" : `${rows.length} tasks`;
    mark();
  }

  function mark() {
    for (const row of $("table").tBodies[0].rows) row.classList.toggle("chosen", Number(row.dataset.task) === chosen.task);
  }

  $("filter").addEventListener("input", () => { limit = PAGE; show(); });
  $("more").addEventListener("click", () => { limit += PAGE; show(); });
  Object.entries(OUTCOMES).forEach(([outcome, words]) => {
    const count = tasks.filter((task) => task.outcome === outcome).length;
    if (!count) return;
    const chip = el("button", { type: "button", className: "chip", "aria-pressed": String(!hidden.has(outcome)) }, swatch(outcome), `${count} ${words}`);
    chip.addEventListener("click", () => {
      if (!hidden.delete(outcome)) hidden.add(outcome);
      chip.setAttribute("aria-pressed", String(!hidden.has(outcome)));
      limit = PAGE;
      show();
    });
    $("outcomes").append(chip, " ");
  });

  /** The first causes, those of the most tasks first; each leads to its tasks. */
  function reasons() {
    const counts = new Map();
    tasks.filter((task) => ["ran", "cut_off"].includes(task.outcome)).forEach((task) => {
      const reason = task.cause ?? task.reason ?? "not known any more";
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    });
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    if (!sorted.length) return $("reasons-list").append(el("p", {}, "No command ran and succeeded."));
    const show10 = sorted.slice(0, 10).map(([reason, count]) => el("li", {}, el("span", { className: "said" },
      el("button", { type: "button", className: "link", onclick: () => { $("filter").value = reason; $("filter").dispatchEvent(new Event("input")); $("tasks").scrollIntoView(); } }, reason),
      ` ${count === 1 ? "1 task" : `${count} tasks`}`),
      el("span", { className: "share", style: `width: ${Math.max(4, (160 * count) / sorted[0][1])}px` })));
    $("reasons-list").append(el("ol", {}, ...show10));
    if (sorted.length > 10) $("reasons-list").append(el("p", {}, `and ${sorted.length - 10} other reasons; the table has all`));
  }

  onChoice.push(mark);
  show();
  reasons();
})();
