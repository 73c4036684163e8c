// Files are sent as soon as they are chosen or dropped, one after the other, each with its own bar and its own answer.
const form = document.querySelector("form[data-upload]");
const list = form.querySelector(".sendings");
const input = form.querySelector("input[type=file]");
let queue = Promise.resolve();

form.classList.add("scripted");
input.multiple = "multiple" in input.dataset; // without scripts, a form sends one file
input.addEventListener("change", () => {
  sendAll(input.files);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

function sendAll(files, row) {
  for (const file of files) {
    const line = lineOf(file, row);
    queue = queue.then(() => send(file, line, row));
  }
}

function lineOf(file, row) {
  list.hidden = false;
  const line = document.createElement("li");
  const name = document.createElement("span");
  name.className = "sending-name";
  name.textContent = file.name;
  const bar = document.createElement("progress");
  bar.className = "bar";
  bar.max = 100;
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  const told = document.createElement("span");
  told.className = "sending-told";
  if (row) told.textContent = form.dataset.newVersion.replace("{filename}", row.dataset.filename);
  line.append(name, told, bar);
  list.append(line);
  return line;
}

function send(file, line, row) {
  const data = new FormData(form);
  data.delete("file");
  if (!data.get("template")) data.delete("template");
  if (row) {
    data.set("documentId", row.dataset.document);
    if (row.dataset.template) data.set("template", row.dataset.template);
    else data.delete("template");
    data.set("mode", row.dataset.mode);
  }
  data.append("file", file, file.name); // last: the server has read the choices before the file comes
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/documents");
    request.setRequestHeader("accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) sent(line, Math.floor((event.loaded / event.total) * 100));
    });
    request.addEventListener("load", () => answered(request, line));
    request.addEventListener("error", () => ended(line, "bad", form.dataset.lost));
    request.addEventListener("loadend", () => done());
    request.send(data);
  });
}

function sent(line, percent) {
  line.querySelector("progress").value = percent;
  line.querySelector(".sending-told").textContent = form.dataset.sending.replace("{percent}", percent);
}

function answered(request, line) {
  let body = {};
  try {
    body = JSON.parse(request.responseText);
  } catch {
    // no answer of ours, such as a proxy's page
  }
  if (request.status >= 300 || !body.documents) return ended(line, "bad", body.detail ?? form.dataset.lost);
  const [document_] = body.documents;
  const name = line.querySelector(".sending-name");
  const link = document.createElement("a");
  link.href = `/d/${document_.documentId}`;
  link.textContent = name.textContent;
  name.replaceChildren(link);
  ended(line, "good", request.status === 200 ? form.dataset.known : form.dataset.taken);
  document.dispatchEvent(new Event("rowline:changed"));
}

function ended(line, kind, words) {
  line.classList.add(kind);
  line.querySelector("progress").remove();
  line.querySelector(".sending-told").textContent = words;
  document.getElementById("said").textContent = `${line.querySelector(".sending-name").textContent}: ${words}`;
}

// -- dropping ------------------------------------------------------------------------------------------------

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
const target = (event) => event.target.closest?.("tr[data-document]") ?? form.querySelector(".drop");

document.addEventListener("dragover", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  mark(target(event));
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) mark(null);
});
document.addEventListener("drop", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  mark(null);
  const row = event.target.closest?.("tr[data-document]");
  const files = [...event.dataTransfer.files];
  if (row && !confirm(sure(files[0], row))) return;
  const one = row || form.elements.documentId; // a version is one file
  sendAll(one ? files.slice(0, 1) : files, row);
  if (one) for (const file of files.slice(1)) ended(lineOf(file), "bad", form.dataset.oneFile);
});

const sure = (file, row) =>
  form.dataset.sure.replace("{file}", file.name).replace("{filename}", row.dataset.filename);

function mark(element) {
  for (const marked of document.querySelectorAll(".dropping")) if (marked !== element) marked.classList.remove("dropping");
  element?.classList.add("dropping");
}
