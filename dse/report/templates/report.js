"use strict";
// The page says all this without a script, too: titles of marks, links to rows, tables in order.
for (const spot of document.querySelectorAll(".spot")) {
  const link = spot.closest("a"), row = link && document.getElementById(link.getAttribute("href").slice(1));
  const said = spot.closest("figure")?.querySelector(".said");
  if (!said) continue;
  const tell = () => { said.textContent = spot.querySelector("title").textContent.replaceAll("\n", " · "); row?.classList.add("told"); };
  const end = () => row?.classList.remove("told");
  for (const event of ["pointerenter", "focusin"]) (link ?? spot).addEventListener(event, tell);
  for (const event of ["pointerleave", "focusout"]) (link ?? spot).addEventListener(event, end);
}
// A column head sorts its table.
const value = (cell) => {
  const text = cell.textContent.trim().replace("−", "-").replaceAll(",", ""), number = parseFloat(text);
  return Number.isNaN(number) ? text : number;
};
for (const head of document.querySelectorAll("table.cards thead th")) {
  if (!head.textContent) continue;
  head.tabIndex = 0;
  head.classList.add("sorts");
  const sort = () => {
    const body = head.closest("table").tBodies[0], place = head.cellIndex;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a.cells[place]), value(b.cells[place])];
      if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    });
    body.append(...rows);
  };
  head.addEventListener("click", sort);
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
}
