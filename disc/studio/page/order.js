// What is asked for: variants, plans, seeds, steps.

const FIRST = ["sd", "sd-sc", "sd-disc"];
const by = (id) => document.getElementById(id);
const checked = (id) => [...by(id).querySelectorAll("input:checked")].map(({ value }) => value);

export function setUpOrder({ variants, plans }) {
  for (const { name, title } of variants) {
    by("variants").append(check(name, name, FIRST.includes(name), title));
    by("words").querySelector("dd").append(explain(name, title));
  }
  by("plans").hidden = !variants.some(({ name }) => name === "sd-sc");
  for (const { value, title } of plans) {
    by("plans").querySelector(".checks").append(check(value, title, false));
  }
  by("steps").placeholder = variants[0].steps;
}

export function readOrder() {
  const columns = checked("variants").flatMap((name) => {
    const plans = name === "sd-sc" ? checked("plans") : [];
    return plans.length ? plans.map((plan) => `${name}:${plan}`) : [name];
  });
  return {
    columns: columns.join(","),
    seed: by("seed").value,
    count: by("count").value,
    steps: by("steps").value,
    read: String(by("read").checked),
  };
}

/** Throw a sentence where no variant is chosen; `lacking`: those that a link asks for in vain. */
export function checkOrder({ columns }, lacking) {
  if (columns) return;
  const offered = [...by("variants").querySelectorAll("input")].map(({ value }) => value);
  throw new Error(lacking.length
    ? `the link asks for ${lacking.join(", ")}; these weights have ${offered.join(", ")}: choose of these`
    : "no variant is chosen; choose one or more");
}

/** As a link says; a plan that is not offered here is added. Returns the variants that are lacking. */
export function writeOrder(order) {
  const columns = (order.columns || "").split(",").map((column) => {
    const [variant] = column.split(":");
    return { variant, plan: column.slice(variant.length + 1) };
  });
  const plans = columns.map(({ plan }) => plan).filter(Boolean);
  const offered = () => [...by("plans").querySelectorAll("input")];
  for (const plan of plans) {
    if (offered().some(({ value }) => value === plan)) continue;
    by("plans").querySelector(".checks").append(check(plan, plan, true));
  }
  for (const box of offered()) box.checked = plans.includes(box.value);
  for (const box of by("variants").querySelectorAll("input")) {
    box.checked = columns.some(({ variant }) => variant === box.value);
  }
  by("steps").value = order.steps ?? "";
  for (const id of ["seed", "count"]) if (order[id]) by(id).value = order[id];
  if (!by("count").value) by("count").value = 1;
  if (!by("read").disabled) by("read").checked = order.read !== "false";
  const known = [...by("variants").querySelectorAll("input")].map(({ value }) => value);
  const asked = new Set(columns.map(({ variant }) => variant).filter(Boolean));
  return [...asked].filter((variant) => !known.includes(variant));
}

function explain(name, title) {
  const line = document.createElement("p");
  const word = document.createElement("b");
  word.textContent = name;
  line.append(word, `: ${title}`);
  return line;
}

function check(value, words, isOn, title = "") {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.value = value;
  box.checked = isOn;
  label.title = title;
  label.append(box, words);
  return label;
}
