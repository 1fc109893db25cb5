// One field of the card, in the gateway's own frame. The frame of the number asks its siblings and the gateway for a
// token; the page around them learns the token, and whether a field is valid.
"use strict";

(() => {
  const input = document.querySelector("input");
  const value = (field) => {
    for (let index = 0; index < window.parent.length; index += 1) {
      try {
        const found = window.parent[index].document.querySelector(`input[name=${field}]`);
        if (found) return found.value;
      } catch {
        // Somebody else's frame.
      }
    }
    return "";
  };

  const tokenize = async (key) => {
    const body = JSON.stringify({ tokenization_key: key, number: value("ccnumber"), expiry: value("ccexp"), cvv: value("cvv") });
    const answer = await fetch("/token/create", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    return answer.json();
  };

  window.addEventListener("message", async (event) => {
    if (event.source !== window.parent || event.data.collect !== "tokenize" || input.name !== "ccnumber") return;
    const told = await tokenize(event.data.key);
    const said = told.token
      ? { collect: "token", token: told.token, card: told.card }
      : { collect: "invalid", field: told.field, message: told.message };
    window.parent.postMessage(said, event.origin);
  });
})();
