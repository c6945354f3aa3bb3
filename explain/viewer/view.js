// The line of words, the controls and the colour bar: what is painted, and how far it reaches.
function paintView() {
  const { value, map, head, pin, range, paintings } = state;
  const what = GROUPS[map.group].mod
    ? [make("b", "fs-c-" + map.key, GROUPS[map.group].label)]
    : [make("b", "fs-c-" + map.query, capital(nameOf(map.query))), " ← ", make("b", "fs-c-" + map.key, nameOf(map.key))];
  if (map.group === "route") what.push(" through the bottleneck");
  fill(part("sentence"), ...what, ", " + layerName(map) + (map.heads > 1 ? ", " + headName(head) : "") + ": ",
    clause(value, map, pin));
  part("unpin").hidden = !(state.before || state).pin;
  const aside = remark(map, head, pin, paintings);
  part("remark").hidden = !aside;
  fill(part("remark"), aside);
  part("warning").hidden = !map.warning;
  fill(part("warning"), map.warning);

  const layers = layersOf();
  const slider = part("layer");
  slider.max = layers.length;
  slider.value = layers.indexOf(map.layer) + 1;
  slider.disabled = layers.length < 2;
  slider.setAttribute("aria-valuetext", mapName(map));
  fill(part("layer-out"), map.group === "route" ? layerName(map).replace("layer ", "")
    : map.layer + 1 + " of " + (1 + layers[layers.length - 1]));
  for (const node of [part("head").parentNode, part("modes")]) node.hidden = map.heads < 2;
  const one = typeof head === "number";
  part("head").max = map.heads;
  if (one) part("head").value = head + 1;
  part("head").parentNode.classList.toggle("idle", !one);
  fill(part("head-out"), one ? head + 1 + "/" + map.heads : "–");
  for (const button of part("modes").children) press(button, button.dataset.mode === (one ? "one" : head));

  const { even } = state.painted;
  fill(part("lo"), figure(range[0]));
  fill(part("hi"), figure(range[1]));
  fill(part("even-t"), "uniform would be 1/" + Math.round(1 / even) + " = " + figure(even));
  const inside = even >= range[0] && even <= range[1];
  part("even").hidden = !inside;
  part("even").style.left = 100 * level(even, range) + "%";
  const badge = part("badge");
  badge.hidden = Boolean(paintingOn("video")) || !value.frames;
  fill(badge, "painted on " + subjectOf(state.painted.mod));
}

const layersOf = () => [...new Set(mapsOf(groupOf()).map((m) => m.layer))].sort((a, b) => a - b);
