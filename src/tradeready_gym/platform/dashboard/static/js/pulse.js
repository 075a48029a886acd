// The word beside the menu that says whether what is shown is fresh.
export function say(state, words) {
  const pulse = document.getElementById("pulse");
  pulse.hidden = false;
  pulse.className = `pulse ${state}`;
  if (pulse.textContent !== words) pulse.textContent = words;
}
