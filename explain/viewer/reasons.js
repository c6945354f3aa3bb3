// What is said of the scores on show: which they are, the share of each modality, and the scale.

const scoreText = (value) => (state.scored.signed && value > 0 ? "+" : value < 0 ? "−" : "") + figure(Math.abs(value));
const askedOf = (word) => state.look === "scores" && Boolean(state.scored) && state.scored.words.includes(word);

// One chip per explanation of the run, the newest first.
function buildReasons() {
  part("looks").hidden = !state.value.scores;
  part("chips").replaceChildren(...state.scores.map((scored) => {
    const chip = make("button", "fs-reason");
    chip.type = "button";
    Object.assign(chip.dataset, { do: "reason", id: scored.id });
    const [mod, most] = Object.entries(scored.shares).sort((a, b) => b[1] - a[1])[0] || [];
    const parts = [make("b", "", scored.title), targetText(scored)];
    if (scored.done < 1) parts.push(percent(scored.done) + " done");
    else if (most && Object.keys(scored.shares).length > 1) parts.push(make("span", "fs-c-" + mod, nameOf(mod) + " " + percent(most)));
    parts[0].append(make("small", "", scored.level === "token" ? " tokens" : " input"));
    chip.append(...parts.flatMap((one, i) => (i ? [" · ", one] : [one])));
    return chip;
  }));
}

const targetText = ({ target }) => /^[“]|^the /.test(target) ? target : "“" + target + "”";

// What a score above and below 0 says; alone: it is the difference of two maps.
const signsOf = ({ alone }) => (alone ? ["more", "less"] : ["for", "against"]);

// The words above the drawing, the share of each modality, and the colours.
function paintReasons() {
  const { scored } = state;
  for (const name of ["about", "shares", "scored"]) part(name).hidden = !scored;
  part("ask").hidden = Boolean(scored);
  for (const chip of part("chips").children) press(chip, Boolean(scored) && chip.dataset.id === scored.id);
  if (!scored) return;
  const level = scored.level === "token" ? "tokens, after the towers have mixed the cells" : "the input itself";
  const [up, down] = signsOf(scored);
  const sides = scored.alone ? ["what B marks ", make("b", "fs-for", up), " and ", make("b", "fs-against", down), " than A, of "]
    : scored.signed ? ["what spoke ", make("b", "fs-for", "for"), " and ", make("b", "fs-against", "against"), " "]
    : ["what mattered for "];
  fill(part("about"), make("b", "", scored.title), " on " + level + ": ", ...sides, targetText(scored));
  paintRead();
  paintShares();
  paintScale();
}

// The cell that is held, in words.
function paintRead() {
  const { pin, scored } = state;
  part("read").hidden = !pin || !scored || !paintingOn(pin.mod);
  if (!part("read").hidden) part("read-text").textContent = scoreHint(pin);
}

function scoreHint(pin) {
  const shown = paintingOn(pin.mod);
  const said = capital(cellName(state.value, pin));
  if (!shown) return said;
  const cells = shown.values.subarray(pin.from, pin.from + pin.count);
  const sum = cells.reduce((a, b) => a + b, 0);
  const mass = cells.reduce((a, b) => a + Math.abs(b), 0);
  const loose = state.scored.parts[pin.mod].loose;
  return said + ": " + scoreText(sum) + (loose ? ", without a place in the clip" : ", " + fine(mass / state.scored.mass) + " of all");
}

const fine = (share) => (share && share < 0.0005 ? "< 0.1" : (100 * share).toFixed(share < 0.0995 ? 1 : 0)) + "%";

// A row per modality: its share of all that was found, and what that comes to.
function paintShares() {
  const { shares, nets, signed, blank } = state.scored;
  const most = Math.max(...Object.values(nets).map(Math.abs)) || 1;
  const rows = MODS.filter((mod) => mod in shares).flatMap((mod) => {
    const share = make("i", "fs-share");
    share.append(make("i"));
    share.firstChild.style.cssText = "width:" + (100 * shares[mod]).toFixed(1) + "%;background:var(--" + mod + ")";
    const cells = [make("b", "fs-c-" + mod, nameOf(mod)), share, make("span", "fs-num", blank ? "0%" : percent(shares[mod]))];
    if (!signed) return cells;
    const net = make("i", "fs-net");
    net.append(make("i"));
    const half = (50 * Math.abs(nets[mod])) / most;
    net.firstChild.style.cssText = "background:var(--" + side(nets[mod]) + ");width:" + half.toFixed(1) + "%;"
      + (nets[mod] < 0 ? "right:50%" : "left:50%");
    return [...cells, net, make("span", "fs-num", scoreText(nets[mod]))];
  });
  const heads = ["", "share", "", ...(signed ? ["net", ""] : [])].map((text) => make("small", "", text));
  part("shares").replaceChildren(...heads, ...rows);
  part("shares").classList.toggle("signed", signed);
}

// The colour bar, and which modalities are drawn stronger than it says.
function paintScale() {
  const { scored, plain } = state;
  const most = endOf(scored);
  const [up, down] = signsOf(scored);
  const ink = scoreInk(most || 1, scored.signed);
  const area = fit(part("ink"));
  for (let x = 0; area && x < area.width; x++) {
    const along = x / area.width;
    const value = (most || 1) * (scored.signed ? 2 * along - 1 : along);
    area.pen.fillStyle = tint(ink, value, scored.signed ? veiled(ink, value) : 1);
    area.pen.fillRect(x, 0, 1.5, area.height);
  }
  part("ink-lo").textContent = scored.signed ? down + " −" + figure(most) : "0";
  part("ink-mid").textContent = scored.signed ? "0" : "";
  part("ink-hi").textContent = (scored.signed ? up + " +" : "") + figure(most);
  const gained = Object.keys(scored.parts).map((mod) => [mod, { gain: gainHere(mod) }]).filter(([, { gain }]) => gain > 1);
  const often = (gain) => gain.toLocaleString("en");
  part("spans").hidden = !gained.length;
  for (const button of part("spans").children) press(button, (button.dataset.plain === "1") === plain);
  const stronger = gained.map(([mod, { gain }]) => nameOf(mod) + " × " + often(gain)).join(", ");
  const faint = scored.blank ? "This method found nothing for this target."
    : gained.length && plain ? "The same colour is the same score everywhere; many small cells look faint, and the bars weigh them up."
      : gained.length ? "Drawn stronger, to be seen beside the rest: " + stronger + "." : "";
  part("faint").textContent = [faint, besideText()].filter(Boolean).join(" ");
  part("faint").hidden = !part("faint").textContent;
  for (const [lane, mod] of [["frames", "video"], ["sound", "audio"], ["words", "text"]]) {
    const gain = scored.parts[mod] ? gainHere(mod) : 1;
    part(lane + "-name small").textContent = gain > 1 && !plain ? "drawn × " + often(gain) : state.asides[lane];
  }
}
