// An element that takes files, chosen or dropped.

export function fileTarget(input, drop, onFiles) {
  input.onchange = () => {
    onFiles([...input.files]);
    input.value = "";
  };
  drop.ondragover = (event) => {
    event.preventDefault();
    drop.classList.add("over");
  };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    onFiles([...event.dataTransfer.files]);
  };
  // A file dropped beside the target must not replace the page.
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => event.preventDefault());
}
