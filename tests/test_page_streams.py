"""A page that is slow to read the end of its stream of answers."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from tests.page import analyse, changed

# Hands the page the message that a stream ends only after a while.
SLOW = """
const ask = window.fetch;
window.ends = 0;
window.fetch = async (...args) => {
  const answer = await ask(...args);
  if (!answer.url.includes("/queue/data")) return answer;
  const held = new TransformStream({async transform(chunk, out) {
    const last = chunk.subarray(Math.max(0, chunk.length - 200));
    const at = String.fromCharCode(...last).indexOf('data: {"msg":"close_stream"');
    if (at < 0) return out.enqueue(chunk);
    const cut = chunk.length - last.length + at;
    if (cut) out.enqueue(chunk.subarray(0, cut));
    await new Promise((done) => setTimeout(done, 400));
    window.ends += 1;
    out.enqueue(chunk.subarray(cut));
  }});
  return new Response(answer.body.pipeThrough(held), {headers: answer.headers});
};
"""


def test_what_is_clicked_while_a_stream_ends_is_answered(tab: Page, file: Path) -> None:
    tab.add_init_script(SLOW)
    tab.reload(wait_until="domcontentloaded")
    root = analyse(tab, file, "a man plays the drums")
    for name in ("sound", "sound", "text"):
        ready = root.get_attribute("data-ready")
        tab.locator(f"#use-{name} label").click()
        changed(root, "ready", ready)
    assert tab.evaluate("window.ends")
