// A stand-in for NMI's Collect.js (inline variant): same names, same order of calls, card fields in frames only.
"use strict";

(() => {
  const script = document.currentScript;
  const key = script?.getAttribute("data-tokenization-key") ?? "";
  const gateway = new URL(script?.src ?? "", document.baseURI).origin;
  const FIELDS = ["ccnumber", "ccexp", "cvv"];

  let settings = null;
  let frames = {};
  let loaded = 0;
  let timer = 0;

  const configure = (wanted) => {
    settings = wanted;
    frames = {};
    loaded = 0;
    for (const name of FIELDS) {
      const place = document.querySelector(settings.fields[name].selector);
      if (!place) throw new Error(`Collect.js: there is no element for ${name}`);
      const frame = document.createElement("iframe");
      frame.title = settings.fields[name].title ?? name;
      frame.src = `${gateway}/token/frame?field=${name}`;
      frame.addEventListener("load", () => {
        loaded += 1;
        if (loaded === FIELDS.length) settings.fieldsAvailableCallback?.();
      });
      place.replaceChildren(frame);
      frames[name] = frame;
    }
  };

  const startPaymentRequest = () => {
    window.clearTimeout(timer);
    if (settings.timeoutDuration) timer = window.setTimeout(() => settings.timeoutCallback?.(), settings.timeoutDuration);
    frames.ccnumber.contentWindow.postMessage({ collect: "tokenize", key }, gateway);
  };

  window.addEventListener("message", (event) => {
    if (event.origin !== gateway || !settings || event.source !== frames.ccnumber?.contentWindow) return;
    const said = event.data;
    if (said.collect === "token") {
      window.clearTimeout(timer);
      settings.callback?.({ tokenType: "inline", token: said.token, card: said.card });
    } else if (said.collect === "invalid") {
      window.clearTimeout(timer);
      settings.validationCallback?.(said.field, false, said.message);
    }
  });

  window.CollectJS = { configure, startPaymentRequest };
})();
