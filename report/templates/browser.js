// Shows, filters and sorts the rows of the report (report/browser.py). Texts of others enter the page as text nodes only.
"use strict";
(async () => {
  const id = (name) => document.getElementById(`completions-${name}`);
  const status = id("status"), form = id("filters"), dialog = id("dialog");

  async function unpack(element) {
    const bytes = Uint8Array.from(atob(element.textContent.trim()), (letter) => letter.charCodeAt(0));
    element.remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  let log;
  try {
    log = await unpack(id("rows"));
  } catch (error) {
    status.textContent = `This browser cannot unpack the completions (${error}); one from 2023 or later can.`;
    return;
  }

  // As simulacra.formalism.visible: control characters and bidirectional marks become escapes.
  const acting = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
  const visible = (text) => String(text).replace(acting, (letter) => {
    const code = letter.codePointAt(0), [mark, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
    return `\\${mark}${code.toString(16).padStart(digits, "0")}`;
  });
  const grouped = (number) => `${number}`.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const score = (value) =>
    value === null ? "missing" : typeof value === "number" ? `${Number(value.toPrecision(6))}` : visible(value);

  function element(tag, classes, ...children) {
    const made = document.createElement(tag);
    made.className = classes;
    made.append(...children);
    return made;
  }

  // The persona that the filters ask for; -1 is the most probable one of each completion.
  let asked = -1;
  const size = log.condition.length, columns = log.responsibility;
  const most = Array.from({ length: size }, (_, row) => {
    let best = -1, rest = log.parts;
    columns.forEach((column, persona) => {
      if (column[row] === null) return;
      rest -= column[row];
      if (best < 0 || column[row] > columns[best][row]) best = persona;
    });
    return best >= 0 && columns[best][row] >= rest ? best : -1; // else a withheld one may be more probable
  });

  const rows = Array.from({ length: size }, (_, index) => ({
    index,
    condition: log.conditions[log.condition[index]],
    question: log.questions[log.question[index]],
    place: log.place[index],
    ...Object.fromEntries(log.scores.map((column, number) => [`score${number}`, column[index]])),
  }));
  function ask(persona) {
    asked = persona;
    for (const row of rows) {
      row.persona = asked < 0 ? most[row.index] : asked;
      const part = row.persona < 0 ? null : columns[row.persona][row.index];
      row.probability = part === null ? null : part / log.parts;
    }
  }
  ask(asked);
  rows.sort((one, other) => (other.probability ?? -1) - (one.probability ?? -1)); // sorting what is sorted is fast

  const drawn = new Map(); // the cells of probabilities that exist, which another persona fills again
  function probability(cell) {
    const made = element("div", "probability");
    drawn.set(cell.getData(), made);
    fill(made, cell.getData());
    return made;
  }
  function fill(made, row) {
    if (row.probability === null) {
      const reference = log.statuses[log.status[row.index]].startsWith("reference");
      return made.replaceChildren(element("span", "quiet", reference ? "reference" : "withheld"));
    }
    const name = element("span", "persona-name", visible(log.personas[row.persona]));
    name.style.setProperty("--own", log.colors[row.persona]);
    made.replaceChildren(element("b", "", row.probability.toFixed(2)), name);
  }

  function completion(cell) {
    const row = cell.getData(), whole = log.text ? log.text[row.index] : row.place;
    const start = whole === null ? "no text" : visible(whole.slice(0, 400)).replace(/\s+/g, " ").trim() || "empty text";
    const open = element("button", "open", element("span", "snippet", start));
    open.type = "button";
    open.setAttribute("aria-haspopup", "dialog");
    open.addEventListener("click", () => show(cell.getRow()));
    return element("div", "", element("div", "meta", visible(`${row.condition} · ${row.question}`)), open);
  }

  const name = (cell) => element("span", "names", visible(cell.getValue()));
  const few = log.measurements.length <= 3;
  const { Tabulator, FilterModule, FormatModule, SortModule, InteractionModule, ResizeTableModule } = tabulatorTables;
  Tabulator.registerModule([FilterModule, FormatModule, SortModule, InteractionModule, ResizeTableModule]);
  const scores = few ? log.measurements.map((measurement, number) => ({
    title: measurement, field: `score${number}`, width: 104, hozAlign: "right", sorter: compare, wide: true,
    formatter: (cell) => element("span", cell.getValue() === null ? "quiet" : "", score(cell.getValue())),
  })) : [];
  const own = [
    { title: "Probability", field: "probability", width: 122, formatter: probability, sorter: compare },
    { title: log.text ? "Completion" : "Row", field: "place", minWidth: 150, widthGrow: 3, formatter: completion,
      headerSort: false },
    { title: "Condition", field: "condition", minWidth: 90, formatter: name, sorter: compare, wide: true },
    { title: "Question", field: "question", minWidth: 90, formatter: name, sorter: compare, wide: true },
    ...scores,
  ];

  // Missing and withheld values come last in both directions.
  function compare(one, other, _row, _otherRow, _column, direction) {
    if (one === null || other === null) return (one === other ? 0 : one === null ? 1 : -1) * (direction === "asc" ? 1 : -1);
    return one < other ? -1 : one > other ? 1 : 0;
  }

  const narrow = matchMedia("(max-width: 44rem)");
  const table = new Tabulator(id("table"), {
    data: rows,
    columns: own.map(({ wide, ...column }) => ({ ...column, visible: !(wide && narrow.matches) })),
    layout: "fitColumns",
    height: "min(36rem, 75vh)",
    rowHeight: 76,
    headerSortClickElement: "header",
    initialSort: [{ column: "probability", dir: "desc" }],
    placeholder: "No completion matches.",
    columnDefaults: {
      headerSortStartingDir: "desc", vertAlign: "top",
      titleFormatter: (cell) => element("span", "names", visible(cell.getValue())), // the default writes markup
    },
  });
  await new Promise((resolve) => table.on("tableBuilt", resolve));
  narrow.addEventListener("change", () => {
    for (const { field } of own.filter((column) => column.wide))
      narrow.matches ? table.hideColumn(field) : table.showColumn(field);
    table.redraw(true);
  });

  for (const [field, names] of [["persona", log.personas], ["condition", log.conditions], ["question", log.questions]])
    names.forEach((label, number) => form.elements[field].append(new Option(visible(label), number)));

  let lower = null; // of all texts, made when it is first needed
  function filter() {
    const given = (field) => form.elements[field].value;
    const persona = Number(given("persona")), condition = Number(given("condition")), question = Number(given("question"));
    const from = Number(given("from") || 0), to = Number(given("to") || 1), all = from <= 0 && to >= 1;
    const needle = log.text ? given("text").toLowerCase() : "";
    if (needle) lower ??= log.text.map((text) => (text ?? "").toLowerCase());
    table.blockRedraw(); // so that a filter and another order are one pass
    if (persona !== asked) {
      ask(persona);
      drawn.forEach(fill);
      table.setSort("probability", "desc");
    }
    table.setFilter((row) =>
      (condition < 0 || log.condition[row.index] === condition) &&
      (question < 0 || log.question[row.index] === question) &&
      (all || (row.probability !== null && row.probability >= from && row.probability <= to)) &&
      (!needle || lower[row.index].includes(needle)));
    table.restoreRedraw();
    tell();
  }
  function tell() {
    const shown = table.getDataCount("active");
    status.textContent = `${grouped(shown)} of ${grouped(size)} completions shown.`;
  }

  let current = null;
  function show(row) {
    current = row;
    const { index, condition, question, place } = row.getData(), text = log.text?.[index];
    const bars = log.personas.map((persona, number) => {
      const part = columns[number][index], bar = element("div", "bar");
      bar.style.setProperty("--own", log.colors[number]);
      bar.style.setProperty("--part", part === null ? 0 : part / log.parts);
      return element("div", "part", element("span", "names", visible(persona)), bar,
        element("span", "", part === null ? "withheld" : (part / log.parts).toFixed(3)));
    });
    const facts = element("dl", "facts");
    const add = (label, value) => facts.append(element("dt", "", visible(label)), element("dd", "", value));
    log.measurements.forEach((measurement, number) => add(measurement, score(log.scores[number][index])));
    log.contexts.forEach((context, number) => add(context, visible(log.context[number][index])));
    const state = log.statuses[log.status[index]];
    if (state !== "ok") add("status", visible(state));
    add("from", visible(place));
    const cut = text && text.length >= log.longest ? [element("p", "quiet small", "The text may go on: it is cut here.")] : [];
    id("detail").replaceChildren(
      element("h3", "names", visible(`${condition}, ${question}`)),
      ...(log.text ? [element("pre", "completion", text === null ? "no text" : visible(text)), ...cut] : []),
      element("div", "parts", ...bars), facts);
    id("detail").scrollTop = 0;
    const active = table.getRows("active"), at = active.indexOf(row);
    id("previous").disabled = at <= 0;
    id("next").disabled = at < 0 || at >= active.length - 1;
    if (!dialog.open) dialog.showModal();
  }
  function step(by) {
    const active = table.getRows("active"), row = active[active.indexOf(current) + by];
    if (row) show(row);
  }
  id("previous").addEventListener("click", () => step(-1));
  id("next").addEventListener("click", () => step(1));
  id("close").addEventListener("click", () => dialog.close());

  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  tell();
})();
