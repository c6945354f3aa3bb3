// The pair picker: which stream reads which.

// A tower has no pairs of its own: the picker stays with the group one came from.
const pairGroup = () => GROUPS[groupOf()].mod ? state.pairs : groupOf();

// The streams that read, and those that are read. Modalities alone are shown as all three.
function sidesOf(group) {
  const found = mapsOf(group);
  if (group === "fusion" && !Object.keys(slotsOf()).length) return [MODS, MODS];
  return ["query", "key"].map((side) => ORDER.filter((mod) => found.some((m) => m[side] === mod)));
}

// The map that a pair stands for: in this layer if it has one, else the nearest layer's.
function mapOfPair(query, key) {
  const group = pairGroup();
  const map = groupOf() === group ? state.map : state.last[group];
  const here = map ? map.layer : 0;
  return mapsOf(group).filter((m) => m.query === query && m.key === key)
    .sort((a, b) => Math.abs(a.layer - here) - Math.abs(b.layer - here))[0];
}

function whyNoPair(query, key) {
  const { streams } = state.value;
  const plain = !Object.keys(slotsOf()).length;
  if (query === key) return ["–", plain ? "a modality does not read itself here" : "what it reads of itself is not shown"];
  const [reader, read] = [query, key].map((mod) => mod.replace("-cls", ""));
  if (chipsOf("bottleneck").length && reader !== read) return ["–", "picture and sound meet only through the bottleneck"];
  for (const mod of [query, key]) {
    if (streams[mod] && !streams[mod].there) return ["none", "the clip has no " + nameOf(mod)];
  }
  for (const mod of [query, key]) {
    if (streams[mod] && !streams[mod].on) return ["off", nameOf(mod) + " is switched off"];
  }
  return ["none", "this model has no such path"];
}

// Does the attention of this group run over several streams at once? Then shares can be told.
const shares = (group) => mapsOf(group).some((m) => shareOf(m, "mean") < 0.995);

function paintPairs() {
  const { maps, value } = state;
  const group = pairGroup();
  const [queries, keys] = sidesOf(group);
  const look = { shared: shares(group), most: Math.max(0.1, ...maps.map((m) => Math.abs(m.cut ?? 0))) };
  const cells = [make("i"), ...keys.map((mod) => make("b", "fs-c-" + mod, nameOf(mod)))];
  for (const query of queries) {
    cells.push(make("b", "row fs-c-" + query, nameOf(query)));
    for (const key of keys) cells.push(pairCell(query, key, look));
  }
  part("drill").style.setProperty("--s", keys.length);
  part("drill").classList.toggle("many", Math.max(keys.length, queries.length) > 3);
  fill(part("pairs"), ...cells);
  const top = look.shared ? "share of the row’s attention" + (group === "route" ? " that came this way" : "")
    : "how peaked (0 even, 1 one cell)";
  const cut = group === "route" ? [] : [make("br"), make("b", "", "change of " + targetName(value) + " when cut"), ", as colour"];
  fill(part("legend"), top, ...cut);
}

// One cell: the way into a tower, a pair to choose, or why there is none.
function pairCell(query, key, look) {
  const found = mapOfPair(query, key);
  const tower = query === key && towerOf(query);
  if (tower && !found) return towerCell(tower);
  const cell = make(found ? "button" : "span", found ? "fs-pair" : "");
  if (!found) {
    [cell.textContent, cell.title] = whyNoPair(query, key);
    return cell;
  }
  const { map, value } = state;
  const head = validHead(found, state.head);
  const peaked = focusOf(found, head).toFixed(2);
  const taken = percent(shareOf(found, head));
  const cut = found.cut === null ? "–" : signed(found.cut);
  cell.type = "button";
  Object.assign(cell.dataset, { do: "pair", pair: found.pair });
  cell.append(look.shared ? taken : peaked);
  if (found.group !== "route") cell.append(make("b", "", cut));
  cell.style.setProperty("--p", (48 * Math.abs(found.cut ?? 0) / look.most).toFixed(0) + "%");
  press(cell, map.group === found.group && map.pair === found.pair);
  cell.setAttribute("aria-label", capital(mapName(found)) + ": " + (look.shared ? taken + " of its attention, " : "")
    + "how peaked " + peaked + (found.group === "route" ? "" : ", change of " + targetName(value) + " when cut " + cut));
  cell.title = cell.getAttribute("aria-label");
  return cell;
}

// On the diagonal of the pairs: the way into a modality's own tower.
function towerCell(group) {
  const cell = make("button", "fs-pair fs-into", "tower");
  cell.type = "button";
  Object.assign(cell.dataset, { do: "group", group });
  press(cell, state.map.group === group);
  cell.setAttribute("aria-label", "Inside the " + GROUPS[group].label.toLowerCase() + ": " + GROUPS[group].title);
  cell.title = cell.getAttribute("aria-label");
  return cell;
}
