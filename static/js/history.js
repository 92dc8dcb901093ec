// A page that answers a form cannot be opened again: "Back" and "Reload" would fail or send
// the form a second time. The browser remembers the page of the form instead.
(() => {
  const address = document.querySelector("meta[name=page-address]");
  if (address) history.replaceState(null, "", address.content);
  // htmx keeps the address of the last page. Nothing of it stays behind the sign-in page.
  const isSignedOut = document.body.classList.contains("bare");
  if (isSignedOut) sessionStorage.removeItem("htmx-current-path-for-history");
})();
