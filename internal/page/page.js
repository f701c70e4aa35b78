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
  const sorted = {}; // by which column each table is, and which way, where a reader has chosen
  const sort = table => {
    const { column, way } = sorted[table.id], sign = way === "ascending" ? 1 : -1;
    [...table.tHead.rows[0].cells].forEach((head, i) => { if (i === column) head.setAttribute("aria-sort", way); else head.removeAttribute("aria-sort"); });
    const rows = [...table.tBodies[0].rows].map(r => [value(r, column), r]);
    rows.sort((a, b) => sign * compare(a[0], b[0]));
    table.tBodies[0].append(...rows.map(r => r[1]));
  };
  const sortable = within => {
    for (const table of within.querySelectorAll("table.sorts")) {
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        if (head.classList.contains("fixed")) return;
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.key = `${table.id} ${column}`;
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => {
          const first = head.classList.contains("n") ? "descending" : "ascending";
          const other = first === "ascending" ? "descending" : "ascending";
          sorted[table.id] = { column, way: head.getAttribute("aria-sort") === first ? other : first };
          sort(table);
        });
      });
      if (sorted[table.id]) sort(table);
    }
  };
  sortable(document);

  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  const choose = () => {
    const wanted = filter.value.toLowerCase();
    let n = 0;
    const rows = document.getElementById("all").tBodies[0].rows;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      if (!row.hidden) n++;
    }
    shown.textContent = wanted ? `${n} of ${rows.length}` : "";
  };
  if (filter) { // a page of jobs
    filter.closest(".filter").hidden = false;
    filter.addEventListener("input", choose);
  }

  if (root.dataset.live) follow();

  // follow shows what a run that goes on tells.
  function follow() {
    const address = new URL(location.href);
    address.searchParams.delete("token"); // which a cookie keeps
    history.replaceState(null, "", address);
    const link = document.getElementById("link");
    let rows = Number(root.dataset.rows), ended = false, closed = false;
    const here = path => new URL(path, location.href);
    const from = here(root.dataset.live);
    from.searchParams.set("rows", rows);
    let source = new EventSource(from);
    const listen = () => {
      source.addEventListener("parts", e => {
        for (const [id, html] of Object.entries(JSON.parse(e.data))) replace(document.getElementById("part-" + id), html);
        document.title = document.getElementById("head").dataset.title;
        link.textContent = "live";
      });
      source.addEventListener("rows", e => {
        const all = JSON.parse(e.data), body = document.getElementById("all").tBodies[0];
        rows += all.length;
        body.insertAdjacentHTML("beforeend", all.join(""));
        if (sorted.all) sort(document.getElementById("all"));
        choose();
      });
      // A run that another process may go on with is waited for.
      source.addEventListener("end", e => {
        ended = true;
        closed = JSON.parse(e.data);
        if (closed) source.close();
        link.textContent = "the run has ended";
      });
      source.addEventListener("again", () => location.reload());
      source.onerror = () => {
        if (closed) return;
        source.close();
        link.textContent = "the run does not answer: it has ended, or cannot be reached";
        setTimeout(() => { from.searchParams.set("rows", rows); source = new EventSource(from); listen(); }, 3000);
      };
    };
    listen();
    for (const e of document.querySelectorAll("#part-over-time .wide")) e.scrollLeft = e.scrollWidth; // to what is new, where a window is narrow

    // replace keeps how tables are sorted, what is open, what a reader has scrolled to, and what
    // has the focus.
    const replace = (part, html) => {
      if (!part) return;
      const at = [...part.querySelectorAll(".wide, pre")].map(e => [e.scrollLeft, e.scrollTop]);
      const open = new Map([...part.querySelectorAll("details")].map(e => [e.dataset.key, e.open]));
      const key = e => e.dataset.job ?? e.dataset.key ?? (e.tagName === "SUMMARY" ? e.parentNode.dataset.key : e.getAttribute("aria-label"));
      const focused = part.contains(document.activeElement) ? document.activeElement : undefined;
      part.innerHTML = html;
      for (const e of part.querySelectorAll("details")) e.open = open.get(e.dataset.key) ?? e.open;
      sortable(part);
      [...part.querySelectorAll(".wide, pre")].forEach((e, i) => { if (at[i]) [e.scrollLeft, e.scrollTop] = at[i]; });
      if (focused) [...part.querySelectorAll(focused.tagName)].find(e => key(e) === key(focused))?.focus({ preventScroll: true });
    };

    // A log is read on from where it was read to. What was asked for at an earlier click counts
    // no more, and the log of another attempt begins anew.
    const section = document.getElementById("log"), text = document.getElementById("log-text"), title = document.getElementById("log-title");
    let job = "", clicks = 0, read = 0, attempt = "", timer = 0;
    const more = async () => {
      const click = clicks, url = here("log");
      url.searchParams.set("job", job);
      url.searchParams.set("from", read);
      url.searchParams.set("of", attempt);
      try {
        const answer = await fetch(url), part = await answer.text();
        if (click !== clicks) return;
        if (!answer.ok) { if (!read) text.textContent = part; }
        else {
          const start = Number(answer.headers.get("Stoker-From")), of = answer.headers.get("Stoker-Log");
          if (start !== read || read === 0 || of !== attempt) text.textContent = "";
          read = Number(answer.headers.get("Stoker-To"));
          attempt = of;
          const low = text.scrollHeight - text.scrollTop - text.clientHeight < 20;
          text.append(part);
          if (text.textContent.length > 1e6) text.textContent = text.textContent.slice(-5e5);
          if (low) text.scrollTop = text.scrollHeight;
        }
      } catch { /* it is tried again */ }
      if (click === clicks && !ended) timer = setTimeout(more, 1000);
    };
    const turn = of => { clearTimeout(timer); clicks++; job = of; read = 0; attempt = ""; text.textContent = ""; section.hidden = !of; };
    document.addEventListener("click", e => {
      const button = e.target.closest("button.log");
      if (!button) return;
      turn(button.dataset.job);
      title.textContent = "Log of " + job;
      more();
      section.scrollIntoView({ block: "nearest" });
    });
    document.getElementById("log-close").addEventListener("click", () => turn(""));
  }
})();
