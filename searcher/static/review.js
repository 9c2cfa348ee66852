// One link after the other, decided by a key. What comes next is loaded while one is looked at.

const at = (id) => document.getElementById(id);
const player = at("player");
let queue = [];
let left = 0;
let busy = false;

async function load() {
  const response = await fetch("/v1/review/links?count=20");
  if (!response.ok) throw new Error((await response.json()).detail);
  const found = await response.json();
  queue = found.links;
  left = found.total;
}

function show() {
  const link = queue[0];
  at("link").hidden = !link;
  at("done").hidden = Boolean(link);
  at("left").textContent = `${left} left.`;
  if (!link) { player.removeAttribute("src"); player.load(); return; }
  at("title").textContent = link.title;
  at("why").textContent = `${link.video}: ${link.why}`;
  at("pictures").replaceChildren(...link.pictures.slice(0, 4).map((address, number) => {
    const image = new Image(200, 200);
    image.src = address;
    image.alt = `${link.title}, picture ${number + 1}`;
    return image;
  }));
  at("evidence").replaceChildren(...link.evidence.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  if (link.media) {
    player.src = `${link.media}#t=${link.start_ms / 1000}`;
    player.setAttribute("aria-label", `${link.video} from the moment of ${link.title}`);
    player.play().catch(() => {});
  }
}

async function act(send) {
  if (busy) return;
  busy = true;
  at("problem").textContent = "";
  try {
    await send();
    if (!queue.length && left) await load();
    show();
  } catch (error) {
    at("problem").textContent = `Not kept: ${error.message}`;
  } finally {
    busy = false;
  }
}

const decide = (decision) => act(async () => {
  const link = queue[0];
  if (!link) return;
  const response = await fetch("/v1/review/decisions", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ video: link.video, sku: link.sku, decision }),
  });
  if (!response.ok) throw new Error((await response.json()).detail);
  queue.shift();
  left -= 1;
});

const undo = () => act(async () => {
  const response = await fetch("/v1/review/decisions/last", { method: "DELETE" });
  if (!response.ok) throw new Error((await response.json()).detail);
  await load();
});

for (const button of document.querySelectorAll(".keys button")) {
  button.addEventListener("click", () => ("undo" in button.dataset ? undo() : decide(button.dataset.decision)));
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const button = document.querySelector(`.keys button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) { event.preventDefault(); button.click(); }
});

act(load);
