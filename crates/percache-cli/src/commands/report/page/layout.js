// Where the nodes of the graph are: in columns, what is needed on the left. Knows nothing of canvases.

/** Nodes for the tasks: one for each, or one for all instances of a template that is not opened. */
function nodesOf(opened) {
  const sizes = new Map();
  tasks.forEach((task) => sizes.set(task.template, (sizes.get(task.template) ?? 0) + 1));
  const nodes = [], ofTask = new Array(tasks.length), ofTemplate = new Map();
  tasks.forEach((task, i) => {
    const closed = sizes.get(task.template) > 1 && !opened(task.template);
    let node = closed ? ofTemplate.get(task.template) : undefined;
    if (!node) {
      node = { tasks: [], label: closed ? `${task.template} × ${sizes.get(task.template)}` : task.name,
        template: task.template, closed, needs: new Set(), neededBy: new Set(), column: 0 };
      nodes.push(node);
      if (closed) ofTemplate.set(task.template, node);
    }
    node.tasks.push(i);
    ofTask[i] = node;
  });
  tasks.forEach((task, i) => task.needs.forEach((need) => {
    if (ofTask[need] !== ofTask[i]) { ofTask[i].needs.add(ofTask[need]); ofTask[need].neededBy.add(ofTask[i]); }
  }));
  // Tasks stand behind what they need, so one pass finds the longest way to each.
  const depth = new Array(tasks.length).fill(0);
  tasks.forEach((task, i) => task.needs.forEach((need) => { depth[i] = Math.max(depth[i], depth[need] + 1); }));
  tasks.forEach((_, i) => { ofTask[i].column = Math.max(ofTask[i].column, depth[i]); });
  return { nodes, ofTask };
}

const TALL = 30, GAP = 10, BETWEEN = 44, NARROWEST = 80, WIDEST = 230;

/** The width of a column: that of its longest label, about. */
function wide(column) {
  const longest = Math.max(...column.map((node) => node.label.length));
  return Math.min(WIDEST, Math.max(NARROWEST, Math.round(longest * 6.8 + 20)));
}

/** Gives every node its place; neighbours come to stand near each other. */
function place(nodes) {
  const columns = [];
  nodes.forEach((node) => (columns[node.column] ??= []).push(node));
  const kept = columns.filter((column) => column?.length);
  kept.forEach((column) => column.forEach((node, i) => { node.rank = i / column.length; }));
  const settle = (column, side) => {
    column.forEach((node) => {
      const others = [...node[side]];
      node.wish = others.length ? others.reduce((sum, other) => sum + other.rank, 0) / others.length : node.rank;
    });
    column.sort((a, b) => a.wish - b.wish);
    column.forEach((node, i) => { node.rank = (i + 0.5) / column.length; });
  };
  for (let round = 0; round < 4; round += 1) {
    kept.forEach((column) => settle(column, "needs"));
    [...kept].reverse().forEach((column) => settle(column, "neededBy"));
  }
  // A column is broken into several only where it would be out of all proportion: edges run below what stands beside.
  const most = Math.max(40, Math.ceil(Math.sqrt(nodes.length) * 2.5));
  let x = 0;
  const height = Math.min(most, Math.max(1, ...kept.map((column) => column.length))) * (TALL + GAP);
  kept.forEach((column) => {
    const parts = Math.ceil(column.length / most), each = Math.ceil(column.length / parts);
    const width = wide(column);
    column.forEach((node, i) => {
      const part = Math.floor(i / each), inPart = Math.min(each, column.length - part * each);
      node.wide = width;
      node.x = x + part * (width + GAP);
      node.y = (height - inPart * (TALL + GAP)) / 2 + (i % each) * (TALL + GAP);
    });
    x += parts * (width + GAP) + BETWEEN;
  });
  return { columns: kept, width: Math.max(NARROWEST, x - BETWEEN - GAP), height };
}
