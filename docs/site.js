// What the theme leaves out for readers who use a keyboard or a screen reader.
function reach(part) {
  if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  else part.removeAttribute("tabindex");
}
const scrolled = new ResizeObserver((changes) => {
  for (const { target } of changes) setTimeout(reach, 0, target); // after the theme, which has mice in mind
});
addEventListener("load", () => {
  for (const part of document.querySelectorAll("pre > code, .md-typeset__scrollwrap, .formula")) scrolled.observe(part);
  for (const bar of document.querySelectorAll(".md-code__nav")) bar.setAttribute("role", "presentation");
  document.querySelector(".md-search").setAttribute("aria-label", "Search");
});
