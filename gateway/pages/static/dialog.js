// A question that is a page of its own without scripts is asked in a dialog over the page with them.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const answer = await fetch(link.href, { headers: { accept: "text/html" } }).catch(() => null);
  const asked = answer && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("confirm");
  if (!asked) return location.assign(link.href);
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "question");
  dialog.append(...document.adoptNode(asked).childNodes);
  dialog.querySelector("[data-close]")?.addEventListener("click", (click) => {
    click.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    (document.contains(link) ? link : document.querySelector(`a[href="${link.getAttribute("href")}"]`))?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
});
