// Looks at a page as a reader's eye would, and returns what is wrong in words.
(() => {
  const wrong = [];
  const wide = document.documentElement.clientWidth;
  const say = (what, element) => {
    const text = (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 50);
    wrong.push(`${what}: <${element.tagName.toLowerCase()}> ${text}`);
  };
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  const cut = (rect, other) => ({
    left: Math.max(rect.left, other.left), right: Math.min(rect.right, other.right),
    top: Math.max(rect.top, other.top), bottom: Math.min(rect.bottom, other.bottom),
  });

  // 1. Nothing reaches beyond the window, but for what scrolls in a frame of its own.
  if (document.documentElement.scrollWidth > wide)
    wrong.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${wide}`);
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg") && element.tagName !== "svg") continue;
    let framed = false;
    for (let up = element.parentElement; up; up = up.parentElement) framed ||= scrolls(up);
    const rect = element.getBoundingClientRect();
    if (!framed && rect.width && (rect.right > wide + 1 || rect.left < -1))
      say(`reaches from ${rect.left.toFixed(0)} to ${rect.right.toFixed(0)} of ${wide}`, element);
  }

  // 2. The boxes of all lines of text, each cut to the frame it scrolls in.
  const boxes = [];
  const lines = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (lines.nextNode()) {
    const node = lines.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest("svg, style")) continue;
    if (!parent.checkVisibility({ visibilityProperty: true })) continue; // in closed details, too
    const range = document.createRange();
    range.selectNodeContents(node);
    for (let rect of range.getClientRects()) {
      for (let up = parent; up; up = up.parentElement)
        if (scrolls(up)) rect = cut(rect, up.getBoundingClientRect());
      if (rect.right - rect.left > 1 && rect.bottom - rect.top > 1)
        boxes.push({ rect, element: parent, text: node.data.trim() });
    }
  }
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    for (const element of svg.querySelectorAll("text")) {
      const rect = element.getBoundingClientRect();
      const out = Math.max(frame.left - rect.left, rect.right - frame.right,
        frame.top - rect.top, rect.bottom - frame.bottom);
      if (out > 1) say(`is cut off by ${out.toFixed(1)} at the drawing's edge`, element);
      if (parseFloat(getComputedStyle(element).fontSize) * frame.width / svg.viewBox.baseVal.width
          < 9) say("is written too small to read", element);
      boxes.push({ rect, element, text: element.textContent.trim() });
    }
  }

  // 3. No two of them overlap. A line's box is higher than its letters: a little is allowed.
  boxes.sort((a, b) => a.rect.top - b.rect.top);
  for (let i = 0; i < boxes.length; i++)
    for (let j = i + 1; j < boxes.length && boxes[j].rect.top < boxes[i].rect.bottom; j++) {
      const both = cut(boxes[i].rect, boxes[j].rect);
      const height = Math.min(...[i, j].map((k) => boxes[k].rect.bottom - boxes[k].rect.top));
      if (both.right - both.left > 1.5 && both.bottom - both.top > 0.2 * height)
        say(`lies over '${boxes[j].text.slice(0, 50)}'`, boxes[i].element);
    }

  // 4. Text stands out against what is behind it: WCAG 2.2, 4.5 to 1.
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let up = element; up; up = up.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(up).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const told = new Set();
  for (const { element } of boxes) {
    const style = getComputedStyle(element);
    const ink = parse(element.closest("svg") ? style.fill : style.color).slice(0, 3);
    const paper = behind(element);
    const [high, low] = [light(ink), light(paper)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const pair = `${ink} on ${paper}`;
    if (ratio < 4.5 && !told.has(pair)) say(`contrast ${ratio.toFixed(1)} (${pair})`, element);
    told.add(pair);
  }

  // 5. One name for one thing.
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at)))
    wrong.push(`two elements are called '${id}'`);
  for (const link of document.querySelectorAll("a[href]"))
    if (!document.getElementById(decodeURIComponent(link.hash.slice(1))))
      say(`leads nowhere (${link.getAttribute("href")})`, link);
  return { wrong, boxes: boxes.length, drawings: document.querySelectorAll("svg").length };
})()
