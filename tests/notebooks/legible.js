// Of the texts in outputs: how many, which have a contrast below 4.5 (WCAG 2.2, 1.4.3), and which outputs are too wide.
// What is disabled need not stand out, and the red of errors is JupyterLab's own.
() => {
  const LEFT_OUT = "[disabled], [data-mime-type*=error], [data-mime-type*=stderr], style, script";
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [red, green, blue] = numbers(colour).map((part) => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const paper = (node) => {
    if (!node) return "rgb(255, 255, 255)";
    const colour = getComputedStyle(node).backgroundColor;
    return numbers(colour)[3] === 0 ? paper(node.parentElement) : colour;
  };
  const found = { texts: 0, faint: [], cut: [] };
  for (const output of document.querySelectorAll(".jp-Notebook .jp-OutputArea-output")) {
    output.scrollIntoView();
    if (output.scrollWidth > output.clientWidth + 1) found.cut.push(output.innerText.slice(0, 80));
    const walker = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const words = walker.currentNode.data.trim();
      const node = walker.currentNode.parentElement;
      if (!words || !node.checkVisibility() || node.closest(LEFT_OUT)) continue;
      const style = getComputedStyle(node);
      const ratio = contrast(node.closest("svg") ? style.fill : style.color, paper(node));
      found.texts += 1;
      if (ratio < 4.5) found.faint.push(`${ratio.toFixed(1)}: ${words.slice(0, 60)}`);
    }
  }
  return found;
}
