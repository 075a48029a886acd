// /settings: keys are made, shown once, and revoked.
import { $, announce, refresh, send } from "./page.js";

const problem = $("#problem");

async function tried(work) {
  problem.hidden = true;
  try {
    await work();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

$("#new-key").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  tried(async () => {
    const made = await send("POST", "/api/v1/keys", { name: form.get("name"), scopes: form.getAll("scopes") });
    $("#secret code").textContent = made.api_key;
    $("#secret").hidden = false;
    event.target.reset();
    await refresh("keys");
  });
});

$("#copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("#secret code").textContent);
    announce("Copied.");
    $("#copy").textContent = "Copied";
    setTimeout(() => { $("#copy").textContent = "Copy"; }, 1500);
  } catch {
    getSelection().selectAllChildren($("#secret code"));
  }
});

let revoking = "";
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-revoke]");
  if (button) {
    revoking = button.dataset.revoke;
    $("#sure-name").textContent = button.dataset.name;
    $("#sure").showModal();
  } else if (target.closest("#sure button")) {
    $("#sure").close();
    if (target.value === "yes") tried(async () => { await send("DELETE", `/api/v1/keys/${revoking}`); await refresh("keys"); });
  }
});
