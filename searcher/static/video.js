// The player goes to a moment without loading the page again.

const player = document.getElementById("player");
if (player) {
  const start = Number(player.dataset.start);
  player.addEventListener("loadedmetadata", () => { if (start) player.currentTime = start; }, { once: true });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.seek");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    player.currentTime = Number(link.dataset.ms) / 1000;
    player.play().catch(() => {});
    player.focus();
  });
}
