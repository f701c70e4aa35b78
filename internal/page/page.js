"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();

  // Numbers sort by what they are, all else as people sort it.
  const value = (row, i) => { const cell = row.cells[i]; return cell.dataset.v ?? cell.textContent.trim(); };
  const order = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b) => { const x = Number(a), y = Number(b); return a !== "" && b !== "" && !isNaN(x) && !isNaN(y) ? x - y : order.compare(a, b); };
  for (const table of document.querySelectorAll("table.sorts")) {
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.classList.contains("n") ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const way = head.getAttribute("aria-sort") === first ? other : first;
        for (const h of table.tHead.rows[0].cells) h.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", way);
        const body = table.tBodies[0], sign = way === "ascending" ? 1 : -1;
        const rows = [...body.rows].map(r => [value(r, i), r]);
        rows.sort((a, b) => sign * compare(a[0], b[0]));
        body.append(...rows.map(r => r[1]));
      });
    });
  }

  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  filter.closest(".filter").hidden = false;
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    let n = 0;
    const rows = document.getElementById("all").tBodies[0].rows;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      if (!row.hidden) n++;
    }
    shown.textContent = wanted ? `${n} of ${rows.length}` : "";
  });
})();
