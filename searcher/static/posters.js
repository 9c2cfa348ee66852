// A video whose frames cannot be read shows its poster: it lies in a remote store, or is gone.

for (const video of document.querySelectorAll("video[data-poster]")) {
  const show = () => { video.poster = video.dataset.poster; };
  if (video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) show();
  else video.addEventListener("error", show, { once: true });
}
