// Start: the clip's own events, then the value that is there and every later one.

// The frames stand in for a film that this browser cannot play, until there is a copy that it can.
function standIn() {
  if (!state.value || !state.file) return;
  state.file = false;
  video.hidden = true;
  part("still").hidden = false;
  touch("size");
  trigger("unplayable");
}

video.addEventListener("loadedmetadata", () => {
  if (!state.value) return;
  if (state.value.frames && !video.videoWidth) standIn();
  showTime(state.time);
  touch("size");
});
video.addEventListener("ended", () => play(false));
video.addEventListener("error", standIn);

// The stage and the lanes alone are laid by size; what stands below grows and shrinks with its words.
new ResizeObserver(() => touch("size")).observe(part("top"));
new MutationObserver((_, watcher) => {
  if (!element.isConnected) watcher.disconnect();
  else touch("size");
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });

const ramp = Float32Array.from({ length: 256 }, (_, i) => i);
sheet(heatImage(ramp, 0, 1, 256, 1, 256, heatInk([0, 255]), true), part("bar-c"));

watch("value", load);
load();
