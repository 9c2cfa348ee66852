// The search box with suggestions (the combobox pattern of the ARIA Authoring Practices Guide),
// pictures that are sent as soon as they are chosen, and events. The page works without all of it.

const box = document.getElementById("q");
const list = document.createElement("ul");
list.id = "suggestions";
list.className = "listbox";
list.setAttribute("role", "listbox");
list.setAttribute("aria-label", "Suggestions");
list.hidden = true;
box.after(list);
for (const [name, value] of Object.entries({
  role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
})) box.setAttribute(name, value);

let chosen = -1;
let asked = 0;

function close() {
  list.hidden = true;
  chosen = -1;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function choose(place) {
  const items = [...list.children];
  if (!items.length) return;
  chosen = (place + items.length) % items.length;
  items.forEach((item, number) => item.setAttribute("aria-selected", String(number === chosen)));
  box.setAttribute("aria-activedescendant", items[chosen].id);
}

function take(item) {
  box.value = item.dataset.text;
  close();
  box.form.requestSubmit();
}

async function suggest() {
  const number = ++asked;
  if (!box.value.trim()) return close();
  let found;
  try {
    const response = await fetch(`/v1/suggest?count=8&q=${encodeURIComponent(box.value.slice(0, 200))}`);
    if (!response.ok) return close();
    found = (await response.json()).suggestions;
  } catch {
    return close();
  }
  // A later answer may come earlier.
  if (number !== asked || document.activeElement !== box) return;
  list.replaceChildren(...found.map((one, place) => {
    const item = document.createElement("li");
    item.id = `suggestion-${place}`;
    item.dataset.text = one.text;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const kind = document.createElement("span");
    kind.className = "kind";
    kind.textContent = one.kind;
    item.append(one.text, kind);
    item.addEventListener("pointerdown", (event) => { event.preventDefault(); take(item); });
    return item;
  }));
  chosen = -1;
  list.hidden = !found.length;
  box.setAttribute("aria-expanded", String(found.length > 0));
}

let timer;
box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(suggest, 80); });
box.addEventListener("blur", close);
box.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") { event.preventDefault(); list.hidden ? suggest() : choose(chosen + 1); }
  else if (event.key === "ArrowUp" && !list.hidden) { event.preventDefault(); choose(chosen - 1); }
  else if (event.key === "Escape" && !list.hidden) { event.preventDefault(); close(); }
  else if (event.key === "Enter" && chosen >= 0) { event.preventDefault(); take(list.children[chosen]); }
});

const picture = document.getElementById("image");
picture.addEventListener("change", () => { if (picture.files.length) picture.form.requestSubmit(); });

const results = document.querySelector("[data-query]");
results?.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (!card || !event.target.closest("a")) return;
  const attributes = {
    object: { object_id: card.dataset.id, object_id_field: card.dataset.kind === "product" ? "sku" : "video_id" },
    position: { ordinal: { index: Number(card.dataset.position) } },
  };
  const body = { events: [{
    action_name: "click_through", query_id: results.dataset.query,
    timestamp: new Date().toISOString(), event_attributes: attributes,
  }] };
  // The page is being left: the browser sends it afterwards.
  fetch("/v1/events", {
    method: "POST", keepalive: true, body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  }).catch(() => {});
});
