// What must happen before the first paint: the chosen theme. Not a module, because modules
// run after the page was drawn once, and that would flash in the wrong colours.
try {
  const theme = localStorage.getItem('l3net-theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme is right then.
}
