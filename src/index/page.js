"use strict";
(() => {
  const table = document.getElementById("runs"), body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells], fields = ["words", "task", "data", "state"].map((id) => document.getElementById(id));
  const rows = [...body.rows].map((row) => {
    const cells = [...row.cells];
    return { row, cells, text: cells.slice(1).map((cell) => cell.title + " " + cell.textContent).join(" ").toLowerCase() };
  });
  const extra = heads.map((head, place) => (head.classList.contains("x") ? place : -1)).filter((place) => place >= 0);
  const sparse = heads.map((head, place) => (head.classList.contains("o") ? place : -1)).filter((place) => place >= 0);
  const styles = document.createElement("style");
  document.head.append(styles);

  const filter = () => {
    const [words, task, data, state] = fields.map((field) => field.value);
    const parts = words.toLowerCase().split(/\s+/).filter(Boolean), tasks = new Set(), used = new Set();
    let shown = 0;
    for (const { row, cells, text } of rows) {
      const kind = cells[3].textContent;
      const fits = (!task || kind === task) && (!data || cells[4].textContent === data)
        && (!state || row.dataset.s === state || (state === "damaged" && "f" in row.dataset)) && parts.every((part) => text.includes(part));
      row.hidden = !fits;
      if (!fits) continue;
      shown += 1;
      if (kind) tasks.add(kind);
      for (const place of [...extra, ...sparse]) if ("v" in cells[place].dataset) used.add(place);
    }
    const without = [...extra.filter((place) => tasks.size > 1 || !used.has(place)), ...sparse.filter((place) => !used.has(place))];
    styles.textContent = without.map((place) => "#runs tr > :nth-child(" + (place + 1) + ")").join(",") + (without.length ? "{display:none}" : "");
    document.getElementById("count").value = shown === rows.length ? shown + " runs" : shown + " of " + rows.length + " runs";
  };

  const compare = (place, number, sign) => (one, other) => {
    const a = one.cells[place], b = other.cells[place];
    if (!number) return sign * a.textContent.localeCompare(b.textContent, undefined, { numeric: true });
    const known = ("v" in b.dataset) - ("v" in a.dataset);
    if (known || !("v" in a.dataset)) return known;
    return (a.dataset.k || "").localeCompare(b.dataset.k || "") || sign * (Number(a.dataset.v) - Number(b.dataset.v));
  };
  const sort = (head, place) => {
    const was = head.getAttribute("aria-sort"), first = head.dataset.first === "up" ? "ascending" : "descending";
    const now = was === null ? first : was === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", now);
    rows.sort(compare(place, head.classList.contains("n"), now === "ascending" ? 1 : -1));
    body.append(...rows.map(({ row }) => row));
  };

  heads.forEach((head, place) => {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => sort(head, place));
  });
  fields.forEach((field) => field.addEventListener("input", filter));
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      fields[0].focus();
    }
  });
  filter();
})();
