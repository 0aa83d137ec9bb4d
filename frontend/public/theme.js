// Runs before the first paint, so that a chosen theme does not flash the other
// one. Its own file, because the page's security policy forbids inline scripts.
try {
  const theme = localStorage.getItem('parley.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Without storage the theme follows the system.
}
