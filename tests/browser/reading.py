"""What makes a page readable and usable without a mouse, measured in the page itself."""

from typing import Any

from playwright.sync_api import Page

# WCAG 2.2, 1.4.3: 4.5 for text, 3 for large text (24 px, or 18.66 px and bold); text of what is disabled is exempt.
# The ground is the nearest ancestor's colour that covers what is behind it, translucent ones laid over each other.
_CONTRAST = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((x, i) => x * a + under[i] * (1 - a));
  const light = (rgb) => rgb.map((x) => x / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const found = [];
  let seen = 0;
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (element.closest('.hidden, [aria-disabled], :disabled, .skip, canvas, script, option, progress')) continue;
    const style = getComputedStyle(element), under = ground(element), ink = over(parse(style.color), under);
    const [high, low] = [light(ink), light(under)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    seen += 1;
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${element.localName}.${element.className} ${element.textContent.trim().slice(0, 30)}`);
  }
  return { seen, found: [...new Set(found)] };
}"""

_FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const box = element.getBoundingClientRect(), style = getComputedStyle(element);
  const marked = element.matches('.segments input') ? getComputedStyle(element.nextElementSibling) : style;
  window.walked ??= new Map();
  if (!window.walked.has(element)) window.walked.set(element, window.walked.size);
  return {
    number: window.walked.get(element),
    name: `${element.localName} ${element.ariaLabel ?? element.textContent.trim().slice(0, 30)}`,
    ring: marked.outlineStyle !== 'none' && parseFloat(marked.outlineWidth) >= 2,
    top: box.top + scrollY, left: box.left, seen: box.width > 0 && box.height > 0,
    inside: box.bottom > 0 && box.top < innerHeight,
  };
}"""

# a group of radio buttons is one stop; what is in a closed <details> is none
_STOPS = """() => {
  const groups = new Set();
  return [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')].filter((element) => {
    if (element.disabled || element.type === 'hidden' || !element.checkVisibility()) return false;
    if (element.type !== 'radio') return true;
    const fresh = !groups.has(element.name);
    groups.add(element.name);
    return fresh;
  }).length;
}"""


def pale_text(page: Page) -> tuple[int, list[str]]:
    """How many pieces of text were measured, and those whose contrast is too low."""
    answer = page.evaluate(_CONTRAST)
    return answer["seen"], answer["found"]


def walk(page: Page, most: int = 400) -> list[dict[str, Any]]:
    """Where Tab leads, from the beginning of the page until it leaves it or comes to where it was."""
    page.evaluate("window.walked = new Map(); document.activeElement.blur(); scrollTo(0, 0)")
    found: list[dict[str, Any]] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUSED)
        if at is None or at["number"] < len(found):
            break
        found.append(at)
    return found


def stops(page: Page) -> int:
    """How many places a keyboard has to reach."""
    return int(page.evaluate(_STOPS))


def trouble(path: list[dict[str, Any]]) -> list[str]:
    """Stops without a ring, without a size, or out of sight."""
    return [at["name"] for at in path if not (at["ring"] and at["seen"] and at["inside"])]
