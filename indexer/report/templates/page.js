"use strict";
// Filtering, sorting and paging of what the page already holds. Without this script all rows show.
const PAGE = 25;

function setUp(box, items, textOf) {
  const search = box.querySelector("input[type=search]");
  const selects = [...box.querySelectorAll("select")];
  const pager = box.querySelector(".pager");
  const size = pager ? Number(pager.dataset.page || PAGE) : items.length;
  let page = 0;
  function shown() {
    const wanted = search ? search.value.trim().toLocaleLowerCase() : "";
    return items.filter((item) =>
      (!wanted || textOf(item).toLocaleLowerCase().includes(wanted)) &&
      selects.every((select) => !select.value || matches(item, select)));
  }
  function draw() {
    const found = shown();
    const pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(page, pages - 1);
    const visible = new Set(found.slice(page * size, (page + 1) * size));
    for (const item of items) item.hidden = !visible.has(item);
    if (!pager) return;
    const [back, on] = pager.querySelectorAll("button");
    back.disabled = page === 0;
    on.disabled = page >= pages - 1;
    const first = found.length ? page * size + 1 : 0;
    pager.querySelector("[role=status]").textContent =
      `${first} to ${Math.min(found.length, (page + 1) * size)} of ${found.length}` +
      (found.length < items.length ? ` (of ${items.length})` : "");
  }
  function again() {
    if (pager) box.querySelector(".scroll").style.minHeight = "";
    page = 0;
    draw();
  }
  if (search) search.addEventListener("input", again);
  for (const select of selects) select.addEventListener("change", again);
  function turn(by) {
    // A last page is shorter: what lies below must not jump up under the pointer.
    const frame = box.querySelector(".scroll");
    frame.style.minHeight = `${frame.offsetHeight}px`;
    page += by;
    draw();
  }
  if (pager) {
    const [back, on] = pager.querySelectorAll("button");
    back.addEventListener("click", () => turn(-1));
    on.addEventListener("click", () => turn(1));
  }
  return { again, reorder(ordered) { items = ordered; again(); } };
}

function matches(item, select) {
  if (select.dataset.column) {
    return item.cells[Number(select.dataset.column)].textContent === select.value;
  }
  return (item.dataset[select.dataset.key] || "").split(" ").includes(select.value);
}

for (const box of document.querySelectorAll(".table")) {
  const body = box.querySelector("tbody");
  if (!body) continue;
  const rows = [...body.rows];
  const view = setUp(box, rows, (row) => row.textContent);
  const heads = [...box.querySelectorAll("thead th")];
  heads.forEach((head, place) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("num");
      const key = (row) => {
        const cell = row.cells[place];
        if (!numeric) return cell.textContent;
        return cell.dataset.value === undefined ? -Infinity : Number(cell.dataset.value);
      };
      const sign = down ? -1 : 1;
      const ordered = [...rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        return sign * (numeric ? x - y || 0 : x.localeCompare(y));
      });
      body.append(...ordered);
      view.reorder(ordered);
    });
  });
}

for (const box of document.querySelectorAll(".sheet")) {
  const items = [...box.querySelectorAll(".link")];
  setUp(box, items, (item) => item.textContent);
  const save = box.querySelector(".save");
  save.hidden = items.length === 0;
  for (const item of items) item.querySelector(".judge").hidden = false;
  // Rows for `reelshelf overrides import`, with those that nobody has judged left open.
  save.addEventListener("click", () => {
    const cell = (text) => `"${text.replaceAll('"', '""')}"`;
    const rows = items.map((item) => {
      const verdict = item.querySelector(".judge select").value;
      const when = verdict && new Date().toISOString();
      return [item.dataset.video, item.dataset.sku, verdict, when].map(cell).join(",");
    });
    const file = new Blob([["video_id,sku,verdict,when", ...rows, ""].join("\n")], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "overrides.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// A page that came over a network may not open this machine's files.
if (location.protocol !== "file:") {
  for (const video of document.querySelectorAll("video")) {
    const still = new Image(Number(video.getAttribute("width")), Number(video.getAttribute("height")));
    still.src = video.poster;
    still.alt = video.getAttribute("aria-label");
    video.replaceWith(still);
  }
}

const tip = document.getElementById("tip");
document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest("figure svg [aria-roledescription][aria-label]");
  const role = mark && mark.getAttribute("aria-roledescription");
  if (!mark || !["bar", "point", "circle", "symbol"].some((name) => role.includes(name))) {
    tip.hidden = true;
    return;
  }
  tip.textContent = mark.getAttribute("aria-label");
  tip.hidden = false;
  const box = mark.getBoundingClientRect();
  const left = Math.min(box.left + box.width / 2, innerWidth - tip.offsetWidth - 8);
  const top = box.top - tip.offsetHeight - 6;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${top < 4 ? box.bottom + 6 : top}px`;
});
