for (const slider of document.querySelectorAll(".slider")) {
  const range = slider.querySelector("input"), edge = slider.querySelector(".edge");
  const left = slider.querySelector(".left"), right = slider.querySelector(".right");
  const pictures = [...slider.querySelectorAll("img")];
  const show = () => {
    for (const picture of pictures) {
      picture.className = picture.dataset.at === left.value ? "over" : picture.dataset.at === right.value ? "under" : "";
      picture.style.clipPath = picture.dataset.at === left.value ? `inset(0 ${100 - range.value}% 0 0)` : "none";
    }
    edge.style.left = `${range.value}%`;
  };
  for (const control of [range, left, right]) control.addEventListener("input", show);
  show();
}
