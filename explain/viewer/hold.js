// What is held: a pin stays, a preview lasts while a chip is pointed at. A preview takes the place
// of the choice on the screen; state.before is what comes back after it.

const same = (a, b) => Boolean(a && b) && ["mod", "from", "count"].every((part) => a[part] === b[part]);
const pinOf = (chip) => ({ mod: chip.dataset.stream, from: +chip.dataset.cell, count: 1 });

// Pin a cell, or let go of it when it is the one pinned.
function pinCell(pin) {
  preview(null);
  state.pin = same(state.pin, pin) ? null : pin;
  touch("view");
}

// Show what a pin would; null brings back what was there.
function preview(pin) {
  const back = state.before || { map: state.map, head: state.head, pin: state.pin };
  const map = pin && state.map && mapFor(pin, back.map);
  if (map ? same(state.pin, pin) : !state.before) return;
  state.before = map ? back : null;
  Object.assign(state, map ? { map, head: validHead(map, back.head), pin } : back);
  touch("view");
}

// The map that shows a cell: the one chosen, else one of its group, else of another; best a map
// in which the cell reads, near the layer, with the same key or the picture.
function mapFor({ mod }, chosen) {
  if (chosen.query === mod || chosen.key === mod) return chosen;
  const home = (m) => state.last[m.group] || mapsOf(m.group)[mapsOf(m.group).length - 1];
  const cost = (m) => [
    m.group !== chosen.group, m.query !== mod, Math.abs(m.layer - (m.group === chosen.group ? chosen : home(m)).layer),
    m.key !== chosen.key, m.key !== "video"];
  const found = state.maps.filter((m) => !m.own && (m.query === mod || m.key === mod));
  return found.map((m) => ({ m, cost: cost(m).map(Number) })).sort((a, b) => {
    const i = a.cost.findIndex((part, at) => part !== b.cost[at]);
    return i < 0 ? 0 : a.cost[i] - b.cost[i];
  }).map(({ m }) => m)[0] || null;
}

// Pin a chip, in a map that shows it, at the frame where it looked most.
function pinChip(pin) {
  if (state.look === "scores") {
    if (pin.mod === "caption") trigger("select", { ask: "word:" + (pin.from + 1) });
    else pinCell(pin);
    return;
  }
  if (!state.map) return;
  preview(null);
  const map = mapFor(pin, state.map);
  if (map && map !== state.map) {
    choose(map);
    state.pin = null;
  }
  pinCell(pin);
  if (state.pin) seekHottest();
}

// The frame with the strongest cell of what is painted; null where that is not the picture.
function hottestFrame() {
  const shown = paintingsOf(state.map, state.head, state.pin).find(({ mod }) => mod === "video");
  if (!shown) return null;
  const peak = shown.values.indexOf(shown.values.reduce((a, b) => Math.max(a, b)));
  return Math.floor(peak / cellsPerFrame());
}

function seekHottest() {
  const frame = hottestFrame();
  if (frame !== null && !state.playing) seek(state.value.frames.times[frame]);
}

// The neighbour of a chip, for the arrow keys.
function stepChip(chip, by) {
  const chips = [...chip.closest(".fs-slots").querySelectorAll(".fs-slot")];
  chips[clamp(chips.indexOf(chip) + by, 0, chips.length - 1)].focus();
}

// Moves alone: a preview may be higher than what it replaces, and push the page from under the pointer.
element.addEventListener("pointermove", ({ target }) => {
  if (!state.value || !state.map) return;
  const chip = state.look === "attention" && target.closest(".fs-slot");
  preview(chip ? pinOf(chip) : null);
});
element.addEventListener("focusin", ({ target }) => {
  if (state.map && state.look === "attention" && target.matches(".fs-slot:focus-visible")) preview(pinOf(target));
});
element.addEventListener("focusout", ({ target }) => {
  if (state.map && target.matches(".fs-slot")) preview(null);
});
root.addEventListener("pointerleave", () => { if (state.value && state.map) preview(null); });
