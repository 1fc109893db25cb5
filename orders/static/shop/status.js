// Asks status.json whether the page still tells the truth, and loads it anew when it does not. The page works without.
"use strict";

(() => {
  const FIRST_DELAYS_SECONDS = [1, 2, 3, 5];
  const THEN_EVERY_SECONDS = 10;
  const STOP_AFTER_SECONDS = 5 * 60;

  const state = document.querySelector("[data-status-url]");
  if (!state) return;
  const url = state.dataset.statusUrl;
  const shown = state.dataset.statusVersion;

  let asked = 0;
  let waitedSeconds = 0;
  let etag = "";
  let timer = 0;
  let leaving = false;

  const schedule = () => {
    if (document.hidden || timer || leaving) return;
    if (waitedSeconds >= STOP_AFTER_SECONDS) return stop();
    const seconds = FIRST_DELAYS_SECONDS[asked] ?? THEN_EVERY_SECONDS;
    timer = window.setTimeout(() => {
      timer = 0;
      waitedSeconds += seconds;
      asked += 1;
      ask().finally(schedule);
    }, seconds * 1000);
  };

  const ask = async () => {
    try {
      const headers = { Accept: "application/json" };
      if (etag) headers["If-None-Match"] = etag;
      const response = await fetch(url, { headers, cache: "no-store", credentials: "same-origin" });
      if (response.status !== 200) return;
      etag = response.headers.get("ETag") ?? "";
      const told = await response.json();
      if (!leaving && String(told.version) !== shown) renew(String(told.version));
    } catch {
      // No network just now: the next time will tell.
    }
  };

  const renew = (version) => {
    // Once for each version: should page and status.json ever disagree, the page must not load itself for ever.
    const key = `renewed ${url}`;
    if (window.sessionStorage.getItem(key) === version) return;
    window.sessionStorage.setItem(key, version);
    say("Your payment has news. The page is loading it.");
    window.location.reload();
  };

  const stop = () => {
    const check = document.querySelector("[data-check]");
    if (check) check.hidden = false;
    say("");
  };

  const say = (words) => {
    const live = document.querySelector("[data-live]");
    if (live) live.textContent = words;
  };

  const pause = () => {
    window.clearTimeout(timer);
    timer = 0;
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) pause();
    else if (!timer && !leaving) ask().finally(schedule);
  });

  // Pressing *Pay* makes news itself. Loading the page anew then would call back the way to the provider's page.
  document.addEventListener("submit", () => {
    leaving = true;
    pause();
  });

  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    leaving = false;
    if (!timer) ask().finally(schedule);
  });

  schedule();
})();
