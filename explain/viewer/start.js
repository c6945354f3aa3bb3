// Start: the clip's own events, then the value that is there and every later one.

video.addEventListener("loadedmetadata", () => {
  if (!state.value) return;
  showTime(state.time);
  touch("size");
});
video.addEventListener("ended", () => play(false));
video.addEventListener("error", () => {
  if (!state.value || !state.file) return;
  state.file = false; // this browser cannot play it: the frames stand in
  video.hidden = true;
  part("still").hidden = false;
  touch("size");
});

new ResizeObserver(() => touch("size")).observe(root);
new MutationObserver((_, watcher) => {
  if (!element.isConnected) watcher.disconnect();
  else touch("size");
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });

watch("value", load);
load();
