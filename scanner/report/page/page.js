"use strict";
// The findings of this page lie in #data, in the form that htmldata.go describes.
// Nothing here makes markup from text: text only ever becomes textContent.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  $("data").remove();
  const S = data.strings, F = data.findings;
  const severities = ["low", "medium", "high", "critical"];
  const confidences = ["low", "medium", "high", "certain"];
  const statuses = ["unchecked", "active", "restricted", "grace", "inactive", "unknown", "example", "canary"];
  const states = ["open", "live", "live", "live", "dead", "open", "quiet", "quiet"];
  const printed = 2000; // rows that are printed at most

  const columns = [
    { id: "sev", name: "Severity", key: (f) => -f.s },
    { id: "status", name: "Status", key: (f) => ["live", "open", "quiet", "dead"].indexOf(states[f.v]) * 10 + f.v },
    { id: "key", name: "Key", key: (f) => S[f.t] + " " + f.k },
    { id: "where", name: "Where", key: (f) => (f.p.length ? S[f.p[0].p] : "") },
    { id: "since", name: "First seen", key: (f) => f.d || Number.MAX_SAFE_INTEGER },
    { id: "places", name: "Places", key: (f) => -f.n },
  ];

  let order = []; // numbers of the findings that match, in the order shown
  let sort = { column: -1, down: false }; // -1: the order of the report
  let active = -1; // position in order
  let opened = -1; // number of the finding whose details are open
  let wholeTable = false; // while printing
  const hay = new Array(F.length);

  const el = (tag, cls, text) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const svg = (tag, attrs) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const k in attrs) e.setAttribute(k, attrs[k]);
    return e;
  };
  const day = (t) => (t ? new Date(t * 1000).toISOString().slice(0, 10) : "");
  const number = (n) => n.toLocaleString("en-US");
  const link = (address, text) => {
    const a = el("a", "", text);
    a.href = address;
    a.rel = "noopener noreferrer";
    a.target = "_blank";
    return a;
  };

  // What a search looks at; made when first needed.
  const haystack = (i) => {
    if (hay[i] === undefined) {
      const f = F[i];
      const parts = [f.k, f.f, S[f.t], S[f.r], S[f.g], S[f.o || 0], S[f.e || 0], S[f.b || 0], S[f.w], S[f.m || 0]];
      for (const p of f.p) parts.push(S[p.p], S[p.a || 0], S[p.s || 0], S[p.c || 0]);
      hay[i] = parts.join("\n").toLowerCase();
    }
    return hay[i];
  };

  const filter = () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const severity = severities.indexOf($("severity").value);
    const status = $("status").value, service = $("service").value, where = $("where").value;
    const suppressed = $("suppressed").checked;
    const keep = order[active];
    order = [];
    for (let i = 0; i < F.length; i++) {
      const f = F[i];
      if (f.x && !suppressed) continue;
      if (severity >= 0 && f.s !== severity) continue;
      if (status === "live" ? states[f.v] !== "live" : status && statuses[f.v] !== status) continue;
      if (service && S[f.g] !== service) continue;
      if (where && (where === "tree") !== (f.h === 1)) continue;
      if (words.length && !words.every((w) => haystack(i).includes(w))) continue;
      order.push(i);
    }
    if (sort.column >= 0) {
      const keys = new Map(order.map((i) => [i, columns[sort.column].key(F[i])]));
      const sign = sort.down ? -1 : 1;
      order.sort((a, b) => {
        const x = keys.get(a), y = keys.get(b);
        return x < y ? -sign : x > y ? sign : a - b;
      });
    }
    active = keep === undefined ? -1 : order.indexOf(keep);
    $("shown").textContent = number(order.length) + " of " + number(F.length) + (F.length === 1 ? " finding" : " findings");
    $("none").hidden = order.length > 0;
    $("scroll").setAttribute("aria-rowcount", order.length + 1);
    from = to = -1;
    draw();
  };

  // Only the rows in sight exist; two empty rows stand for those above and below.
  const rowHeight = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--row"), 10) || 44;
  let from = -1, to = -1;
  const draw = () => {
    const box = $("scroll"), head = 40;
    let a = 0, b = order.length;
    if (wholeTable) {
      b = Math.min(b, printed);
    } else {
      a = Math.max(0, Math.floor((box.scrollTop - head) / rowHeight) - 10);
      b = Math.min(order.length, a + Math.ceil(box.clientHeight / rowHeight) + 24);
    }
    if (a === from && b === to) return;
    from = a;
    to = b;
    const rows = [gap(a)];
    for (let i = a; i < b; i++) rows.push(row(i));
    if (!wholeTable) rows.push(gap(order.length - b));
    $("rows").replaceChildren(...rows);
    mark();
  };
  const gap = (n) => {
    const tr = el("tr"), td = el("td", "gap");
    td.style.height = n * rowHeight + "px";
    tr.setAttribute("aria-hidden", "true");
    tr.append(td);
    return tr;
  };
  const pill = (cls, text) => el("span", "pill " + cls, text);
  const row = (at) => {
    const f = F[order[at]], tr = el("tr", "f" + (f.x ? " off" : ""));
    tr.id = "row" + at;
    tr.dataset.at = at;
    tr.setAttribute("role", "row");
    tr.setAttribute("aria-rowindex", at + 2);
    const cell = (column) => {
      const td = el("td", "c-" + column);
      td.setAttribute("role", "gridcell");
      tr.append(td);
      return td;
    };
    cell("sev").append(pill("sev" + f.s, severities[f.s]));
    cell("status").append(el("span", "st-" + (f.x ? "quiet" : states[f.v]), f.x ? "suppressed" : statuses[f.v]));
    const key = cell("key");
    key.append(S[f.t], el("span", "key", f.k));
    key.title = S[f.t];
    const where = cell("where");
    if (f.p.length) {
      where.append(el("span", "", S[f.p[0].p]));
      where.title = S[f.p[0].p] + (S[f.p[0].n || 0] ? " " + S[f.p[0].n] : "");
    }
    cell("since").textContent = day(f.d);
    cell("places").textContent = number(f.n);
    return tr;
  };
  const mark = () => {
    for (const tr of $("rows").children) {
      if (tr.dataset.at !== undefined) tr.setAttribute("aria-selected", String(Number(tr.dataset.at) === active));
    }
    if (active >= from && active < to) $("scroll").setAttribute("aria-activedescendant", "row" + active);
    else $("scroll").removeAttribute("aria-activedescendant");
  };
  const move = (at) => {
    if (!order.length) return;
    active = Math.max(0, Math.min(order.length - 1, at));
    const box = $("scroll"), top = active * rowHeight, room = box.clientHeight - 40;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight > box.scrollTop + room) box.scrollTop = top + rowHeight - room;
    draw();
    mark();
    if (!$("detail").hidden) show(order[active]);
  };

  // Details of one finding.
  const show = (i) => {
    opened = i;
    const f = F[i], box = $("detail"), facts = el("dl");
    const fact = (name, ...content) => {
      if (!content.some((c) => c)) return;
      const dd = el("dd");
      dd.append(...content.filter(Boolean));
      facts.append(el("dt", "", name), dd);
    };
    const close = el("button", "close", "Close");
    close.type = "button";
    close.addEventListener("click", hide);
    const head = el("h2", "", S[f.t]);
    const next = el("p", "next", S[f.a]);
    if (f.u) next.append(" ", link(S[f.u], "Service's page"));
    fact("Key", el("code", "", f.k));
    fact("Severity", pill("sev" + f.s, severities[f.s]));
    fact("Status", el("span", "st-" + states[f.v], S[f.w]), f.m ? el("div", "note", S[f.m]) : null);
    fact("Suppressed", S[f.x || 0]);
    fact("Confidence", confidences[f.c] + (f.i ? ": its checksum is right" : ""));
    fact("Service", S[f.g]);
    fact("Rule", el("code", "", S[f.r]));
    fact("Owner", S[f.o || 0]);
    fact("May", S[f.j || 0]);
    fact("With", S[f.b || 0]);
    fact("Environment", S[f.e || 0]);
    fact("Fingerprint", el("code", "", f.f));
    const list = el("ul", "where");
    for (const p of f.p) {
      const li = el("li");
      li.append(p.u ? link(S[p.u], S[p.p]) : el("code", "", S[p.p]), el("span", "note", S[p.n || 0]));
      list.append(li);
    }
    if (f.n > f.p.length) list.append(el("li", "note", "and " + number(f.n - f.p.length) + " more, in the json report"));
    box.replaceChildren(close, head, next, facts, el("h3", "", "Timeline"), ...timeline(f), el("h3", "", "Places (" + number(f.n) + ")"), list);
    box.hidden = false;
    document.querySelector(".split").classList.add("open");
    history.replaceState(null, "", "#" + f.f);
  };
  const hide = () => {
    opened = -1;
    $("detail").hidden = true;
    document.querySelector(".split").classList.remove("open");
    history.replaceState(null, "", location.pathname + location.search);
    $("scroll").focus();
  };

  // The life of a key: when it came in, where else, what its service said, what is next.
  const timeline = (f) => {
    const events = [];
    const add = (t, cls, text) => t && events.push({ t, cls, text });
    const seen = f.p.filter((p) => p.d).sort((a, b) => a.d - b.d);
    seen.slice(0, 8).forEach((p, i) => {
      const who = S[p.a || 0], what = S[p.s || 0];
      add(p.d, "open", (i === 0 && p.d === f.d ? "First seen" : "Seen") + " in " + S[p.p] + ", commit " + S[p.c || 0] +
        (who ? " by " + who : "") + (what ? ": " + what : ""));
    });
    if (!seen.length || seen[0].d !== f.d) add(f.d, "open", "First seen");
    if (seen.length > 8) add(f.l, "open", "Last commit with it; " + number(seen.length - 8) + " more places between");
    add(data.finished, f.h ? "live" : "quiet", f.h ? "Scan: still in the tree" : "Scan: only in history");
    add(f.q, states[f.v], "Verified: " + S[f.w]);
    add(f.z, "quiet", f.z * 1000 < Date.now() ? "Expired" : "Expires");
    if (!events.length) return [el("p", "note", "No dates are known.")];
    events.sort((a, b) => a.t - b.t);
    const ol = el("ol", "timeline");
    for (const e of events) {
      const li = el("li", e.cls), time = el("time", "", new Date(e.t * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC");
      time.dateTime = new Date(e.t * 1000).toISOString();
      li.append(time, e.text);
      ol.append(li);
    }
    return events.length > 1 ? [exposure(f, events), ol] : [ol];
  };
  const exposure = (f, events) => {
    const a = events[0].t, b = events[events.length - 1].t, wide = 340;
    const x = (t) => (b > a ? 8 + ((t - a) / (b - a)) * (wide - 16) : wide / 2);
    const box = svg("svg", { viewBox: "0 0 " + wide + " 44", class: "span", role: "img" });
    const label = svg("title", {});
    label.textContent = "From " + day(a) + " to " + day(b);
    box.append(label, svg("line", { x1: x(a), x2: x(b), y1: 14, y2: 14 }));
    const end = states[f.v] === "dead" && f.q ? f.q : data.finished || b;
    if (f.d && end > f.d) box.append(svg("line", { x1: x(f.d), x2: x(Math.min(end, b)), y1: 14, y2: 14, class: states[f.v] === "live" ? "at" : "past" }));
    for (const e of events) box.append(svg("circle", { cx: x(e.t), cy: 14, r: 5, class: e.cls }));
    const text = (t, at, anchor) => {
      const e = svg("text", { x: at, y: 38, "text-anchor": anchor });
      e.textContent = day(t);
      box.append(e);
    };
    text(a, 0, "start");
    text(b, wide, "end");
    return box;
  };

  // Heads of the columns sort.
  columns.forEach((c, i) => {
    const th = el("th", "c-" + c.id), button = el("button", "", c.name);
    button.type = "button";
    th.setAttribute("role", "columnheader");
    th.setAttribute("scope", "col");
    button.addEventListener("click", () => {
      if (sort.column !== i) sort = { column: i, down: false };
      else if (!sort.down) sort.down = true;
      else sort = { column: -1, down: false };
      [...$("head").children].forEach((h, j) => {
        if (j === sort.column) h.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
        else h.removeAttribute("aria-sort");
      });
      filter();
    });
    th.append(button);
    $("head").append(th);
  });

  let wait = 0;
  $("search").addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(filter, 120);
  });
  for (const id of ["severity", "status", "service", "where", "suppressed"]) $(id).addEventListener("change", filter);
  $("clear").addEventListener("click", () => {
    for (const id of ["search", "severity", "status", "service", "where"]) $(id).value = "";
    $("suppressed").checked = false;
    filter();
  });
  $("scroll").addEventListener("scroll", draw, { passive: true });
  window.addEventListener("resize", draw);
  $("rows").addEventListener("click", (e) => {
    const tr = e.target.closest("tr.f");
    if (!tr) return;
    active = Number(tr.dataset.at);
    mark();
    show(order[active]);
  });
  $("scroll").addEventListener("keydown", (e) => {
    if (e.target !== $("scroll") || e.ctrlKey || e.altKey || e.metaKey) return;
    const page = Math.max(1, Math.floor($("scroll").clientHeight / rowHeight) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -order.length, End: order.length }[e.key];
    if (step !== undefined) move((active < 0 && step > 0 ? -1 : active) + step);
    else if (e.key === "Enter" && active >= 0) {
      show(order[active]);
      $("detail").focus();
    } else return;
    e.preventDefault();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && opened >= 0) hide();
    else if (e.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) {
      $("search").focus();
      e.preventDefault();
    }
  });

  const themes = ["auto", "light", "dark"];
  $("theme").hidden = false;
  $("theme").addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme || "auto") + 1) % 3];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    $("theme").textContent = "Theme: " + next;
  });

  // On paper every row stands, up to a limit that is said.
  window.addEventListener("beforeprint", () => {
    wholeTable = true;
    $("printnote").textContent = order.length > printed
      ? "Printed: the first " + number(printed) + " of " + number(order.length) + " findings that match. Filter to choose others."
      : "";
    draw();
  });
  window.addEventListener("afterprint", () => {
    wholeTable = false;
    from = to = -1;
    draw();
  });

  if (F.length) {
    $("app").hidden = false;
    if (F.every((f) => f.x)) $("suppressed").checked = true;
    filter();
    const wanted = location.hash.slice(1);
    const at = wanted ? order.findIndex((i) => F[i].f === wanted) : -1;
    if (at >= 0) {
      move(at);
      show(order[at]);
    }
  }
})();
