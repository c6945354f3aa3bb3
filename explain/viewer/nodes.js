// Nodes: made, and made alike. What is alike already stays as it is, and is not laid out again.

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function press(button, on) {
  if (button.getAttribute("aria-pressed") !== String(on)) button.setAttribute("aria-pressed", String(on));
}

// Give a node these children.
function fill(node, ...parts) {
  const next = node.cloneNode(false);
  next.append(...parts);
  match(node, next);
}

// Make a node like another that is on no page; a canvas stays as it was drawn.
function match(node, next) {
  if (node.isEqualNode(next) || node.matches?.("canvas")) return;
  if (node.nodeName !== next.nodeName) {
    node.replaceWith(next);
    return;
  }
  if (node.nodeType === Node.TEXT_NODE) {
    node.data = next.data;
    return;
  }
  for (const name of node.getAttributeNames()) if (!next.hasAttribute(name)) node.removeAttribute(name);
  for (const name of next.getAttributeNames()) {
    const value = next.getAttribute(name);
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  if (!node.firstChild && !next.firstChild) return;
  const [there, wanted] = [node, next].map(({ childNodes }) => [...childNodes]);
  wanted.forEach((child, i) => (there[i] ? match(there[i], child) : node.append(child)));
  for (const old of there.slice(wanted.length)) old.remove();
}
